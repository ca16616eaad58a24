//! What one instance makes of a breaker: its own judgement, and the fleet's as it was last seen.
//!
//! Owns: that a call goes only through both; what is to be reported, settled and looked at, and
//! when; going on alone while the store does not answer. Pure: time, outcomes and what was read
//! come in as values.
//! Does not own: the fleet's rules (`fleet/`), reading and writing (`driver.rs`).
//!
//! When the fleet's breaker is seen to change, the instance's own starts anew: the fleet's word is
//! newer, and whoever is bad alone trips alone again. So one of the two is probed at a time.

use super::config::Config;
use super::counts::Counts;
use super::fleet::{Bucket, Delta, FleetRecord, Phase, Probe};
use super::state::{Admission, Breaker, Mode, Outcome, Permit, Room, State};
use super::window::Window;
use crate::backoff;
use contracts::Timestamp;
use std::time::Duration;

/// A call that arrives while its instance asks for a permit is told to come back after this: an
/// election is one read and one write.
const ELECTION_WAIT: Duration = Duration::from_millis(50);

/// One breaker, as one instance has it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Member {
    config: Config,
    seed: u64,
    local: Breaker,
    fleet: FleetRecord,
    contact: Contact,
    /// The calls of this generation that the fleet does not know of yet.
    tally: Window,
    report_at: Option<Timestamp>,
    results: Vec<ProbeResult>,
    looked_at: Option<Timestamp>,
    /// When a call last asked.
    asked_at: Option<Timestamp>,
    is_electing: bool,
    /// When this instance may first ask for a permit in this generation.
    ask_at: Timestamp,
    /// The store did not answer; it is asked again then.
    rest_until: Timestamp,
    is_due_anew: bool,
}

/// Whether the fleet's view is kept up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Contact {
    /// It is, or nobody has tried yet.
    InTouch,
    /// The store does not answer.
    Alone {
        /// Whether the instance's own breaker has taken over from a fleet's that was not closed.
        has_taken_over: bool,
    },
}

/// Whether a call may be made.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub enum Verdict {
    /// It is known.
    Known(Admission<Ticket>),
    /// It may if the fleet elects it a probe.
    Elect(Candidate),
}

/// The leave to make one call; settled once, with its outcome.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub struct Ticket {
    permit: Permit,
    role: Role,
}

impl Ticket {
    /// When the call began.
    #[must_use]
    pub const fn began(&self) -> Timestamp {
        self.permit.began()
    }

    /// The fleet's probe that this call is, if it is one.
    #[must_use]
    pub const fn probe(&self) -> Option<Probe> {
        match self.role {
            Role::Probe(probe) => Some(probe),
            Role::Counted { .. } | Role::Bystander => None,
        }
    }
}

/// What a call means to the fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Role {
    Counted { generation: u64 },
    Probe(Probe),
    Bystander,
}

/// A call that waits for its election; to be given back to [`Member::elected`] in any case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub struct Candidate {
    permit: Permit,
}

/// How an election ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ballot {
    /// The call is a probe.
    Won(Probe),
    /// It is not.
    Lost {
        /// When it makes sense to ask again.
        retry_after: Duration,
    },
    /// The fleet's breaker was closed meanwhile.
    Needless,
    /// The store does not answer.
    NoStore,
    /// The caller went away.
    Withdrawn,
}

/// How a probe ended, for the fleet to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProbeResult {
    /// Which.
    pub probe: Probe,
    /// How; a success that took too long is a failure.
    pub outcome: Outcome,
}

/// What the fleet's view says to a call.
enum Gate {
    Pass,
    Shut { retry_after: Duration },
    Elect,
}

impl Member {
    /// Makes the breaker of an instance that has not heard of the fleet; `seed` decides its jitter
    /// and its phase of the reporting period.
    #[must_use]
    pub fn new(config: Config, seed: u64) -> Self {
        let config = config.sane();
        Self {
            config,
            seed,
            local: Breaker::new(config, seed),
            fleet: FleetRecord::default(),
            contact: Contact::InTouch,
            tally: Window::new(config.bucket),
            report_at: None,
            results: Vec::new(),
            looked_at: None,
            asked_at: None,
            is_electing: false,
            ask_at: Timestamp::EPOCH,
            rest_until: Timestamp::EPOCH,
            is_due_anew: false,
        }
    }

    /// Decides whether a call may be made at `at`.
    pub fn judge(&mut self, at: Timestamp) -> Verdict {
        self.is_due_anew |= !self.is_in_use();
        self.asked_at = Some(at);
        match self.gate(at) {
            Gate::Pass => Verdict::Known(self.pass(at)),
            Gate::Shut { retry_after } => Verdict::Known(self.shut(at, retry_after)),
            Gate::Elect => match self.local.judge(at) {
                Admission::Wait { retry_after } => Verdict::Known(Admission::Wait { retry_after }),
                Admission::Go(permit) => {
                    self.is_electing = true;
                    Verdict::Elect(Candidate { permit })
                }
            },
        }
    }

    /// Takes a candidate back with how its election ended, and decides about its call.
    pub fn elected(
        &mut self,
        candidate: Candidate,
        ballot: Ballot,
        at: Timestamp,
    ) -> Admission<Ticket> {
        self.is_electing = false;
        let Candidate { permit } = candidate;
        match ballot {
            Ballot::Won(probe) => {
                return Admission::Go(Ticket { permit, role: Role::Probe(probe) });
            }
            Ballot::NoStore => {
                self.go_alone(at);
            }
            Ballot::Lost { .. } | Ballot::Needless | Ballot::Withdrawn => {}
        }
        self.local.settle(permit, Outcome::Ignored, at);
        match ballot {
            Ballot::Lost { retry_after } => self.shut(at, retry_after),
            Ballot::Withdrawn => Admission::Wait { retry_after: ELECTION_WAIT },
            Ballot::Won(_) | Ballot::Needless | Ballot::NoStore => match self.gate(at) {
                Gate::Shut { retry_after } => self.shut(at, retry_after),
                Gate::Pass | Gate::Elect => self.pass(at),
            },
        }
    }

    /// Takes note of how a permitted call ended at `at`.
    pub fn settle(&mut self, ticket: Ticket, outcome: Outcome, at: Timestamp) {
        let is_slow = at.since(ticket.permit.began()) > self.config.slow_after;
        self.local.settle(ticket.permit, outcome, at);
        match (ticket.role, outcome) {
            (Role::Bystander, _) | (Role::Counted { .. }, Outcome::Ignored) => {}
            (Role::Counted { generation }, Outcome::Success | Outcome::Failure) => {
                self.count(generation, Counts::one(outcome == Outcome::Failure, is_slow), at);
            }
            (Role::Probe(probe), _) => {
                // Slow calls may be why it opened: closing on slow probes would only open it again.
                let outcome = match outcome {
                    Outcome::Success if is_slow => Outcome::Failure,
                    Outcome::Success | Outcome::Failure | Outcome::Ignored => outcome,
                };
                self.results.push(ProbeResult { probe, outcome });
                self.is_due_anew = true;
            }
        }
    }

    /// Whether a call's result belongs to a generation that is over, and will change nothing. Of a
    /// probe only the fleet's record can tell.
    #[must_use]
    pub fn is_stale(&self, ticket: &Ticket) -> bool {
        match ticket.role {
            Role::Counted { generation } => {
                generation != self.fleet.generation
                    || ticket.permit.generation() != self.local.generation()
            }
            Role::Probe(_) | Role::Bystander => false,
        }
    }

    /// Takes note of what the fleet agrees on, as it was read or written at `at`.
    ///
    /// A record older than the one that is known changes nothing.
    pub fn see(&mut self, record: FleetRecord, at: Timestamp) {
        self.contact = Contact::InTouch;
        self.looked_at = Some(at);
        if record.generation < self.fleet.generation {
            return;
        }
        if record.generation > self.fleet.generation {
            match record.mode == self.local.mode() {
                true => self.local.reset(),
                false => self.local.switch(record.mode),
            }
            self.tally = Window::new(self.config.bucket);
            self.report_at = None;
            self.ask_at = match record.phase {
                Phase::Open { until, .. } => {
                    let seed = self.seed.wrapping_add(record.generation);
                    until.plus(backoff::full_jitter(self.config.election_spread, seed))
                }
                Phase::Closed | Phase::HalfOpen { .. } => at,
            };
        }
        self.fleet = record;
    }

    /// Takes note that the store did not answer; the instance goes on by its own judgement until
    /// it sees the fleet's record again. Answers whether it was in touch until now.
    pub fn go_alone(&mut self, at: Timestamp) -> bool {
        let was_in_touch = self.contact == Contact::InTouch;
        if was_in_touch {
            self.contact = Contact::Alone { has_taken_over: false };
        }
        self.rest_until = at.plus(self.config.look_every);
        was_in_touch
    }

    /// When something is to be done with the store next.
    #[must_use]
    pub fn due_at(&self) -> Option<Timestamp> {
        let results = (!self.results.is_empty()).then_some(Timestamp::EPOCH);
        let look = self.is_in_use().then(|| self.look_at());
        let due = [results, look, self.report_at].into_iter().flatten().min();
        due.map(|due| due.max(self.rest_until))
    }

    /// Whether the fleet's record is to be read at `at`.
    #[must_use]
    pub fn is_look_due(&self, at: Timestamp) -> bool {
        self.is_in_use() && at >= self.look_at()
    }

    /// What was counted is to be reported now, whenever its turn is: there will be no other.
    pub const fn report_at_last(&mut self) {
        if self.report_at.is_some() {
            self.report_at = Some(Timestamp::EPOCH);
        }
    }

    /// Takes out what is to be reported at `at`, if anything is.
    #[must_use]
    pub fn take_report(&mut self, at: Timestamp) -> Option<Delta> {
        self.report_at.take_if(|due| at >= *due)?;
        let buckets = self.tally.take();
        Some(Delta { generation: self.fleet.generation, buckets })
    }

    /// Takes back what could not be reported, to be tried again at the next turn.
    pub fn put_back(&mut self, delta: &Delta, at: Timestamp) {
        if delta.generation == self.fleet.generation {
            delta.buckets.iter().for_each(|bucket: &Bucket| self.tally.put_back(*bucket));
            self.report_at = Some(self.next_turn(at));
        }
    }

    /// The results of probes that the fleet does not know of yet; those that say nothing any more
    /// are forgotten.
    #[must_use]
    pub fn results(&mut self, at: Timestamp) -> Vec<ProbeResult> {
        self.results.retain(|result| result.probe.expires_at > at);
        self.results.clone()
    }

    /// Takes note that the fleet knows of a result.
    pub fn forget(&mut self, result: &ProbeResult) {
        self.results.retain(|held| held != result);
    }

    /// Whether something has become due since the last time this was asked.
    pub(super) const fn take_due_anew(&mut self) -> bool {
        std::mem::replace(&mut self.is_due_anew, false)
    }

    /// How many calls would be let through at `at`.
    #[must_use]
    pub fn room(&self, at: Timestamp) -> Room {
        match self.local.mode() {
            Mode::ForcedOpen => {
                return Room::Nobody { retry_after: self.config.open.nth(0) };
            }
            Mode::Disabled | Mode::Shadow => return Room::All,
            Mode::Judging => {}
        }
        let fleet = match (self.contact, self.fleet.room(&self.config, at)) {
            (Contact::InTouch, Room::Probes(_)) if at < self.ask_at => {
                Room::Nobody { retry_after: self.ask_at.since(at) }
            }
            (Contact::InTouch, room) => room,
            // Its time is not up, whoever may be reached.
            (Contact::Alone { .. }, room @ Room::Nobody { .. }) if self.is_fleet_open() => room,
            (Contact::Alone { .. }, Room::All | Room::Probes(_) | Room::Nobody { .. }) => Room::All,
        };
        fleet.and(self.local.room(at))
    }

    /// The worse of the two states that a call meets.
    #[must_use]
    pub fn state(&self) -> State {
        self.local.state().worse(self.fleet.state())
    }

    /// The instance's own breaker.
    #[must_use]
    pub const fn local(&self) -> &Breaker {
        &self.local
    }

    /// The fleet's breaker, as it was last seen.
    #[must_use]
    pub const fn fleet(&self) -> &FleetRecord {
        &self.fleet
    }

    /// Whether the store did not answer when it was last asked.
    #[must_use]
    pub const fn is_alone(&self) -> bool {
        matches!(self.contact, Contact::Alone { .. })
    }

    /// Whether a new one that has looked at the fleet's record would behave the same.
    #[must_use]
    pub fn is_at_rest(&self, at: Timestamp) -> bool {
        self.local.is_at_rest(at)
            && self.fleet.phase == Phase::Closed
            && self.results.is_empty()
            && self.tally.counts(at) == Counts::NONE
            && !self.is_electing
    }

    fn gate(&mut self, at: Timestamp) -> Gate {
        match self.local.mode() {
            Mode::Judging | Mode::Shadow => {}
            Mode::ForcedOpen | Mode::Disabled => return Gate::Pass,
        }
        let room = self.fleet.room(&self.config, at);
        match (self.contact, room) {
            (_, Room::All) => Gate::Pass,
            (_, Room::Nobody { retry_after }) if self.is_fleet_open() => Gate::Shut { retry_after },
            (Contact::Alone { has_taken_over }, Room::Probes(_) | Room::Nobody { .. }) => {
                if !has_taken_over {
                    self.contact = Contact::Alone { has_taken_over: true };
                    self.local.doubt();
                }
                Gate::Pass
            }
            (Contact::InTouch, Room::Probes(_)) if at < self.ask_at => {
                Gate::Shut { retry_after: self.ask_at.since(at) }
            }
            (Contact::InTouch, Room::Probes(_)) => self.elect(),
            // Others may have given permits back since; the election reads before it writes.
            (Contact::InTouch, Room::Nobody { .. }) if at >= self.look_at() => self.elect(),
            (Contact::InTouch, Room::Nobody { retry_after }) => Gate::Shut { retry_after },
        }
    }

    const fn elect(&self) -> Gate {
        match self.is_electing {
            true => Gate::Shut { retry_after: ELECTION_WAIT },
            false => Gate::Elect,
        }
    }

    fn pass(&mut self, at: Timestamp) -> Admission<Ticket> {
        match self.local.judge(at) {
            Admission::Wait { retry_after } => Admission::Wait { retry_after },
            Admission::Go(permit) => {
                let counts = self.fleet.phase == Phase::Closed && !permit.is_bystander();
                let role = match counts {
                    true => Role::Counted { generation: self.fleet.generation },
                    false => Role::Bystander,
                };
                Admission::Go(Ticket { permit, role })
            }
        }
    }

    /// A call that the fleet does not let through; in the shadow it is made all the same.
    const fn shut(&self, at: Timestamp, retry_after: Duration) -> Admission<Ticket> {
        match self.local.mode() {
            Mode::Shadow => {
                let permit = self.local.bystander(at);
                Admission::Go(Ticket { permit, role: Role::Bystander })
            }
            Mode::Judging | Mode::ForcedOpen | Mode::Disabled => Admission::Wait { retry_after },
        }
    }

    fn count(&mut self, generation: u64, call: Counts, at: Timestamp) {
        if generation != self.fleet.generation || self.fleet.phase != Phase::Closed {
            return;
        }
        self.tally.count(at, call);
        if self.report_at.is_none() {
            self.report_at = Some(self.next_turn(at));
            self.is_due_anew = true;
        }
    }

    /// The next time after `at` at which it is this instance's turn to report.
    fn next_turn(&self, at: Timestamp) -> Timestamp {
        let every = self.config.report_every.as_millis();
        let every = i64::try_from(every).unwrap_or(i64::MAX).max(1);
        let phase = i64::try_from(self.seed % every.unsigned_abs()).unwrap_or(0);
        let since_turn = (at.as_millis() - phase).rem_euclid(every);
        Timestamp::from_millis(at.as_millis().saturating_add(every - since_turn))
    }

    fn look_at(&self) -> Timestamp {
        self.looked_at.map_or(Timestamp::EPOCH, |last| last.plus(self.config.look_every))
    }

    /// Whether the fleet's view is to be kept fresh: a call has asked not long before the last look.
    fn is_in_use(&self) -> bool {
        let kept = self.asked_at.map(|asked| asked.plus(self.config.look_for));
        kept.is_some_and(|end| self.looked_at.is_none_or(|looked| looked <= end))
    }

    const fn is_fleet_open(&self) -> bool {
        matches!(self.fleet.phase, Phase::Open { .. })
    }
}
