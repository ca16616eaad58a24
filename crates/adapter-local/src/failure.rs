//! What can go wrong inside the database, and how it reaches the callers of a port.

use ports::{Error, Kind};
use rusqlite::ErrorCode;

/// Why a request was not performed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The request's own condition does not hold; its company in the batch is not touched.
    Refused(Error),
    /// The database failed.
    Database(rusqlite::Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

/// Refuses a request because somebody else was first.
pub(crate) fn conflict(doing: impl Into<String>) -> Failure {
    Failure::Refused(Error::new(Kind::Conflict, doing))
}

/// Makes the error of a call that makes no sense.
pub(crate) fn invalid(doing: impl Into<String>) -> Error {
    Error::new(Kind::Invalid, doing)
}

/// Makes the error of a failed read; `doing` ends the sentence "failed to …".
pub(crate) fn unread(doing: impl Into<String>, error: rusqlite::Error) -> Error {
    Error::new(kind_of(&error), doing).because(error)
}

/// Which kind a database error is, when it is certain that nothing was written.
pub(crate) fn kind_of(error: &rusqlite::Error) -> Kind {
    match error {
        // What a column holds is not what we once wrote there.
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::Utf8Error(..) => Kind::Corrupt,
        // A number past what SQLite's integers hold.
        rusqlite::Error::ToSqlConversionFailure(_) => Kind::Invalid,
        rusqlite::Error::SqliteFailure(code, _) => match code.code {
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Kind::Corrupt,
            ErrorCode::TooBig => Kind::Invalid,
            _ => Kind::Unavailable,
        },
        _ => Kind::Unavailable,
    }
}

/// Whether the disk itself failed: after that nothing written since can be trusted.
pub(crate) fn is_disk_failure(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure)
}
