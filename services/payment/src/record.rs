//! How payments and their ledger entries are stored: JSON with a version tag.
//!
//! Owns: the stored shapes and the way from and to the decider's state. A shape never changes; a
//! new one gets the next `v`.

use crate::ledger::{Entry, Movement, Posting};
use crate::payment::{Payment, Stage, State};
use contracts::{Currency, Money, OrderId, Timestamp};
use ports::gateway::Books;
use ports::store::Item;
use ports::{Error, Kind, record};
use serde::{Deserialize, Serialize};

const VERSION: u32 = 1;

/// How far a payment is, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It was voided before it began.
    Forestalled,
    /// The hold was asked for, and its outcome is not known yet.
    Authorizing,
    /// The amount is held.
    Authorized,
    /// The hold was refused.
    Declined,
    /// The capture was asked for, and its outcome is not known yet.
    Capturing,
    /// The amount was taken.
    Captured,
    /// The capture was refused.
    CaptureDeclined,
    /// The refund was asked for, and its outcome is not known yet.
    Refunding,
    /// The amount was given back.
    Refunded,
    /// The void was asked for, and its outcome is not known yet.
    Voiding,
    /// It was voided, and a capture that came before is being refunded.
    RefundingAfterVoid,
    /// Nothing is held or charged.
    Voided,
}

/// A payment as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PaymentRecord {
    v: u32,
    pub(crate) order_id: OrderId,
    pub(crate) status: Status,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    card_token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    amount: Option<Money>,
    authorized_minor: i64,
    captured_minor: i64,
    voided_minor: i64,
    refunded_minor: i64,
    /// How many ledger entries stand beside it: `entry#1` and so on.
    pub(crate) entries: u32,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// What a record says beside the payment's state.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) order_id: OrderId,
    pub(crate) entries: u32,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

impl PaymentRecord {
    pub(crate) fn of(state: State, facts: Facts) -> Self {
        let (amount, booked, stage) = match state {
            State::Forestalled => (None, Books::default(), None),
            State::Begun(payment) => (Some(payment.amount), payment.booked, Some(payment.stage)),
        };
        let (status, reason, card_token) = match stage {
            None => (Status::Forestalled, None, None),
            Some(Stage::Authorizing { card_token }) => {
                (Status::Authorizing, None, Some(card_token))
            }
            Some(Stage::Authorized) => (Status::Authorized, None, None),
            Some(Stage::Declined { reason }) => (Status::Declined, Some(reason), None),
            Some(Stage::Capturing) => (Status::Capturing, None, None),
            Some(Stage::Captured) => (Status::Captured, None, None),
            Some(Stage::CaptureDeclined { reason }) => {
                (Status::CaptureDeclined, Some(reason), None)
            }
            Some(Stage::Refunding) => (Status::Refunding, None, None),
            Some(Stage::Refunded) => (Status::Refunded, None, None),
            Some(Stage::Voiding) => (Status::Voiding, None, None),
            Some(Stage::RefundingAfterVoid) => (Status::RefundingAfterVoid, None, None),
            Some(Stage::Voided) => (Status::Voided, None, None),
        };
        Self {
            v: VERSION,
            order_id: facts.order_id,
            status,
            reason,
            card_token,
            amount,
            authorized_minor: booked.authorized_minor,
            captured_minor: booked.captured_minor,
            voided_minor: booked.voided_minor,
            refunded_minor: booked.refunded_minor,
            entries: facts.entries,
            created_at: facts.created_at,
            updated_at: facts.updated_at,
        }
    }

    pub(crate) fn read(item: &Item) -> Result<Self, Error> {
        record::read(item, "a payment", VERSION)
    }

    pub(crate) const fn amount(&self) -> Option<Money> {
        self.amount
    }

    pub(crate) const fn booked(&self) -> Books {
        Books {
            authorized_minor: self.authorized_minor,
            captured_minor: self.captured_minor,
            voided_minor: self.voided_minor,
            refunded_minor: self.refunded_minor,
        }
    }

    /// The state that was stored.
    ///
    /// # Errors
    /// `Corrupt` when the record lacks what its status needs.
    pub(crate) fn state(&self) -> Result<State, Error> {
        let lacks = |what: &str| {
            let doing = format!("read the payment of {}", self.order_id);
            Error::new(Kind::Corrupt, doing).because(format!("it lacks its {what}"))
        };
        let reason = || self.reason.clone().ok_or_else(|| lacks("reason"));
        let stage = match self.status {
            Status::Forestalled => return Ok(State::Forestalled),
            Status::Authorizing => Stage::Authorizing {
                card_token: self.card_token.clone().ok_or_else(|| lacks("card"))?,
            },
            Status::Authorized => Stage::Authorized,
            Status::Declined => Stage::Declined { reason: reason()? },
            Status::Capturing => Stage::Capturing,
            Status::Captured => Stage::Captured,
            Status::CaptureDeclined => Stage::CaptureDeclined { reason: reason()? },
            Status::Refunding => Stage::Refunding,
            Status::Refunded => Stage::Refunded,
            Status::Voiding => Stage::Voiding,
            Status::RefundingAfterVoid => Stage::RefundingAfterVoid,
            Status::Voided => Stage::Voided,
        };
        Ok(State::Begun(Payment {
            amount: self.amount.ok_or_else(|| lacks("amount"))?,
            booked: self.booked(),
            stage,
        }))
    }
}

/// A ledger entry as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EntryRecord {
    v: u32,
    pub(crate) movement: Movement,
    pub(crate) currency: Currency,
    pub(crate) postings: Vec<Posting>,
    pub(crate) at: Timestamp,
}

impl EntryRecord {
    pub(crate) fn of(entry: Entry, at: Timestamp) -> Self {
        Self {
            v: VERSION,
            movement: entry.movement,
            currency: entry.currency,
            postings: entry.postings,
            at,
        }
    }

    pub(crate) fn read(item: &Item) -> Result<Self, Error> {
        record::read(item, "a ledger entry", VERSION)
    }
}

#[cfg(test)]
mod tests;
