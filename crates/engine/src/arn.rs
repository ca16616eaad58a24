//! Names as Step Functions writes them: ARNs of machines, executions and activities.
//!
//! ```text
//! stateMachine:<machine>[:<version or alias>]      execution:<machine>:<name>
//! express:<machine>:<name>:<run>                   activity:<name>
//! ```
//!
//! What is written has this engine's region and account; what is read may have any.

use ports::journal::ExecutionId;

/// The region of an engine that is nowhere in particular.
pub const REGION: &str = "us-east-1";
/// The account of an engine that nobody bills for.
pub const ACCOUNT: &str = "000000000000";

/// Which part of a state machine's life is meant: its newest revision, a version, or an alias.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Qualifier {
    /// The newest revision.
    Newest,
    /// A published version.
    Version(u64),
    /// An alias.
    Alias(String),
}

/// A state machine as an ARN names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineRef {
    /// The machine's name.
    pub name: String,
    /// Which part of its life.
    pub qualifier: Qualifier,
}

impl MachineRef {
    /// The newest revision of a machine.
    #[must_use]
    pub fn newest(name: impl Into<String>) -> Self {
        Self { name: name.into(), qualifier: Qualifier::Newest }
    }

    /// The machine that an ARN names, whatever its region and account.
    #[must_use]
    pub fn parse(arn: &str) -> Option<Self> {
        let rest = resource(arn, "stateMachine")?;
        let (name, qualifier) = match rest.split_once(':') {
            None => (rest, Qualifier::Newest),
            Some((name, text)) => (name, qualifier(text)?),
        };
        (!name.is_empty()).then(|| Self { name: name.to_owned(), qualifier })
    }

    /// Its ARN.
    #[must_use]
    pub fn arn(&self) -> String {
        let machine = machine_arn(&self.name);
        match &self.qualifier {
            Qualifier::Newest => machine,
            Qualifier::Version(number) => format!("{machine}:{number}"),
            Qualifier::Alias(alias) => format!("{machine}:{alias}"),
        }
    }
}

/// A version is a number, an alias is not.
fn qualifier(text: &str) -> Option<Qualifier> {
    if text.is_empty() || text.contains(':') {
        return None;
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().map(Qualifier::Version);
    }
    Some(Qualifier::Alias(text.to_owned()))
}

/// The ARN of a state machine.
#[must_use]
pub fn machine_arn(machine: &str) -> String {
    format!("arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{machine}")
}

/// The ARN of an execution. The name of an Express execution has the run's id behind a colon.
#[must_use]
pub fn execution_arn(id: &ExecutionId) -> String {
    let kind = if is_express(id) { "express" } else { "execution" };
    format!("arn:aws:states:{REGION}:{ACCOUNT}:{kind}:{}:{}", id.machine, id.name)
}

/// The ARN of an activity.
#[must_use]
pub fn activity_arn(activity: &str) -> String {
    format!("arn:aws:states:{REGION}:{ACCOUNT}:activity:{activity}")
}

/// Whether an id is that of an Express execution: no name has a colon but those the engine makes.
#[must_use]
pub fn is_express(id: &ExecutionId) -> bool {
    id.name.contains(':')
}

/// The execution that an ARN names, whatever its region and account.
#[must_use]
pub fn execution_of(arn: &str) -> Option<ExecutionId> {
    let express = resource(arn, "express");
    let rest = express.or_else(|| resource(arn, "execution"))?;
    let (machine, name) = rest.split_once(':')?;
    let id = ExecutionId { machine: machine.to_owned(), name: name.to_owned() };
    let fits = !machine.is_empty() && !name.is_empty() && is_express(&id) == express.is_some();
    fits.then_some(id)
}

/// The activity that an ARN names, whatever its region and account.
#[must_use]
pub fn activity_of(arn: &str) -> Option<&str> {
    resource(arn, "activity").filter(|name| !name.is_empty() && !name.contains(':'))
}

/// What stands behind `<kind>:` in an ARN of Step Functions.
fn resource<'a>(arn: &'a str, kind: &str) -> Option<&'a str> {
    let mut parts = arn.splitn(7, ':');
    let scheme = (parts.next()?, parts.next()?, parts.next()?);
    let found = parts.nth(2)?;
    let rest = parts.next()?;
    (scheme == ("arn", "aws", "states") && found == kind).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_names_the_execution_it_was_made_of() {
        for name in ["ord_1", "ord_1:0199"] {
            let id = ExecutionId { machine: "place-order".into(), name: name.into() };
            assert_eq!(execution_of(&execution_arn(&id)), Some(id));
        }
        let others = [
            "",
            "arn:aws:states:r:a:stateMachine:m",
            "arn:aws:sqs:r:a:execution:m:n",
            "arn:aws:states:r:a:execution:m",
            "arn:aws:states:r:a:execution:m:n:run",
            "arn:aws:states:r:a:express:m:n",
        ];
        for other in others {
            assert_eq!(execution_of(other), None, "{other}");
        }
    }

    #[test]
    fn a_machine_is_named_with_or_without_a_version_or_an_alias() {
        let parts = [
            ("", Qualifier::Newest),
            (":12", Qualifier::Version(12)),
            (":LIVE", Qualifier::Alias("LIVE".into())),
        ];
        for (suffix, qualifier) in parts {
            let arn = format!("{}{suffix}", machine_arn("m"));
            let parsed = MachineRef::parse(&arn).unwrap();
            assert_eq!(parsed, MachineRef { name: "m".into(), qualifier });
            assert_eq!(parsed.arn(), arn);
        }
        for other in ["", "m", "arn:aws:states:r:a:stateMachine:", "arn:aws:states:r:a:activity:m"]
        {
            assert_eq!(MachineRef::parse(other), None, "{other}");
        }
        assert_eq!(MachineRef::parse(&format!("{}:a:b", machine_arn("m"))), None);
    }

    #[test]
    fn an_activity_is_named_by_its_arn() {
        assert_eq!(activity_of(&activity_arn("pick")), Some("pick"));
        assert_eq!(activity_of(&machine_arn("pick")), None);
    }
}
