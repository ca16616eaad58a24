//! Why the control plane said no, by the names of EventBridge's API.

use crate::pattern::Problem;
use ports::{Error, Kind};

/// A refusal; the text is what EventBridge says in the same case.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// There is no such thing.
    #[error("{0}")]
    ResourceNotFound(String),
    /// There is one of that name.
    #[error("{0}")]
    ResourceAlreadyExists(String),
    /// It would be more than goes.
    #[error("{0}")]
    LimitExceeded(String),
    /// The pattern is none.
    #[error("{0}")]
    InvalidEventPattern(String),
    /// It does not stand where this can be done.
    #[error("{0}")]
    IllegalStatus(String),
    /// The rule belongs to the shop itself.
    #[error("{0}")]
    ManagedRule(String),
    /// The request does not make sense.
    #[error("{0}")]
    Validation(String),
    /// Somebody else changed it at the same time.
    #[error("{0}")]
    ConcurrentModification(String),
    /// The world failed.
    #[error("the control plane could not do it")]
    World(#[source] Error),
}

impl Refusal {
    /// The name of the exception in EventBridge's API.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ResourceNotFound(_) => "ResourceNotFoundException",
            Self::ResourceAlreadyExists(_) => "ResourceAlreadyExistsException",
            Self::LimitExceeded(_) => "LimitExceededException",
            Self::InvalidEventPattern(_) => "InvalidEventPatternException",
            Self::IllegalStatus(_) => "IllegalStatusException",
            Self::ManagedRule(_) => "ManagedRuleException",
            Self::Validation(_) => "ValidationException",
            Self::ConcurrentModification(_) => "ConcurrentModificationException",
            Self::World(_) => "InternalException",
        }
    }

    pub(super) fn no_bus(name: &str) -> Self {
        Self::ResourceNotFound(format!("Event bus {name} does not exist."))
    }

    pub(super) fn no_rule(bus: &str, name: &str) -> Self {
        Self::ResourceNotFound(format!("Rule {name} does not exist on EventBus {bus}."))
    }

    pub(super) fn no_archive(name: &str) -> Self {
        Self::ResourceNotFound(format!("Archive {name} does not exist."))
    }

    pub(super) fn no_replay(name: &str) -> Self {
        Self::ResourceNotFound(format!("Replay {name} does not exist."))
    }

    pub(super) fn too_many() -> Self {
        let said = "The requested resource exceeds the maximum number allowed.";
        Self::LimitExceeded(said.to_owned())
    }

    pub(super) fn parameter(name: &str, why: impl std::fmt::Display) -> Self {
        Self::Validation(format!("Parameter {name} is not valid. Reason: {why}"))
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error.kind() {
            Kind::Conflict => Self::ConcurrentModification(
                "Somebody else changed it at the same time; try again.".to_owned(),
            ),
            Kind::NotFound
            | Kind::Throttled
            | Kind::Timeout
            | Kind::Unavailable
            | Kind::Denied
            | Kind::Invalid
            | Kind::Corrupt => Self::World(error),
        }
    }
}

impl From<Vec<Problem>> for Refusal {
    fn from(problems: Vec<Problem>) -> Self {
        let problems: Vec<String> = problems.iter().map(Problem::to_string).collect();
        Self::InvalidEventPattern(format!(
            "Event pattern is not valid. Reason: {}",
            problems.join("; ")
        ))
    }
}
