//! Recording a step of delivery.

use crate::desk::Desk;
use crate::failure::Failure;
use crate::log::Log;
use crate::writer::Request;
use ports::Result;
use ports::event_log::{DeadLetter, Redelivery, Settlement};

/// A step of delivery.
pub(super) struct Settle(pub(super) Settlement);

impl Request<Desk> for Settle {
    type Answer = ();

    fn perform(&self, desk: &mut Desk) -> Result<(), Failure> {
        let Settlement { cursor, again, done, dead } = &self.0;
        let log = &mut desk.log;
        if let Some(cursor) = cursor {
            log.write(
                "INSERT INTO counters (name, value) VALUES ('cursor', ?1)
                 ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)",
                [cursor],
            )?;
        }
        for redelivery in again {
            try_again(log, redelivery)?;
        }
        for (sequence, target) in done {
            forget(log, *sequence, target)?;
        }
        for letter in dead {
            give_up(log, letter)?;
        }
        Ok(())
    }
}

fn try_again(log: &mut Log, redelivery: &Redelivery) -> rusqlite::Result<usize> {
    log.write(
        "INSERT INTO redeliveries (sequence, target, attempts, first_at, due_at, reason)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (sequence, target) DO UPDATE SET attempts = excluded.attempts,
           first_at = excluded.first_at, due_at = excluded.due_at, reason = excluded.reason",
        (
            redelivery.sequence,
            &redelivery.target,
            redelivery.attempts,
            redelivery.first_at.as_millis(),
            redelivery.due_at.as_millis(),
            &redelivery.reason,
        ),
    )
}

fn give_up(log: &mut Log, letter: &DeadLetter) -> rusqlite::Result<usize> {
    forget(log, letter.sequence, &letter.target)?;
    log.write(
        "INSERT INTO dead_letters (sequence, target, attempts, at, reason)
         VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (sequence, target) DO UPDATE SET attempts = excluded.attempts,
           at = excluded.at, reason = excluded.reason",
        (letter.sequence, &letter.target, letter.attempts, letter.at.as_millis(), &letter.reason),
    )
}

fn forget(log: &mut Log, sequence: u64, target: &str) -> rusqlite::Result<usize> {
    let sql = "DELETE FROM redeliveries WHERE sequence = ?1 AND target = ?2";
    log.write(sql, (sequence, target))
}
