//! Queues themselves: made, changed, listed, removed, and swept.

use crate::LocalDb;
use crate::cursor;
use crate::desk::Desk;
use crate::failure::{Failure, conflict, invalid};
use crate::log::Log;
use crate::queues::{Place, find, oldest, place, read_json};
use crate::writer::Request;
use async_trait::async_trait;
use contracts::Timestamp;
use ports::queues::{Depth, Queue, Settings, Takes};
use ports::store::{Cursor, Page};
use ports::{QueueRegistry, Result};
use rusqlite::Row;
use std::time::Duration;

/// The most queues of a page, as of SQS.
const PAGE_MAX: usize = 1_000;
/// How many expired messages of each queue one sweep removes in passing: a few, so that none is
/// slow.
const SWEPT_MAX: usize = 32;
/// How long the sweep waits after it found no more.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

#[async_trait]
impl QueueRegistry for LocalDb {
    async fn put(&self, name: &str, before: Option<&Settings>, settings: Settings) -> Result<()> {
        let (name, before) = (name.to_owned(), before.cloned());
        self.writer.perform(Put { name, before, settings }).await
    }

    async fn find(&self, name: &str) -> Result<Option<Queue>> {
        self.readers.read(&format!("find the queue `{name}`"), |reader| {
            let sql = "SELECT name, settings, created_at, changed_at FROM queues WHERE name = ?1";
            reader.first(sql, [name], read_queue)
        })
    }

    async fn depth(&self, name: &str) -> Result<Depth> {
        let Place { queue, settings } = self.place(name)?;
        let (now, oldest) = (self.clock.now(), oldest(&settings, self.clock.now()));
        let depth = self.readers.read(&format!("count the messages of `{name}`"), |reader| {
            reader.first(
                "SELECT count(*) FILTER (WHERE visible_at <= ?2),
                   count(*) FILTER (WHERE visible_at > ?2 AND tries > 0),
                   count(*) FILTER (WHERE visible_at > ?2 AND tries = 0)
                 FROM messages WHERE queue = ?1 AND sent_at > ?3",
                (queue, now.as_millis(), oldest),
                |row| {
                    let (visible, in_flight) = (row.get(0)?, row.get(1)?);
                    Ok(Depth { visible, in_flight, delayed: row.get(2)? })
                },
            )
        })?;
        Ok(depth.unwrap_or_default())
    }

    async fn list(&self, prefix: &str, limit: usize, after: Option<Cursor>) -> Result<Page<Queue>> {
        if !(1..=PAGE_MAX).contains(&limit) {
            return Err(invalid(format!("list {limit} queues: 1 to {PAGE_MAX} fit a page")));
        }
        let listing = format!("queues {prefix}");
        let after = after.map(|cursor| cursor::unseal::<String>(&listing, &cursor)).transpose()?;
        let mut items = self.readers.read("list the queues", |reader| {
            reader.all(
                "SELECT name, settings, created_at, changed_at FROM queues
                 WHERE name > ?1 AND substr(name, 1, length(?2)) = ?2 ORDER BY name LIMIT ?3",
                (after.unwrap_or_default(), prefix, limit + 1),
                read_queue,
            )
        })?;
        let has_more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| has_more);
        let next = next.map(|last| cursor::seal(&listing, &last.name));
        Ok(Page { items, next })
    }

    async fn remove(&self, name: &str) -> Result<()> {
        let number = self.writer.perform(Remove { name: name.to_owned() }).await?;
        self.clear(number).await
    }
}

fn read_queue(row: &Row<'_>) -> rusqlite::Result<Queue> {
    Ok(Queue {
        name: row.get(0)?,
        settings: read_json(row, 1)?,
        created_at: Timestamp::from_millis(row.get(2)?),
        changed_at: Timestamp::from_millis(row.get(3)?),
    })
}

struct Put {
    name: String,
    before: Option<Settings>,
    settings: Settings,
}

impl Request<Desk> for Put {
    type Answer = ();

    fn perform(&self, desk: &mut Desk) -> Result<(), Failure> {
        let Self { name, before, settings } = self;
        let found = find(&desk.log, name)?;
        self.check_dead_letters(&desk.log)?;
        let text = serde_json::to_string(settings).expect("settings are plain data");
        let now = desk.now().as_millis();
        match (found, before) {
            (None, None) => {
                desk.log.write(
                    "INSERT INTO queues (name, settings, created_at, changed_at)
                     VALUES (?1, ?2, ?3, ?3)",
                    (name, text, now),
                )?;
            }
            (Some(place), Some(before)) if place.settings == *before => {
                desk.log.write(
                    "UPDATE queues SET settings = ?2, changed_at = ?3 WHERE queue = ?1",
                    (place.queue, text, now),
                )?;
            }
            (Some(_), None) => {
                return Err(conflict(format!("make the queue `{name}`: it is there")));
            }
            (Some(_), Some(_)) => {
                return Err(conflict(format!("change the queue `{name}`: it is not as it was")));
            }
            (None, Some(_)) => drop(place(&desk.log, name)?),
        }
        Ok(())
    }
}

impl Put {
    /// Refuses a dead-letter queue that is not there or does not take this queue's letters.
    ///
    /// A queue that keeps naming one that is gone may be changed otherwise.
    fn check_dead_letters(&self, log: &Log) -> Result<(), Failure> {
        let before = self.before.as_ref().and_then(|before| before.redrive.as_ref());
        let Some(redrive) = self.settings.redrive.as_ref().filter(|now| Some(*now) != before)
        else {
            return Ok(());
        };
        let target = &redrive.dead_letter_queue;
        let Some(place) = find(log, target)? else {
            return Err(invalid(format!("find the dead-letter queue `{target}`")).into());
        };
        let takes = match &place.settings.takes {
            Takes::All => true,
            Takes::Nothing => false,
            Takes::From(sources) => sources.contains(&self.name),
        };
        if takes {
            Ok(())
        } else {
            let name = &self.name;
            let said = format!("use `{target}` as dead-letter queue: it takes none of `{name}`");
            Err(invalid(said).into())
        }
    }
}

struct Remove {
    name: String,
}

impl Request<Desk> for Remove {
    type Answer = i64;

    fn perform(&self, desk: &mut Desk) -> Result<i64, Failure> {
        let Place { queue, .. } = place(&desk.log, &self.name)?;
        desk.log.write("UPDATE queues SET name = NULL WHERE queue = ?1", [queue])?;
        desk.touch_queue(queue);
        Ok(queue)
    }
}

/// Removes some messages that have outlived their queue or its retention; returns when to come
/// again.
pub(crate) fn sweep(log: &mut Log, now: Timestamp) -> rusqlite::Result<Timestamp> {
    let queues = log.all("SELECT queue, settings, name IS NULL FROM queues", (), |row| {
        Ok((row.get::<_, i64>(0)?, read_json::<Settings>(row, 1)?, row.get::<_, bool>(2)?))
    })?;
    let mut has_more = false;
    for (queue, settings, is_removed) in queues {
        let oldest = if is_removed { i64::MAX } else { oldest(&settings, now) };
        let swept = log.write(
            "DELETE FROM messages WHERE message IN
             (SELECT message FROM messages WHERE queue = ?1 AND sent_at <= ?2 LIMIT ?3)",
            (queue, oldest, SWEPT_MAX),
        )?;
        if is_removed && swept == 0 {
            log.write("DELETE FROM queues WHERE queue = ?1", [queue])?;
        }
        has_more = has_more || is_removed || swept == SWEPT_MAX;
    }
    Ok(if has_more { now } else { now.plus(SWEEP_EVERY) })
}
