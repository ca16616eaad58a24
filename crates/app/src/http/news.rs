//! How handlers hear that something may have happened to an order.
//!
//! Owns: what a wait needs. Does not own: how news gets here: in one process deliveries wake who
//! waits, and a function on Lambda looks again.

use async_trait::async_trait;
use contracts::Timestamp;
use std::time::Duration;

/// Where news comes from.
pub(crate) trait News: Send + Sync {
    /// Begins to watch a story (correlation id) for a request that waits for something to happen;
    /// the watcher must then look at what is there already.
    fn watch(&self, story: &str) -> Box<dyn Watcher>;

    /// Begins to watch a story for a client that is told it as it goes on; `None` where nobody stays
    /// so long: what is there is told, and the client comes back for more.
    fn follow(&self, story: &str) -> Option<Box<dyn Watcher>>;

    /// The longest that a request may wait that has to be answered by `deadline`.
    fn wait_max(&self, deadline: Option<Timestamp>) -> Duration;
}

/// Somebody who watches a story.
#[async_trait]
pub(crate) trait Watcher: Send {
    /// Returns when there may be news since the last call; `false`: nobody will hear of any more.
    async fn changed(&mut self) -> bool;
}
