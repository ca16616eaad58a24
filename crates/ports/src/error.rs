//! The one error of every port: callers look at its kind only.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

/// The answer of a port.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What sort of failure it is: all that retry, breaker and state machines may look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// There is no such thing.
    NotFound,
    /// Somebody else was first: an expected version did not hold.
    Conflict,
    /// Too much at once; later is fine.
    Throttled,
    /// No answer in time: it may have happened.
    Timeout,
    /// Nobody answers: it did not happen.
    Unavailable,
    /// We may not.
    Denied,
    /// The call itself makes no sense; another try will not help.
    Invalid,
    /// What is stored cannot be read.
    Corrupt,
}

impl Kind {
    /// Whether another try may help.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        match self {
            Self::Conflict | Self::Throttled | Self::Timeout | Self::Unavailable => true,
            Self::NotFound | Self::Denied | Self::Invalid | Self::Corrupt => false,
        }
    }
}

/// The world failed.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    doing: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
    retry_after: Option<Duration>,
}

impl Error {
    /// Makes an error; `doing` ends the sentence "failed to …".
    #[must_use]
    pub fn new(kind: Kind, doing: impl Into<String>) -> Self {
        Self { kind, doing: doing.into(), source: None, retry_after: None }
    }

    /// Names what caused it.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Says when another try makes sense.
    #[must_use]
    pub const fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// What sort of failure it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// When another try makes sense, if the other side said so.
    #[must_use]
    pub const fn wait(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.doing)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

/// The one place where a failure of the world becomes HTTP.
impl From<&Error> for contracts::Problem {
    fn from(error: &Error) -> Self {
        let (status, code, title) = match error.kind {
            Kind::NotFound => (404, "not_found", "There is no such thing"),
            Kind::Conflict => (409, "conflict", "Somebody else changed it at the same time"),
            Kind::Throttled => (429, "throttled", "Too many requests"),
            Kind::Timeout => (504, "timeout", "No answer in time"),
            Kind::Unavailable => (503, "unavailable", "A part of the system does not answer"),
            Kind::Denied => (403, "denied", "Not allowed"),
            Kind::Invalid => (400, "invalid", "The request makes no sense"),
            Kind::Corrupt => (500, "corrupt", "Stored data cannot be read"),
        };
        Self::new(status, code, title)
    }
}
