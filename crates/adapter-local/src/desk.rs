//! What the writer thread writes to: the log, the sequences it hands out, and who is told of them.

use crate::lock::DirLock;
use crate::log::Log;
use crate::queues::{self, Bells};
use crate::store::sweep;
use crate::writer::Medium;
use contracts::Timestamp;
use ports::Clock;
use std::sync::Arc;
use tokio::sync::watch;

/// How many outbox numbers are reserved with one write of the counter; a restart skips the rest.
const OUTBOX_RESERVED: u64 = 65_536;

/// The write side of the database.
pub(crate) struct Desk {
    /// The log.
    pub(crate) log: Log,
    clock: Arc<dyn Clock>,
    now: Timestamp,
    sequences: Option<Sequences>,
    announced: Announced,
    sweep_due: Timestamp,
    queues_sweep_due: Timestamp,
    queues_touched: Vec<i64>,
    // Held until the last write is done, whatever becomes of the rest of the process.
    _lock: DirLock,
}

/// Tells waiting readers of the last committed numbers.
#[derive(Clone)]
pub(crate) struct Announced {
    /// The last number of the outbox.
    pub(crate) outbox: Arc<watch::Sender<u64>>,
    /// The last number of the archive.
    pub(crate) archive: Arc<watch::Sender<u64>>,
    /// That there is something new in a queue.
    pub(crate) bells: Bells,
}

/// The numbers given out last, committed or about to be.
#[derive(Clone, Copy)]
struct Sequences {
    outbox: u64,
    outbox_reserved: u64,
    archive: u64,
    entry: u64,
}

impl Desk {
    pub(crate) fn new(log: Log, clock: Arc<dyn Clock>, lock: DirLock) -> rusqlite::Result<Self> {
        let outbox = last(&log, "SELECT max(sequence) FROM outbox")?;
        let archive = last(&log, "SELECT max(sequence) FROM archive")?;
        Ok(Self {
            now: clock.now(),
            sweep_due: clock.now(),
            queues_sweep_due: clock.now(),
            queues_touched: Vec::new(),
            log,
            clock,
            sequences: None,
            announced: Announced {
                outbox: Arc::new(watch::Sender::new(outbox)),
                archive: Arc::new(watch::Sender::new(archive)),
                bells: Bells::default(),
            },
            _lock: lock,
        })
    }

    /// Whom commits are announced to.
    pub(crate) fn announced(&self) -> Announced {
        self.announced.clone()
    }

    /// The time of the open transaction: one reading of the clock for all its requests.
    pub(crate) const fn now(&self) -> Timestamp {
        self.now
    }

    /// The next number of the outbox; never given twice, not even after a restart.
    pub(crate) fn next_outbox(&mut self) -> rusqlite::Result<u64> {
        let mut sequences = self.sequences()?;
        sequences.outbox += 1;
        if sequences.outbox > sequences.outbox_reserved {
            sequences.outbox_reserved = sequences.outbox + OUTBOX_RESERVED;
            self.log.write(
                "INSERT INTO counters (name, value) VALUES ('outbox', ?1)
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                [sequences.outbox_reserved],
            )?;
        }
        self.sequences = Some(sequences);
        Ok(sequences.outbox)
    }

    /// The next number of the archive, which has no gaps: it is claimed once its row is there.
    pub(crate) fn next_archive(&mut self) -> rusqlite::Result<u64> {
        Ok(self.sequences()?.archive + 1)
    }

    /// Marks the next number of the archive as used.
    pub(crate) fn claim_archive(&mut self, sequence: u64) {
        if let Some(sequences) = &mut self.sequences {
            sequences.archive = sequence;
        }
    }

    /// The next number of a journal's entry; a number that is not used leaves a gap.
    pub(crate) fn next_entry(&mut self) -> rusqlite::Result<u64> {
        let mut sequences = self.sequences()?;
        sequences.entry += 1;
        self.sequences = Some(sequences);
        Ok(sequences.entry)
    }

    /// Notes that whoever waits at this queue should look again, once this is committed.
    pub(crate) fn touch_queue(&mut self, queue: i64) {
        if !self.queues_touched.contains(&queue) {
            self.queues_touched.push(queue);
        }
    }

    /// The numbers given out last; read from the file at first and after a rollback.
    fn sequences(&mut self) -> rusqlite::Result<Sequences> {
        if let Some(sequences) = self.sequences {
            return Ok(sequences);
        }
        let reserved = last(&self.log, "SELECT max(value) FROM counters WHERE name = 'outbox'")?;
        let sequences = Sequences {
            outbox: reserved,
            outbox_reserved: reserved,
            archive: last(&self.log, "SELECT max(sequence) FROM archive")?,
            entry: last(&self.log, "SELECT max(entry) FROM entries")?,
        };
        self.sequences = Some(sequences);
        Ok(sequences)
    }
}

fn last(log: &Log, sql: &str) -> rusqlite::Result<u64> {
    let last = log.first(sql, (), |row| row.get::<_, Option<u64>>(0))?;
    Ok(last.flatten().unwrap_or(0))
}

fn announce(to: &watch::Sender<u64>, last: u64) {
    to.send_if_modified(|announced| {
        let grown = last > *announced;
        if grown {
            *announced = last;
        }
        grown
    });
}

impl Medium for Desk {
    fn begin(&mut self) -> rusqlite::Result<()> {
        self.now = self.clock.now();
        self.log.begin()
    }

    fn commit(&mut self) -> rusqlite::Result<()> {
        if self.now >= self.sweep_due {
            self.sweep_due = sweep(&mut self.log, self.now)?;
        }
        if self.now >= self.queues_sweep_due {
            self.queues_sweep_due = queues::sweep(&mut self.log, self.now)?;
        }
        self.log.commit()?;
        if let Some(sequences) = self.sequences {
            announce(&self.announced.outbox, sequences.outbox);
            announce(&self.announced.archive, sequences.archive);
        }
        for queue in self.queues_touched.drain(..) {
            self.announced.bells.ring(queue);
        }
        Ok(())
    }

    fn rollback(&mut self) -> rusqlite::Result<()> {
        self.sequences = None;
        self.queues_touched.clear();
        self.log.rollback()
    }

    fn rest(&mut self) -> rusqlite::Result<()> {
        self.log.rest()
    }

    fn finish(&mut self) -> rusqlite::Result<()> {
        self.log.finish()
    }

    fn rows(&self) -> u64 {
        self.log.rows()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SystemClock, open};

    #[test]
    fn numbers_reserved_in_an_undone_transaction_are_reserved_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(open::FILE_NAME);
        let log = Log::new(open::for_writing(&path).unwrap(), &path).unwrap();
        let lock = DirLock::take(dir.path()).unwrap();
        let mut desk = Desk::new(log, Arc::new(SystemClock::new()), lock).unwrap();
        desk.begin().unwrap();
        desk.next_outbox().unwrap();
        desk.rollback().unwrap();
        desk.begin().unwrap();
        let given = desk.next_outbox().unwrap();
        desk.commit().unwrap();
        let reserved = last(&desk.log, "SELECT max(value) FROM counters WHERE name = 'outbox'");
        assert!(given <= reserved.unwrap());
    }
}
