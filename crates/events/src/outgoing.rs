//! What of the outbox to publish now, and what becomes of the answers.
//!
//! Pure: pages of the outbox, answers and the time come in; calls and settlements come out.
//!
//! Each aggregate is a lane. A call carries at most one event of a lane, and a lane is in one call
//! at a time, so a refused event can never be overtaken by the next of its aggregate. A lane whose
//! event is refused waits alone; all others go on. Retryable refusals are tried for ever, the wait
//! growing; the others are parked with their reason, and the lane goes on once that is recorded:
//! else a crash could bring the parked event back behind its successor.

use crate::retry::{RetryPolicy, scatter};
use contracts::{Envelope, Timestamp};
use ports::bus::{BYTES_MAX, ENTRIES_MAX, EntryResult, entry_bytes};
use ports::outbox::{Pending, Settled};
use ports::store::Partition;
use ports::{Error, Kind};
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::time::Duration;

/// The most events held at once: bounds memory, and is many calls ahead of the bus.
pub const HELD_MAX: usize = 10_000;

/// The most events held of a lane that waits: the rest is left in the outbox and read again, so
/// that stuck lanes cannot fill the memory that the others need.
const HELD_OF_WAITING_LANE_MAX: usize = 8;

/// How the waits between tries grow; how often and how long are not bounded. The last one is short:
/// whoever waits for an event waits so long at the most after the bus is back.
const WAITS: RetryPolicy = RetryPolicy {
    attempts_max: u32::MAX,
    age_max: Duration::MAX,
    wait_first: Duration::from_millis(100),
    wait_max: Duration::from_secs(5),
};

/// A call to make, named for [`Outgoing::answered`].
#[derive(Clone, Debug)]
pub struct Call {
    /// Which call.
    pub id: u64,
    /// What to publish.
    pub entries: Vec<Envelope>,
}

/// Everything on its way from the outbox to the bus.
#[derive(Debug)]
pub struct Outgoing {
    seed: u64,
    lanes: HashMap<Partition, Lane>,
    ready: VecDeque<Partition>,
    waiting: BTreeSet<(Timestamp, Partition)>,
    calls: HashMap<u64, Vec<Partition>>,
    calls_made: u64,
    settled: Vec<Settled>,
    /// Lanes that go on once the parking of their event is recorded.
    parking: HashMap<u64, Partition>,
    /// Events that are held, or settled and not recorded as such: a page may show them again.
    known: HashSet<u64>,
    held: usize,
    pass: Pass,
}

/// One reading of the outbox, from `from` on, up to `to` so far.
#[derive(Clone, Copy, Debug, Default)]
struct Pass {
    number: u64,
    from: u64,
    to: u64,
}

#[derive(Debug, Default)]
struct Lane {
    queue: VecDeque<Pending>,
    is_busy: bool,
    is_waiting: bool,
    /// Whether its next event must be the only one of its call.
    is_single: bool,
    tries: u32,
    /// From which event on the outbox holds more of this lane, and in which pass that was seen.
    left_out: Option<(u64, u64)>,
}

/// What became of a lane's first event.
enum Fate {
    Published,
    Parked(String),
    Again(Option<Duration>),
    Single,
}

impl Outgoing {
    /// Starts with nothing in hand; `seed` jitters the waits.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            lanes: HashMap::new(),
            ready: VecDeque::new(),
            waiting: BTreeSet::new(),
            calls: HashMap::new(),
            calls_made: 0,
            settled: Vec::new(),
            parking: HashMap::new(),
            known: HashSet::new(),
            held: 0,
            pass: Pass::default(),
        }
    }

    /// After which event to read the outbox on.
    #[must_use]
    pub const fn read_after(&self) -> u64 {
        self.pass.to
    }

    /// How many more events may be taken now.
    #[must_use]
    pub const fn room(&self) -> usize {
        HELD_MAX.saturating_sub(self.held)
    }

    /// When the next waiting lane may be tried again.
    #[must_use]
    pub fn wake_at(&self) -> Option<Timestamp> {
        self.waiting.first().map(|(at, _)| *at)
    }

    /// Takes the page that was read after [`Outgoing::read_after`].
    pub fn take(&mut self, page: Vec<Pending>) {
        for pending in page {
            self.pass.to = self.pass.to.max(pending.sequence);
            if self.known.contains(&pending.sequence) {
                continue;
            }
            let pass = self.pass;
            let lane = self.lanes.entry(pending.partition.clone()).or_default();
            // What was left out comes first; only a pass that began before it can bring it.
            let is_early = lane
                .left_out
                .is_some_and(|(from, seen_in)| pass.number <= seen_in || pass.from >= from);
            if is_early {
                continue;
            }
            if lane.is_waiting && lane.queue.len() >= HELD_OF_WAITING_LANE_MAX {
                lane.left_out = Some((pending.sequence, pass.number));
                continue;
            }
            lane.left_out = None;
            self.known.insert(pending.sequence);
            self.held += 1;
            if lane.queue.is_empty() && !lane.is_busy {
                self.ready.push_back(pending.partition.clone());
            }
            lane.queue.push_back(pending);
        }
    }

    /// The next call to make now, if any.
    pub fn next_call(&mut self, now: Timestamp) -> Option<Call> {
        while let Some((at, _)) = self.waiting.first() {
            if *at > now {
                break;
            }
            let Some((_, partition)) = self.waiting.pop_first() else {
                break;
            };
            if let Some(lane) = self.lanes.get_mut(&partition) {
                lane.is_waiting = false;
                self.ready.push_back(partition);
            }
        }
        let mut entries: Vec<Envelope> = Vec::new();
        let mut partitions = Vec::new();
        let mut bytes = 0;
        while entries.len() < ENTRIES_MAX {
            let Some(partition) = self.ready.pop_front() else {
                break;
            };
            let Some(lane) = self.lanes.get_mut(&partition) else {
                continue;
            };
            let Some(first) = lane.queue.front() else {
                continue;
            };
            let more = entry_bytes(&first.envelope);
            if !entries.is_empty() && (lane.is_single || bytes + more >= BYTES_MAX) {
                self.ready.push_front(partition);
                break;
            }
            bytes += more;
            lane.is_busy = true;
            let is_single = lane.is_single;
            entries.push(first.envelope.clone());
            partitions.push(partition);
            if is_single {
                break;
            }
        }
        if entries.is_empty() {
            return None;
        }
        self.calls_made += 1;
        let id = self.calls_made;
        self.calls.insert(id, partitions);
        Some(Call { id, entries })
    }

    /// Notes the answer to a call; a call that is not open changes nothing.
    ///
    /// An entry without an answer counts as refused for now.
    pub fn answered(&mut self, call: u64, answer: Result<Vec<EntryResult>, Error>, now: Timestamp) {
        let Some(partitions) = self.calls.remove(&call) else {
            return;
        };
        match answer {
            Ok(entries) => {
                let mut entries = entries.into_iter();
                for partition in partitions {
                    let fate = match entries.next() {
                        Some(Ok(())) => Fate::Published,
                        Some(Err(error)) => fate_of(&error),
                        None => Fate::Again(None),
                    };
                    self.resolve(partition, fate, now);
                }
            }
            Err(error) => {
                let is_alone = partitions.len() == 1;
                for partition in partitions {
                    let fate = match (error.kind(), fate_of(&error)) {
                        // It is about who calls, or where: no event is the worse for it.
                        (Kind::Denied | Kind::NotFound, _) => Fate::Again(error.wait()),
                        // The call is wrong, not each of its entries: find out which one.
                        (_, Fate::Parked(_)) if !is_alone => Fate::Single,
                        (_, fate) => fate,
                    };
                    self.resolve(partition, fate, now);
                }
            }
        }
    }

    /// What is to be recorded now; [`Outgoing::recorded`] or [`Outgoing::give_back`] must follow.
    pub fn settlement(&mut self) -> Vec<Settled> {
        std::mem::take(&mut self.settled)
    }

    /// Notes that a settlement is durable: the outbox shows these events no more.
    pub fn recorded(&mut self, settled: &[Settled]) {
        for one in settled {
            let (Settled::Published(sequence) | Settled::Parked(sequence, _)) = one;
            self.known.remove(sequence);
            if let Some(partition) = self.parking.remove(sequence) {
                self.go_on(partition);
            }
        }
    }

    /// Takes back a settlement that could not be recorded.
    pub fn give_back(&mut self, settled: Vec<Settled>) {
        self.settled.extend(settled);
    }

    fn resolve(&mut self, partition: Partition, fate: Fate, now: Timestamp) {
        let seed = scatter(self.seed ^ self.calls_made) ^ self.held as u64;
        let Some(lane) = self.lanes.get_mut(&partition) else {
            return;
        };
        match fate {
            Fate::Published => {
                if let Some(first) = lane.queue.pop_front() {
                    self.settled.push(Settled::Published(first.sequence));
                    self.held -= 1;
                }
                self.go_on(partition);
            }
            Fate::Parked(reason) => {
                if let Some(first) = lane.queue.pop_front() {
                    self.settled.push(Settled::Parked(first.sequence, reason));
                    self.held -= 1;
                    self.parking.insert(first.sequence, partition);
                }
            }
            Fate::Single => {
                lane.is_busy = false;
                lane.is_single = true;
                self.ready.push_back(partition);
            }
            Fate::Again(asked) => {
                lane.is_busy = false;
                lane.tries = lane.tries.saturating_add(1);
                lane.is_waiting = true;
                let wait = WAITS.wait(lane.tries, seed).max(asked.unwrap_or_default());
                if lane.queue.len() > HELD_OF_WAITING_LANE_MAX {
                    for left in lane.queue.drain(HELD_OF_WAITING_LANE_MAX..).rev() {
                        self.known.remove(&left.sequence);
                        self.held -= 1;
                        lane.left_out = Some((left.sequence, self.pass.number));
                    }
                }
                self.waiting.insert((now.plus(wait), partition));
            }
        }
    }

    /// Lets a lane go on behind an event that is settled.
    fn go_on(&mut self, partition: Partition) {
        let Some(lane) = self.lanes.get_mut(&partition) else {
            return;
        };
        lane.is_busy = false;
        lane.is_single = false;
        lane.tries = 0;
        if !lane.queue.is_empty() {
            self.ready.push_back(partition);
        } else if let Some((from, _)) = lane.left_out {
            self.read_again(from);
        } else {
            self.lanes.remove(&partition);
        }
    }

    fn read_again(&mut self, from: u64) {
        let before = from.saturating_sub(1);
        if before < self.pass.to {
            self.pass.to = before;
            self.pass.from = before;
            self.pass.number += 1;
        }
    }
}

fn fate_of(error: &Error) -> Fate {
    if error.kind().is_retryable() {
        Fate::Again(error.wait())
    } else {
        Fate::Parked(ports::task::chain(error))
    }
}
