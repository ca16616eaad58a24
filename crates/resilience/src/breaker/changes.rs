//! The transitions of this process's breakers, as they are seen here, for whoever waits for one.

use super::state::{Mode, State};
use contracts::Timestamp;
use futures::channel::mpsc;
use futures::{Stream, StreamExt};
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

/// How many transitions a reader may lag behind: as many as there may be breakers, so that all of
/// them may change at once.
const LAG_MAX: usize = super::BREAKERS_MAX;

/// A breaker is seen in another state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which breaker.
    pub name: String,
    /// Whether, and how, it judges.
    pub mode: Mode,
    /// The worse of the two that a call meets: this instance's own and the fleet's.
    pub state: State,
    /// When it was seen.
    pub at: Timestamp,
}

/// The transitions from the moment of the subscription on.
///
/// It ends when its reader lags too far behind, or when the breakers are gone. Who reads on then
/// subscribes again and looks at all breakers first.
#[derive(Debug)]
pub struct Changes(mpsc::Receiver<Change>);

impl Stream for Changes {
    type Item = Change;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Change>> {
        self.0.poll_next_unpin(cx)
    }
}

/// Tells every reader.
#[derive(Default)]
pub(super) struct Announcer(Mutex<Vec<mpsc::Sender<Change>>>);

impl Announcer {
    pub(super) fn subscribe(&self) -> Changes {
        let (sender, receiver) = mpsc::channel(LAG_MAX);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        Changes(receiver)
    }

    pub(super) fn tell(&self, change: &Change) {
        let mut readers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        readers.retain_mut(|reader| reader.try_send(change.clone()).is_ok());
    }
}
