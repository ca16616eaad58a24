//! Forgetting an execution: its head and the chain of its entries.

use super::code;
use crate::desk::Desk;
use crate::failure::{Failure, conflict};
use crate::writer::Request;
use ports::Result;
use ports::journal::{ExecutionId, Status};

/// Forgets an ended execution whose journal holds `version` events.
pub(super) struct Forget {
    pub(super) id: ExecutionId,
    pub(super) version: u64,
}

impl Request<Desk> for Forget {
    type Answer = ();

    fn perform(&self, desk: &mut Desk) -> Result<(), Failure> {
        let log = &mut desk.log;
        let found = log.first(
            "SELECT execution, version, status, last_entry FROM heads
             WHERE machine = ?1 AND name = ?2",
            (&self.id.machine, &self.id.name),
            |row| {
                Ok((
                    row.get::<_, i64>(0)?,
                    row.get::<_, u64>(1)?,
                    row.get::<_, u8>(2)?,
                    row.get(3)?,
                ))
            },
        )?;
        let Some((execution, version, status, last_entry)) = found else {
            return Ok(());
        };
        if version != self.version || status == code(Status::Running) {
            let what = format!("forget `{}`: it runs, or went on", self.id);
            return Err(conflict(what));
        }
        // The chain leads to ever smaller numbers, so it ends whatever the file holds.
        let mut entry: u64 = last_entry;
        while entry > 0 {
            let sql = "SELECT previous FROM entries WHERE entry = ?1";
            let previous: Option<u64> = log.first(sql, [entry], |row| row.get(0))?;
            log.write("DELETE FROM entries WHERE entry = ?1", [entry])?;
            entry = previous.filter(|previous| *previous < entry).unwrap_or(0);
        }
        log.write("DELETE FROM heads WHERE execution = ?1", [execution])?;
        Ok(())
    }
}
