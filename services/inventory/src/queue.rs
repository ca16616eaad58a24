//! The queue before a product's stock: commands that wait together are performed in one write.
//!
//! ```text
//! first comer ──▶ takes the seat ──▶ serves itself and all who wait ──▶ passes the seat on
//! others ───────▶ wait ◀── verdict, or the seat ──┘
//! ```
//!
//! Every change of a stock must follow the one before, so without company each would cost a
//! durable commit of its own, and a product that everybody wants would sell only as fast as the
//! disk can sync. Alone in the queue, nobody waits for company.
//!
//! Owns: who serves, and who is served with whom. A caller that goes away in the middle takes
//! nobody with it: the seat passes on when it is dropped, and those who lost their server ask
//! again.
//! Does not own: what serving means ([`crate::service`]).

use crate::stock::{Command, Rejection};
use contracts::{OrderId, Sku, Timestamp};
use futures::channel::oneshot;
use ports::aggregate::Failure;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The most commands of one write. Each touches a reservation and tells an event, and all share
/// the counters: 97 items, within the 100 of [`ports::store::WRITES_MAX`].
const BATCH_MAX: usize = 48;
const _: () = assert!(2 * BATCH_MAX < ports::store::WRITES_MAX);

/// What is asked of a product's stock, and for which order.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) order_id: Option<OrderId>,
    pub(crate) command: Command,
    /// Until when the order will be decided: no rule looks at it, people do.
    pub(crate) held_until: Option<Timestamp>,
}

/// What came of a call.
pub(crate) type Verdict = Result<(), Failure<Rejection>>;

/// What a caller gets when it is its turn.
pub(crate) enum Turn {
    /// Somebody served it.
    Served(Verdict),
    /// It is to serve itself, and others with it.
    Serve(Seat),
    /// Whoever served it went away: what became of the call is not known, so ask again.
    Abandoned,
}

/// Somebody who waits.
pub(crate) struct Waiter {
    pub(crate) call: Call,
    turn: oneshot::Sender<Turn>,
}

impl Waiter {
    /// Tells the verdict; whoever has stopped listening does not hear it.
    pub(crate) fn tell(self, verdict: Verdict) {
        self.turn.send(Turn::Served(verdict)).ok();
    }
}

/// Who waits for which product; a product stands here as long as somebody has its seat.
type Waiting = Mutex<HashMap<Sku, VecDeque<Waiter>>>;

/// The queues of all products.
#[derive(Default)]
pub(crate) struct Queues {
    waiting: Arc<Waiting>,
}

impl Queues {
    /// Waits for a call's turn; at once when nobody has the product's seat.
    pub(crate) async fn turn(&self, sku: &Sku, call: &Call) -> Turn {
        let mine = {
            let mut waiting = lock(&self.waiting);
            let Some(queue) = waiting.get_mut(sku) else {
                waiting.insert(sku.clone(), VecDeque::new());
                let waiting = Arc::clone(&self.waiting);
                return Turn::Serve(Seat { waiting, sku: sku.clone() });
            };
            let (turn, mine) = oneshot::channel();
            queue.push_back(Waiter { call: call.clone(), turn });
            mine
        };
        mine.await.unwrap_or(Turn::Abandoned)
    }
}

/// The right to change a product's stock; dropping it passes it to the next who waits.
pub(crate) struct Seat {
    waiting: Arc<Waiting>,
    sku: Sku,
}

impl Seat {
    pub(crate) const fn sku(&self) -> &Sku {
        &self.sku
    }

    /// Calls up those who are served together with `first`, the longest waiting first.
    ///
    /// Of one order there is one call at a time: the next sees what the one before has done.
    pub(crate) fn company(&self, first: &Call) -> Vec<Waiter> {
        let mut orders: HashSet<OrderId> = first.order_id.iter().cloned().collect();
        let mut waiting = lock(&self.waiting);
        let Some(queue) = waiting.get_mut(&self.sku) else {
            return Vec::new();
        };
        let (mut company, mut others) = (Vec::new(), VecDeque::new());
        while let Some(waiter) = queue.pop_front() {
            let order_id = waiter.call.order_id.clone();
            let has_room = company.len() + 1 < BATCH_MAX;
            if has_room && order_id.is_none_or(|order_id| orders.insert(order_id)) {
                company.push(waiter);
            } else {
                others.push_back(waiter);
            }
        }
        *queue = others;
        company
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let next = {
            let mut waiting = lock(&self.waiting);
            let queue = waiting.get_mut(&self.sku);
            let next = queue.and_then(|queue| {
                // Those who went away would only pass the seat on.
                queue.retain(|waiter| !waiter.turn.is_canceled());
                queue.pop_front()
            });
            if next.is_none() {
                waiting.remove(&self.sku);
            }
            next
        };
        if let Some(next) = next {
            let seat = Self { waiting: Arc::clone(&self.waiting), sku: self.sku.clone() };
            // Sent to somebody who goes away just now, the seat is dropped and passes on again.
            next.turn.send(Turn::Serve(seat)).ok();
        }
    }
}

/// The queues are whole between any two statements, so a panic elsewhere does not spoil them.
fn lock(waiting: &Waiting) -> MutexGuard<'_, HashMap<Sku, VecDeque<Waiter>>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
