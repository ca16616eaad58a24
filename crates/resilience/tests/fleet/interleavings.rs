//! A thousand instances, a seed, and three million choices of who goes on next.
//!
//! Each episode is a fleet of its own: it works, what it calls goes down, calls end in every way
//! and order, processes and the store fail, and in the end all is well again. What must hold is
//! held against what really happened: the calls that reached the dependency and their answers.
//! A failure names the seed of its episode; the same seed is the same run.

use crate::sim::{Fleet, NAME, Reply, SimStore};
use contracts::Timestamp;
use ports::Clock;
use resilience::breaker::Config;
use resilience::breaker::fleet::{FleetRecord, Lease, Phase};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const INSTANCES: usize = 1_000;
/// How many choices are made, over all episodes.
const CHOICES: u64 = 3_000_000;
/// The seed of the first episode; the others follow.
const SEED: u64 = 20_261_126;
/// How many seconds all instances are busy at first.
const BUSY_S: u32 = 4;
/// How many things happen while there is trouble.
const TROUBLES: usize = 1_500;
/// How soon it opens after the twentieth failure.
const OPENS_WITHIN: Duration = Duration::from_secs(3);
/// How soon it is closed again when all is well: the longest open time, a lease, and some calls.
const CLOSES_WITHIN_S: u32 = 120;

/// How the dependency is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Health {
    #[default]
    Well,
    Down,
    /// Calls end when and as the test says.
    Troubled,
}

/// The answers to calls that were made in one generation.
#[derive(Clone, Copy, Debug, Default)]
struct Answers {
    well: u32,
    failed: u32,
}

/// What really happened.
#[derive(Default)]
struct Truth {
    health: Health,
    failures: Vec<Timestamp>,
    answers: HashMap<u64, Answers>,
    /// The calls that are held, in the order of the simulation.
    held: Vec<Held>,
}

/// A call that has not ended.
#[derive(Clone, Copy, Debug)]
struct Held {
    instance: usize,
    generation: u64,
    since: Timestamp,
}

struct Episode {
    seed: u64,
    fleet: Fleet,
    truth: Arc<Mutex<Truth>>,
    /// How much of the record's history was checked.
    checked: usize,
    last: FleetRecord,
    /// Whether nothing but the dependency fails.
    is_calm: bool,
}

impl Truth {
    fn reach(&mut self, instance: usize, generation: u64, now: Timestamp) -> Reply {
        let answers = self.answers.entry(generation).or_default();
        match self.health {
            Health::Well => {
                answers.well += 1;
                Reply::Ok
            }
            Health::Down => {
                answers.failed += 1;
                self.failures.push(now);
                Reply::Failed
            }
            Health::Troubled => {
                self.held.push(Held { instance, generation, since: now });
                Reply::Held
            }
        }
    }

    fn answer(&mut self, place: usize, reply: Reply, now: Timestamp) {
        let Held { generation, since, .. } = self.held.remove(place);
        let is_slow = now.since(since) > Config::default().slow_after;
        let answers = self.answers.entry(generation).or_default();
        match reply {
            Reply::Ok if !is_slow => answers.well += 1,
            // A probe that takes too long is no good sign.
            Reply::Ok | Reply::Failed => answers.failed += 1,
            Reply::Ignored | Reply::Held => {}
        }
    }
}

impl Episode {
    fn new(seed: u64) -> Self {
        let mut fleet = Fleet::of(INSTANCES, seed);
        let truth: Arc<Mutex<Truth>> = Arc::default();
        let (store, clock, seen) =
            (Arc::clone(&fleet.store), Arc::clone(&fleet.clock), Arc::clone(&truth));
        let generation = |store: &SimStore| store.record_now(NAME).generation;
        fleet.answers(move |instance| {
            seen.lock().unwrap().reach(instance, generation(&store), clock.now())
        });
        let is_calm = fleet.roll(2) == 0;
        Self { seed, fleet, truth, checked: 0, last: FleetRecord::default(), is_calm }
    }

    fn run(&mut self) {
        self.works();
        self.opens();
        self.is_troubled();
        self.recovers();
        let writes = self.fleet.store.writes_max();
        assert!(writes <= 500, "seed {}: {writes} writes of a key in a second", self.seed);
    }

    /// Every instance makes calls; then the fleet is quiet for longer than its window.
    fn works(&mut self) {
        for _ in 0..BUSY_S {
            (0..INSTANCES).for_each(|instance| self.fleet.call(instance));
            self.pass(1_000);
        }
        self.pass(12_000);
        assert_eq!(self.fleet.record().phase, Phase::Closed, "seed {}", self.seed);
    }

    /// The dependency goes down; the fleet opens three seconds after the twentieth failure at the
    /// latest.
    fn opens(&mut self) {
        self.truth.lock().unwrap().health = Health::Down;
        let calls_at_once = 1 + self.fleet.roll(50);
        loop {
            for _ in 0..calls_at_once {
                self.call_anywhere();
            }
            self.pass(100);
            if self.fleet.record().phase != Phase::Closed {
                return;
            }
            let twentieth = self.truth.lock().unwrap().failures.get(19).copied();
            let late = twentieth.is_some_and(|at| self.fleet.clock.now() > at.plus(OPENS_WITHIN));
            assert!(!late, "seed {}: it is not open three seconds after 20 failures", self.seed);
        }
    }

    /// Everything goes wrong that can.
    fn is_troubled(&mut self) {
        self.pass(1_000);
        self.truth.lock().unwrap().health = Health::Troubled;
        let reached = self.fleet.reached_count();
        let elected = elected(&self.fleet);
        for _ in 0..TROUBLES {
            match self.fleet.roll(100) {
                0..50 => self.call_anywhere(),
                50..70 => self.answer_somebody(),
                70..85 => {
                    for _ in 0..self.fleet.roll(30) {
                        self.fleet.step();
                    }
                }
                85..97 => self.pass(self.fleet.roll(300)),
                97 => self.pass(5_000),
                98 if !self.is_calm => self.crash_anywhere(),
                99 if !self.is_calm => self.store_fails(),
                _ => self.fleet.settle(),
            }
            self.check();
        }
        self.pass(1_000);
        let reached = self.fleet.reached_count() - reached;
        let elected = elected_since(&self.fleet, elected);
        if self.is_calm && !elected.has_closed {
            assert!(reached <= elected.probes, "seed {}: {reached} calls, {elected:?}", self.seed);
        }
    }

    /// All is well again; with calls it closes, whatever was lost.
    fn recovers(&mut self) {
        self.truth.lock().unwrap().health = Health::Well;
        self.fleet.store.look(|inner| inner.is_down = false);
        for _ in 0..CLOSES_WITHIN_S {
            for _ in 0..20 {
                self.call_anywhere();
            }
            self.pass(1_000);
            if self.fleet.record().phase == Phase::Closed {
                return;
            }
        }
        panic!("seed {}: it is stuck: {:?}", self.seed, self.fleet.record());
    }

    fn call_anywhere(&mut self) {
        let instance = self.fleet.any_instance();
        self.fleet.call(instance);
    }

    fn answer_somebody(&mut self) {
        let held = self.fleet.held();
        if held == 0 {
            return;
        }
        let place = usize::try_from(self.fleet.roll(held as u64)).unwrap();
        let reply = [Reply::Ok, Reply::Ok, Reply::Ok, Reply::Failed, Reply::Ignored]
            [usize::try_from(self.fleet.roll(5)).unwrap()];
        self.truth.lock().unwrap().answer(place, reply, self.fleet.clock.now());
        self.fleet.answer_held(place, reply);
    }

    fn crash_anywhere(&mut self) {
        let instance = self.fleet.any_instance();
        self.truth.lock().unwrap().held.retain(|held| held.instance != instance);
        self.fleet.crash(instance);
    }

    fn store_fails(&mut self) {
        let down = self.fleet.store.look(|inner| std::mem::replace(&mut inner.is_down, true));
        self.fleet.store.look(|inner| inner.is_down = !down);
    }

    fn pass(&mut self, ms: u64) {
        self.fleet.pass(ms);
        self.check();
    }

    /// Holds every record that was written since against what really happened.
    fn check(&mut self) {
        let new: Vec<FleetRecord> =
            self.fleet.store.look(|inner| inner.history[self.checked..].to_vec());
        self.checked += new.len();
        for record in new {
            if let Err(rule) = self.check_record(&record) {
                panic!("seed {}: {rule}:\n{:?}\n{record:?}", self.seed, self.last);
            }
            self.last = record;
        }
    }

    fn check_record(&self, record: &FleetRecord) -> Result<(), &'static str> {
        if let Phase::HalfOpen { leases, successes, .. } = &record.phase
            && leases.len() + *successes as usize > 3
        {
            return Err("more than three probes in a window");
        }
        if record.generation == self.last.generation {
            return check_step(&self.last, record);
        }
        if record.generation != self.last.generation + 1 {
            return Err("a stale record was written");
        }
        let truth = self.truth.lock().unwrap();
        let answers = truth.answers.get(&self.last.generation).copied().unwrap_or_default();
        match (&self.last.phase, &record.phase) {
            (Phase::HalfOpen { .. }, Phase::Closed) if answers.well < 3 => {
                Err("it closed, and of this generation's calls no three had ended well")
            }
            (Phase::HalfOpen { .. }, Phase::Open { .. }) if answers.failed < 1 => {
                Err("it opened, and of this generation's calls none had failed")
            }
            (Phase::Closed, Phase::Open { .. }) if answers.failed < 20 => {
                Err("it opened, and of this generation's calls no twenty had failed")
            }
            _ => Ok(()),
        }
    }
}

/// Within a generation, permits are given one by one, and what was counted stays counted.
fn check_step(last: &FleetRecord, next: &FleetRecord) -> Result<(), &'static str> {
    let (
        Phase::HalfOpen { leases: had, elected: before, successes: fewer, .. },
        Phase::HalfOpen { leases: has, elected: after, successes: more, .. },
    ) = (&last.phase, &next.phase)
    else {
        return Err("a generation is something else than it was");
    };
    let is_new = |lease: &&Lease| !had.contains(lease);
    let new: Vec<u64> = has.iter().filter(is_new).map(|lease| lease.probe).collect();
    let is_elected = new.is_empty() || (new == [before + 1] && *after == before + 1);
    match is_elected && fewer <= more {
        true => Ok(()),
        false => Err("a permit or a success was overwritten"),
    }
}

/// How many probes were elected in each generation.
fn elected(fleet: &Fleet) -> HashMap<u64, u64> {
    let mut elected = HashMap::new();
    fleet.store.look(|inner| {
        for record in &inner.history {
            if let Phase::HalfOpen { elected: count, .. } = record.phase {
                elected.insert(record.generation, count);
            }
        }
    });
    elected
}

#[derive(Debug)]
struct Elected {
    probes: usize,
    has_closed: bool,
}

/// How many were elected since then, and whether it was closed in between.
fn elected_since(fleet: &Fleet, before: HashMap<u64, u64>) -> Elected {
    let probes: u64 = elected(fleet).values().sum::<u64>() - before.values().sum::<u64>();
    let first = before.keys().copied().max().unwrap_or(0);
    let has_closed = fleet.store.look(|inner| {
        let since = inner.history.iter().filter(|record| record.generation > first);
        since.filter(|record| record.phase == Phase::Closed).count() > 0
    });
    Elected { probes: usize::try_from(probes).unwrap(), has_closed }
}

#[test]
fn millions_of_random_interleavings_of_a_thousand_instances_break_no_rule() {
    let (mut choices, mut episodes, mut transitions, mut writes) = (0, 0, 0, 0);
    println!("the first seed is {SEED}");
    for seed in SEED.. {
        let mut episode = Episode::new(seed);
        episode.run();
        (choices, episodes) = (choices + episode.fleet.polls(), episodes + 1);
        transitions += episode.fleet.record().generation;
        writes = writes.max(episode.fleet.store.writes_max());
        if choices >= CHOICES {
            break;
        }
    }
    println!(
        "{choices} choices in {episodes} episodes, {transitions} transitions, \
         at most {writes} writes of a key in a second"
    );
    assert!(transitions > 10, "next to nothing happened");
}

#[test]
#[should_panic(expected = "a permit or a success was overwritten")]
fn a_store_that_ignores_what_was_read_is_found_out() {
    for seed in SEED.. {
        let mut episode = Episode::new(seed);
        episode.fleet.store.look(|inner| inner.is_careless = true);
        episode.run();
    }
}
