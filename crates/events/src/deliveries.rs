//! What to deliver now, how far the archive is settled, and what becomes of failures.
//!
//! Pure: events, outcomes and the time come in; attempts and settlements come out.
//!
//! ```text
//! archive ── take ──▶ waiting ── start ──▶ in flight ── finish ──▶ settled
//!                                            │ fails, or takes longer than PATIENCE
//!                                            ▼
//!                             redelivery row ── take_due ──▶ in flight … ──▶ done or dead
//! ```
//!
//! The cursor stays just below the lowest event that has a fresh delivery open. A fresh delivery
//! that fails or is slow becomes a row, and no longer holds the cursor: nobody waits behind it.
//! What is recorded in one [`Settlement`] is recorded together, so at every instant an event is
//! above the cursor, or in a row, or done. A crash loses only the memory of fresh successes above
//! the cursor; those are delivered again.
//!
//! Fresh events of one aggregate reach a target one after the other, in order, as long as none of
//! them fails or is slow.

mod changes;
mod targets;

pub use targets::TargetId;

use crate::dead_letter::{self, Death};
use crate::retry::{DeliveryError, RetryPolicy, Tries, Verdict, scatter};
use changes::Changes;
use contracts::{Envelope, Timestamp};
use ports::event_log::{DeadLetter, Redelivery, Settlement};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use targets::Targets;

/// The most events above the cursor that are held at once: bounds memory and what a crash repeats.
pub const OPEN_EVENTS_MAX: usize = 8_192;

/// The most fresh deliveries to one target at once: enough to hide a target's latency, few enough
/// that one target cannot take the process's memory or sockets.
pub const FRESH_PER_TARGET_MAX: usize = 64;

/// The most redeliveries to one target at once, beside the fresh ones: neither a backlog of
/// failures nor a stream of fresh events can starve the other.
pub const REDELIVERIES_PER_TARGET_MAX: usize = 32;

/// How long the cursor waits for a delivery before the delivery becomes a row.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// How long an attempt may take at all; after that it has failed.
pub const ATTEMPT_MAX: Duration = Duration::from_secs(30);

/// How long a row waits when its target has no room for it: longer than most calls, so that the
/// rows of one busy target do not keep those of others from being seen.
const BUSY_WAIT: Duration = Duration::from_secs(5);

/// The fewest due rows to look at beyond those in flight: a page that fills one commit.
const DUE_PAGE: usize = 1_024;

/// By which rules a target is delivered to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// How long and how often a delivery is tried.
    pub policy: RetryPolicy,
    /// Whether what is given up goes to a queue.
    pub has_dead_letter_queue: bool,
}

/// One delivery: which event to which target.
pub type Key = (u64, TargetId);

/// A call to make now.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Which delivery.
    pub key: Key,
    /// What to deliver.
    pub event: Arc<Envelope>,
    /// Set when the event goes to the target's dead-letter queue: how the delivery died.
    pub death: Option<Death>,
}

/// All deliveries that are open.
#[derive(Debug)]
pub struct Deliveries {
    seed: u64,
    targets: Targets,
    /// The last event taken.
    taken_to: u64,
    /// The cursor as last recorded.
    cursor: u64,
    /// Events with fresh deliveries open, and how many: they hold the cursor.
    holding: BTreeMap<u64, usize>,
    open: HashMap<Key, Delivery>,
    /// Fresh deliveries of one aggregate to one target, in order; only the first one may run.
    lanes: HashMap<(TargetId, String), VecDeque<u64>>,
    /// Fresh deliveries in flight, by the time at which patience ends.
    patience: BTreeSet<(Timestamp, Key)>,
    /// What is to be recorded.
    changes: Changes,
}

#[derive(Debug)]
struct Delivery {
    event: Arc<Envelope>,
    tries: Tries,
    stage: Stage,
    death: Option<Death>,
}

/// Where an open delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Fresh and not started; holds the cursor.
    Waiting,
    /// Fresh and in flight; holds the cursor until patience ends.
    Fresh { patience_ends_at: Timestamp },
    /// In flight since it was fresh, and a row by now.
    Slow,
    /// In flight from a row.
    Redelivery,
}

impl Deliveries {
    /// Starts where the archive is settled up to `cursor`; `seed` jitters the waits.
    #[must_use]
    pub fn new(cursor: u64, seed: u64) -> Self {
        Self {
            seed,
            targets: Targets::default(),
            taken_to: cursor,
            cursor,
            holding: BTreeMap::new(),
            open: HashMap::new(),
            lanes: HashMap::new(),
            patience: BTreeSet::new(),
            changes: Changes::default(),
        }
    }

    /// The id of a target, by its durable name; it goes by these terms from now on.
    pub fn know(&mut self, name: &str, terms: Terms) -> TargetId {
        self.targets.know(name, terms)
    }

    /// Forgets the targets that are no longer known and have nothing open.
    pub fn forget(&mut self, is_known: impl Fn(&str) -> bool) {
        self.targets.forget(is_known);
    }

    /// The durable name of a target.
    #[must_use]
    pub fn name(&self, target: TargetId) -> Option<&str> {
        self.targets.get(target).map(|target| target.name.as_str())
    }

    /// Whether nothing is left to be settled of the events taken so far.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.holding.is_empty() && self.cursor == self.taken_to
    }

    /// The last event taken; the next one to take comes after it.
    #[must_use]
    pub const fn taken_to(&self) -> u64 {
        self.taken_to
    }

    /// How many more events may be taken now.
    #[must_use]
    pub fn room(&self) -> usize {
        OPEN_EVENTS_MAX.saturating_sub(self.holding.len())
    }

    /// When patience with some delivery ends: [`Deliveries::tire`] is due then.
    #[must_use]
    pub fn patience_ends_at(&self) -> Option<Timestamp> {
        self.patience.first().map(|(at, _)| *at)
    }

    /// How many due rows to look at: those in flight are still due and come first.
    ///
    /// Never zero, for a row may be of a target that nothing was delivered to since the start.
    #[must_use]
    pub fn due_limit(&self) -> usize {
        self.targets.redeliveries().saturating_add(DUE_PAGE)
    }

    /// Takes the next event of the archive, for the targets its rules name.
    pub fn take(
        &mut self,
        sequence: u64,
        event: &Arc<Envelope>,
        targets: &[TargetId],
        now: Timestamp,
    ) {
        self.taken_to = sequence;
        for &target in targets {
            let key = (sequence, target);
            // After a crash a row may be in flight before its event is taken again: it holds both.
            if self.open.contains_key(&key) {
                continue;
            }
            let Some(state) = self.targets.get_mut(target) else {
                continue;
            };
            let is_stalled = state.is_stalled();
            state.waiting.insert(sequence);
            let lane = (target, event.lane().into_owned());
            let lane = self.lanes.entry(lane).or_default();
            lane.push_back(sequence);
            if lane.len() == 1 {
                state.ready.push_back(sequence);
            }
            *self.holding.entry(sequence).or_default() += 1;
            let delivery = Delivery {
                event: Arc::clone(event),
                tries: Tries { attempts: 0, first_at: now },
                stage: Stage::Waiting,
                death: None,
            };
            self.open.insert(key, delivery);
            if is_stalled {
                self.spill(target, now);
            }
        }
    }

    /// Takes a redelivery that is due; answers the call to make, if there is room for it now.
    ///
    /// A row that is in flight already makes no call; one whose target is busy is put off; one
    /// whose target was removed (it has no `terms`) is given up.
    pub fn take_due(
        &mut self,
        row: &Redelivery,
        event: Envelope,
        terms: Option<Terms>,
        now: Timestamp,
    ) -> Option<Attempt> {
        let Some(terms) = terms else {
            self.changes.give_up(row, now, "no such target is left");
            return None;
        };
        let target = self.targets.know(&row.target, terms);
        let key = (row.sequence, target);
        if self.open.contains_key(&key) || self.changes.concern(row.sequence, &row.target) {
            return None;
        }
        let state = self.targets.get_mut(target)?;
        if state.redeliveries >= REDELIVERIES_PER_TARGET_MAX {
            let again = Redelivery { due_at: now.plus(BUSY_WAIT), ..row.clone() };
            self.changes.again(again);
            return None;
        }
        state.redeliveries += 1;
        let event = Arc::new(event);
        let death = dead_letter::target_of(&row.target).map(|_| Death::of_reason(&row.reason));
        let delivery = Delivery {
            event: Arc::clone(&event),
            tries: Tries { attempts: row.attempts.saturating_add(1), first_at: row.first_at },
            stage: Stage::Redelivery,
            death: death.clone(),
        };
        self.open.insert(key, delivery);
        Some(Attempt { key, event, death })
    }

    /// Answers the fresh deliveries to start now, and counts them as started.
    pub fn start(&mut self, now: Timestamp) -> Vec<Attempt> {
        let mut attempts = Vec::new();
        for (id, target) in self.targets.iter_mut() {
            while target.has_room() {
                let Some(sequence) = target.ready.pop_front() else {
                    break;
                };
                let key = (sequence, id);
                let Some(delivery) = self.open.get_mut(&key) else {
                    continue;
                };
                let patience_ends_at = now.plus(PATIENCE);
                delivery.stage = Stage::Fresh { patience_ends_at };
                delivery.tries = Tries { attempts: 1, first_at: now };
                target.waiting.remove(&sequence);
                target.fresh += 1;
                self.patience.insert((patience_ends_at, key));
                let event = Arc::clone(&delivery.event);
                attempts.push(Attempt { key, event, death: None });
            }
        }
        attempts
    }

    /// Notes how a call ended; a delivery that is not in flight changes nothing.
    pub fn finish(&mut self, key: Key, outcome: Result<(), DeliveryError>, now: Timestamp) {
        let is_waiting = |delivery: &Delivery| delivery.stage == Stage::Waiting;
        if self.open.get(&key).is_none_or(is_waiting) {
            return;
        }
        let (Some(delivery), Some(target)) = (self.open.remove(&key), self.targets.get_mut(key.1))
        else {
            return;
        };
        let has_row = matches!(delivery.stage, Stage::Slow | Stage::Redelivery);
        if outcome.is_ok() && has_row {
            self.changes.done(key.0, target.name.clone());
        }
        match delivery.stage {
            Stage::Fresh { patience_ends_at } => {
                target.fresh -= 1;
                self.patience.remove(&(patience_ends_at, key));
                self.release(key, &delivery.event.lane());
            }
            Stage::Slow => target.slow -= 1,
            Stage::Redelivery => target.redeliveries -= 1,
            Stage::Waiting => {}
        }
        if let Err(error) = outcome {
            self.failed(key, &delivery, error, now);
        }
    }

    /// Turns the deliveries that took too long into rows; they go on, but hold nobody up.
    pub fn tire(&mut self, now: Timestamp) {
        while let Some(&(at, key)) = self.patience.first() {
            if at > now {
                return;
            }
            self.patience.pop_first();
            let (Some(delivery), Some(target)) =
                (self.open.get_mut(&key), self.targets.get_mut(key.1))
            else {
                continue;
            };
            delivery.stage = Stage::Slow;
            target.fresh -= 1;
            target.slow += 1;
            // Due only when the attempt must have ended, so that a crash repeats it and nothing
            // else does.
            let due_at = delivery.tries.first_at.plus(ATTEMPT_MAX + PATIENCE);
            let again = Redelivery {
                sequence: key.0,
                target: target.name.clone(),
                attempts: delivery.tries.attempts,
                first_at: delivery.tries.first_at,
                due_at,
                reason: "no answer yet".to_owned(),
            };
            let aggregate = delivery.event.lane().into_owned();
            let is_stalled = target.is_stalled();
            self.changes.again(again);
            self.spill_behind(key, &aggregate, now);
            self.release(key, &aggregate);
            if is_stalled {
                self.spill(key.1, now);
            }
        }
    }

    /// What is to be recorded now, if anything; [`Deliveries::recorded`] or
    /// [`Deliveries::give_back`] must follow before the next one.
    pub fn settlement(&mut self) -> Option<Settlement> {
        let cursor = match self.holding.first_key_value() {
            Some((lowest, _)) => lowest.saturating_sub(1),
            None => self.taken_to,
        };
        let settlement = self.changes.take((cursor > self.cursor).then_some(cursor));
        (settlement != Settlement::default()).then_some(settlement)
    }

    /// Notes that a settlement is durable.
    pub fn recorded(&mut self, settlement: &Settlement) {
        self.cursor = settlement.cursor.unwrap_or(self.cursor);
    }

    /// Takes back a settlement that could not be recorded; what happened since then stands.
    pub fn give_back(&mut self, settlement: Settlement) {
        self.changes.give_back(settlement);
    }

    fn failed(&mut self, key: Key, delivery: &Delivery, error: DeliveryError, now: Timestamp) {
        let (sequence, target) = key;
        let Some(target) = self.targets.get(target) else {
            return;
        };
        let Tries { attempts, first_at } = delivery.tries;
        let seed = self.jitter_seed(key, attempts);
        let (reason, exhausted) =
            match target.terms.policy.decide(&error, delivery.tries, now, seed) {
                Verdict::Again { due_at } => {
                    // A row that leads to a queue keeps telling of the delivery that died.
                    let reason = delivery.death.as_ref().map(Death::to_reason);
                    return self.changes.again(Redelivery {
                        sequence,
                        target: target.name.clone(),
                        attempts,
                        first_at,
                        due_at,
                        reason: reason.unwrap_or(error.reason),
                    });
                }
                Verdict::Dead { reason, exhausted } => (reason, exhausted),
            };
        match &delivery.death {
            None if target.terms.has_dead_letter_queue => {
                let code = error.code.to_owned();
                let death = Death { code, message: error.reason, exhausted, attempts };
                self.changes.bury((sequence, &target.name), &death, now);
            }
            None => {
                let target = target.name.clone();
                self.changes.dead(DeadLetter { sequence, target, attempts, at: now, reason });
            }
            Some(death) => {
                let reason = format!("{}; and its dead-letter queue: {reason}", death.message);
                self.changes.done(sequence, target.name.clone());
                let died = dead_letter::target_of(&target.name).unwrap_or(&target.name);
                let (target, attempts) = (died.to_owned(), death.attempts);
                self.changes.dead(DeadLetter { sequence, target, attempts, at: now, reason });
            }
        }
    }

    /// Lets the cursor and the lane go on without this delivery.
    fn release(&mut self, (sequence, target): Key, aggregate: &str) {
        if let Some(open) = self.holding.get_mut(&sequence) {
            *open -= 1;
            if *open == 0 {
                self.holding.remove(&sequence);
            }
        }
        let lane = (target, aggregate.to_owned());
        let Some(waiting) = self.lanes.get_mut(&lane) else {
            return;
        };
        if waiting.front() == Some(&sequence) {
            waiting.pop_front();
            if let (Some(next), Some(state)) = (waiting.front(), self.targets.get_mut(target)) {
                state.ready.push_back(*next);
            }
        } else {
            waiting.retain(|other| *other != sequence);
        }
        if waiting.is_empty() {
            self.lanes.remove(&lane);
        }
    }

    /// Turns what waits for a target that answers nobody into rows.
    fn spill(&mut self, target: TargetId, now: Timestamp) {
        let Some(state) = self.targets.get_mut(target) else {
            return;
        };
        state.ready.clear();
        for sequence in std::mem::take(&mut state.waiting).into_iter().rev() {
            self.put_off((sequence, target), now);
        }
    }

    /// Turns what waits behind a slow delivery of its aggregate into rows.
    fn spill_behind(&mut self, (sequence, target): Key, aggregate: &str, now: Timestamp) {
        let lane = self.lanes.get(&(target, aggregate.to_owned()));
        let behind = lane.into_iter().flatten().copied();
        let behind: Vec<u64> = behind.filter(|other| *other > sequence).collect();
        for sequence in behind.into_iter().rev() {
            self.put_off((sequence, target), now);
        }
    }

    /// Turns a delivery that waits into a row that nobody has tried.
    fn put_off(&mut self, key: Key, now: Timestamp) {
        let (Some(delivery), Some(target)) = (self.open.remove(&key), self.targets.get_mut(key.1))
        else {
            return;
        };
        target.waiting.remove(&key.0);
        self.changes.again(Redelivery {
            sequence: key.0,
            target: target.name.clone(),
            attempts: 0,
            first_at: now,
            due_at: now.plus(BUSY_WAIT),
            reason: "the target does not answer".to_owned(),
        });
        self.release(key, &delivery.event.lane());
    }

    const fn jitter_seed(&self, (sequence, target): Key, attempts: u32) -> u64 {
        let event = scatter(self.seed ^ sequence);
        let delivery = scatter(event ^ target.0 as u64);
        scatter(delivery ^ attempts as u64)
    }
}
