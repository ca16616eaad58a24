//! Our ledger against the gateway's statement, line by line.
//!
//! Both sides are lists of [`Line`]s. Lines that say the same are paired; what is left over is a
//! [`Break`], named after what is wrong with it.
//!
//! | break | ours | theirs |
//! |---|---|---|
//! | missing | a line | nothing |
//! | extra | nothing | a line |
//! | amount | a line | the same for more than ours |
//! | partial | a line | the same for less |
//! | currency | a line | the same in another currency |
//! | duplicate | a line | the same, and once more |
//! | late | a line | the same, at another time than it can have been |
//! | wrong order | a line | the same under another order |
//! | out of turn | in turn | a capture before its authorization, a refund before its capture |
//!
//! Owns: which breaks there are. Pure: values in, values out.

use crate::ledger::Movement;
use contracts::{Money, OrderId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How far apart two clocks may see the same movement. A call that was not answered is found in the
/// books later than it happened, at the latest by its saga's last try or by an operator.
pub const APART_MAX: Duration = Duration::from_hours(24);

/// One movement of money as one side has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// For which order.
    pub order_id: OrderId,
    /// What moved.
    pub movement: Movement,
    /// How much.
    pub amount: Money,
    /// When, by that side's clock.
    pub at: Timestamp,
}

/// What is wrong between the two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// We have a line that they do not have.
    Missing,
    /// They have a line that we do not have.
    Extra,
    /// They moved more than we know of.
    Amount,
    /// They moved only a part of it.
    Partial,
    /// They moved another currency.
    Currency,
    /// They moved it again.
    Duplicate,
    /// They moved it at a time when it cannot have been this.
    Late,
    /// They moved it for another order.
    WrongOrder,
    /// They moved it before what must come before it.
    OutOfTurn,
}

/// A difference between the two sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Break {
    /// What is wrong.
    pub kind: Kind,
    /// Our line, if we have one.
    pub ours: Option<Line>,
    /// Their line, if they have one.
    pub theirs: Option<Line>,
}

/// A movement of an order: it happens at most once.
type Place = (OrderId, u8);

/// Lists every difference between our ledger and the gateway's statement; none when they agree.
///
/// Each side's lines of one order stand in the order in which that side wrote them.
#[must_use]
pub fn reconcile(ours: &[Line], theirs: &[Line]) -> Vec<Break> {
    let mut statement: BTreeMap<Place, Vec<&Line>> = BTreeMap::new();
    for line in theirs {
        statement.entry(place(line)).or_default().push(line);
    }
    let (mut breaks, mut unmatched) = (Vec::new(), Vec::new());
    for line in ours {
        let mut same = statement.remove(&place(line)).unwrap_or_default().into_iter();
        match same.next() {
            Some(first) => breaks.extend(judge(line, first)),
            None => unmatched.push(line),
        }
        breaks.extend(same.map(|again| found(Kind::Duplicate, Some(line), Some(again))));
    }
    let mut left: Vec<&Line> = statement.into_values().flatten().collect();
    for line in unmatched {
        // The same money at about the same time under an order that has no such line with us.
        let elsewhere = left.iter().position(|other| is_same_elsewhere(line, other));
        let other = elsewhere.map(|at| left.swap_remove(at));
        let kind = if other.is_some() { Kind::WrongOrder } else { Kind::Missing };
        breaks.push(found(kind, Some(line), other));
    }
    breaks.extend(left.into_iter().map(|line| found(Kind::Extra, None, Some(line))));
    breaks.extend(out_of_turn(theirs));
    breaks
}

fn found(kind: Kind, ours: Option<&Line>, theirs: Option<&Line>) -> Break {
    Break { kind, ours: ours.cloned(), theirs: theirs.cloned() }
}

fn place(line: &Line) -> Place {
    (line.order_id.clone(), turn(line.movement))
}

/// The turn of a movement in the life of a payment: no later one comes before an earlier one.
const fn turn(movement: Movement) -> u8 {
    match movement {
        Movement::Authorization => 0,
        Movement::Capture => 1,
        Movement::Void => 2,
        Movement::Refund => 3,
    }
}

/// What is wrong with two lines that stand for the same movement.
fn judge(ours: &Line, theirs: &Line) -> Option<Break> {
    let minor = (theirs.amount.amount_minor, ours.amount.amount_minor);
    let kind = if theirs.amount.currency != ours.amount.currency {
        Kind::Currency
    } else if minor.0 < minor.1 {
        Kind::Partial
    } else if minor.0 > minor.1 {
        Kind::Amount
    } else if apart(ours, theirs) > APART_MAX {
        Kind::Late
    } else {
        return None;
    };
    Some(found(kind, Some(ours), Some(theirs)))
}

fn apart(ours: &Line, theirs: &Line) -> Duration {
    ours.at.since(theirs.at).max(theirs.at.since(ours.at))
}

fn is_same_elsewhere(ours: &Line, theirs: &Line) -> bool {
    ours.order_id != theirs.order_id
        && ours.movement == theirs.movement
        && ours.amount == theirs.amount
        && apart(ours, theirs) <= APART_MAX
}

/// Their lines that come before what must come before them.
fn out_of_turn(theirs: &[Line]) -> Vec<Break> {
    let all: BTreeSet<Place> = theirs.iter().map(place).collect();
    let (mut seen, mut breaks) = (BTreeSet::new(), Vec::new());
    for line in theirs {
        let needed = match line.movement {
            Movement::Authorization => None,
            Movement::Capture | Movement::Void => Some(Movement::Authorization),
            Movement::Refund => Some(Movement::Capture),
        };
        let needed = needed.map(|movement| (line.order_id.clone(), turn(movement)));
        // What never comes is missing, and told so.
        if needed.is_some_and(|needed| all.contains(&needed) && !seen.contains(&needed)) {
            breaks.push(found(Kind::OutOfTurn, None, Some(line)));
        }
        seen.insert(place(line));
    }
    breaks
}

#[cfg(test)]
mod tests;
