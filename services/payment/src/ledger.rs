//! The ledger: double entry, append only.
//!
//! ```text
//!                    card_holds  pending_sales  gateway_receivable  sales   refunds
//! authorization         +a           −a
//! capture               −a           +a               +a             −a
//! void                  −a           +a
//! refund                                              −a                      +a
//! ```
//!
//! Debits are positive and credits negative, so every entry sums to zero, and so does the ledger.
//! A hold is no income yet: it stands on a pair of accounts of its own until it is taken or let go.
//!
//! Owns: which accounts a movement touches. Pure: values in, values out.

use contracts::Currency;
use serde::{Deserialize, Serialize};

/// Where money stands.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Account {
    /// Held on customers' cards for us.
    CardHolds,
    /// What the holds would earn us: the other side of [`Account::CardHolds`].
    PendingSales,
    /// What the gateway owes us.
    GatewayReceivable,
    /// What we earned.
    Sales,
    /// What we gave back of it.
    Refunds,
}

/// What moved money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Movement {
    /// The amount was held.
    Authorization,
    /// The held amount was taken.
    Capture,
    /// The held amount was let go.
    Void,
    /// The taken amount was given back.
    Refund,
}

/// One side of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Posting {
    /// Which account.
    pub account: Account,
    /// Debited if positive, credited if negative.
    pub amount_minor: i64,
}

/// One balanced entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Entry {
    /// What moved the money.
    pub movement: Movement,
    /// The currency of all postings.
    pub currency: Currency,
    /// The sides; their amounts sum to zero.
    pub postings: Vec<Posting>,
}

impl Entry {
    /// Books a movement of `amount_minor`, which is positive.
    #[must_use]
    pub fn of(movement: Movement, amount_minor: i64, currency: Currency) -> Self {
        let debit_credit = |debit, credit| {
            let credited = Posting { account: credit, amount_minor: -amount_minor };
            let debited = Posting { account: debit, amount_minor };
            [debited, credited]
        };
        let hold = || debit_credit(Account::CardHolds, Account::PendingSales);
        let end_of_hold = || debit_credit(Account::PendingSales, Account::CardHolds);
        let sale = || debit_credit(Account::GatewayReceivable, Account::Sales);
        let refund = || debit_credit(Account::Refunds, Account::GatewayReceivable);
        let postings = match movement {
            Movement::Authorization => hold().to_vec(),
            Movement::Capture => [end_of_hold(), sale()].concat(),
            Movement::Void => end_of_hold().to_vec(),
            Movement::Refund => refund().to_vec(),
        };
        Self { movement, currency, postings }
    }
}

/// What stands on one account after these entries.
#[must_use]
pub fn balance<'a>(entries: impl IntoIterator<Item = &'a Entry>, account: Account) -> i64 {
    let postings = entries.into_iter().flat_map(|entry| &entry.postings);
    postings.filter(|posting| posting.account == account).map(|posting| posting.amount_minor).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: [Movement; 4] =
        [Movement::Authorization, Movement::Capture, Movement::Void, Movement::Refund];

    fn check(when: &[Movement], then: &[(Account, i64)]) {
        let entries: Vec<Entry> =
            when.iter().map(|movement| Entry::of(*movement, 100, Currency::Eur)).collect();
        for (account, amount) in then {
            assert_eq!(balance(&entries, *account), *amount, "{account:?}");
        }
    }

    #[test]
    fn a_hold_is_no_income() {
        let then = [(Account::CardHolds, 100), (Account::Sales, 0)];
        check(&[Movement::Authorization], &then);
    }

    #[test]
    fn a_captured_payment_is_owed_to_us_and_holds_nothing() {
        let when = [Movement::Authorization, Movement::Capture];
        let then = [
            (Account::CardHolds, 0),
            (Account::PendingSales, 0),
            (Account::GatewayReceivable, 100),
            (Account::Sales, -100),
        ];
        check(&when, &then);
    }

    #[test]
    fn a_refund_leaves_the_sale_on_the_books_and_nothing_owed() {
        let when = [Movement::Authorization, Movement::Capture, Movement::Refund];
        let then =
            [(Account::GatewayReceivable, 0), (Account::Sales, -100), (Account::Refunds, 100)];
        check(&when, &then);
    }

    #[test]
    fn a_void_leaves_nothing_anywhere() {
        let when = [Movement::Authorization, Movement::Void];
        check(&when, &[(Account::CardHolds, 0), (Account::PendingSales, 0)]);
    }

    proptest! {
        #[test]
        fn every_entry_sums_to_zero(which in 0usize..4, amount in 1..i64::MAX / 4) {
            let entry = Entry::of(ALL[which], amount, Currency::Usd);
            let sum: i64 = entry.postings.iter().map(|posting| posting.amount_minor).sum();
            prop_assert_eq!(sum, 0);
        }
    }
}
