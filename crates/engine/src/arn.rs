//! Names as Step Functions writes them: ARNs of machines and executions.

use ports::journal::ExecutionId;

/// The region of an engine that is nowhere in particular.
const REGION: &str = "us-east-1";
/// The account of an engine that nobody bills for.
const ACCOUNT: &str = "000000000000";

/// The ARN of a state machine.
#[must_use]
pub fn machine_arn(machine: &str) -> String {
    format!("arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{machine}")
}

/// The ARN of an execution.
#[must_use]
pub fn execution_arn(id: &ExecutionId) -> String {
    format!("arn:aws:states:{REGION}:{ACCOUNT}:execution:{}:{}", id.machine, id.name)
}

/// The execution that an ARN names, whatever its region and account.
pub(crate) fn execution_of(arn: &str) -> Option<ExecutionId> {
    let mut parts = arn.splitn(8, ':');
    let scheme = (parts.next()?, parts.next()?, parts.next()?);
    let kind = parts.nth(2)?;
    let (machine, name) = (parts.next()?, parts.next()?);
    (scheme == ("arn", "aws", "states") && kind == "execution")
        .then(|| ExecutionId { machine: machine.to_owned(), name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_names_the_execution_it_was_made_of() {
        let id = ExecutionId { machine: "place-order".into(), name: "ord_1".into() };
        assert_eq!(execution_of(&execution_arn(&id)), Some(id));
        for other in ["", "arn:aws:states:r:a:stateMachine:m", "arn:aws:sqs:r:a:execution:m:n"] {
            assert_eq!(execution_of(other), None);
        }
    }
}
