//! What has happened to deliveries and is not recorded yet.

use crate::dead_letter::{self, Death};
use contracts::Timestamp;
use ports::event_log::{DeadLetter, Redelivery, Settlement};
use std::collections::BTreeMap;

/// The last change of each delivery, by event and target.
#[derive(Debug, Default)]
pub(super) struct Changes(BTreeMap<(u64, String), Change>);

#[derive(Debug)]
enum Change {
    Again(Redelivery),
    Done,
    Dead(DeadLetter),
}

impl Changes {
    /// The delivery is to be tried again.
    pub(super) fn again(&mut self, row: Redelivery) {
        let key = (row.sequence, row.target.clone());
        self.0.insert(key, Change::Again(row));
    }

    /// The delivery, which had a row, worked.
    pub(super) fn done(&mut self, sequence: u64, target: String) {
        self.0.insert((sequence, target), Change::Done);
    }

    /// The delivery is given up.
    pub(super) fn dead(&mut self, letter: DeadLetter) {
        let key = (letter.sequence, letter.target.clone());
        self.0.insert(key, Change::Dead(letter));
    }

    /// The delivery has died and is on its way to its target's dead-letter queue.
    pub(super) fn bury(&mut self, (sequence, target): (u64, &str), death: &Death, now: Timestamp) {
        self.done(sequence, target.to_owned());
        self.again(Redelivery {
            sequence,
            target: dead_letter::row_of(target),
            attempts: 0,
            first_at: now,
            due_at: now,
            reason: death.to_reason(),
        });
    }

    /// The delivery that `row` stands for is given up for a reason of ours.
    pub(super) fn give_up(&mut self, row: &Redelivery, at: Timestamp, reason: &str) {
        let (mut target, mut attempts) = (row.target.as_str(), row.attempts);
        let mut reason = reason.to_owned();
        if let Some(died) = dead_letter::target_of(&row.target) {
            let death = Death::of_reason(&row.reason);
            self.done(row.sequence, row.target.clone());
            (target, attempts) = (died, death.attempts);
            reason = format!("{}; and its dead-letter queue: {reason}", death.message);
        }
        let target = target.to_owned();
        self.dead(DeadLetter { sequence: row.sequence, target, attempts, at, reason });
    }

    /// Whether a change of the delivery is waiting to be recorded.
    pub(super) fn concern(&self, sequence: u64, target: &str) -> bool {
        self.0.contains_key(&(sequence, target.to_owned()))
    }

    /// Takes all changes, to be recorded with the cursor.
    pub(super) fn take(&mut self, cursor: Option<u64>) -> Settlement {
        let mut settlement = Settlement { cursor, ..Settlement::default() };
        for (key, change) in std::mem::take(&mut self.0) {
            match change {
                Change::Again(row) => settlement.again.push(row),
                Change::Done => settlement.done.push(key),
                Change::Dead(letter) => settlement.dead.push(letter),
            }
        }
        settlement
    }

    /// Takes back what could not be recorded; newer changes of the same deliveries stand.
    pub(super) fn give_back(&mut self, settlement: Settlement) {
        let newer = std::mem::take(self);
        for row in settlement.again {
            self.again(row);
        }
        for (sequence, target) in settlement.done {
            self.done(sequence, target);
        }
        for letter in settlement.dead {
            self.dead(letter);
        }
        self.0.extend(newer.0);
    }
}
