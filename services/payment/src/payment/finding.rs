//! What the gateway said, and what it means at the stage a payment has reached.
//!
//! Owns: what a finding changes, and which finding the gateway's books amount to.
//! Does not own: what is asked of the gateway ([`super::outstanding`]).

use super::{Call, Event, Payment, Rejection, Stage};
use ports::gateway::Books;

/// What the gateway said, in an answer or by its books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It holds the amount.
    Authorized,
    /// It refuses to hold the amount, for good.
    Declined {
        /// Why, in its words.
        reason: String,
    },
    /// It took the amount.
    Captured,
    /// It refuses to take the amount, for good.
    CaptureDeclined {
        /// Why, in its words.
        reason: String,
    },
    /// It gave the amount back.
    Refunded,
    /// It has acknowledged the void, and these were its books afterwards.
    Closed(Books),
}

impl Finding {
    /// What the books say of a call whose answer is not known; `None` when they show nothing of it.
    ///
    /// They never show a void: where nothing was held, there is nothing to be seen.
    ///
    /// # Errors
    /// `BooksDisagree` when they show something that was never asked for.
    pub fn shown(call: &Call, books: &Books) -> Result<Option<Self>, Rejection> {
        let full = call.amount().amount_minor;
        let (shown, finding) = match call {
            Call::Authorize { .. } => (books.authorized_minor, Self::Authorized),
            Call::Capture { .. } => (books.captured_minor, Self::Captured),
            Call::Refund { .. } => (books.refunded_minor, Self::Refunded),
            Call::Void { .. } => return Ok(None),
        };
        match shown {
            0 => Ok(None),
            shown if shown == full => Ok(Some(finding)),
            _ => Err(Rejection::BooksDisagree { books: *books }),
        }
    }
}

impl Payment {
    /// What a finding changes; one that comes after the payment has moved on changes nothing.
    pub(super) fn note(&self, finding: &Finding) -> Result<Vec<Event>, Rejection> {
        match (&self.stage, finding) {
            (Stage::Authorizing { .. }, Finding::Authorized) => Ok(vec![Event::Authorized]),
            (Stage::Authorizing { .. }, Finding::Declined { reason }) => {
                let reason = reason.clone();
                Ok(vec![Event::Declined { reason }])
            }
            (Stage::Capturing, Finding::Captured) => Ok(vec![Event::Captured]),
            (Stage::Capturing, Finding::CaptureDeclined { reason }) => {
                let reason = reason.clone();
                Ok(vec![Event::CaptureDeclined { reason }])
            }
            (Stage::Refunding, Finding::Refunded) => Ok(vec![Event::Refunded]),
            (Stage::Voiding, Finding::Closed(books)) => self.close(books),
            (Stage::RefundingAfterVoid, Finding::Refunded) => {
                let released_minor = 0;
                Ok(vec![Event::Refunded, Event::Voided { released_minor }])
            }
            (
                Stage::Authorizing { .. }
                | Stage::Authorized
                | Stage::Declined { .. }
                | Stage::Capturing
                | Stage::Captured
                | Stage::CaptureDeclined { .. }
                | Stage::Refunding
                | Stage::Refunded
                | Stage::Voiding
                | Stage::RefundingAfterVoid
                | Stage::Voided,
                Finding::Authorized
                | Finding::Declined { .. }
                | Finding::Captured
                | Finding::CaptureDeclined { .. }
                | Finding::Refunded
                | Finding::Closed(_),
            ) => Ok(vec![]),
        }
    }

    /// Books what the final books show and ours do not yet.
    fn close(&self, books: &Books) -> Result<Vec<Event>, Rejection> {
        let full = self.amount.amount_minor;
        let whole_or_nothing = |minor: i64| minor == 0 || minor == full;
        let is_sound = whole_or_nothing(books.authorized_minor)
            && whole_or_nothing(books.captured_minor)
            && whole_or_nothing(books.refunded_minor)
            && books.refunded_minor <= books.captured_minor
            // Nothing is held any more; whole or nothing, so the difference is exact.
            && books.voided_minor == books.authorized_minor - books.captured_minor
            && self.is_continued_by(books);
        if !is_sound {
            return Err(Rejection::BooksDisagree { books: *books });
        }
        let news = |ours: i64, theirs: i64, event: Event| (theirs > ours).then_some(event);
        let ours = &self.booked;
        let mut events: Vec<Event> = [
            news(ours.authorized_minor, books.authorized_minor, Event::Authorized),
            news(ours.captured_minor, books.captured_minor, Event::Captured),
            news(ours.refunded_minor, books.refunded_minor, Event::Refunded),
        ]
        .into_iter()
        .flatten()
        .collect();
        let is_charged = books.captured_minor > books.refunded_minor;
        events.push(if is_charged {
            Event::RefundAfterVoidBegun
        } else {
            let released_minor = books.voided_minor;
            Event::Voided { released_minor }
        });
        Ok(events)
    }

    /// Whether the gateway's books can be ours and something after them.
    const fn is_continued_by(&self, books: &Books) -> bool {
        self.booked.authorized_minor <= books.authorized_minor
            && self.booked.captured_minor <= books.captured_minor
            && self.booked.voided_minor <= books.voided_minor
            && self.booked.refunded_minor <= books.refunded_minor
    }
}
