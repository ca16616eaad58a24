//! Why something about state machines was refused, by the names of Step Functions' API.

use crate::programs::Unpublishable;
use ports::Error;

/// Why something about state machines or activities was refused.
#[derive(Debug, thiserror::Error)]
pub enum MachineRefusal {
    /// Another machine has the name.
    #[error("State Machine Already Exists: '{0}'")]
    StateMachineAlreadyExists(String),
    /// No machine, version or alias has the ARN.
    #[error("State Machine Does Not Exist: '{0}'")]
    StateMachineDoesNotExist(String),
    /// No version, alias or other resource has the ARN.
    #[error("Resource not found: '{0}'")]
    ResourceNotFound(String),
    /// No activity has the ARN.
    #[error("Activity does not exist: '{0}'")]
    ActivityDoesNotExist(String),
    /// Another activity has the name, with other settings.
    #[error("Activity already exists: '{0}'")]
    ActivityAlreadyExists(String),
    /// The definition cannot be run.
    #[error(transparent)]
    InvalidDefinition(Unpublishable),
    /// The name has a character it may not have, or a wrong length.
    #[error("Invalid Name: '{name}': {why}")]
    InvalidName {
        /// The name.
        name: String,
        /// What is wrong and what would be right.
        why: &'static str,
    },
    /// The request contradicts what is there.
    #[error("{0}")]
    Conflict(String),
    /// The request contradicts itself.
    #[error("{0}")]
    Validation(String),
    /// A quota is used up.
    #[error("{0}")]
    ServiceQuotaExceeded(String),
    /// A resource has at most so many tags.
    #[error("a resource has at most {most} tags; this would make {would_be}")]
    TooManyTags {
        /// How many it may have.
        most: usize,
        /// How many it would have.
        would_be: usize,
    },
    /// The machine's type does not do this.
    #[error("{0}")]
    StateMachineTypeNotSupported(String),
    /// The world failed.
    #[error("the engine could not do it")]
    World(#[from] Error),
}

impl From<Unpublishable> for MachineRefusal {
    fn from(unpublishable: Unpublishable) -> Self {
        match unpublishable {
            Unpublishable::World(error) => Self::World(error),
            problems @ (Unpublishable::Problems { .. }
            | Unpublishable::Unreachable { .. }
            | Unpublishable::NotExpress { .. }) => Self::InvalidDefinition(problems),
        }
    }
}
