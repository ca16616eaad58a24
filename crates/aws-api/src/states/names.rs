//! What an ARN must name to be taken by an operation.

use crate::fault::Fault;
use engine::{MachineRef, Qualifier};
use ports::journal::ExecutionId;

/// A machine, or one of its versions or aliases.
pub(super) fn machine(arn: &str) -> Result<MachineRef, Fault> {
    MachineRef::parse(arn).ok_or_else(|| invalid(arn))
}

/// A machine itself.
pub(super) fn unqualified(arn: &str) -> Result<String, Fault> {
    match machine(arn)? {
        MachineRef { name, qualifier: Qualifier::Newest } => Ok(name),
        MachineRef { .. } => Err(invalid(arn)),
    }
}

/// A version of a machine: the machine's name and the number.
pub(super) fn version(arn: &str) -> Result<(String, u64), Fault> {
    match machine(arn)? {
        MachineRef { name, qualifier: Qualifier::Version(number) } => Ok((name, number)),
        MachineRef { .. } => Err(invalid(arn)),
    }
}

/// An alias of a machine: the machine's name and the alias's.
pub(super) fn alias(arn: &str) -> Result<(String, String), Fault> {
    match machine(arn)? {
        MachineRef { name, qualifier: Qualifier::Alias(alias) } => Ok((name, alias)),
        MachineRef { .. } => Err(invalid(arn)),
    }
}

/// A Standard execution: Express ones are not kept to be asked about.
pub(super) fn execution(arn: &str) -> Result<ExecutionId, Fault> {
    engine::execution_of(arn).filter(|id| !engine::is_express(id)).ok_or_else(|| invalid(arn))
}

/// An activity.
pub(super) fn activity(arn: &str) -> Result<&str, Fault> {
    engine::activity_of(arn).ok_or_else(|| invalid(arn))
}

/// A role that a machine may run under; whether it exists nobody here knows.
pub(super) fn check_role(arn: &str) -> Result<(), Fault> {
    let parts: Vec<_> = arn.splitn(6, ':').collect();
    match parts.as_slice() {
        ["arn", partition, "iam", "", _, role]
            if partition.starts_with("aws") && role.starts_with("role/") =>
        {
            Ok(())
        }
        _ => Err(Fault::exception("InvalidArn", format!("Invalid Role Arn: '{arn}'"))),
    }
}

/// The refusal of an ARN that does not name what the operation is about.
pub(super) fn invalid(arn: &str) -> Fault {
    let parts: Vec<_> = arn.splitn(7, ':').collect();
    let why = match parts.as_slice() {
        ["arn", "aws", "states", _, _, kind, _] => {
            format!("Resource type not valid in this context: {kind}")
        }
        ["arn", ..] => format!("Invalid ARN: {arn}"),
        _ => format!("Invalid ARN prefix: {arn}"),
    };
    Fault::exception("InvalidArn", format!("Invalid Arn: '{why}'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said<T: std::fmt::Debug>(result: Result<T, Fault>) -> String {
        result.unwrap_err().message()
    }

    #[test]
    fn an_arn_of_another_thing_is_refused_with_what_it_names() {
        let machine_arn = engine::machine_arn("m");
        assert_eq!(unqualified(&machine_arn), Ok("m".to_owned()));
        assert_eq!(version(&format!("{machine_arn}:3")), Ok(("m".to_owned(), 3)));
        assert_eq!(alias(&format!("{machine_arn}:LIVE")), Ok(("m".to_owned(), "LIVE".to_owned())));
        let wrong = "Invalid Arn: 'Resource type not valid in this context: stateMachine'";
        assert_eq!(said(execution(&machine_arn)), wrong);
        assert_eq!(said(activity(&machine_arn)), wrong);
        assert_eq!(said(unqualified(&format!("{machine_arn}:3"))), wrong);
        assert_eq!(said(machine("none")), "Invalid Arn: 'Invalid ARN prefix: none'");
        assert!(execution("arn:aws:states:us-east-1:1:express:m:n:r").is_err());
    }

    #[test]
    fn a_role_is_an_arn_of_one() {
        assert_eq!(check_role("arn:aws:iam::000000000000:role/saga"), Ok(()));
        for wrong in ["saga", "arn:aws:iam::1:user/x", "arn:aws:s3:::role/x"] {
            assert_eq!(said(check_role(wrong)), format!("Invalid Role Arn: '{wrong}'"));
        }
    }
}
