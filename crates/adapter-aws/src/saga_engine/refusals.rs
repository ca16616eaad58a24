//! Step Functions' exceptions as refusals of the port.

use crate::error::{Codes, Effect, failed};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use ports::Kind;
use ports::journal::ExecutionId;
use ports::saga_engine::{INPUT_BYTES_MAX, Refusal};
use std::error::Error as StdError;

/// Step Functions' codes that are failures and no refusals; those of all services go beside them.
const CODES: Codes = &[
    ("ConflictException", Kind::Conflict),
    ("ExecutionLimitExceeded", Kind::Throttled),
    ("InvalidArn", Kind::Invalid),
    ("InvalidOutput", Kind::Invalid),
    ("InvalidToken", Kind::Invalid),
    ("KmsAccessDeniedException", Kind::Denied),
    ("KmsInvalidStateException", Kind::Denied),
    ("KmsThrottlingException", Kind::Throttled),
    ("ServiceQuotaExceededException", Kind::Throttled),
    ("StateMachineTypeNotSupported", Kind::Invalid),
];

/// What a call was about.
pub(super) enum About<'a> {
    /// An execution, and what was to be done with it.
    Execution(&'a ExecutionId, &'static str),
    /// The executions of a machine.
    Machine(&'a str),
    /// A task that waits for an answer.
    Task,
}

impl About<'_> {
    fn doing(&self) -> String {
        match self {
            Self::Execution(id, verb) => format!("{verb} {id}"),
            Self::Machine(machine) => format!("list the executions of {machine}"),
            Self::Task => "answer a task".to_owned(),
        }
    }

    /// The refusal that an exception's name stands for here, if it is one.
    fn refusal(&self, code: &str, message: &str) -> Option<Refusal> {
        match (self, code) {
            (Self::Execution(id, _), "ExecutionAlreadyExists") => {
                Some(Refusal::ExecutionAlreadyExists((*id).clone()))
            }
            (Self::Execution(id, _), "ExecutionDoesNotExist") => {
                Some(Refusal::ExecutionDoesNotExist((*id).clone()))
            }
            (Self::Execution(id, _), "ExecutionNotRedrivable") => {
                Some(Refusal::ExecutionNotRedrivable { id: (*id).clone(), why: message.to_owned() })
            }
            (Self::Execution(id, _), "StateMachineDoesNotExist" | "StateMachineDeleting") => {
                Some(Refusal::StateMachineDoesNotExist(id.machine.clone()))
            }
            (Self::Execution(id, _), "InvalidName") => {
                let why = "Step Functions does not take it";
                Some(Refusal::InvalidName { name: id.name.clone(), why })
            }
            (Self::Execution(_, _), "InvalidExecutionInput") => {
                Some(Refusal::InvalidExecutionInput { bytes_max: INPUT_BYTES_MAX })
            }
            (Self::Machine(machine), "StateMachineDoesNotExist" | "StateMachineDeleting") => {
                Some(Refusal::StateMachineDoesNotExist((*machine).to_owned()))
            }
            (Self::Task, "InvalidToken") => Some(Refusal::InvalidToken),
            (Self::Task, "TaskTimedOut" | "TaskDoesNotExist") => Some(Refusal::TaskTimedOut),
            (_, _) => None,
        }
    }
}

/// What Step Functions, or its silence, means.
pub(super) fn refused<E>(
    about: &About<'_>,
    effect: Effect,
    failure: SdkError<E, HttpResponse>,
) -> Refusal
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    let said = failure.as_service_error().and_then(|error| {
        about.refusal(error.code()?, error.message().unwrap_or("it gives no reason"))
    });
    said.unwrap_or_else(|| failed(about.doing(), effect, CODES, failure).into())
}
