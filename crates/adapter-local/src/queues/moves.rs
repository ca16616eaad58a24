//! Moves out of dead-letter queues: begun, advanced batch by batch, cancelled.

use crate::LocalDb;
use crate::desk::Desk;
use crate::failure::{Failure, conflict, invalid};
use crate::log::Log;
use crate::queues::{find, is_expired, place};
use crate::writer::Request;
use async_trait::async_trait;
use contracts::Timestamp;
use ports::queues::{MOVE_RATE_MAX, MOVES_KEPT, Move, MoveStatus};
use ports::task::chain;
use ports::{Error, Kind, QueueMoves, Result};
use rusqlite::Row;
use std::future::Future;
use std::time::Duration;
use uuid::Uuid;

/// The bell of those who wait for a move to begin; no queue has this number.
const MOVES: i64 = 0;
/// How many messages one transaction moves.
const BATCH_MAX: u32 = 100;
/// How long a move that is told a rate rests between two batches.
const REST: Duration = Duration::from_secs(1);
/// How long the mover rests after a failure.
const REST_AFTER_FAILURE: Duration = Duration::from_secs(1);

#[async_trait]
impl QueueMoves for LocalDb {
    async fn begin(
        &self,
        source: &str,
        destination: Option<&str>,
        rate: Option<u32>,
    ) -> Result<String> {
        if rate.is_some_and(|rate| !(1..=MOVE_RATE_MAX).contains(&rate)) {
            return Err(invalid(format!("move more than {MOVE_RATE_MAX} messages a second")));
        }
        let handle = Uuid::new_v4().to_string();
        let (source, destination) = (source.to_owned(), destination.map(str::to_owned));
        self.writer.perform(Begin { handle: handle.clone(), source, destination, rate }).await?;
        Ok(handle)
    }

    async fn moves(&self, source: &str) -> Result<Vec<Move>> {
        self.place(source)?;
        self.readers.read(&format!("list the moves out of `{source}`"), |reader| {
            reader.all(
                "SELECT handle, source, destination, rate, status, moved, to_move, started_at,
                 reason FROM moves WHERE source = ?1 ORDER BY move DESC LIMIT ?2",
                (source, MOVES_KEPT),
                read_move,
            )
        })
    }

    async fn cancel(&self, handle: &str) -> Result<u64> {
        self.writer.perform(Cancel { handle: handle.to_owned() }).await
    }

    async fn advance(&self) -> Result<Option<Timestamp>> {
        let going_on = self.readers.read("look for moves that go on", |reader| {
            reader.all("SELECT move FROM moves WHERE status = 0", (), |row| row.get::<_, i64>(0))
        })?;
        let mut next = None;
        for number in going_on {
            let again = self.writer.perform(Advance { number }).await?;
            next = [next, again].into_iter().flatten().min();
        }
        Ok(next)
    }
}

impl LocalDb {
    /// Advances moves whenever one is due, until `stop` is done.
    pub async fn keep_moving(&self, stop: impl Future<Output = ()> + Send) {
        let mut stop = std::pin::pin!(stop);
        let mut bell = self.announced.bells.listen(MOVES);
        loop {
            bell.hear();
            let next = match self.advance().await {
                Ok(next) => next,
                Err(error) => {
                    tracing::error!(error = chain(&error), "messages could not be moved");
                    Some(self.clock.now().plus(REST_AFTER_FAILURE))
                }
            };
            let due = async {
                match next {
                    Some(at) => self.clock.sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = &mut stop => return,
                () = bell.rung() => {}
                () = due => {}
            }
        }
    }
}

fn read_move(row: &Row<'_>) -> rusqlite::Result<Move> {
    let status = match row.get::<_, u8>(4)? {
        0 => MoveStatus::Running,
        1 => MoveStatus::Completed,
        2 => MoveStatus::Cancelled,
        3 => MoveStatus::Failed,
        other => return Err(rusqlite::Error::IntegralValueOutOfRange(4, other.into())),
    };
    Ok(Move {
        handle: row.get(0)?,
        source: row.get(1)?,
        destination: row.get(2)?,
        rate: row.get(3)?,
        status,
        moved: row.get(5)?,
        to_move: row.get(6)?,
        started_at: Timestamp::from_millis(row.get(7)?),
        reason: row.get(8)?,
    })
}

const fn number_of(status: MoveStatus) -> u8 {
    match status {
        MoveStatus::Running => 0,
        MoveStatus::Completed => 1,
        MoveStatus::Cancelled => 2,
        MoveStatus::Failed => 3,
    }
}

struct Begin {
    handle: String,
    source: String,
    destination: Option<String>,
    rate: Option<u32>,
}

impl Request<Desk> for Begin {
    type Answer = ();

    fn perform(&self, desk: &mut Desk) -> Result<(), Failure> {
        let Self { handle, source, destination, rate } = self;
        let queue = place(&desk.log, source)?.queue;
        if let Some(destination) = destination {
            place(&desk.log, destination)?;
        }
        let sql = "SELECT 1 FROM moves WHERE source = ?1 AND status = 0";
        if desk.log.first(sql, [source], |_| Ok(()))?.is_some() {
            return Err(conflict(format!("move messages out of `{source}`: a move is going on")));
        }
        let (to_move, last) = desk
            .log
            .first(
                "SELECT count(*), coalesce(max(message), 0) FROM messages WHERE queue = ?1",
                [queue],
                |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)),
            )?
            .unwrap_or_default();
        let now = desk.now().as_millis();
        desk.log.write(
            "INSERT INTO moves (handle, source, destination, rate, status, last, moved, to_move,
             started_at, due_at) VALUES (?1, ?2, ?3, ?4, 0, ?5, 0, ?6, ?7, ?7)",
            (handle, source, destination, rate, last, to_move, now),
        )?;
        desk.log.write(
            "DELETE FROM moves WHERE move IN (SELECT move FROM moves WHERE source = ?1
             ORDER BY move DESC LIMIT -1 OFFSET ?2)",
            (source, MOVES_KEPT),
        )?;
        desk.touch_queue(MOVES);
        Ok(())
    }
}

struct Cancel {
    handle: String,
}

impl Request<Desk> for Cancel {
    type Answer = u64;

    fn perform(&self, desk: &mut Desk) -> Result<u64, Failure> {
        let sql = "SELECT move, status, moved FROM moves WHERE handle = ?1";
        let found = desk.log.first(sql, [&self.handle], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, u8>(1)?, row.get::<_, u64>(2)?))
        })?;
        match found {
            None => {
                let said = format!("find the move `{}`", self.handle);
                Err(Error::new(Kind::NotFound, said).into())
            }
            Some((number, 0, moved)) => {
                end(&mut desk.log, number, MoveStatus::Cancelled, None)?;
                Ok(moved)
            }
            Some(_) => Err(conflict(format!("cancel the move `{}`: it has ended", self.handle))),
        }
    }
}

fn end(
    log: &mut Log,
    number: i64,
    status: MoveStatus,
    reason: Option<&str>,
) -> rusqlite::Result<()> {
    log.write(
        "UPDATE moves SET status = ?2, reason = ?3 WHERE move = ?1",
        (number, number_of(status), reason),
    )?;
    Ok(())
}

/// Moves one batch of a move; answers when the next is due, if it goes on.
struct Advance {
    number: i64,
}

/// A move as its row says it.
struct Going {
    source: String,
    destination: Option<String>,
    rate: Option<u32>,
    last: i64,
    due_at: i64,
}

impl Request<Desk> for Advance {
    type Answer = Option<Timestamp>;

    fn perform(&self, desk: &mut Desk) -> Result<Option<Timestamp>, Failure> {
        let sql = "SELECT source, destination, rate, last, due_at FROM moves
                   WHERE move = ?1 AND status = 0";
        let going = desk.log.first(sql, [self.number], |row| {
            Ok(Going {
                source: row.get(0)?,
                destination: row.get(1)?,
                rate: row.get(2)?,
                last: row.get(3)?,
                due_at: row.get(4)?,
            })
        })?;
        let Some(going) = going else {
            return Ok(None);
        };
        if going.due_at > desk.now().as_millis() {
            return Ok(Some(Timestamp::from_millis(going.due_at)));
        }
        let limit = going.rate.unwrap_or(BATCH_MAX);
        let outcome = move_batch(desk, &going, limit)?;
        let rest = going.rate.map_or(Duration::ZERO, |_| REST);
        let due_at = desk.now().plus(rest);
        let log = &mut desk.log;
        log.write(
            "UPDATE moves SET moved = moved + ?2, due_at = ?3 WHERE move = ?1",
            (self.number, outcome.moved, due_at.as_millis()),
        )?;
        match outcome {
            Outcome { failure: Some(reason), .. } => {
                end(log, self.number, MoveStatus::Failed, Some(reason))?;
                Ok(None)
            }
            Outcome { looked_at, .. } if looked_at < limit => {
                end(log, self.number, MoveStatus::Completed, None)?;
                Ok(None)
            }
            Outcome { .. } => Ok(Some(due_at)),
        }
    }
}

/// What became of one batch.
#[derive(Default)]
struct Outcome {
    looked_at: u32,
    moved: u32,
    failure: Option<&'static str>,
}

fn move_batch(desk: &mut Desk, going: &Going, limit: u32) -> rusqlite::Result<Outcome> {
    let Some(source) = find(&desk.log, &going.source)? else {
        return Ok(Outcome {
            failure: Some("AWS.SimpleQueueService.NonExistentQueue"),
            ..Outcome::default()
        });
    };
    let now = desk.now();
    let batch = desk.log.all(
        "SELECT message, sent_at, source FROM messages
         WHERE queue = ?1 AND visible_at <= ?2 AND message <= ?3
         ORDER BY visible_at, message LIMIT ?4",
        (source.queue, now.as_millis(), going.last, limit),
        |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, Option<String>>(2)?)),
    )?;
    let mut outcome = Outcome::default();
    for (message, sent_at, died_in) in batch {
        outcome.looked_at += 1;
        if !is_expired(&source.settings, sent_at, now) {
            let Some(destination) = going.destination.as_ref().or(died_in.as_ref()) else {
                outcome.failure = Some("CouldNotDetermineMessageSource");
                return Ok(outcome);
            };
            let Some(destination) = find(&desk.log, destination)? else {
                outcome.failure = Some("AWS.SimpleQueueService.NonExistentQueue");
                return Ok(outcome);
            };
            send_again(&mut desk.log, message, destination.queue, now)?;
            desk.touch_queue(destination.queue);
            outcome.moved += 1;
        }
        desk.log.write("DELETE FROM messages WHERE message = ?1", [message])?;
    }
    Ok(outcome)
}

/// Sends a copy of a message as a new one.
fn send_again(log: &mut Log, message: i64, queue: i64, now: Timestamp) -> rusqlite::Result<()> {
    log.write(
        "INSERT INTO messages (queue, visible_at, sent_at, received, tries, id, trace_header,
         attributes, body)
         SELECT ?2, ?3, ?3, 0, 0, ?4, trace_header, attributes, body
         FROM messages WHERE message = ?1",
        (message, queue, now.as_millis(), Uuid::new_v4().as_bytes()),
    )?;
    Ok(())
}
