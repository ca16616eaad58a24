//! A gateway with a ledger of its own that goes wrong in three calls of ten, by seed.
//!
//! Owns: the port's contract in its plainest form, and every way a call or its answer gets lost: it
//! did not arrive, it arrived and was not answered, it arrives seconds later, it arrives twice.

use async_trait::async_trait;
use contracts::{Money, OrderId, Timestamp};
use payment::KEY_HONOURED;
use payment::ledger::Movement;
use payment::reconciliation::Line;
use ports::gateway::{Books, Operation, Outcome};
use ports::{Clock, Error, Kind, PaymentGateway, Result};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use testkit::ManualClock;

/// How many kinds of faults there are.
pub(crate) const FAULTS: usize = 7;
/// A call that is late arrives within this time: longer than its caller waits.
const LATE_MAX_S: u64 = 40;

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// No answer in time, and nothing happened.
    TimeoutBeforeApply,
    /// No answer in time, but it happened.
    TimeoutAfterApply,
    /// No answer in time, and it happens seconds later, when it was perhaps sent again.
    LateApply,
    /// It is answered, and a copy of it arrives seconds later.
    LateDuplicate,
    /// The gateway answers 500: it may have happened.
    ServerError,
    /// The gateway answers 503: it did not happen.
    Unavailable,
    /// The connection breaks: it may have happened.
    LostConnection,
}

const KINDS: [Fault; FAULTS] = [
    Fault::TimeoutBeforeApply,
    Fault::TimeoutAfterApply,
    Fault::LateApply,
    Fault::LateDuplicate,
    Fault::ServerError,
    Fault::Unavailable,
    Fault::LostConnection,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Authorize { is_good: bool },
    Capture,
    Void,
    Refund,
}

#[derive(Clone, Debug)]
struct Sent {
    asked: Asked,
    operation: Operation,
}

/// One reference.
#[derive(Debug, Default)]
struct Account {
    books: Books,
    is_closed: bool,
    is_bad_at_capture: bool,
    lines: Vec<Line>,
    answers: BTreeMap<String, (Timestamp, Outcome)>,
    on_their_way: Vec<(Timestamp, Sent)>,
    calls: u64,
}

/// The card that is declined when its amount is to be held, and the one when it is to be taken.
pub(crate) const DECLINED: &str = "tok_decline";
pub(crate) const DECLINED_AT_CAPTURE: &str = "tok_capture_fails";

impl Account {
    fn perform(&mut self, sent: &Sent, at: Timestamp) -> Outcome {
        let key = &sent.operation.key;
        // A key is forgotten after a while: the same call is another one then.
        let known = self.answers.get(key).filter(|(since, _)| at.since(*since) < KEY_HONOURED);
        if let Some((_, outcome)) = known {
            return outcome.clone();
        }
        let outcome = self.decide(sent, at);
        self.answers.insert(key.clone(), (at, outcome.clone()));
        outcome
    }

    fn decide(&mut self, sent: &Sent, at: Timestamp) -> Outcome {
        let amount = sent.operation.amount;
        let minor = amount.amount_minor;
        let held =
            self.books.authorized_minor - self.books.captured_minor - self.books.voided_minor;
        let owed = self.books.captured_minor - self.books.refunded_minor;
        let declined = |reason: &str| Outcome::Declined { reason: reason.to_owned() };
        let (movement, moved) = match sent.asked {
            Asked::Authorize { .. } | Asked::Capture if self.is_closed => {
                return declined("closed");
            }
            Asked::Authorize { is_good: false } => return declined("insufficient_funds"),
            Asked::Authorize { is_good: true } => {
                self.books.authorized_minor += minor;
                (Movement::Authorization, minor)
            }
            Asked::Capture if self.is_bad_at_capture => return declined("not_taken"),
            Asked::Capture if held < minor => return declined("not_held"),
            Asked::Capture => {
                self.books.captured_minor += minor;
                (Movement::Capture, minor)
            }
            Asked::Void => {
                self.is_closed = true;
                self.books.voided_minor += held;
                (Movement::Void, held)
            }
            Asked::Refund if owed < minor => return declined("not_captured"),
            Asked::Refund => {
                self.books.refunded_minor += minor;
                (Movement::Refund, minor)
            }
        };
        if moved > 0 {
            let order_id = sent.operation.reference.parse().unwrap();
            let amount = Money::new(moved, amount.currency);
            self.lines.push(Line { order_id, movement, amount, at });
        }
        Outcome::Done
    }

    /// Lets everything arrive whose time has come.
    fn arrive(&mut self, now: Timestamp) {
        let (mut due, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.on_their_way).into_iter().partition(|(at, _)| *at <= now);
        self.on_their_way = later;
        due.sort_by_key(|(at, _)| *at);
        for (at, sent) in due {
            self.perform(&sent, at);
        }
    }
}

#[derive(Debug, Default)]
struct Shared {
    accounts: BTreeMap<String, Account>,
    faults: BTreeMap<Fault, u64>,
    calls: u64,
}

/// The gateway.
pub(crate) struct StormyGateway {
    seed: u64,
    clock: Arc<ManualClock>,
    /// It does what it is asked and never says so.
    is_silent: AtomicBool,
    shared: Mutex<Shared>,
}

/// One step of SplitMix64: well mixed whatever comes in.
const fn mixed(number: u64) -> u64 {
    let z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// What becomes of one call.
struct Fate {
    fault: Option<Fault>,
    late_by: Duration,
    is_applied: bool,
}

impl StormyGateway {
    pub(crate) fn new(seed: u64, clock: Arc<ManualClock>) -> Self {
        Self { seed, clock, is_silent: AtomicBool::new(false), shared: Mutex::default() }
    }

    /// From here on it does what it is asked without a word, or speaks again.
    pub(crate) fn fall_silent(&self, is_silent: bool) {
        self.is_silent.store(is_silent, Ordering::Relaxed);
    }

    /// How many calls came, lookups among them.
    pub(crate) fn calls(&self) -> u64 {
        self.shared().calls
    }

    /// How many calls went wrong, by how.
    pub(crate) fn faults(&self) -> BTreeMap<Fault, u64> {
        self.shared().faults.clone()
    }

    /// What stands on the ledger for an order, in the order in which it happened.
    pub(crate) fn statement(&self, id: &OrderId) -> Vec<Line> {
        self.shared().accounts.get(id.as_str()).map_or_else(Vec::new, |found| found.lines.clone())
    }

    /// Lets everything arrive that is still on its way.
    pub(crate) fn settle(&self) {
        let now = self.clock.now();
        self.shared().accounts.values_mut().for_each(|account| account.arrive(now));
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap()
    }

    /// Draws what becomes of the next call about a reference: the same whatever others do.
    fn draw(&self, shared: &mut Shared, reference: &str) -> Fate {
        shared.calls += 1;
        let account = shared.accounts.entry(reference.to_owned()).or_default();
        account.arrive(self.clock.now());
        account.calls += 1;
        let name =
            reference.bytes().fold(self.seed, |so_far, byte| mixed(so_far ^ u64::from(byte)));
        let mut next = mixed(name ^ account.calls);
        let mut roll = |sides: u64| {
            next = mixed(next);
            next % sides
        };
        let (is_fault, kind, late_s) = (roll(100) < 30, roll(FAULTS as u64), 1 + roll(LATE_MAX_S));
        let drawn = is_fault.then(|| KINDS[usize::try_from(kind).unwrap()]);
        let is_silent = self.is_silent.load(Ordering::Relaxed);
        let fault = if is_silent { Some(Fault::TimeoutAfterApply) } else { drawn };
        if let Some(fault) = fault {
            *shared.faults.entry(fault).or_default() += 1;
        }
        Fate { fault, late_by: Duration::from_secs(late_s), is_applied: roll(2) == 0 }
    }

    fn perform(&self, asked: Asked, operation: &Operation) -> Result<Outcome> {
        let (now, mut shared) = (self.clock.now(), self.shared());
        let fate = self.draw(&mut shared, &operation.reference);
        let sent = Sent { asked, operation: operation.clone() };
        let account = shared.accounts.entry(operation.reference.clone()).or_default();
        let unknown = |why: &str| Ok(Outcome::Unknown { why: why.to_owned() });
        match fate.fault {
            None => Ok(account.perform(&sent, now)),
            Some(Fault::TimeoutBeforeApply) => unknown("no answer in time"),
            Some(Fault::TimeoutAfterApply) => {
                account.perform(&sent, now);
                unknown("no answer in time")
            }
            Some(Fault::LateApply) => {
                account.on_their_way.push((now.plus(fate.late_by), sent));
                unknown("no answer in time")
            }
            Some(Fault::LateDuplicate) => {
                account.on_their_way.push((now.plus(fate.late_by), sent.clone()));
                Ok(account.perform(&sent, now))
            }
            Some(Fault::ServerError | Fault::LostConnection) => {
                if fate.is_applied {
                    account.perform(&sent, now);
                }
                unknown("the answer is none")
            }
            Some(Fault::Unavailable) => Err(Error::new(Kind::Unavailable, "reach the gateway")),
        }
    }
}

#[async_trait]
impl PaymentGateway for StormyGateway {
    async fn authorize(&self, operation: &Operation, card_token: &str) -> Result<Outcome> {
        if card_token == DECLINED_AT_CAPTURE {
            let mut shared = self.shared();
            let account = shared.accounts.entry(operation.reference.clone()).or_default();
            account.is_bad_at_capture = true;
        }
        self.perform(Asked::Authorize { is_good: card_token != DECLINED }, operation)
    }

    async fn capture(&self, operation: &Operation) -> Result<Outcome> {
        self.perform(Asked::Capture, operation)
    }

    async fn void(&self, operation: &Operation) -> Result<Outcome> {
        self.perform(Asked::Void, operation)
    }

    async fn refund(&self, operation: &Operation) -> Result<Outcome> {
        self.perform(Asked::Refund, operation)
    }

    async fn find(&self, reference: &str, _: Option<Timestamp>) -> Result<Books> {
        let mut shared = self.shared();
        let fate = self.draw(&mut shared, reference);
        match fate.fault {
            // A lookup that comes twice is a lookup.
            None | Some(Fault::LateDuplicate) => {
                Ok(shared.accounts.get(reference).map_or_else(Books::default, |found| found.books))
            }
            Some(Fault::TimeoutBeforeApply | Fault::TimeoutAfterApply | Fault::LateApply) => {
                Err(Error::new(Kind::Timeout, "read the gateway's books"))
            }
            Some(Fault::ServerError | Fault::Unavailable | Fault::LostConnection) => {
                Err(Error::new(Kind::Unavailable, "read the gateway's books"))
            }
        }
    }
}
