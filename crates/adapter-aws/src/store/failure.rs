//! What DynamoDB's refusals mean.

use crate::error::{Codes, Effect, Symptom, failed, lookup};
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_get_items::TransactGetItemsError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::CancellationReason;
use ports::{Error, Kind};

/// DynamoDB's own codes, of calls and of the reasons of a cancelled transaction.
pub(super) const CODES: Codes = &[
    ("ConditionalCheckFailed", Kind::Conflict),
    ("ConditionalCheckFailedException", Kind::Conflict),
    ("TransactionConflict", Kind::Conflict),
    ("TransactionConflictException", Kind::Conflict),
    // Somebody sent the same transaction a moment ago, and it is not finished.
    ("TransactionInProgressException", Kind::Timeout),
    ("IdempotentParameterMismatchException", Kind::Invalid),
    ("ItemCollectionSizeLimitExceeded", Kind::Invalid),
    ("ItemCollectionSizeLimitExceededException", Kind::Invalid),
    ("ItemSizeLimitExceeded", Kind::Invalid),
    // No table, or one without this index: it is the store that is not there, not an item.
    ("ResourceNotFoundException", Kind::Unavailable),
];

/// The code of a reason that is none: this item did not stand in the way.
const NO_REASON: &str = "None";

/// What a cancelled transaction means, by the codes of its items' reasons.
///
/// A transaction that is cancelled has changed nothing. What another try cannot mend goes first,
/// then what a new look at the items mends, then what time mends.
pub(super) fn cancelled<'a>(reasons: impl IntoIterator<Item = &'a str>) -> Kind {
    let kinds: Vec<_> = reasons
        .into_iter()
        .filter(|code| *code != NO_REASON)
        .map(|code| lookup(code, CODES).unwrap_or(Kind::Unavailable))
        .collect();
    [Kind::Invalid, Kind::Denied, Kind::Conflict, Kind::Throttled]
        .into_iter()
        .find(|kind| kinds.contains(kind))
        .unwrap_or(Kind::Unavailable)
}

fn codes(reasons: Option<&[CancellationReason]>) -> impl Iterator<Item = &str> {
    reasons.unwrap_or_default().iter().filter_map(CancellationReason::code)
}

fn because(
    kind: Kind,
    doing: String,
    symptom: &Symptom,
    failure: impl std::error::Error + Send + Sync + 'static,
) -> Error {
    let error = Error::new(kind, doing).because(failure);
    match symptom.wait() {
        Some(wait) => error.retry_after(wait),
        None => error,
    }
}

/// The error of a transaction that writes.
pub(super) fn of_write_transaction(
    doing: String,
    failure: SdkError<TransactWriteItemsError>,
) -> Error {
    let kind = match failure.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(refusal)) => {
            cancelled(codes(refusal.cancellation_reasons.as_deref()))
        }
        _ => return failed(doing, Effect::Writes, CODES, failure),
    };
    let symptom = Symptom::of(&failure);
    because(kind, doing, &symptom, failure)
}

/// The error of a transaction that reads.
pub(super) fn of_read_transaction(
    doing: String,
    failure: SdkError<TransactGetItemsError>,
) -> Error {
    let kind = match failure.as_service_error() {
        Some(TransactGetItemsError::TransactionCanceledException(refusal)) => {
            cancelled(codes(refusal.cancellation_reasons.as_deref()))
        }
        _ => return failed(doing, Effect::Reads, CODES, failure),
    };
    let symptom = Symptom::of(&failure);
    because(kind, doing, &symptom, failure)
}

/// What is stored cannot be read.
pub(super) fn corrupt(doing: impl Into<String>) -> Error {
    Error::new(Kind::Corrupt, doing)
}

/// The call makes no sense.
pub(super) fn invalid(doing: impl Into<String>) -> Error {
    Error::new(Kind::Invalid, doing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(reasons: &[&str], kind: Kind) {
        assert_eq!(cancelled(reasons.iter().copied()), kind, "{reasons:?}");
    }

    #[test]
    fn a_cancelled_transaction_means_the_worst_of_its_reasons() {
        check(&["None", "ConditionalCheckFailed"], Kind::Conflict);
        check(&["TransactionConflict", "None"], Kind::Conflict);
        check(&["ThrottlingError"], Kind::Throttled);
        check(&["ProvisionedThroughputExceeded", "None"], Kind::Throttled);
        check(&["RequestLimitExceeded"], Kind::Throttled);
        check(&["ItemCollectionSizeLimitExceeded"], Kind::Invalid);
        check(&["ValidationError"], Kind::Invalid);
        check(&["ItemSizeLimitExceeded"], Kind::Invalid);
        check(&["AccessDenied"], Kind::Denied);
        check(&["ThrottlingError", "ConditionalCheckFailed"], Kind::Conflict);
        check(&["ConditionalCheckFailed", "ValidationError"], Kind::Invalid);
    }

    #[test]
    fn a_cancelled_transaction_without_a_known_reason_did_not_happen() {
        check(&[], Kind::Unavailable);
        check(&["None"], Kind::Unavailable);
        check(&["SomethingNew"], Kind::Unavailable);
    }
}
