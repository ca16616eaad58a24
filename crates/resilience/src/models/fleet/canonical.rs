//! Which states of the fleet's model are the same.

use super::super::symmetry::{Ranks, hash};
use super::state::{Call, Instance, Purpose, State, Step, bucket_of};
use crate::breaker::fleet::{Bucket, FleetRecord, Phase, Probe};
use contracts::Timestamp;

/// Where the clock stands in a canonical state: late enough for what is over to be in the past.
pub(super) const NOW: Timestamp = Timestamp::from_millis(1_000_000);

impl State {
    /// The one of the states that are the same as this.
    pub(super) fn canonical(mut self) -> Self {
        self.forget_the_past();
        self.rank_generations();
        self.rank_probes();
        self.rebase();
        for instance in &mut self.instances {
            instance.tally.sort_unstable_by_key(|bucket| bucket.counts.failures);
        }
        self.instances.sort_by_cached_key(hash);
        self
    }

    /// What is of an older generation, or a probe whose permit is back, is left out: in every state
    /// everything of that kind is tried, and must change nothing.
    fn forget_the_past(&mut self) {
        let (newest, now) = (self.record.generation, self.now);
        let leases = match &self.record.phase {
            Phase::HalfOpen { leases, .. } => leases.clone(),
            Phase::Closed | Phase::Open { .. } => Vec::new(),
        };
        let says_something = |probe: &Probe| {
            let mut leases = leases.iter().filter(|lease| lease.expires_at > now);
            probe.generation == newest && leases.any(|lease| lease.probe == probe.number)
        };
        for instance in &mut self.instances {
            instance.calls.retain(|call| match call {
                Call::Counted { generation } => *generation == newest,
                Call::Probe(probe) => says_something(probe),
            });
            match &instance.step {
                Step::Suspecting { generation, .. } if *generation < newest => {
                    instance.step = Step::Idle;
                }
                // Whoever is too late reads again.
                Step::Writing(None, _) => instance.step = Step::Idle,
                Step::Idle | Step::Suspecting { .. } | Step::Writing(Some(_), _) => {}
            }
            let is_writing = matches!(instance.step, Step::Writing(..));
            instance.results.retain(|(probe, _)| is_writing || says_something(probe));
            if instance.seen < newest {
                instance.seen = newest - 1;
                instance.tally.clear();
            }
        }
        if self.counts.generation < newest {
            self.counts.generation = newest - 1;
            self.counts.buckets.clear();
        }
    }

    /// Generations matter by their order.
    fn rank_generations(&mut self) {
        let mut generations = vec![];
        self.each_generation(|generation| generations.push(*generation));
        let ranks = Ranks::of(generations);
        self.each_generation(|generation| *generation = ranks.rank(*generation));
    }

    /// Numbers of probes of this generation matter by their order, and so that new ones are new.
    fn rank_probes(&mut self) {
        let generation = self.record.generation;
        let mut numbers = vec![];
        each_lease_number(&mut self.record, |number| numbers.push(*number));
        self.each_write(|record| {
            if record.generation == generation {
                each_lease_number(record, |number| numbers.push(*number));
            }
        });
        self.each_probe(|probe| {
            if probe.generation == generation {
                numbers.push(probe.number);
            }
        });
        let ranks = Ranks::of(numbers);
        self.each_probe(|probe| {
            if probe.generation == generation {
                probe.number = ranks.rank(probe.number);
            }
        });
        each_lease_number(&mut self.record, |number| *number = ranks.rank(*number));
        self.each_write(|record| {
            if record.generation == generation {
                each_lease_number(record, |number| *number = ranks.rank(*number));
            }
        });
    }

    /// Tells times relative to now; what is over is over, however long.
    fn rebase(&mut self) {
        let now = std::mem::replace(&mut self.now, NOW);
        let rebased = |until: &mut Timestamp| {
            if *until != Timestamp::MAX {
                *until = NOW.plus(until.since(now));
            }
        };
        self.each_probe(|probe| rebased(&mut probe.expires_at));
        let record = |record: &mut FleetRecord| {
            record.changed_at = NOW;
            match &mut record.phase {
                Phase::Closed => {}
                Phase::Open { until, openings } => {
                    rebased(until);
                    // All open times are as long.
                    *openings = 1;
                }
                Phase::HalfOpen { leases, openings, .. } => {
                    *openings = 1;
                    leases.iter_mut().for_each(|lease| rebased(&mut lease.expires_at));
                    leases.retain(|lease| lease.expires_at > NOW);
                }
            }
        };
        record(&mut self.record);
        self.each_write(record);
        let buckets = |buckets: &mut Vec<Bucket>| {
            buckets.retain(|bucket| bucket.number == bucket_of(now));
            buckets.iter_mut().for_each(|bucket| bucket.number = bucket_of(NOW));
        };
        buckets(&mut self.counts.buckets);
        self.instances.iter_mut().for_each(|instance| buckets(&mut instance.tally));
    }

    fn each_write(&mut self, mut visit: impl FnMut(&mut FleetRecord)) {
        for instance in &mut self.instances {
            if let Step::Writing(Some(record), _) = &mut instance.step {
                visit(record);
            }
        }
    }

    fn each_probe(&mut self, mut visit: impl FnMut(&mut Probe)) {
        self.instances.iter_mut().for_each(|instance| instance.each_probe(&mut visit));
    }

    fn each_generation(&mut self, mut visit: impl FnMut(&mut u64)) {
        visit(&mut self.record.generation);
        visit(&mut self.counts.generation);
        self.each_write(|record| visit(&mut record.generation));
        for instance in &mut self.instances {
            visit(&mut instance.seen);
            for call in &mut instance.calls {
                if let Call::Counted { generation } = call {
                    visit(generation);
                }
            }
            if let Step::Suspecting { generation, .. } = &mut instance.step {
                visit(generation);
            }
            instance.each_probe(|probe| visit(&mut probe.generation));
        }
    }
}

impl Instance {
    fn each_probe(&mut self, mut visit: impl FnMut(&mut Probe)) {
        for call in &mut self.calls {
            if let Call::Probe(probe) = call {
                visit(probe);
            }
        }
        self.results.iter_mut().for_each(|(probe, _)| visit(probe));
        if let Step::Writing(_, Purpose::Elect(probe) | Purpose::Settle(probe, _)) = &mut self.step
        {
            visit(probe);
        }
    }
}

fn each_lease_number(record: &mut FleetRecord, mut visit: impl FnMut(&mut u64)) {
    if let Phase::HalfOpen { leases, elected, .. } = &mut record.phase {
        leases.iter_mut().for_each(|lease| visit(&mut lease.probe));
        visit(elected);
    }
}
