//! A wait as it is told and as it is stored.
//!
//! Owns: the shapes, where a wait is found again, and when it is due.

use super::{REJECTIONS, ROUNDS, SPREAD_PERCENT};
use crate::backoff;
use contracts::task::error_name;
use contracts::{Fingerprint, Timestamp};
use ports::store::{Expect, IndexKey, Item, Partition, Write};
use ports::{Result, record};
use serde::{Deserialize, Serialize};

const VERSION: u32 = 1;
/// The item of a wait in its partition.
pub(super) const ITEM: &str = "wait";
/// The waits of each function, the first to be due first.
pub(super) const WAITS: &str = "suspended-steps";
/// All waits, the oldest first: for whoever looks what stands still.
pub(super) const ALL_WAITS: &str = "suspended-steps-all";
/// The functions that steps have ever waited for.
pub(super) const FUNCTIONS: &str = "suspended-functions";
/// The one group of [`FUNCTIONS`] and of [`ALL_WAITS`].
pub(super) const ALL: &str = "all";

/// The input of the task `suspend_step`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuspendStep {
    /// The function that the step calls, by the name that its breaker has.
    pub function: String,
    /// The state that is to be tried again.
    pub step: String,
    /// What it failed with.
    pub error: String,
    /// Answers the machine, so that it goes back to the step.
    pub token: String,
    /// How often the step was rejected by an open breaker in a row of its visits, from one, if it
    /// was so this time; else how often it met another outage.
    pub round: u32,
    /// The name of the execution that waits, where it is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution: Option<String>,
    /// Until when it waits, where that is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl SuspendStep {
    /// From when on the step may be tried again, as far as time goes.
    ///
    /// After a rejection that is soon: the breaker holds it back. After an outage there may be no
    /// breaker that opens, so the step comes back less and less often.
    pub(super) fn due(&self, now: Timestamp, seed: u64) -> Timestamp {
        let row = if self.error == error_name::BREAKER_OPEN { REJECTIONS } else { ROUNDS };
        let wait = row.nth(self.round.saturating_sub(1));
        now.plus(backoff::around(wait, SPREAD_PERCENT, seed))
    }
}

/// A wait as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Wait {
    v: u32,
    /// What was told.
    pub(super) step: SuspendStep,
    /// Since when it waits.
    pub(super) since: Timestamp,
    /// From when on it may go on.
    pub(super) due: Timestamp,
}

impl Wait {
    pub(super) const fn new(step: SuspendStep, since: Timestamp, due: Timestamp) -> Self {
        Self { v: VERSION, step, since, due }
    }

    pub(super) fn read(item: &Item) -> Result<Self> {
        record::read(item, "a suspended step", VERSION)
    }

    /// Where it is kept: a token waits once, however often that is told.
    pub(super) fn partition(&self) -> Partition {
        wait_partition(&self.id())
    }

    /// Names it, without telling its token.
    pub(super) fn id(&self) -> String {
        Fingerprint::of_bytes(self.step.token.as_bytes()).as_str().to_owned()
    }

    /// The write that keeps it; it counts as absent once nobody waits for its token any more.
    pub(super) fn write(&self, expires_at: Timestamp) -> Write {
        // Of a fixed width, so that texts are in the order of times.
        let sort = |at: Timestamp| format!("{:020}", at.as_millis());
        let place = |index, key, at| IndexKey { index, key, sort: sort(at) };
        Write::Put {
            name: ITEM.to_owned(),
            expect: Expect::Absent,
            body: record::text(self),
            indexes: vec![
                place(WAITS, self.step.function.clone(), self.due),
                place(ALL_WAITS, ALL.to_owned(), self.since),
            ],
            expires_at: Some(expires_at),
        }
    }
}

/// Where the wait with this id is kept.
pub(super) fn wait_partition(id: &str) -> Partition {
    Partition::of("suspended-step", id)
}

/// Where it is kept that steps wait for a function.
pub(super) fn function_partition(function: &str) -> Partition {
    let name = Fingerprint::of_bytes(function.as_bytes());
    Partition::of("suspended-function", name.as_str())
}

/// A function that steps wait for.
#[derive(Serialize, Deserialize)]
pub(super) struct Function {
    v: u32,
    pub(super) function: String,
}

impl Function {
    pub(super) fn new(function: &str) -> Self {
        Self { v: VERSION, function: function.to_owned() }
    }

    pub(super) fn read(item: &Item) -> Result<Self> {
        record::read(item, "a function that is waited for", VERSION)
    }

    pub(super) fn write(&self) -> Write {
        let place = IndexKey { index: FUNCTIONS, key: ALL.to_owned(), sort: self.function.clone() };
        Write::Put {
            name: ITEM.to_owned(),
            expect: Expect::Absent,
            body: record::text(self),
            indexes: vec![place],
            expires_at: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn step(error: &str, round: u32) -> SuspendStep {
        SuspendStep {
            function: "f".into(),
            step: "S".into(),
            error: error.into(),
            token: "t".into(),
            round,
            execution: None,
            until: None,
        }
    }

    fn due_in_ms(error: &str, round: u32, seed: u64) -> u128 {
        step(error, round).due(Timestamp::EPOCH, seed).since(Timestamp::EPOCH).as_millis()
    }

    #[test]
    fn a_step_that_was_rejected_waits_for_its_breaker_and_at_least_a_moment() {
        for (round, wait_ms) in [(1, 250), (2, 500), (3, 1_000), (6, 5_000), (1_000_000, 5_000)] {
            let due = due_in_ms(error_name::BREAKER_OPEN, round, 1);
            assert!((wait_ms * 8 / 10..=wait_ms * 12 / 10).contains(&due), "{round}: {due}");
        }
    }

    #[test]
    fn a_step_that_met_an_outage_comes_back_after_1_s_2_s_4_s_up_to_60_s_with_jitter() {
        for (round, wait_s) in [(0, 1), (1, 1), (2, 2), (3, 4), (4, 8), (7, 60), (1_000_000, 60)] {
            for seed in 0..50 {
                let due = due_in_ms(error_name::TIMEOUT, round, seed);
                let range = wait_s * 800..=wait_s * 1_200;
                assert!(range.contains(&due), "round {round}: {due}");
            }
        }
        let due = |seed| due_in_ms(error_name::TIMEOUT, 3, seed);
        assert_ne!(due(1), due(2));
    }

    #[test]
    fn the_first_to_be_due_is_the_first_in_the_index_however_far_apart_they_are() {
        let sort = |ms| {
            let wait = Wait::new(step("e", 1), Timestamp::EPOCH, Timestamp::from_millis(ms));
            let Write::Put { indexes, .. } = wait.write(Timestamp::EPOCH) else {
                panic!("it is put");
            };
            indexes[0].sort.clone()
        };
        assert!(sort(999) < sort(1_000));
        assert!(sort(1_795_413_600_000) < sort(17_954_136_000_000));
    }

    #[test]
    fn a_wait_of_version_1_can_be_read_for_ever() {
        let body = concat!(
            r#"{"v":1,"step":{"function":"f","step":"S","error":"e","token":"t","round":2},"#,
            r#""since":"1970-01-01T00:00:00.000Z","due":"1970-01-01T00:00:02.000Z"}"#
        );
        let item = Item { name: ITEM.into(), version: 1, body: body.to_owned(), expires_at: None };
        let due = Timestamp::EPOCH.plus(Duration::from_secs(2));
        let wait = Wait::new(step("e", 2), Timestamp::EPOCH, due);
        assert_eq!(Wait::read(&item).unwrap(), wait);
        assert_eq!(record::text(&wait), body);
    }
}
