//! DynamoDB's own words for what it does not do.

use crate::failure::{Failure, Refused};
use std::fmt::Display;

/// A request that makes no sense: `ValidationException`.
pub(crate) fn invalid(message: impl Display) -> Failure {
    Refused::generic("ValidationException", message.to_string()).into()
}

/// A request with a value that is not allowed in itself.
pub(crate) fn invalid_value(message: impl Display) -> Failure {
    invalid(format!("One or more parameter values were invalid: {message}"))
}

/// There is no such table.
pub(crate) fn no_such_table() -> Failure {
    Refused::named("ResourceNotFoundException", "Requested resource not found").into()
}

/// The item is not as the condition says.
pub(crate) fn condition_failed() -> Failure {
    let message = "The conditional request failed";
    Refused::named("ConditionalCheckFailedException", message).into()
}
