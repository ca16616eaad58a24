//! Names of machines and executions here, and their ARNs there.

use ports::journal::ExecutionId;
use std::collections::BTreeMap;

/// What stands in an ARN before the name of a state machine.
const MACHINE: &str = ":stateMachine:";
/// What stands in its place in the ARN of an execution.
const EXECUTION: &str = ":execution:";

/// This is the ARN of no state machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAMachine(pub String);

impl std::fmt::Display for NotAMachine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(arn) = self;
        write!(
            f,
            "`{arn}` is not the ARN of a state machine, such as \
             arn:aws:states:eu-west-1:123456789012:stateMachine:name"
        )
    }
}

impl std::error::Error for NotAMachine {}

/// The state machines that are ours, by the names that we call them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machines {
    arns: BTreeMap<String, String>,
}

impl Machines {
    /// Knows machines by name and ARN. An ARN may name a version or an alias, too: then that is
    /// what is started.
    ///
    /// # Errors
    /// The first ARN that is none of a state machine.
    pub fn new<N, A>(machines: impl IntoIterator<Item = (N, A)>) -> Result<Self, NotAMachine>
    where
        N: Into<String>,
        A: Into<String>,
    {
        let checked = machines.into_iter().map(|(name, arn)| {
            let arn = arn.into();
            match parts(&arn) {
                Some(_) => Ok((name.into(), arn)),
                None => Err(NotAMachine(arn)),
            }
        });
        Ok(Self { arns: checked.collect::<Result<_, _>>()? })
    }

    /// The ARN of a machine.
    #[must_use]
    pub fn arn(&self, machine: &str) -> Option<&str> {
        self.arns.get(machine).map(String::as_str)
    }

    /// The ARN of an execution of one of the machines.
    #[must_use]
    pub fn execution_arn(&self, id: &ExecutionId) -> Option<String> {
        let (place, machine) = parts(self.arn(&id.machine)?)?;
        Some(format!("{place}{EXECUTION}{machine}:{}", id.name))
    }

    /// The execution that an ARN names, if it is one of one of the machines.
    #[must_use]
    pub fn execution(&self, arn: &str) -> Option<ExecutionId> {
        let (place, rest) = arn.split_once(EXECUTION)?;
        let (machine, name) = rest.split_once(':')?;
        let is_its = |arn: &str| parts(arn) == Some((place, machine));
        let (ours, _) = self.arns.iter().find(|(_, arn)| is_its(arn))?;
        let is_name = ports::saga_engine::check_name(name).is_ok();
        is_name.then(|| ExecutionId { machine: ours.clone(), name: name.to_owned() })
    }
}

/// What stands before and what behind `:stateMachine:`, without a version or an alias.
fn parts(arn: &str) -> Option<(&str, &str)> {
    let (place, rest) = arn.split_once(MACHINE)?;
    let mut rest = rest.split(':');
    let machine = rest.next().filter(|name| !name.is_empty())?;
    let has_one_qualifier =
        rest.next().is_none_or(|name| !name.is_empty() && rest.next().is_none());
    let mut place_parts = place.split(':');
    let is_place = place_parts.next() == Some("arn")
        && place_parts.next().is_some_and(|partition| partition.starts_with("aws"))
        && place_parts.next() == Some("states")
        && place_parts.clone().count() == 2
        && place_parts.all(|part| !part.is_empty());
    (is_place && has_one_qualifier).then_some((place, machine))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: &str = "arn:aws-cn:states:cn-north-1:123456789012";

    fn id(name: &str) -> ExecutionId {
        ExecutionId { machine: "sample".to_owned(), name: name.to_owned() }
    }

    #[test]
    fn an_execution_is_named_both_ways() {
        for qualifier in ["", ":7", ":LIVE"] {
            let arn = format!("{PLACE}:stateMachine:stack-Sample-1{qualifier}");
            let machines = Machines::new([("sample", arn.clone())]).unwrap();
            assert_eq!(machines.arn("sample"), Some(arn.as_str()));
            let execution = format!("{PLACE}:execution:stack-Sample-1:one");
            assert_eq!(machines.execution_arn(&id("one")), Some(execution.clone()));
            assert_eq!(machines.execution(&execution), Some(id("one")));
        }
    }

    #[test]
    fn what_is_not_ours_has_no_name_here() {
        let arn = format!("{PLACE}:stateMachine:m");
        let machines = Machines::new([("sample", arn)]).unwrap();
        let other = ExecutionId { machine: "other".to_owned(), name: "one".to_owned() };
        assert_eq!(machines.execution_arn(&other), None);
        for foreign in [
            format!("{PLACE}:execution:n:one"),
            "arn:aws:states:us-east-1:1:execution:m:one".to_owned(),
            format!("{PLACE}:execution:m:one:run"),
            format!("{PLACE}:execution:m"),
            format!("{PLACE}:express:m:one:run"),
            String::new(),
        ] {
            assert_eq!(machines.execution(&foreign), None, "{foreign}");
        }
    }

    #[test]
    fn what_is_no_machine_is_said() {
        for wrong in [
            "",
            "sample",
            "arn:aws:states:eu-west-1:1:activity:m",
            "arn:aws:sqs:eu-west-1:1:stateMachine:m",
            "arn:aws:states:eu-west-1:stateMachine:m",
            "arn:aws:states:eu-west-1::stateMachine:m",
            "arn:aws:states:eu-west-1:1:stateMachine:",
            "arn:aws:states:eu-west-1:1:stateMachine:m:",
            "arn:aws:states:eu-west-1:1:stateMachine:m:1:2",
        ] {
            let refused = Machines::new([("sample", wrong)]).unwrap_err();
            assert_eq!(refused, NotAMachine(wrong.to_owned()));
        }
    }
}
