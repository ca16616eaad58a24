//! What passes between the client and the sandbox: requests, answers and the ledger's pages.
//!
//! Owns: the JSON shapes, the paths and the limits that both sides check.
//! Does not own: which answer a request gets (that is `sandbox`), what it means (that is
//! `client`).

use contracts::{Currency, Money, Problem, Timestamp};
use ports::gateway::Books;
use serde::{Deserialize, Serialize};

/// The header that carries the idempotency key.
pub const KEY_HEADER: &str = "idempotency-key";

/// The longest idempotency key, in bytes; as long as the HTTP interface of the shop allows.
pub const KEY_LENGTH_MAX: usize = 255;

/// The longest reference, in bytes; an order's id has 36.
pub const REFERENCE_LENGTH_MAX: usize = 128;

/// The longest card token, in bytes; all magic cards joined stay below it.
pub const CARD_TOKEN_LENGTH_MAX: usize = 255;

/// The largest amount in minor units: a billion euros, so that 64 bits hold the sum of ninety
/// million references.
pub const AMOUNT_MINOR_MAX: i64 = 100_000_000_000;

/// What an operation does to the money of a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    /// Holds an amount.
    Authorization,
    /// Takes what is held.
    Capture,
    /// Lets go of what is held.
    Void,
    /// Gives back what was taken.
    Refund,
}

impl OperationKind {
    /// The path that such operations are posted to.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Authorization => "/authorizations",
            Self::Capture => "/captures",
            Self::Void => "/voids",
            Self::Refund => "/refunds",
        }
    }

    /// The kind as the ledger and the answers write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Authorization => "authorization",
            Self::Capture => "capture",
            Self::Void => "void",
            Self::Refund => "refund",
        }
    }
}

/// The path of the ledger.
pub const LEDGER_PATH: &str = "/ledger";

/// The body of `POST /authorizations`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthorizationRequest {
    /// The caller's reference; it names the payment for good.
    pub reference: String,
    /// How much to hold.
    pub amount: Money,
    /// The card: a token, never a card number.
    pub card_token: String,
}

/// The body of `POST /captures`, `/voids` and `/refunds`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MovementRequest {
    /// The reference of the authorization.
    pub reference: String,
    /// How much to move.
    pub amount: Money,
}

/// The answer to an operation that was done (201).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The gateway's own name for the operation.
    pub id: String,
    /// What was done.
    pub kind: OperationKind,
    /// The caller's reference.
    pub reference: String,
    /// The amount that was asked for.
    pub amount: Money,
    /// What moved, in minor units: less than asked only when a void finds less held.
    pub moved_minor: i64,
    /// When.
    pub at: Timestamp,
}

/// The answer to an operation that was refused for good (402, 409): a problem that repeats what
/// was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What is wrong; its code is the reason.
    #[serde(flatten)]
    pub problem: Problem,
    /// The gateway's own name for the operation.
    pub id: String,
    /// What was refused.
    pub kind: OperationKind,
    /// The caller's reference.
    pub reference: String,
    /// The amount that was asked for.
    pub amount: Money,
}

/// The query of `GET /ledger`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerQuery {
    /// One reference; without it, all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// How many rows a page has at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Where the page starts: `next_cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// The four sums of a reference, or of all references in one currency, in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    /// Held in all.
    pub authorized_minor: i64,
    /// Taken in all.
    pub captured_minor: i64,
    /// Let go in all.
    pub voided_minor: i64,
    /// Given back in all.
    pub refunded_minor: i64,
}

impl From<Sums> for Books {
    fn from(sums: Sums) -> Self {
        Self {
            authorized_minor: sums.authorized_minor,
            captured_minor: sums.captured_minor,
            voided_minor: sums.voided_minor,
            refunded_minor: sums.refunded_minor,
        }
    }
}

/// What the ledger has on one reference; zeros and no operations when it has nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReferenceLedger {
    /// The reference.
    pub reference: String,
    /// The currency of the sums; none before the first authorization that was done.
    pub currency: Option<Currency>,
    /// The sums.
    #[serde(flatten)]
    pub sums: Sums,
    /// Whether the reference was voided: nothing is held or taken on it any more.
    pub is_voided: bool,
    /// The operations in the order they were decided, refused ones included.
    pub operations: Vec<LedgerOperation>,
    /// Where the next page of operations starts; none on the last page.
    pub next_cursor: Option<String>,
}

/// One operation on the books.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerOperation {
    /// The gateway's own name for the operation.
    pub id: String,
    /// What was asked.
    pub kind: OperationKind,
    /// The key it was asked under.
    pub key: String,
    /// How much was asked for.
    pub amount_minor: i64,
    /// In which currency.
    pub currency: Currency,
    /// What moved; zero when it was refused.
    pub moved_minor: i64,
    /// When it was decided.
    pub at: Timestamp,
    /// `done`, or the reason it was refused for.
    pub outcome: String,
}

/// A page of all references, in the order of their text, and the totals of the whole ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerPage {
    /// The sums of the whole ledger, by currency.
    pub totals: Vec<CurrencyTotal>,
    /// The references of this page.
    pub references: Vec<ReferenceBooks>,
    /// Where the next page starts; none on the last page.
    pub next_cursor: Option<String>,
}

/// The sums of all references in one currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CurrencyTotal {
    /// The currency.
    pub currency: Currency,
    /// The sums.
    #[serde(flatten)]
    pub sums: Sums,
}

/// The sums of one reference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReferenceBooks {
    /// The reference.
    pub reference: String,
    /// The currency of the sums; none before the first authorization that was done.
    pub currency: Option<Currency>,
    /// The sums.
    #[serde(flatten)]
    pub sums: Sums,
    /// Whether the reference was voided.
    pub is_voided: bool,
}

/// Whether a text can be an idempotency key: 1–255 visible ASCII characters, no quote or backslash.
#[must_use]
pub fn is_key(text: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_graphic() && b != b'"' && b != b'\\';
    (1..=KEY_LENGTH_MAX).contains(&text.len()) && text.bytes().all(is_plain)
}

/// Whether a text can be a reference: 1–128 bytes, no control characters.
#[must_use]
pub fn is_reference(text: &str) -> bool {
    (1..=REFERENCE_LENGTH_MAX).contains(&text.len()) && !text.chars().any(char::is_control)
}
