//! The payment of one order: what may be asked of the gateway, and what its answers mean.
//!
//! ```text
//!  (none) ─▶ Authorizing ─▶ Authorized ─▶ Capturing ─▶ Captured ─▶ Refunding ─▶ Refunded
//!     │         │       ╲         │         │      ╲        │
//!     │         │     Declined    │         │  CaptureDeclined
//!     │         └─────────────────┴── Void ─┴────────┴──────┘
//!   Void                               ▼
//!     ▼                             Voiding ───────────────▶ Voided
//!  Forestalled                          ╲ a capture came before ▲
//!                                        ▶ RefundingAfterVoid ──┘
//! ```
//!
//! A state that ends in *-ing* is an intent: it is durable before the gateway is called, and
//! [`outstanding`] reads off it what is to be sent, so an attempt that follows a crash is like any
//! other. Every operation is for the whole amount and has one key, so sending it again is sending
//! it once.
//!
//! Undoing rests on two things. The gateway's void bars every authorization and capture that is
//! still on its way. And its books, read *after* the void was acknowledged, are final but for our
//! own refund: whatever they show that we did not know is booked then, and a capture that slipped
//! in before the void is refunded. So after `Refund` and `Void` the customer is charged nothing,
//! nothing is held, nothing can be charged later, and our ledger equals the gateway's books.
//!
//! Owns: every rule about payments. Pure: values in, values out.
//! Does not own: calling the gateway (`tasks`) and how a payment is kept (`record`).

use crate::ledger::Movement;
use contracts::Money;
use ports::gateway::Books;

mod finding;
mod rejection;

pub use finding::Finding;
pub use rejection::Rejection;

/// What is known of an order's payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It was voided before it began: a late authorization is refused.
    Forestalled,
    /// It has begun.
    Begun(Payment),
}

/// A payment that has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// What the order costs: the amount of every operation.
    pub amount: Money,
    /// The sums of our ledger.
    pub booked: Books,
    /// How far it is.
    pub stage: Stage,
}

/// How far a payment is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The hold was or will be asked for.
    Authorizing {
        /// The card, as the gateway names it; kept until the gateway has answered.
        card_token: String,
    },
    /// The amount is held.
    Authorized,
    /// The gateway refused the hold.
    Declined {
        /// Why, in the gateway's words.
        reason: String,
    },
    /// The capture was or will be asked for.
    Capturing,
    /// The amount was taken.
    Captured,
    /// The gateway refused the capture; the amount is still held.
    CaptureDeclined {
        /// Why, in the gateway's words.
        reason: String,
    },
    /// The refund was or will be asked for.
    Refunding,
    /// The amount was given back.
    Refunded,
    /// The void was or will be asked for.
    Voiding,
    /// The gateway is closed to the order, but a capture came before: its refund is asked for.
    RefundingAfterVoid,
    /// Nothing is held or charged, and nothing can be.
    Voided,
}

impl Stage {
    /// Whether the gateway may have done something that we do not know of.
    #[must_use]
    pub const fn is_unsettled(&self) -> bool {
        match self {
            Self::Authorizing { .. }
            | Self::Capturing
            | Self::Refunding
            | Self::Voiding
            | Self::RefundingAfterVoid => true,
            Self::Authorized
            | Self::Declined { .. }
            | Self::Captured
            | Self::CaptureDeclined { .. }
            | Self::Refunded
            | Self::Voided => false,
        }
    }
}

/// What is asked of a payment, or learnt about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Hold the amount.
    Authorize {
        /// How much: more than nothing.
        amount: Money,
        /// The card, as the gateway names it.
        card_token: String,
    },
    /// Take what is held.
    Capture,
    /// Undo [`Command::Capture`].
    Refund,
    /// Undo [`Command::Authorize`], and close the gateway to the order.
    Void,
    /// Take note of what the gateway said.
    Note(Finding),
}

/// What happened to a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The hold is to be asked for.
    AuthorizationBegun {
        /// How much.
        amount: Money,
        /// The card, as the gateway names it.
        card_token: String,
    },
    /// The amount is held.
    Authorized,
    /// The hold was refused.
    Declined {
        /// Why, in the gateway's words.
        reason: String,
    },
    /// The capture is to be asked for.
    CaptureBegun,
    /// The amount was taken.
    Captured,
    /// The capture was refused.
    CaptureDeclined {
        /// Why, in the gateway's words.
        reason: String,
    },
    /// The refund is to be asked for.
    RefundBegun,
    /// The amount was given back.
    Refunded,
    /// The void is to be asked for.
    VoidBegun,
    /// The gateway is closed to the order; a capture that came before is to be refunded.
    RefundAfterVoidBegun,
    /// Nothing is held or charged, and nothing can be.
    Voided {
        /// What was let go, in minor units; zero when nothing was held.
        released_minor: i64,
    },
    /// The payment was voided before it began.
    Forestalled,
}

/// Decides what a command does; one that has taken effect before does nothing again.
///
/// `Refund` and `Void` are never refused. A finding that comes after the payment has moved on does
/// nothing: whatever it tells is on the gateway's books, and those are read after the void.
///
/// # Errors
/// See [`Rejection`].
pub fn decide(state: Option<&State>, command: &Command) -> Result<Vec<Event>, Rejection> {
    match (state, command) {
        (Some(State::Begun(payment)), _) => payment.decide(command),
        (None, Command::Authorize { amount, .. }) if amount.amount_minor <= 0 => {
            Err(Rejection::NothingToPay)
        }
        (None, Command::Authorize { amount, card_token }) => {
            Ok(vec![Event::AuthorizationBegun { amount: *amount, card_token: card_token.clone() }])
        }
        (None, Command::Capture) => Err(Rejection::NotAuthorized),
        (None, Command::Void) => Ok(vec![Event::Forestalled]),
        (Some(State::Forestalled), Command::Authorize { .. } | Command::Capture) => {
            Err(Rejection::PaymentVoided)
        }
        (Some(State::Forestalled), Command::Void | Command::Refund | Command::Note(_))
        | (None, Command::Refund | Command::Note(_)) => Ok(vec![]),
    }
}

impl Payment {
    fn decide(&self, command: &Command) -> Result<Vec<Event>, Rejection> {
        match command {
            Command::Authorize { amount, .. } => self.authorize(*amount),
            Command::Capture => self.capture(),
            Command::Refund => Ok(self.refund()),
            Command::Void => Ok(self.void()),
            Command::Note(finding) => self.note(finding),
        }
    }

    fn authorize(&self, amount: Money) -> Result<Vec<Event>, Rejection> {
        if amount != self.amount {
            let before = self.amount;
            return Err(Rejection::OtherAmount { before });
        }
        match &self.stage {
            Stage::Authorizing { .. }
            | Stage::Authorized
            | Stage::Capturing
            | Stage::Captured
            | Stage::CaptureDeclined { .. } => Ok(vec![]),
            Stage::Declined { reason } => Err(Rejection::Declined { reason: reason.clone() }),
            Stage::Refunding | Stage::Refunded => Err(Rejection::PaymentRefunded),
            Stage::Voiding | Stage::RefundingAfterVoid | Stage::Voided => {
                Err(Rejection::PaymentVoided)
            }
        }
    }

    fn capture(&self) -> Result<Vec<Event>, Rejection> {
        match &self.stage {
            Stage::Authorized => Ok(vec![Event::CaptureBegun]),
            Stage::Capturing | Stage::Captured => Ok(vec![]),
            Stage::CaptureDeclined { reason } => {
                Err(Rejection::CaptureDeclined { reason: reason.clone() })
            }
            Stage::Authorizing { .. } | Stage::Declined { .. } => Err(Rejection::NotAuthorized),
            Stage::Refunding | Stage::Refunded => Err(Rejection::PaymentRefunded),
            Stage::Voiding | Stage::RefundingAfterVoid | Stage::Voided => {
                Err(Rejection::PaymentVoided)
            }
        }
    }

    fn refund(&self) -> Vec<Event> {
        match self.stage {
            Stage::Captured => vec![Event::RefundBegun],
            // Nothing was taken as far as we know. If a capture is still on its way, the void that
            // follows bars it or finds it.
            Stage::Authorizing { .. }
            | Stage::Authorized
            | Stage::Declined { .. }
            | Stage::Capturing
            | Stage::CaptureDeclined { .. } => vec![],
            Stage::Refunding
            | Stage::Refunded
            | Stage::Voiding
            | Stage::RefundingAfterVoid
            | Stage::Voided => vec![],
        }
    }

    fn void(&self) -> Vec<Event> {
        match self.stage {
            Stage::Authorizing { .. }
            | Stage::Authorized
            | Stage::Capturing
            | Stage::Captured
            | Stage::CaptureDeclined { .. } => vec![Event::VoidBegun],
            // The gateway keeps its refusals, and captures a reference once: nothing can follow but
            // a refund, and whoever voids concludes that, too.
            Stage::Declined { .. } | Stage::Refunding | Stage::Refunded => vec![],
            Stage::Voiding | Stage::RefundingAfterVoid | Stage::Voided => vec![],
        }
    }
}

/// The movement that an event puts on the ledger, with its amount in minor units.
#[must_use]
pub fn movement(amount: Money, event: &Event) -> Option<(Movement, i64)> {
    let full = amount.amount_minor;
    match event {
        Event::Authorized => Some((Movement::Authorization, full)),
        Event::Captured => Some((Movement::Capture, full)),
        Event::Refunded => Some((Movement::Refund, full)),
        Event::Voided { released_minor: 0 } => None,
        Event::Voided { released_minor } => Some((Movement::Void, *released_minor)),
        Event::AuthorizationBegun { .. }
        | Event::Declined { .. }
        | Event::CaptureBegun
        | Event::CaptureDeclined { .. }
        | Event::RefundBegun
        | Event::VoidBegun
        | Event::RefundAfterVoidBegun
        | Event::Forestalled => None,
    }
}

/// The gateway's reason, if the event is its refusal.
#[must_use]
pub fn refusal(event: &Event) -> Option<&str> {
    match event {
        Event::Declined { reason } | Event::CaptureDeclined { reason } => Some(reason),
        Event::AuthorizationBegun { .. }
        | Event::Authorized
        | Event::CaptureBegun
        | Event::Captured
        | Event::RefundBegun
        | Event::Refunded
        | Event::VoidBegun
        | Event::RefundAfterVoidBegun
        | Event::Voided { .. }
        | Event::Forestalled => None,
    }
}

/// Folds an event into the state; an event that its state cannot have had changes nothing.
pub fn apply(state: &mut Option<State>, event: &Event) {
    match event {
        Event::AuthorizationBegun { amount, card_token } => {
            *state = Some(State::Begun(Payment {
                amount: *amount,
                booked: Books::default(),
                stage: Stage::Authorizing { card_token: card_token.clone() },
            }));
        }
        Event::Forestalled => *state = Some(State::Forestalled),
        Event::Authorized
        | Event::Declined { .. }
        | Event::CaptureBegun
        | Event::Captured
        | Event::CaptureDeclined { .. }
        | Event::RefundBegun
        | Event::Refunded
        | Event::VoidBegun
        | Event::RefundAfterVoidBegun
        | Event::Voided { .. } => {
            if let Some(State::Begun(payment)) = state {
                payment.apply(event);
            }
        }
    }
}

impl Payment {
    fn apply(&mut self, event: &Event) {
        let full = self.amount.amount_minor;
        match event {
            Event::AuthorizationBegun { .. } | Event::Forestalled => {}
            Event::Authorized => {
                self.booked.authorized_minor = full;
                self.stage = Stage::Authorized;
            }
            Event::Declined { reason } => {
                let reason = reason.clone();
                self.stage = Stage::Declined { reason };
            }
            Event::CaptureBegun => self.stage = Stage::Capturing,
            Event::Captured => {
                self.booked.captured_minor = full;
                self.stage = Stage::Captured;
            }
            Event::CaptureDeclined { reason } => {
                let reason = reason.clone();
                self.stage = Stage::CaptureDeclined { reason };
            }
            Event::RefundBegun => self.stage = Stage::Refunding,
            Event::Refunded => {
                self.booked.refunded_minor = full;
                self.stage = Stage::Refunded;
            }
            Event::VoidBegun => self.stage = Stage::Voiding,
            Event::RefundAfterVoidBegun => self.stage = Stage::RefundingAfterVoid,
            Event::Voided { released_minor } => {
                self.booked.voided_minor = *released_minor;
                self.stage = Stage::Voided;
            }
        }
    }
}

/// What the gateway is to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Hold the amount.
    Authorize {
        /// How much.
        amount: Money,
        /// The card, as the gateway names it.
        card_token: String,
    },
    /// Take what is held.
    Capture {
        /// How much.
        amount: Money,
    },
    /// Give back what was taken.
    Refund {
        /// How much.
        amount: Money,
    },
    /// Let go of what is held, and bar what may still come.
    Void {
        /// How much was to be held; less may be.
        amount: Money,
    },
}

impl Call {
    /// How much is asked for.
    #[must_use]
    pub const fn amount(&self) -> Money {
        match self {
            Self::Authorize { amount, .. }
            | Self::Capture { amount }
            | Self::Refund { amount }
            | Self::Void { amount } => *amount,
        }
    }

    /// Whether the gateway's books show that it happened; a void of nothing leaves no trace.
    #[must_use]
    pub const fn is_on_the_books(&self) -> bool {
        match self {
            Self::Authorize { .. } | Self::Capture { .. } | Self::Refund { .. } => true,
            Self::Void { .. } => false,
        }
    }
}

/// Reads off the state what the gateway is still to be asked.
#[must_use]
pub fn outstanding(state: Option<&State>) -> Option<Call> {
    let Some(State::Begun(payment)) = state else {
        return None;
    };
    let amount = payment.amount;
    match &payment.stage {
        Stage::Authorizing { card_token } => {
            Some(Call::Authorize { amount, card_token: card_token.clone() })
        }
        Stage::Capturing => Some(Call::Capture { amount }),
        Stage::Refunding | Stage::RefundingAfterVoid => Some(Call::Refund { amount }),
        Stage::Voiding => Some(Call::Void { amount }),
        Stage::Authorized
        | Stage::Declined { .. }
        | Stage::Captured
        | Stage::CaptureDeclined { .. }
        | Stage::Refunded
        | Stage::Voided => None,
    }
}

#[cfg(test)]
mod tests;
