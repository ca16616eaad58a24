//! The laws of redriving, and of the jobs that a decision abandons.

use crate::holds_everywhere;
use asl::{
    Branch, Effects, Event, Fact, FrameId, VisitId, What, Work, abandoned_jobs, outstanding,
    redrive_plan,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// One branch or iteration: the visit of its Parallel or Map, and its index.
type Part = (VisitId, u32);

/// What a history says so far, told without the interpreter's own fold.
#[derive(Clone, Default)]
struct Seen {
    /// The visit at which each frame stands, or last stood.
    visits: BTreeMap<FrameId, VisitId>,
    parts: BTreeMap<FrameId, Part>,
    exited: BTreeSet<VisitId>,
    /// The branches and iterations that are through.
    through: BTreeSet<Part>,
    /// The visits that begin from the beginning: they failed and are retried.
    retried: BTreeSet<VisitId>,
    /// Whether the end that the last redrive followed was that of a payload too large.
    too_large: bool,
    redriven: bool,
}

impl Seen {
    fn at(&self, frame: FrameId) -> VisitId {
        self.visits.get(&frame).copied().unwrap_or_default()
    }

    fn see(&mut self, event: &Event) {
        let visit = self.at(event.frame);
        match &event.what {
            Fact::Entered(entered) => {
                if let Some(Branch { parent, index }) = entered.branch {
                    self.parts.insert(event.frame, (self.at(parent), index));
                }
                self.visits.insert(event.frame, VisitId::new(event.id));
            }
            Fact::Exited(exited) => {
                self.exited.insert(visit);
                if let Some(part) = self.parts.get(&event.frame).filter(|_| exited.end) {
                    self.through.insert(*part);
                }
            }
            Fact::RetryScheduled { .. } => {
                self.retried.insert(visit);
            }
            Fact::ParallelStarted { .. } | Fact::MapStarted(_) => {
                self.retried.remove(&visit);
                self.through.retain(|(of, _)| *of != visit);
            }
            Fact::ExecutionFailed(fault) => {
                self.too_large = fault.error.as_deref() == Some("States.DataLimitExceeded");
            }
            Fact::ExecutionAborted(_) | Fact::ExecutionTimedOut(_) => self.too_large = false,
            Fact::Redriven(_) => self.redriven = true,
            _ => {}
        }
    }

    /// What is wrong with this event, if it comes after a redrive.
    fn objection(&self, event: &Event) -> Option<String> {
        let visit = self.at(event.frame);
        let again = || Some(format!("visit {visit} was left, but then came {event:?}"));
        match &event.what {
            _ if !self.redriven => None,
            Fact::Entered(entered) => {
                let Branch { parent, index } = entered.branch?;
                let part = (self.at(parent), index);
                self.through.contains(&part).then(|| format!("{part:?} runs again"))
            }
            Fact::ParallelStarted { .. } | Fact::MapStarted(_) => {
                let wasted = self.through.iter().any(|(of, _)| *of == visit);
                let allowed = self.retried.contains(&visit) || self.too_large;
                (wasted && !allowed).then(|| format!("all of visit {visit} runs again"))
            }
            Fact::Scheduled(_) | Fact::Waits { .. } | Fact::Succeeded { .. } | Fact::Exited(_) => {
                if self.exited.contains(&visit) {
                    again()
                } else {
                    None
                }
            }
            _ => None,
        }
    }
}

#[test]
fn a_redrive_runs_only_what_had_not_succeeded() {
    holds_everywhere(|walk| {
        let mut seen = Seen::default();
        for event in &walk.events {
            let objection = seen.objection(event);
            prop_assert!(objection.is_none(), "{}", objection.unwrap_or_default());
            seen.see(event);
        }
        Ok(())
    });
}

/// What came of a redrive in its own step.
#[derive(Default)]
struct Happened {
    /// The visits that ran again.
    ran: BTreeSet<VisitId>,
    /// The first states of branches and iterations that had not been entered before.
    began: Vec<String>,
    entered: BTreeSet<Part>,
    /// Whether something failed again, which may keep the rest from running.
    failed: bool,
}

impl Happened {
    fn of(events: &[Event], before: &Seen) -> Self {
        let mut happened = Self::default();
        let mut seen = before.clone();
        let mut touched = BTreeSet::new();
        let (mut started, mut turns) = (BTreeSet::new(), BTreeSet::new());
        for event in events {
            let first = before.visits.contains_key(&event.frame) && touched.insert(event.frame);
            match &event.what {
                Fact::Redriven(_) => {
                    touched.remove(&event.frame);
                }
                Fact::Entered(entered) => {
                    let part = entered.branch.map(|of| (of.parent, (seen.at(of.parent), of.index)));
                    let of_old = part.filter(|(parent, part)| {
                        let new = started.contains(&part.0) || turns.contains(part);
                        before.visits.get(parent) == Some(&part.0) && !new
                    });
                    if let Some((_, part)) = of_old {
                        happened.began.push(entered.name.to_string());
                        happened.entered.insert(part);
                    }
                }
                Fact::IterationStarted { index } => {
                    turns.insert((seen.at(event.frame), *index));
                }
                Fact::ParallelStarted { .. } | Fact::MapStarted(_) => {
                    started.insert(seen.at(event.frame));
                    if first {
                        happened.ran.insert(seen.at(event.frame));
                    }
                }
                Fact::Scheduled(_)
                | Fact::Waits { .. }
                | Fact::MapRunRedriven { .. }
                | Fact::Exited(_)
                    if first =>
                {
                    happened.ran.insert(seen.at(event.frame));
                }
                Fact::EvaluationFailed { .. }
                | Fact::MapRunFailed(_)
                | Fact::RetryScheduled { .. }
                | Fact::StateFailed
                | Fact::ExecutionFailed(_) => happened.failed = true,
                _ => {}
            }
            seen.see(event);
        }
        happened
    }
}

#[test]
fn the_redrive_plan_equals_what_then_happens() {
    holds_everywhere(|walk| {
        let mut seen = Seen::default();
        for step in &walk.steps {
            let redriven =
                matches!(step.events.first(), Some(Event { what: Fact::Redriven(_), .. }));
            if redriven {
                let plan = redrive_plan(walk.program, &step.before);
                let plan = plan.map_err(|misuse| TestCaseError::fail(misuse.to_string()))?;
                let happened = Happened::of(&step.events, &seen);
                let planned: BTreeSet<VisitId> =
                    plan.again.iter().filter_map(|again| again.visit).collect();
                let mut begins: Vec<String> = plan
                    .again
                    .iter()
                    .filter(|again| again.visit.is_none())
                    .map(|again| again.state.to_string())
                    .collect();
                let mut began = happened.began.clone();
                begins.sort();
                began.sort();
                if happened.failed {
                    prop_assert!(happened.ran.is_subset(&planned), "{plan:?}");
                    prop_assert!(began.iter().all(|state| begins.contains(state)), "{plan:?}");
                } else {
                    prop_assert_eq!(&happened.ran, &planned, "{:?} {:?}", plan, &step.events);
                    prop_assert_eq!(&began, &begins, "{:?}", plan);
                }
                let reused: BTreeSet<Part> = plan
                    .reused
                    .iter()
                    .flat_map(|reused| reused.indexes.iter().map(|at| (reused.visit, *at)))
                    .collect();
                prop_assert!(reused.is_subset(&seen.through), "{reused:?} {:?}", seen.through);
                prop_assert!(reused.is_disjoint(&happened.entered), "{plan:?}");
                let root = seen.at(FrameId::ROOT);
                // What waited for its next attempt begins from the beginning, as it would have.
                let anew = seen.too_large || seen.retried.contains(&root);
                let kept = seen.through.iter().filter(|(of, _)| *of == root && !anew);
                prop_assert!({ kept }.all(|part| reused.contains(part)), "{plan:?}");
            }
            step.events.iter().for_each(|event| seen.see(event));
        }
        Ok(())
    });
}

/// The jobs that are to be awaited.
fn jobs(owed: Effects) -> BTreeSet<(VisitId, u32)> {
    let jobs = owed.tasks.into_iter().filter(|task| matches!(task.work, Work::AwaitJob(_)));
    jobs.map(|task| (task.visit, task.attempt)).collect()
}

#[test]
fn a_job_is_awaited_until_it_reports_or_is_abandoned() {
    holds_everywhere(|walk| {
        for step in &walk.steps {
            let before = jobs(outstanding(walk.program, &step.before));
            let after = jobs(outstanding(walk.program, &step.after));
            let abandoned: BTreeSet<_> = abandoned_jobs(&step.before, &step.events)
                .into_iter()
                .map(|job| (job.visit, job.attempt))
                .collect();
            prop_assert!(abandoned.is_subset(&before) && abandoned.is_disjoint(&after));
            let gone: BTreeSet<_> = before.difference(&after).copied().collect();
            let mut reported = gone.difference(&abandoned);
            let told = match &step.input.what {
                What::TaskSucceeded { visit, attempt, .. }
                | What::TaskFailed { visit, attempt, .. } => Some((*visit, *attempt)),
                What::CallbackSucceeded { .. } | What::CallbackFailed { .. } => {
                    gone.difference(&abandoned).next().copied()
                }
                _ => None,
            };
            prop_assert_eq!(reported.next().copied(), told.filter(|told| gone.contains(told)));
            prop_assert!(reported.next().is_none());
        }
        Ok(())
    });
}
