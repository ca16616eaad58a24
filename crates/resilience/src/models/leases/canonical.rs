//! Which states of the leases' model are the same.

use super::super::symmetry::{INSTANCES, Ranks, hash};
use super::state::{Answer, Instance, Payload, State, Step, fence_of};
use crate::idempotency::record::Record;
use contracts::Timestamp;

/// Where the clock stands in a canonical state: late enough for what is over to be in the past.
pub(super) const NOW: Timestamp = Timestamp::from_millis(1_000_000);
/// What the claims of the instances are called in a canonical state.
const CLAIMS: [&str; INSTANCES] = ["the first's", "the second's", "the third's"];

impl State {
    /// The one of the states that are the same as this.
    pub(super) fn canonical(mut self) -> Self {
        self.rebase();
        let mut numbers = vec![fence_of(&self.record).0];
        self.each_number(|number| numbers.push(*number));
        let ranks = Ranks::of(numbers);
        self.each_number(|number| *number = ranks.rank(*number));
        for instance in &mut self.instances {
            if instance.step == Step::Idle {
                // Nothing is left of its last claim, but what the record tells.
                instance.holder = "nobody yet".to_owned();
                instance.payload = Payload::This;
            }
        }
        self.reorder();
        self
    }

    /// Puts the instances into an order that does not depend on their names, and names their
    /// claims by it.
    fn reorder(&mut self) {
        self.instances.sort_by_cached_key(|instance| {
            // What tells instances apart: what they do, and which writes are theirs.
            let theirs = |record: &Record<Answer>| holder_of(record) == Some(&instance.holder);
            let writes = (theirs(&self.record), self.orphan.as_ref().is_some_and(theirs));
            let mut anonymous = instance.clone();
            anonymous.each_holder(|holder| holder.clear());
            hash(&(anonymous, writes))
        });
        let names = self.instances.clone().map(|instance| instance.holder);
        self.each_holder(|holder| {
            let place = names.iter().position(|name| name == holder);
            *holder = place.map_or("nobody", |place| CLAIMS[place]).to_owned();
        });
    }

    /// Visits the name of a claim wherever it is.
    fn each_holder(&mut self, mut visit: impl FnMut(&mut String)) {
        for record in [Some(&mut self.record), self.orphan.as_mut()].into_iter().flatten() {
            holder_of_mut(record).map(&mut visit);
        }
        self.instances.iter_mut().for_each(|instance| instance.each_holder(&mut visit));
    }

    /// Visits every number that only grows.
    fn each_number(&mut self, mut visit: impl FnMut(&mut u64)) {
        for record in [Some(&mut self.record), self.orphan.as_mut()].into_iter().flatten() {
            numbers_of(record, &mut visit);
        }
        for instance in &mut self.instances {
            match &mut instance.step {
                Step::Claiming(write, lease) | Step::Ending(write, lease, ..) => {
                    write.iter_mut().for_each(|record| numbers_of(record, &mut visit));
                    visit(&mut lease.fence.0);
                }
                Step::Running(lease, _) | Step::Finishing(lease, ..) => visit(&mut lease.fence.0),
                Step::Idle | Step::Unsure => {}
            }
        }
        self.told.iter_mut().for_each(|(answer, _)| visit(answer));
    }

    /// Tells times relative to now; what is over is over, however long.
    fn rebase(&mut self) {
        let now = std::mem::replace(&mut self.now, NOW);
        let rebased = |until: &mut Timestamp| {
            if *until != Timestamp::MAX {
                *until = NOW.plus(until.since(now));
            }
        };
        let mut visit = |record: &mut Record<Answer>| match record {
            Record::Running { lease_until, .. } => rebased(lease_until),
            Record::Free { .. } | Record::Released { .. } | Record::Done { .. } => {}
        };
        visit(&mut self.record);
        self.orphan.iter_mut().for_each(&mut visit);
        for instance in &mut self.instances {
            match &mut instance.step {
                Step::Claiming(write, _) | Step::Ending(write, ..) => {
                    write.iter_mut().for_each(&mut visit);
                }
                Step::Idle | Step::Unsure | Step::Running(..) | Step::Finishing(..) => {}
            }
        }
    }
}

impl Instance {
    fn each_holder(&mut self, mut visit: impl FnMut(&mut String)) {
        visit(&mut self.holder);
        match &mut self.step {
            Step::Claiming(write, lease) | Step::Ending(write, lease, ..) => {
                write.as_mut().and_then(holder_of_mut).map(&mut visit);
                visit(&mut lease.holder);
            }
            Step::Running(lease, _) | Step::Finishing(lease, ..) => visit(&mut lease.holder),
            Step::Idle | Step::Unsure => {}
        }
    }
}

const fn holder_of(record: &Record<Answer>) -> Option<&String> {
    match record {
        Record::Running { holder, .. } => Some(holder),
        Record::Free { .. } | Record::Released { .. } | Record::Done { .. } => None,
    }
}

const fn holder_of_mut(record: &mut Record<Answer>) -> Option<&mut String> {
    match record {
        Record::Running { holder, .. } => Some(holder),
        Record::Free { .. } | Record::Released { .. } | Record::Done { .. } => None,
    }
}

fn numbers_of(record: &mut Record<Answer>, visit: &mut impl FnMut(&mut u64)) {
    match record {
        Record::Free { fence } | Record::Running { fence, .. } | Record::Released { fence, .. } => {
            visit(&mut fence.0);
        }
        Record::Done { fence, answer, .. } => {
            visit(&mut fence.0);
            visit(answer);
        }
    }
}
