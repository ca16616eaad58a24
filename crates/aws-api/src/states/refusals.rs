//! The engine's refusals by the names and words of Step Functions.

use crate::fault::Fault;
use engine::{MachineRefusal, Unpublishable, execution_arn};
use ports::saga_engine::Refusal;

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        let code = refusal.code();
        let message = match refusal {
            Refusal::ExecutionAlreadyExists(id) => {
                format!("Execution Already Exists: '{}'", execution_arn(&id))
            }
            Refusal::ExecutionDoesNotExist(id) => {
                format!("Execution Does Not Exist: '{}'", execution_arn(&id))
            }
            Refusal::StateMachineDoesNotExist(arn) => {
                format!("State Machine Does Not Exist: '{arn}'")
            }
            Refusal::InvalidName { name, why } => format!("Invalid Name: '{name}': {why}"),
            Refusal::InvalidExecutionInput { bytes_max } => format!(
                "Invalid State Machine Execution Input: 'the input is larger than {bytes_max} bytes'"
            ),
            Refusal::InvalidToken => "Invalid Token: 'Invalid token'".to_owned(),
            Refusal::TaskTimedOut => {
                "Task Timed Out: 'Provided task does not exist anymore'".to_owned()
            }
            Refusal::ExecutionNotRedrivable { why, .. } => why,
            Refusal::World(error) => return error.into(),
        };
        Self::exception(code, message)
    }
}

impl From<MachineRefusal> for Fault {
    fn from(refusal: MachineRefusal) -> Self {
        let code = match &refusal {
            MachineRefusal::StateMachineAlreadyExists(_) => "StateMachineAlreadyExists",
            MachineRefusal::StateMachineDoesNotExist(_) => "StateMachineDoesNotExist",
            MachineRefusal::ResourceNotFound(_) => "ResourceNotFound",
            MachineRefusal::ActivityDoesNotExist(_) => "ActivityDoesNotExist",
            MachineRefusal::ActivityAlreadyExists(_) => "ActivityAlreadyExists",
            MachineRefusal::InvalidDefinition(_) => "InvalidDefinition",
            MachineRefusal::InvalidName { .. } => "InvalidName",
            MachineRefusal::Conflict(_) => "ConflictException",
            MachineRefusal::Validation(_) => "ValidationException",
            MachineRefusal::ServiceQuotaExceeded(_) => "ServiceQuotaExceededException",
            MachineRefusal::TooManyTags { .. } => "TooManyTags",
            MachineRefusal::StateMachineTypeNotSupported(_) => "StateMachineTypeNotSupported",
            MachineRefusal::World(_) => "InternalFailure",
        };
        match refusal {
            MachineRefusal::InvalidDefinition(Unpublishable::Problems { problems, .. }) => {
                Self::exception(code, asl::invalid_definition(&problems))
            }
            MachineRefusal::InvalidDefinition(problem) => {
                Self::exception(code, format!("Invalid State Machine Definition: '{problem}'"))
            }
            MachineRefusal::World(error) => error.into(),
            refusal => Self::exception(code, refusal.to_string()),
        }
    }
}
