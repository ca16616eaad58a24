//! Receiving: the next visible messages, less those that have died or expired.

use crate::desk::Desk;
use crate::failure::Failure;
use crate::queues::receipt::Receipt;
use crate::queues::{Place, find, is_expired, place, read_json};
use crate::writer::Request;
use contracts::Timestamp;
use ports::queues::{Attribute, Received};
use rusqlite::Row;
use std::collections::BTreeMap;
use std::time::Duration;

/// How many messages one transaction looks at: enough to get past dead ones, few enough to be quick.
const LOOKED_AT_MAX: usize = 100;

/// Takes messages and hides them.
pub(super) struct Receive {
    pub(super) queue: String,
    pub(super) limit: usize,
    pub(super) visibility: Option<Duration>,
}

/// A message's row.
struct Candidate {
    message: i64,
    sent_at: i64,
    tries: u32,
    received: Received,
    id: [u8; 16],
}

/// Where messages go that were received as often as they may.
struct End {
    receives_max: u32,
    queue: i64,
}

impl Request<Desk> for Receive {
    /// What was received, and how many messages were looked at for it.
    type Answer = (Vec<Received>, usize);

    fn perform(&self, desk: &mut Desk) -> Result<Self::Answer, Failure> {
        let place = place(&desk.log, &self.queue)?;
        let end = self.end(desk, &place)?;
        let (mut taken, mut looked_at) = (Vec::new(), 0);
        while taken.len() < self.limit && looked_at < LOOKED_AT_MAX {
            let wanted = self.limit - taken.len();
            let candidates = visible(desk, place.queue, wanted)?;
            // A message that was hidden for no time at all is visible again.
            let is_taken = |candidate: &Candidate| {
                taken.iter().any(|(message, _)| *message == candidate.message)
            };
            let candidates: Vec<_> = candidates.into_iter().filter(|c| !is_taken(c)).collect();
            if candidates.is_empty() {
                break;
            }
            looked_at += candidates.len();
            for candidate in candidates {
                if is_expired(&place.settings, candidate.sent_at, desk.now()) {
                    let sql = "DELETE FROM messages WHERE message = ?1";
                    desk.log.write(sql, [candidate.message])?;
                } else if let Some(end) = &end
                    && candidate.tries >= end.receives_max
                {
                    self.bury(desk, &candidate, end)?;
                } else {
                    taken.push((candidate.message, self.take(desk, &place, candidate)?));
                }
            }
        }
        Ok((taken.into_iter().map(|(_, received)| received).collect(), looked_at))
    }
}

impl Receive {
    /// Where dead messages go; without a queue for them they are received for ever.
    fn end(&self, desk: &Desk, place: &Place) -> rusqlite::Result<Option<End>> {
        let Some(redrive) = &place.settings.redrive else {
            return Ok(None);
        };
        let dead_letters = find(&desk.log, &redrive.dead_letter_queue)?;
        let receives_max = redrive.receives_max;
        Ok(dead_letters.map(|place| End { receives_max, queue: place.queue }))
    }

    /// Moves a message to the dead-letter queue; its age goes with it.
    fn bury(&self, desk: &mut Desk, dead: &Candidate, end: &End) -> rusqlite::Result<()> {
        let now = desk.now().as_millis();
        desk.log.write(
            "UPDATE messages SET queue = ?2, visible_at = ?3, tries = 0, source = ?4
             WHERE message = ?1",
            (dead.message, end.queue, now, &self.queue),
        )?;
        desk.touch_queue(end.queue);
        Ok(())
    }

    /// Hides a message and says it.
    fn take(
        &self,
        desk: &mut Desk,
        place: &Place,
        candidate: Candidate,
    ) -> rusqlite::Result<Received> {
        let visibility = Duration::from_secs(place.settings.visibility_s.into());
        let visible_at = desk.now().plus(self.visibility.unwrap_or(visibility));
        let Candidate { message, id, mut received, .. } = candidate;
        if received.receive_count == 0 {
            received.first_received_at = desk.now();
        }
        received.receive_count = received.receive_count.saturating_add(1);
        let receipt = Receipt { queue: place.queue, message, received: received.receive_count, id };
        received.receipt = receipt.text();
        desk.log.write(
            "UPDATE messages SET visible_at = ?2, received = ?3, tries = tries + 1,
             first_received_at = ?4 WHERE message = ?1",
            (
                message,
                visible_at.as_millis(),
                received.receive_count,
                received.first_received_at.as_millis(),
            ),
        )?;
        Ok(received)
    }
}

/// The messages that have been visible longest.
fn visible(desk: &Desk, queue: i64, limit: usize) -> rusqlite::Result<Vec<Candidate>> {
    desk.log.all(
        "SELECT message, sent_at, received, tries, first_received_at, source, id, trace_header,
         attributes, body FROM messages
         WHERE queue = ?1 AND visible_at <= ?2 ORDER BY visible_at, message LIMIT ?3",
        (queue, desk.now().as_millis(), limit),
        read_candidate,
    )
}

fn read_candidate(row: &Row<'_>) -> rusqlite::Result<Candidate> {
    let (sent_at, id) = (row.get(1)?, row.get::<_, [u8; 16]>(6)?);
    let first_received_at = row.get::<_, Option<i64>>(4)?.unwrap_or_default();
    let has_attributes = row.get_ref(8)? != rusqlite::types::ValueRef::Null;
    let attributes: BTreeMap<String, Attribute> =
        if has_attributes { read_json(row, 8)? } else { BTreeMap::new() };
    Ok(Candidate {
        message: row.get(0)?,
        sent_at,
        tries: row.get(3)?,
        received: Received {
            id: uuid::Uuid::from_bytes(id).to_string(),
            receipt: String::new(),
            body: row.get(9)?,
            attributes,
            trace_header: row.get(7)?,
            sent_at: Timestamp::from_millis(sent_at),
            receive_count: row.get(2)?,
            first_received_at: Timestamp::from_millis(first_received_at),
            dead_letter_source: row.get(5)?,
        },
        id,
    })
}
