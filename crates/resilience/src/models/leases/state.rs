//! What is going on around a key, and what each step makes of it.

use super::super::symmetry::INSTANCES;
use crate::idempotency::record::{self, Abandon, Begin, Claim, End, Fence, Lease, Record};
use contracts::{Fingerprint, Timestamp};
use std::time::Duration;

pub(super) const TICK: Duration = Duration::from_secs(1);
/// How many ticks a lease lasts: enough to work in it, and to be late.
const LEASE: u32 = 2;
/// What a run answers: the fence of the run, so that no two runs answer the same.
pub(super) type Answer = u64;

/// A bug to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    None,
    /// Whoever writes last wins.
    WritesUnconditionally,
    /// Whoever finishes late is taken for the holder.
    IgnoresTheFence,
    /// Whoever fails late gives back the key of another.
    GivesBackOthersKeys,
    /// A run that takes over is not told so.
    ForgetsEarlierRuns,
    /// Whoever is superseded answers what it has made.
    AnswersItsOwn,
    /// A lease has no end.
    LeasesForEver,
    /// A key is compared without its payload.
    IgnoresThePayload,
}

/// What is asked under the key: this, or by mistake that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Payload {
    This,
    That,
}

impl Payload {
    fn fingerprint(self) -> Fingerprint {
        Fingerprint::of_bytes(match self {
            Self::This => b"this",
            Self::That => b"that",
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct State {
    pub(super) now: Timestamp,
    pub(super) record: Record<Answer>,
    pub(super) instances: [Instance; INSTANCES],
    /// A write of an instance that has crashed since; it may still arrive.
    pub(super) orphan: Option<Record<Answer>>,
    /// What the first client was told, and what it had asked.
    pub(super) told: Option<(Answer, Payload)>,
    /// Whether a run that came to no answer may have done a part of the work.
    pub(super) is_touched: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Instance {
    /// The name of its claim.
    pub(super) holder: String,
    pub(super) payload: Payload,
    pub(super) step: Step,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Step {
    Idle,
    /// Its claim is being written; `None` once another write has come before it.
    Claiming(Option<Record<Answer>>, Lease),
    /// It does not know whether its claim was written.
    Unsure,
    Running(Lease, Work),
    /// Its end is being written; `None` once another write has come before it.
    Ending(Option<Record<Answer>>, Lease, Work, How),
    /// It does not know whether its end was written, or knows that it was not.
    Finishing(Lease, Work, How),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Work {
    NotBegun,
    Begun,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum How {
    Answered,
    Refused,
    Failed,
}

impl State {
    fn fence(&self) -> Fence {
        fence_of(&self.record)
    }

    /// Writes a record; whoever has read another one before is too late now.
    pub(super) fn put(&mut self, next: Record<Answer>, flaw: Flaw) -> Result<(), String> {
        if matches!(self.record, Record::Done { .. }) && self.record != next {
            return Err("a key that had its answer was written again".into());
        }
        if fence_of(&next) < self.fence() {
            return Err("a stale fence wrote".into());
        }
        self.record = next;
        if flaw != Flaw::WritesUnconditionally {
            self.orphan = None;
            for instance in &mut self.instances {
                match &mut instance.step {
                    Step::Claiming(write, _) | Step::Ending(write, ..) => *write = None,
                    Step::Idle | Step::Unsure | Step::Running(..) | Step::Finishing(..) => {}
                }
            }
        }
        Ok(())
    }

    /// A client is told this answer.
    fn tell(&mut self, answer: Answer, payload: Payload) -> Result<(), String> {
        match self.told {
            None => self.told = Some((answer, payload)),
            Some((first, _)) if first != answer => {
                return Err("two clients of a key were told different answers".into());
            }
            Some((_, asked)) if asked != payload => {
                return Err("a client was told the answer to what another had asked".into());
            }
            Some(_) => {}
        }
        Ok(())
    }

    /// Reads the record and begins, or begins again, with the instance's claim.
    pub(super) fn begin(&mut self, who: usize, flaw: Flaw) -> Result<(), String> {
        let Instance { holder, payload, .. } = self.instances[who].clone();
        let lease_until = match flaw == Flaw::LeasesForEver {
            true => Timestamp::MAX,
            false => self.now.plus(TICK * LEASE),
        };
        let compared = if flaw == Flaw::IgnoresThePayload { Payload::This } else { payload };
        let fingerprint = compared.fingerprint();
        let claim = Claim { holder, fingerprint, lease_until };
        let step = match record::begin(&self.record, &claim, self.now) {
            Begin::Run(next, lease) if next == self.record => self.run(lease, flaw)?,
            Begin::Run(next, lease) => Step::Claiming(Some(next), lease),
            Begin::Replay(answer) => {
                self.tell(answer, payload)?;
                Step::Idle
            }
            Begin::Busy { .. } | Begin::Reused => Step::Idle,
        };
        self.instances[who].step = step;
        Ok(())
    }

    /// A run begins: it must know if another may have done a part of the work.
    fn run(&self, mut lease: Lease, flaw: Flaw) -> Result<Step, String> {
        if flaw == Flaw::ForgetsEarlierRuns {
            lease.resumes = false;
        }
        if self.is_touched && !lease.resumes {
            return Err("a run does not know that an earlier one may have begun the work".into());
        }
        Ok(Step::Running(lease, Work::NotBegun))
    }

    /// Reads the record and ends the run, or finds that it is no longer its to end.
    pub(super) fn end(&mut self, who: usize, how: How, flaw: Flaw) -> Result<(), String> {
        let instance = &self.instances[who];
        let payload = instance.payload;
        let (Step::Running(lease, work) | Step::Finishing(lease, work, _)) = &instance.step else {
            return Err("the model ends what does not run".into());
        };
        let (lease, work, answer) = (lease.clone(), *work, lease.fence.0);
        let end = match how {
            How::Answered => {
                let lease = self.forged(&lease, flaw == Flaw::IgnoresTheFence);
                record::finish(&self.record, &lease, answer)
            }
            How::Refused | How::Failed => {
                let lease = self.forged(&lease, flaw == Flaw::GivesBackOthersKeys);
                let why = if how == How::Refused { Abandon::Refused } else { Abandon::Failed };
                record::abandon(&self.record, &lease, why)
            }
        };
        self.instances[who].step = match end {
            End::Write(next) => Step::Ending(Some(next), lease, work, how),
            End::Written => {
                self.ended(how, answer, payload)?;
                Step::Idle
            }
            End::Superseded => {
                if flaw == Flaw::AnswersItsOwn && how == How::Answered {
                    self.tell(answer, payload)?;
                }
                Step::Idle
            }
        };
        Ok(())
    }

    /// The lease, or the one that the record has now.
    fn forged(&self, lease: &Lease, forge: bool) -> Lease {
        match &self.record {
            Record::Running { fence, holder, .. } if forge => {
                Lease { fence: *fence, holder: holder.clone(), resumes: lease.resumes }
            }
            Record::Free { .. }
            | Record::Running { .. }
            | Record::Released { .. }
            | Record::Done { .. } => lease.clone(),
        }
    }

    fn ended(&mut self, how: How, answer: Answer, payload: Payload) -> Result<(), String> {
        match how {
            How::Answered => self.tell(answer, payload),
            How::Refused | How::Failed => Ok(()),
        }
    }

    /// An instance's write arrives; it learns of that, unless the answer is lost.
    pub(super) fn write(&mut self, who: usize, is_heard: bool, flaw: Flaw) -> Result<(), String> {
        let payload = self.instances[who].payload;
        self.instances[who].step = match self.instances[who].step.clone() {
            Step::Claiming(write, lease) => {
                let arrives = write.is_some();
                write.map_or(Ok(()), |next| self.put(next, flaw))?;
                match (is_heard, arrives) {
                    (true, true) => self.run(lease, flaw)?,
                    // Somebody was faster: it reads again.
                    (true, false) | (false, _) => Step::Unsure,
                }
            }
            Step::Ending(write, lease, work, how) => {
                let arrives = write.is_some();
                if let Some(next) = write {
                    if lease.fence != self.fence() {
                        return Err("a run ended a key that another run had".into());
                    }
                    self.put(next, flaw)?;
                }
                if is_heard && arrives {
                    self.ended(how, lease.fence.0, payload)?;
                    Step::Idle
                } else {
                    Step::Finishing(lease, work, how)
                }
            }
            idle @ (Step::Idle | Step::Unsure | Step::Running(..) | Step::Finishing(..)) => idle,
        };
        Ok(())
    }

    /// An instance's write does not arrive.
    pub(super) fn fail_to_write(&mut self, who: usize) {
        let step = &mut self.instances[who].step;
        *step = match step.clone() {
            Step::Ending(_, lease, work, how) => Step::Finishing(lease, work, how),
            Step::Claiming(..) => Step::Unsure,
            idle @ (Step::Idle | Step::Unsure | Step::Running(..) | Step::Finishing(..)) => idle,
        };
    }

    pub(super) fn crash(&mut self, who: usize) {
        let step = std::mem::replace(&mut self.instances[who].step, Step::Idle);
        if let Step::Claiming(write @ Some(_), _) | Step::Ending(write @ Some(_), ..) = step {
            self.orphan = write;
        }
    }
}

pub(super) const fn fence_of(record: &Record<Answer>) -> Fence {
    match record {
        Record::Free { fence }
        | Record::Running { fence, .. }
        | Record::Released { fence, .. }
        | Record::Done { fence, .. } => *fence,
    }
}
