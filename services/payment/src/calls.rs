//! How the gateway is asked, so that nothing happens twice and nothing is taken for granted.
//!
//! ```text
//! intent ─ fresh ────────────────────▶ send ─┬─ answered ─▶ finding
//!    │                                  ▲    └─ unknown ──▶ books ─┬─ shown ─▶ finding
//!    └─ left ─▶ books ─┬─ shown ─▶ finding   ▲                     └─ not ───▶ send once more
//!                      └─ not ─ the key is honoured? ─ no ─▶ an operator
//! ```
//!
//! Every operation has one key for ever, derived from the order and the operation, so sending it
//! again is sending it once, while the gateway remembers the key. After that only its books are
//! asked.
//!
//! Owns: the order of books and sends, and the keys. Does not own: what a finding means
//! ([`crate::payment`]).

use crate::payment::{Call, Finding};
use crate::service::Service;
use crate::tasks::{Until, refusal};
use contracts::{OrderId, Timestamp};
use ports::Kind;
use ports::gateway::{Operation, Outcome};
use ports::task::{TaskError, chain};
use std::time::Duration;

/// For how long the gateway is trusted to know a key: the shortest that providers promise is a day.
pub const KEY_HONOURED: Duration = Duration::from_hours(24);

/// When a call was begun, and whether by this very attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Begun {
    /// Nobody can have sent it before us.
    pub(crate) is_fresh: bool,
    /// Since when it may have been sent.
    pub(crate) at: Timestamp,
}

impl Service {
    /// Finds out what came of a call, and sends it where that is the way to find out.
    pub(crate) async fn conclude(
        &self,
        order_id: &OrderId,
        call: &Call,
        begun: Begun,
        until: Until,
    ) -> Result<Finding, TaskError> {
        if !begun.is_fresh {
            // Somebody began this before us, and may have sent it.
            if let Some(finding) = self.look(order_id, call, until).await? {
                return Ok(finding);
            }
            self.may_be_sent_again(call, begun.at)?;
        }
        let why = match self.send(order_id, call, until).await? {
            Sent::Answered(finding) => return Ok(finding),
            Sent::Unknown(why) => why,
        };
        // From here on nothing may be taken for a "did not happen".
        let unknown = |error: TaskError| {
            let (name, cause) = error.named();
            TaskError::Unknown(format!("{why}; then {name}: {cause}"))
        };
        match self.look(order_id, call, until).await {
            Ok(Some(finding)) => return Ok(finding),
            Ok(None) => {}
            Err(failed @ TaskError::Failed { .. }) => return Err(failed),
            Err(error) => return Err(unknown(error)),
        }
        match self.send(order_id, call, until).await {
            Ok(Sent::Answered(finding)) => Ok(finding),
            Ok(Sent::Unknown(why)) => Err(TaskError::Unknown(why)),
            Err(failed @ TaskError::Failed { .. }) => Err(failed),
            Err(error) => Err(unknown(error)),
        }
    }

    /// Whether a call that the books do not show is still the same call when it is sent again.
    fn may_be_sent_again(&self, call: &Call, begun_at: Timestamp) -> Result<(), TaskError> {
        let is_honoured = self.now() < begun_at.plus(KEY_HONOURED);
        // A void twice is a void: it moves what is held, and then nothing is.
        let is_harmless = matches!(call, Call::Void { .. });
        if is_honoured || is_harmless {
            return Ok(());
        }
        let hours = KEY_HONOURED.as_secs() / 3_600;
        let cause = format!(
            "the {} begun at {begun_at} is not on the gateway's books, and after {hours} hours its \
             key may be forgotten: it is not sent again",
            name(call)
        );
        Err(TaskError::Failed { error: "KeyForgotten".to_owned(), cause })
    }

    /// Looks for a call in the gateway's books.
    pub(crate) async fn look(
        &self,
        order_id: &OrderId,
        call: &Call,
        until: Until,
    ) -> Result<Option<Finding>, TaskError> {
        if !call.is_on_the_books() {
            return Ok(None);
        }
        let books = self.gateway.find(order_id.as_str(), until).await?;
        Finding::shown(call, &books).map_err(refusal)
    }

    async fn send(&self, order_id: &OrderId, call: &Call, until: Until) -> Result<Sent, TaskError> {
        let operation = Operation { deadline: until, ..operation(order_id, call) };
        let gateway = &self.gateway;
        let outcome = match call {
            Call::Authorize { card_token, .. } => gateway.authorize(&operation, card_token).await,
            Call::Capture { .. } => gateway.capture(&operation).await,
            Call::Refund { .. } => gateway.refund(&operation).await,
            Call::Void { .. } => gateway.void(&operation).await,
        };
        let finding = match outcome {
            Ok(Outcome::Done) => self.done(order_id, call, until).await?,
            Ok(Outcome::Declined { reason }) => declined(call, reason)?,
            Ok(Outcome::Unknown { why }) => return Ok(Sent::Unknown(why)),
            // No answer in time is no answer, whoever says so.
            Err(error) if error.kind() == Kind::Timeout => {
                return Ok(Sent::Unknown(chain(&error)));
            }
            Err(error) => return Err(error.into()),
        };
        Ok(Sent::Answered(finding))
    }

    async fn done(
        &self,
        order_id: &OrderId,
        call: &Call,
        until: Until,
    ) -> Result<Finding, TaskError> {
        Ok(match call {
            Call::Authorize { .. } => Finding::Authorized,
            Call::Capture { .. } => Finding::Captured,
            Call::Refund { .. } => Finding::Refunded,
            // Only now can nothing be added to the books but by us.
            Call::Void { .. } => {
                Finding::Closed(self.gateway.find(order_id.as_str(), until).await?)
            }
        })
    }
}

/// What came of sending a call.
enum Sent {
    Answered(Finding),
    /// It may have happened; why we cannot tell.
    Unknown(String),
}

fn declined(call: &Call, reason: String) -> Result<Finding, TaskError> {
    let failed = |error: &str, cause| TaskError::Failed { error: error.to_owned(), cause };
    match call {
        Call::Authorize { .. } => Ok(Finding::Declined { reason }),
        Call::Capture { .. } => Ok(Finding::CaptureDeclined { reason }),
        // The intent stays: an undoing ends only in done, or before an operator.
        Call::Refund { .. } => Err(failed("RefundDeclined", reason)),
        Call::Void { .. } => Err(failed("VoidDeclined", reason)),
    }
}

const fn name(call: &Call) -> &'static str {
    match call {
        Call::Authorize { .. } => "authorize",
        Call::Capture { .. } => "capture",
        Call::Refund { .. } => "refund",
        Call::Void { .. } => "void",
    }
}

/// The operation that a call is; it has the same key and amount whenever it is sent.
fn operation(order_id: &OrderId, call: &Call) -> Operation {
    let key = contracts::id::derived(&["payment", order_id.as_str(), name(call)]);
    Operation {
        reference: order_id.to_string(),
        key: key.to_string(),
        amount: call.amount(),
        deadline: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::{Currency, Money};
    use std::collections::BTreeSet;

    const AMOUNT: Money = Money::new(500, Currency::Eur);

    fn calls() -> [Call; 4] {
        let card_token = "tok_approve".to_owned();
        [
            Call::Authorize { amount: AMOUNT, card_token },
            Call::Capture { amount: AMOUNT },
            Call::Refund { amount: AMOUNT },
            Call::Void { amount: AMOUNT },
        ]
    }

    fn order(number: &str) -> OrderId {
        OrderId::from_uuid(contracts::id::derived(&["order", number]))
    }

    #[test]
    fn keys_derive_from_business_ids_the_order_and_the_step() {
        let mut keys = BTreeSet::new();
        for order_id in [order("1"), order("2")] {
            for call in calls() {
                let key = operation(&order_id, &call).key;
                assert_eq!(key, operation(&order_id, &call).key, "the same for ever");
                let uuid: uuid::Uuid = key.parse().unwrap();
                assert_eq!(uuid.get_version_num(), 5, "{key}");
                assert!(keys.insert(key), "{call:?} shares its key");
            }
        }
        assert_eq!(keys.len(), 8);
    }
}
