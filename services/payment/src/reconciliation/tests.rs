//! Every kind of break is found where it was made, and nothing else is.

use super::*;
use contracts::Currency;
use proptest::prelude::*;
use proptest::sample::Index;

const START: Timestamp = Timestamp::from_millis(1_795_413_600_000);
/// How many orders a ledger has: with its movements, ten thousand lines.
const ORDERS: usize = 4_000;

fn order(number: usize) -> OrderId {
    OrderId::from_uuid(contracts::id::derived(&["order", &number.to_string()]))
}

/// A ledger of so many orders: charged, refunded, voided and only held, in turn.
fn ledger(orders: usize) -> Vec<Line> {
    use Movement::{Authorization, Capture, Refund, Void};
    let lives: [&[Movement]; 4] = [
        &[Authorization, Capture],
        &[Authorization, Capture, Refund],
        &[Authorization, Void],
        &[Authorization, Capture, Refund],
    ];
    let mut lines = Vec::new();
    for number in 0..orders {
        let (order_id, minor) = (order(number), 500 + i64::try_from(number).unwrap());
        for (turn, movement) in lives[number % lives.len()].iter().enumerate() {
            let after = Duration::from_secs((number * 60 + turn * 2) as u64);
            lines.push(Line {
                order_id: order_id.clone(),
                movement: *movement,
                amount: Money::new(minor, Currency::Eur),
                at: START.plus(after),
            });
        }
    }
    lines
}

/// Their statement of our ledger: the same, seen a second later.
fn statement(ours: &[Line]) -> Vec<Line> {
    let second = Duration::from_secs(1);
    ours.iter().map(|line| Line { at: line.at.plus(second), ..line.clone() }).collect()
}

const KINDS: [Kind; 9] = [
    Kind::Missing,
    Kind::Extra,
    Kind::Amount,
    Kind::Partial,
    Kind::Currency,
    Kind::Duplicate,
    Kind::Late,
    Kind::WrongOrder,
    Kind::OutOfTurn,
];

/// Damages the line `at` of a statement; answers the order that is damaged.
///
/// `strangers` counts orders that nobody has, so that no two damages meet.
fn damage(kind: Kind, statement: &mut Vec<Line>, at: usize, stranger: usize) -> OrderId {
    let damaged = statement[at].order_id.clone();
    let line = &mut statement[at];
    match kind {
        Kind::Missing => drop(statement.remove(at)),
        Kind::Extra => {
            let more = Line { order_id: order(stranger), ..line.clone() };
            let id = more.order_id.clone();
            // Not the amount of any line of ours, or it would be taken for one under a wrong order.
            let amount = Money::new(7, Currency::Eur);
            statement.push(Line { amount, ..more });
            return id;
        }
        Kind::Amount => line.amount.amount_minor += 1,
        Kind::Partial => line.amount.amount_minor -= 1,
        Kind::Currency => line.amount.currency = Currency::Usd,
        Kind::Duplicate => {
            let again = line.clone();
            statement.insert(at + 1, again);
        }
        Kind::Late => line.at = line.at.plus(APART_MAX + Duration::from_secs(2)),
        Kind::WrongOrder => line.order_id = order(stranger),
        Kind::OutOfTurn => statement.swap(at, at - 1),
    }
    damaged
}

/// Whether the damage can be done to this line and is then of that kind alone.
fn is_for(kind: Kind, line: &Line) -> bool {
    match kind {
        // Without what it needs, what follows would be out of turn no more.
        Kind::OutOfTurn => line.movement == Movement::Capture,
        Kind::Missing
        | Kind::Extra
        | Kind::Amount
        | Kind::Partial
        | Kind::Currency
        | Kind::Duplicate
        | Kind::Late
        | Kind::WrongOrder => true,
    }
}

#[test]
fn ledgers_that_agree_have_no_breaks() {
    let ours = ledger(ORDERS);
    assert!(ours.len() >= 10_000, "{}", ours.len());
    assert_eq!(reconcile(&ours, &statement(&ours)), []);
    assert_eq!(reconcile(&[], &[]), []);
}

#[test]
fn every_kind_of_break_is_found_once_in_ten_thousand_lines() {
    let ours = ledger(ORDERS);
    for kind in KINDS {
        let mut theirs = statement(&ours);
        let at = (ours.len() / 2..).find(|at| is_for(kind, &ours[*at])).unwrap();
        let damaged = damage(kind, &mut theirs, at, ORDERS);
        let breaks = reconcile(&ours, &theirs);
        let kinds: Vec<Kind> = breaks.iter().map(|found| found.kind).collect();
        assert_eq!(kinds, [kind]);
        let about = breaks[0].ours.as_ref().or(breaks[0].theirs.as_ref()).unwrap();
        assert_eq!(about.order_id, damaged, "{kind:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_break_is_found_and_nothing_else(
        wanted in prop::collection::vec((any::<Index>(), any::<Index>()), 0..40),
    ) {
        let ours = ledger(400);
        let mut theirs = statement(&ours);
        let mut made = BTreeSet::new();
        let mut orders = BTreeSet::new();
        for (number, (which, place)) in wanted.iter().enumerate() {
            let kind = KINDS[which.index(KINDS.len())];
            let at = place.index(theirs.len());
            // One damage for an order: two could undo each other.
            let (line, stranger) = (theirs[at].clone(), 1_000 + number);
            if !is_for(kind, &line) || !orders.insert(line.order_id) {
                continue;
            }
            orders.insert(order(stranger));
            made.insert((damage(kind, &mut theirs, at, stranger), kind));
        }
        let breaks = reconcile(&ours, &theirs);
        let found: BTreeSet<_> = breaks
            .iter()
            .map(|found| {
                let line = found.ours.as_ref().or(found.theirs.as_ref()).unwrap();
                (line.order_id.clone(), found.kind)
            })
            .collect();
        prop_assert_eq!(&found, &made);
        prop_assert_eq!(breaks.len(), made.len());
    }
}
