//! What becomes of received messages: deleted, hidden longer or shorter; and purging.

use crate::desk::Desk;
use crate::failure::{Failure, conflict, invalid};
use crate::queues::place;
use crate::queues::receipt::Receipt;
use crate::writer::Request;
use std::time::Duration;

/// How many messages one transaction deletes: a few milliseconds' worth.
const PURGED_MAX: usize = 1_000;

/// Deletes a message by the receipt of its latest receiving.
pub(super) struct Delete {
    pub(super) queue: String,
    pub(super) receipt: Receipt,
}

impl Request<Desk> for Delete {
    type Answer = ();

    fn perform(&self, desk: &mut Desk) -> Result<(), Failure> {
        let Receipt { queue, message, received, id } = &self.receipt;
        check(desk, &self.queue, *queue)?;
        desk.log.write(
            "DELETE FROM messages WHERE message = ?1 AND queue = ?2 AND received = ?3 AND id = ?4",
            (message, queue, received, id),
        )?;
        Ok(())
    }
}

/// Hides a message that is in flight for another time.
pub(super) struct Hide {
    pub(super) queue: String,
    pub(super) receipt: Receipt,
    pub(super) visibility: Duration,
}

impl Request<Desk> for Hide {
    type Answer = ();

    fn perform(&self, desk: &mut Desk) -> Result<(), Failure> {
        let Receipt { queue, message, received, id } = &self.receipt;
        check(desk, &self.queue, *queue)?;
        let now = desk.now();
        let hidden = desk.log.write(
            "UPDATE messages SET visible_at = ?5 WHERE message = ?1 AND queue = ?2
             AND received = ?3 AND id = ?4 AND visible_at > ?6",
            (message, queue, received, id, now.plus(self.visibility).as_millis(), now.as_millis()),
        )?;
        if hidden == 0 {
            return Err(conflict("change how long a message is hidden: it is not in flight"));
        }
        desk.touch_queue(*queue);
        Ok(())
    }
}

/// Refuses a receipt of another queue, also of one that had the same name.
fn check(desk: &Desk, queue: &str, of_receipt: i64) -> Result<(), Failure> {
    if place(&desk.log, queue)?.queue == of_receipt {
        Ok(())
    } else {
        Err(invalid(format!("find the receipt in the queue `{queue}`: it is another's")).into())
    }
}

/// Deletes some messages up to a number; answers whether there may be more.
pub(super) struct Purge {
    pub(super) number: i64,
    pub(super) last: i64,
}

impl Request<Desk> for Purge {
    type Answer = bool;

    fn perform(&self, desk: &mut Desk) -> Result<bool, Failure> {
        let deleted = desk.log.write(
            "DELETE FROM messages WHERE message IN
             (SELECT message FROM messages WHERE queue = ?1 AND message <= ?2 LIMIT ?3)",
            (self.number, self.last, PURGED_MAX),
        )?;
        Ok(deleted == PURGED_MAX)
    }
}
