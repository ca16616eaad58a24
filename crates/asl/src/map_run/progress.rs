//! How far a map run has come, and whether too much of it has failed.

use super::settings::Tolerance;
use serde::{Deserialize, Serialize};

/// How one child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChildEnd {
    /// It reached its end.
    Succeeded,
    /// An error was not caught.
    Failed,
    /// It took too long.
    TimedOut,
    /// It was stopped.
    Aborted,
}

/// How many stand where: children, or the items that they work on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Known, and not begun.
    pub pending: u64,
    /// At work.
    pub running: u64,
    /// Ended well.
    pub succeeded: u64,
    /// Ended with an error.
    pub failed: u64,
    /// Took too long.
    pub timed_out: u64,
    /// Were stopped.
    pub aborted: u64,
    /// Have their results written.
    pub results_written: u64,
}

impl Counts {
    /// All of them.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.pending.saturating_add(self.running).saturating_add(self.ended())
    }

    /// Those that ended, well or badly.
    #[must_use]
    pub const fn ended(&self) -> u64 {
        self.succeeded.saturating_add(self.unsuccessful())
    }

    /// Those that ended badly.
    #[must_use]
    pub const fn unsuccessful(&self) -> u64 {
        self.failed.saturating_add(self.timed_out).saturating_add(self.aborted)
    }

    const fn place(&mut self, end: ChildEnd) -> &mut u64 {
        match end {
            ChildEnd::Succeeded => &mut self.succeeded,
            ChildEnd::Failed => &mut self.failed,
            ChildEnd::TimedOut => &mut self.timed_out,
            ChildEnd::Aborted => &mut self.aborted,
        }
    }

    const fn start(&mut self, count: u64) {
        self.running = self.running.saturating_add(count);
    }

    const fn abort(&mut self) {
        self.aborted = self.aborted.saturating_add(self.running);
        self.running = 0;
    }

    const fn end(&mut self, end: ChildEnd, count: u64) {
        self.running = self.running.saturating_sub(count);
        let place = self.place(end);
        *place = place.saturating_add(count);
    }
}

/// How far a map run has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The children.
    pub children: Counts,
    /// The items that they work on.
    pub items: Counts,
    /// Whether all items were read, so that the totals are final.
    pub complete: bool,
}

/// What the failures so far mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No more failed than may.
    GoOn,
    /// More failed than may: the map run fails.
    Exceeded,
}

impl Progress {
    /// A child with this many items began.
    pub const fn started(&mut self, items: u64) {
        self.children.start(1);
        self.items.start(items);
    }

    /// A child that had begun ended.
    pub const fn ended(&mut self, end: ChildEnd, items: u64) {
        self.children.end(end, 1);
        self.items.end(end, items);
    }

    /// This many children, with these items, are known and have not begun.
    pub const fn waiting(&mut self, children: u64, items: u64) {
        self.children.pending = children;
        self.items.pending = items;
    }

    /// What was at work was stopped.
    pub const fn abort(&mut self) {
        self.children.abort();
        self.items.abort();
    }

    /// Whether more items failed than may.
    ///
    /// The share of failed items is judged once all items are known; that any may not fail, at
    /// once.
    #[must_use]
    pub fn verdict(&self, tolerance: &Tolerance) -> Verdict {
        let failed = self.items.unsuccessful();
        let count = match (tolerance.count, tolerance.percentage) {
            (None, None) => Some(0),
            (count, _) => count,
        };
        let too_many = count.is_some_and(|count| failed > count);
        let too_large_a_share = tolerance.percentage.is_some_and(|percentage| {
            let known = self.complete || percentage <= 0.0;
            known && share(failed, self.items.total()) > percentage
        });
        if too_many || too_large_a_share { Verdict::Exceeded } else { Verdict::GoOn }
    }
}

/// How many of a hundred.
fn share(part: u64, whole: u64) -> f64 {
    let float = |number: u64| u32::try_from(number).map_or(f64::MAX, f64::from);
    if whole == 0 { 0.0 } else { float(part) * 100.0 / float(whole) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of ten items that were all read, this many failed.
    fn check(count: Option<u64>, percentage: Option<f64>, failed: u64) -> Verdict {
        let mut progress = Progress { complete: true, ..Progress::default() };
        for index in 0..10 {
            progress.started(1);
            let end = if index < failed { ChildEnd::Failed } else { ChildEnd::Succeeded };
            progress.ended(end, 1);
        }
        progress.verdict(&Tolerance { count, percentage })
    }

    #[test]
    fn nothing_may_fail_unless_it_is_said() {
        assert_eq!(check(None, None, 0), Verdict::GoOn);
        assert_eq!(check(None, None, 1), Verdict::Exceeded);
        assert_eq!(check(Some(0), None, 1), Verdict::Exceeded);
        assert_eq!(check(None, Some(0.0), 1), Verdict::Exceeded);
    }

    #[test]
    fn exactly_as_many_as_may_is_not_too_many() {
        assert_eq!(check(Some(3), None, 3), Verdict::GoOn);
        assert_eq!(check(Some(3), None, 4), Verdict::Exceeded);
        assert_eq!(check(None, Some(30.0), 3), Verdict::GoOn);
        assert_eq!(check(None, Some(29.9), 3), Verdict::Exceeded);
        assert_eq!(check(None, Some(100.0), 10), Verdict::GoOn);
    }

    #[test]
    fn the_stricter_of_two_limits_holds() {
        assert_eq!(check(Some(1), Some(90.0), 2), Verdict::Exceeded);
        assert_eq!(check(Some(9), Some(10.0), 2), Verdict::Exceeded);
        assert_eq!(check(Some(9), Some(90.0), 2), Verdict::GoOn);
    }

    #[test]
    fn a_share_is_judged_once_all_items_are_known() {
        let mut progress = Progress::default();
        progress.started(4);
        progress.ended(ChildEnd::TimedOut, 4);
        let tolerance = Tolerance { count: None, percentage: Some(50.0) };
        assert_eq!(progress.verdict(&tolerance), Verdict::GoOn);
        progress.complete = true;
        assert_eq!(progress.verdict(&tolerance), Verdict::Exceeded);
    }

    #[test]
    fn a_batch_that_fails_counts_with_all_its_items() {
        let mut progress = Progress::default();
        progress.started(5);
        progress.ended(ChildEnd::Failed, 5);
        assert_eq!((progress.children.failed, progress.items.failed), (1, 5));
        let tolerance = Tolerance { count: Some(4), percentage: None };
        assert_eq!(progress.verdict(&tolerance), Verdict::Exceeded);
    }
}
