//! The rules of one reference: what may be held, taken, let go and given back. Pure.
//!
//! Owns: the account of a reference, `decide`, `apply`, and the reasons for a no.
//! Does not own: idempotency keys and storage (that is `ledger`), HTTP (that is `api`).

use super::card::{Card, Fault};
use crate::wire::{OperationKind, Sums};
use contracts::{Currency, Money};

/// What is asked of a reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// Hold an amount on a card.
    Authorize {
        /// How much.
        amount: Money,
        /// The card.
        card: Card,
    },
    /// Take of what is held; once.
    Capture {
        /// How much.
        amount: Money,
    },
    /// Let go of what is held, and close the reference.
    Void {
        /// How much.
        amount: Money,
    },
    /// Give back of what was taken.
    Refund {
        /// How much.
        amount: Money,
    },
}

impl Command {
    /// What sort of operation it is.
    pub(super) const fn kind(&self) -> OperationKind {
        match self {
            Self::Authorize { .. } => OperationKind::Authorization,
            Self::Capture { .. } => OperationKind::Capture,
            Self::Void { .. } => OperationKind::Void,
            Self::Refund { .. } => OperationKind::Refund,
        }
    }

    /// How much is asked for.
    pub(super) const fn amount(&self) -> Money {
        match self {
            Self::Authorize { amount, .. }
            | Self::Capture { amount }
            | Self::Void { amount }
            | Self::Refund { amount } => *amount,
        }
    }
}

/// What happened to a reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A fault ate the call: it is counted, and nothing else.
    CallLost,
    /// The amount is held.
    Authorized,
    /// The amount is taken.
    Captured,
    /// The reference is closed.
    Voided {
        /// What was let go of; zero when nothing was held.
        released_minor: i64,
    },
    /// The amount is given back.
    Refunded,
    /// The operation was refused, for good.
    Refused(Reason),
}

/// Why an operation is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// The card says no.
    Declined,
    /// The card has not enough money.
    InsufficientFunds,
    /// No card has this token.
    UnknownCard,
    /// The card says no to the capture.
    CaptureDeclined,
    /// The reference was voided.
    ReferenceVoided,
    /// The reference already carries an authorization.
    ReferenceInUse,
    /// Nothing was ever held.
    NotAuthorized,
    /// The one capture has happened.
    AlreadyCaptured,
    /// More than was held.
    ExceedsAuthorized,
    /// More than is still held.
    ExceedsHeld,
    /// Nothing was taken.
    NotCaptured,
    /// More than is left of what was taken.
    ExceedsCaptured,
    /// Another currency than the authorization's.
    CurrencyMismatch,
}

impl Reason {
    /// The stable code.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::Declined => "declined",
            Self::InsufficientFunds => "insufficient_funds",
            Self::UnknownCard => "unknown_card",
            Self::CaptureDeclined => "capture_declined",
            Self::ReferenceVoided => "reference_voided",
            Self::ReferenceInUse => "reference_in_use",
            Self::NotAuthorized => "not_authorized",
            Self::AlreadyCaptured => "already_captured",
            Self::ExceedsAuthorized => "exceeds_authorized",
            Self::ExceedsHeld => "exceeds_held",
            Self::NotCaptured => "not_captured",
            Self::ExceedsCaptured => "exceeds_captured",
            Self::CurrencyMismatch => "currency_mismatch",
        }
    }

    /// The reason in words.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Declined => "The card was declined",
            Self::InsufficientFunds => "The card has insufficient funds",
            Self::UnknownCard => "No card has this token",
            Self::CaptureDeclined => "The card declined the capture",
            Self::ReferenceVoided => "The reference was voided",
            Self::ReferenceInUse => "The reference already carries an authorization",
            Self::NotAuthorized => "Nothing was authorized for the reference",
            Self::AlreadyCaptured => "The authorization was captured already",
            Self::ExceedsAuthorized => "The amount is more than was authorized",
            Self::ExceedsHeld => "The amount is more than is still held",
            Self::NotCaptured => "Nothing was captured for the reference",
            Self::ExceedsCaptured => "The amount is more than is left of the capture",
            Self::CurrencyMismatch => "The currency is not the authorization's",
        }
    }
}

/// How many calls of each kind a reference has seen; repeats of a decided key are no calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Calls {
    pub(super) authorizations: u32,
    pub(super) captures: u32,
    pub(super) voids: u32,
    pub(super) refunds: u32,
}

impl Calls {
    const fn of(self, kind: OperationKind) -> u32 {
        match kind {
            OperationKind::Authorization => self.authorizations,
            OperationKind::Capture => self.captures,
            OperationKind::Void => self.voids,
            OperationKind::Refund => self.refunds,
        }
    }

    fn count(&mut self, kind: OperationKind) {
        let calls = match kind {
            OperationKind::Authorization => &mut self.authorizations,
            OperationKind::Capture => &mut self.captures,
            OperationKind::Void => &mut self.voids,
            OperationKind::Refund => &mut self.refunds,
        };
        *calls = calls.saturating_add(1);
    }
}

/// The account of one reference; the default is a reference that nobody has used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Account {
    /// The card of the last authorization that could still take the reference.
    pub(super) card: Card,
    /// The currency of the sums; none before something was held.
    pub(super) currency: Option<Currency>,
    /// What was moved, in all.
    pub(super) sums: Sums,
    /// Whether a void has closed it.
    pub(super) is_voided: bool,
    /// What the faults of the card are counted by.
    pub(super) calls: Calls,
}

impl Account {
    /// What is held now, in minor units.
    pub(super) const fn held_minor(&self) -> i64 {
        self.sums.authorized_minor - self.sums.captured_minor - self.sums.voided_minor
    }

    /// What was taken and not given back, in minor units.
    pub(super) const fn charged_minor(&self) -> i64 {
        self.sums.captured_minor - self.sums.refunded_minor
    }

    const fn is_in_use(&self) -> bool {
        self.sums.authorized_minor > 0
    }

    /// The card and the counts that a call meets: an authorization brings its own card unless the
    /// reference is in use, and a card that is new starts to count anew.
    fn met_by<'a>(&'a self, command: &'a Command) -> (&'a Card, Calls) {
        match command {
            Command::Authorize { card, .. } if !self.is_in_use() && *card != self.card => {
                (card, Calls::default())
            }
            Command::Authorize { .. }
            | Command::Capture { .. }
            | Command::Void { .. }
            | Command::Refund { .. } => (&self.card, self.calls),
        }
    }

    fn has_other_currency(&self, amount: Money) -> bool {
        self.currency.is_some_and(|currency| currency != amount.currency)
    }
}

/// A decision: what happens, and what goes wrong on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decision {
    /// What happens to the account.
    pub(super) event: Event,
    /// What happens to the answer.
    pub(super) fault: Option<Fault>,
}

/// Decides what a command does to an account.
pub(super) fn decide(account: &Account, command: &Command) -> Decision {
    let (card, calls) = account.met_by(command);
    let fault = card.fault(command.kind(), calls.of(command.kind()));
    let event = match fault {
        None | Some(Fault::LostAfterApply) => {
            judge(account, command, card).unwrap_or_else(Event::Refused)
        }
        Some(Fault::Unavailable | Fault::LostBeforeApply) => Event::CallLost,
    };
    Decision { event, fault }
}

fn judge(account: &Account, command: &Command, card: &Card) -> Result<Event, Reason> {
    match *command {
        Command::Authorize { .. } => authorize(account, card),
        Command::Capture { amount } => capture(account, amount, card),
        Command::Void { amount } => void(account, amount),
        Command::Refund { amount } => refund(account, amount),
    }
}

fn authorize(account: &Account, card: &Card) -> Result<Event, Reason> {
    if account.is_voided {
        return Err(Reason::ReferenceVoided);
    }
    if account.is_in_use() {
        return Err(Reason::ReferenceInUse);
    }
    card.refusal(OperationKind::Authorization).map_or(Ok(Event::Authorized), Err)
}

fn capture(account: &Account, amount: Money, card: &Card) -> Result<Event, Reason> {
    if account.is_voided {
        return Err(Reason::ReferenceVoided);
    }
    if !account.is_in_use() {
        return Err(Reason::NotAuthorized);
    }
    if account.has_other_currency(amount) {
        return Err(Reason::CurrencyMismatch);
    }
    if account.sums.captured_minor > 0 {
        return Err(Reason::AlreadyCaptured);
    }
    if amount.amount_minor > account.sums.authorized_minor {
        return Err(Reason::ExceedsAuthorized);
    }
    card.refusal(OperationKind::Capture).map_or(Ok(Event::Captured), Err)
}

fn void(account: &Account, amount: Money) -> Result<Event, Reason> {
    if account.has_other_currency(amount) {
        return Err(Reason::CurrencyMismatch);
    }
    // Nothing held closes the reference all the same, so that a hold that is still on its way
    // cannot arrive afterwards.
    let released_minor = match account.held_minor() {
        0 => 0,
        held if amount.amount_minor > held => return Err(Reason::ExceedsHeld),
        _ => amount.amount_minor,
    };
    Ok(Event::Voided { released_minor })
}

fn refund(account: &Account, amount: Money) -> Result<Event, Reason> {
    if account.sums.captured_minor == 0 {
        return Err(Reason::NotCaptured);
    }
    if account.has_other_currency(amount) {
        return Err(Reason::CurrencyMismatch);
    }
    if amount.amount_minor > account.charged_minor() {
        return Err(Reason::ExceedsCaptured);
    }
    Ok(Event::Refunded)
}

/// Folds what happened into the account.
pub(super) fn apply(account: &mut Account, command: &Command, event: &Event) {
    let (card, mut calls) = account.met_by(command);
    let card = card.clone();
    calls.count(command.kind());
    account.card = card;
    account.calls = calls;
    let amount = command.amount();
    match event {
        Event::CallLost | Event::Refused(_) => {}
        Event::Authorized => {
            account.sums.authorized_minor = amount.amount_minor;
            account.currency = Some(amount.currency);
        }
        Event::Captured => account.sums.captured_minor = amount.amount_minor,
        Event::Voided { released_minor } => {
            account.sums.voided_minor += released_minor;
            account.is_voided = true;
        }
        Event::Refunded => account.sums.refunded_minor += amount.amount_minor,
    }
}

/// What an event moved, in minor units.
pub(super) fn moved_minor(command: &Command, event: &Event) -> i64 {
    match event {
        Event::Authorized | Event::Captured | Event::Refunded => command.amount().amount_minor,
        Event::Voided { released_minor } => *released_minor,
        Event::CallLost | Event::Refused(_) => 0,
    }
}

#[cfg(test)]
mod tests;
