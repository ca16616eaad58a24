//! The payment's no, and how it reads.

use contracts::Money;
use ports::gateway::Books;
use std::fmt;

/// Why nothing happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// The gateway refused the hold.
    Declined {
        /// Why, in the gateway's words.
        reason: String,
    },
    /// The gateway refused the capture.
    CaptureDeclined {
        /// Why, in the gateway's words.
        reason: String,
    },
    /// Nothing is held that could be taken, as far as we know.
    NotAuthorized,
    /// An authorization must be for more than nothing.
    NothingToPay,
    /// The order was to pay another amount before.
    OtherAmount {
        /// How much then.
        before: Money,
    },
    /// The payment was refunded: it comes too late.
    PaymentRefunded,
    /// The payment was voided: it comes too late.
    PaymentVoided,
    /// The gateway's books contradict what it told us before.
    BooksDisagree {
        /// What they show.
        books: Books,
    },
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Declined { reason } | Self::CaptureDeclined { reason } => f.write_str(reason),
            Self::NotAuthorized => f.write_str("nothing is held for the order"),
            Self::NothingToPay => f.write_str("the amount must be more than nothing"),
            Self::OtherAmount { before } => write!(f, "the order was to pay {before} before"),
            Self::PaymentRefunded => f.write_str("the payment was refunded"),
            Self::PaymentVoided => f.write_str("the payment was voided"),
            Self::BooksDisagree { books } => write!(
                f,
                "the gateway's books contradict its answers: they show {} authorized, {} captured, \
                 {} voided and {} refunded",
                books.authorized_minor,
                books.captured_minor,
                books.voided_minor,
                books.refunded_minor
            ),
        }
    }
}
