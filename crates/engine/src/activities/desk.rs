//! Where tasks that wait and workers that poll meet.
//!
//! ```text
//! driver ── offer ──▶ desk ◀── poll ── worker
//!    ▲                  │
//!    └──── Taken ───────┘   the driver records it, then hands the task over
//! ```
//!
//! Nothing here is durable: an offer stands as long as its driver waits, and after a restart the
//! driver makes it again.

use asl::Token;
use serde_json::Value;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// A task as a worker gets it.
#[derive(Clone, Debug, PartialEq)]
pub struct ActivityTask {
    /// Answers the task.
    pub token: Token,
    /// What the task is about.
    pub input: Arc<Value>,
}

/// A worker took a task, and waits for it to be recorded.
pub(crate) struct Taken {
    /// The name that the worker gave.
    pub(crate) worker: Option<String>,
    /// Where the task is handed over.
    pub(crate) hand_over: oneshot::Sender<ActivityTask>,
}

/// A task that waits to be taken.
pub(crate) type Offer = oneshot::Sender<Taken>;

/// What waits for one activity. What was given up is cleared out each time its number doubles.
#[derive(Default)]
struct Shelf {
    offers: VecDeque<Offer>,
    pollers: VecDeque<oneshot::Sender<Offer>>,
}

/// Tasks that wait and workers that poll, by activity.
#[derive(Default)]
pub(crate) struct Desk {
    shelves: Mutex<HashMap<String, Shelf>>,
}

impl Desk {
    /// Offers a task; the answer comes when a worker takes it, or none if the worker left in the
    /// very moment. To stop waiting is to withdraw the offer.
    pub(crate) fn offer(&self, activity: &str) -> oneshot::Receiver<Taken> {
        let (offer, taken) = oneshot::channel();
        let mut shelves = self.shelves();
        let shelf = shelves.entry(activity.to_owned()).or_default();
        let mut offer = offer;
        while let Some(poller) = shelf.pollers.pop_front() {
            match poller.send(offer) {
                Ok(()) => return taken,
                // It has stopped polling.
                Err(unsent) => offer = unsent,
            }
        }
        if shelf.offers.len().is_power_of_two() {
            shelf.offers.retain(|offer| !offer.is_closed());
        }
        shelf.offers.push_back(offer);
        taken
    }

    /// Takes the task that has waited longest; waits for one if there is none. Who stops waiting
    /// takes nothing.
    pub(crate) async fn poll(&self, activity: &str, worker: Option<String>) -> ActivityTask {
        loop {
            let offer = match self.next(activity) {
                Ok(offer) => offer,
                Err(waiting) => match waiting.await {
                    Ok(offer) => offer,
                    Err(_) => continue,
                },
            };
            let (hand_over, task) = oneshot::channel();
            if offer.send(Taken { worker: worker.clone(), hand_over }).is_ok()
                && let Ok(task) = task.await
            {
                return task;
            }
        }
    }

    /// The next offer that still stands, or where the next one will come.
    fn next(&self, activity: &str) -> Result<Offer, oneshot::Receiver<Offer>> {
        let mut shelves = self.shelves();
        let shelf = shelves.entry(activity.to_owned()).or_default();
        while let Some(offer) = shelf.offers.pop_front() {
            if !offer.is_closed() {
                return Ok(offer);
            }
        }
        let (poller, next) = oneshot::channel();
        if shelf.pollers.len().is_power_of_two() {
            shelf.pollers.retain(|poller| !poller.is_closed());
        }
        shelf.pollers.push_back(poller);
        Err(next)
    }

    fn shelves(&self) -> MutexGuard<'_, HashMap<String, Shelf>> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use serde_json::json;

    fn hand_over(taken: Taken, input: Value) {
        let task = ActivityTask { token: Token::from("t"), input: Arc::new(input) };
        taken.hand_over.send(task).expect("the worker waits");
    }

    #[tokio::test]
    async fn a_worker_that_polls_first_gets_the_next_task() {
        let desk = Desk::default();
        let mut poll = Box::pin(desk.poll("a", Some("w".into())));
        assert!(poll.as_mut().now_or_never().is_none());
        let taken = desk.offer("a");
        assert!(poll.as_mut().now_or_never().is_none());
        let taken = taken.await.expect("it was taken");
        assert_eq!(taken.worker.as_deref(), Some("w"));
        hand_over(taken, json!(1));
        assert_eq!(*poll.await.input, json!(1));
    }

    #[tokio::test]
    async fn a_task_that_was_withdrawn_is_not_handed_out() {
        let desk = Desk::default();
        drop(desk.offer("a"));
        let second = desk.offer("a");
        let mut poll = Box::pin(desk.poll("a", None));
        assert!(poll.as_mut().now_or_never().is_none());
        hand_over(second.await.expect("it was taken"), json!(2));
        assert_eq!(*poll.await.input, json!(2));
    }

    #[tokio::test]
    async fn a_worker_that_left_takes_nothing_with_it() {
        let desk = Desk::default();
        assert!(desk.poll("a", None).now_or_never().is_none());
        let mut taken = desk.offer("a");
        assert!(taken.try_recv().is_err());
        let mut poll = Box::pin(desk.poll("a", None));
        assert!(poll.as_mut().now_or_never().is_none());
        assert!(taken.try_recv().is_ok());
    }
}
