//! Whether an operator's "done" can be taken for a step, and by what evidence.
//!
//! | step | evidence that it was done outside |
//! |---|---|
//! | `RefundPayment` | the gateway's books: what was captured was refunded |
//! | `VoidPayment` | the gateway's books: and nothing is held |
//! | `ReturnStock` | our stock: nothing is sold to the order |
//! | `ReleaseStock` | our stock: nothing is sold to it or held for it |
//! | `ConfirmOrder`, `RejectOrder`, `CancelOrder` | none: it is the order's own record |
//! | any other | none: nobody knows what it does |
//!
//! Where the evidence can be read it decides, whatever is said: going on against it would end an
//! order with money or stock still out. Where it cannot be read an operator's word is taken, with
//! name and reason, because somebody must be able to go on without it.
//!
//! Owns: these rules. Pure: values in, values out.

use inventory::Holding;
use payment::Undoing;

/// What shows that a step was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Evidence {
    /// The gateway's books.
    Books(Undoing),
    /// Our own stock.
    Stock(GivenBack),
}

/// How much of an order's stock must be back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GivenBack {
    /// What was sold to it.
    Sold,
    /// All that it had.
    All,
}

/// What shows that a step was done outside.
///
/// # Errors
/// Why nothing can.
pub(super) fn evidence(step: &str) -> Result<Evidence, &'static str> {
    match step {
        "RefundPayment" => Ok(Evidence::Books(Undoing::Refund)),
        "VoidPayment" => Ok(Evidence::Books(Undoing::Void)),
        "ReturnStock" => Ok(Evidence::Stock(GivenBack::Sold)),
        "ReleaseStock" => Ok(Evidence::Stock(GivenBack::All)),
        "ConfirmOrder" | "RejectOrder" | "CancelOrder" => {
            Err("it writes the order's own record, which nobody else can have written: retry it")
        }
        _ => Err("nobody can say what shows that it was done: retry it"),
    }
}

/// What the stock shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// It was given back.
    Back,
    /// It was not.
    Out,
    /// A record cannot be read.
    Unreadable,
}

/// What an order's holdings, one for each of its products, say about what was given back.
pub(super) fn shown(given_back: GivenBack, holdings: &[Holding]) -> Shown {
    let is_out = |holding: &Holding| match (holding, given_back) {
        (Holding::Sold, GivenBack::Sold | GivenBack::All) | (Holding::Held, GivenBack::All) => true,
        (Holding::Held, GivenBack::Sold)
        | (Holding::Nothing | Holding::Unreadable, GivenBack::Sold | GivenBack::All) => false,
    };
    if holdings.iter().any(is_out) {
        Shown::Out
    } else if holdings.contains(&Holding::Unreadable) {
        Shown::Unreadable
    } else {
        Shown::Back
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Holding::{Held, Nothing, Sold, Unreadable};

    fn check(given_back: GivenBack, when: &[Holding], then: Shown) {
        assert_eq!(shown(given_back, when), then, "{given_back:?} {when:?}");
    }

    #[test]
    fn what_is_still_out_beats_what_cannot_be_read() {
        check(GivenBack::All, &[Nothing, Nothing], Shown::Back);
        check(GivenBack::All, &[Nothing, Held], Shown::Out);
        check(GivenBack::All, &[Unreadable, Sold], Shown::Out);
        check(GivenBack::All, &[Unreadable, Nothing], Shown::Unreadable);
    }

    #[test]
    fn what_was_returned_may_still_be_held_until_it_is_released() {
        check(GivenBack::Sold, &[Held, Nothing], Shown::Back);
        check(GivenBack::Sold, &[Held, Sold], Shown::Out);
    }

    #[test]
    fn no_step_that_ends_an_order_or_goes_forward_can_have_been_done_outside() {
        let forward = ["ValidateOrder", "ReserveStock", "AuthorizePayment", "CapturePayment"];
        let ends = ["ConfirmOrder", "RejectOrder", "CancelOrder", "CommitStock", "", "Anything"];
        for step in forward.into_iter().chain(ends) {
            assert!(evidence(step).is_err(), "{step}");
        }
    }
}
