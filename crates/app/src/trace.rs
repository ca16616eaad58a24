//! The trace and the story that the work at hand belongs to, and how events come to know of it.
//!
//! ```text
//! request, invocation, event ── within(…) ──▶ handler ──▶ service ──▶ Traced store ──▶ outbox
//! ```
//!
//! Services know nothing of traces: what they commit is marked on its way into the store.
//!
//! Owns: what the current task works on. Does not own: the form of a trace (`contracts::trace`).

use async_trait::async_trait;
use contracts::{Envelope, TraceParent};
use ports::store::{Change, Found, Item, Page, Partition, Query};
use ports::{Result, Store};
use std::future::Future;
use std::sync::Arc;

tokio::task_local! {
    static WORK: Work;
}

/// What a piece of work belongs to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Work {
    /// The trace, if one is on.
    pub(crate) trace: Option<TraceParent>,
    /// What all events of the story share, if it is known.
    #[cfg_attr(not(feature = "lambda"), expect(dead_code, reason = "lines of functions show it"))]
    pub(crate) correlation_id: Option<String>,
}

impl Work {
    /// What is led to by an event.
    pub(crate) fn of(event: &Envelope) -> Self {
        Self { trace: event.trace(), correlation_id: Some(event.story().into_owned()) }
    }
}

/// Does something as part of this work.
pub(crate) async fn within<F: Future>(work: Work, doing: F) -> F::Output {
    WORK.scope(work, doing).await
}

/// The work at hand; nothing is known outside of [`within`].
pub(crate) fn work() -> Work {
    WORK.try_with(Work::clone).unwrap_or_default()
}

/// The trace of the work at hand.
pub(crate) fn current() -> Option<TraceParent> {
    WORK.try_with(|work| work.trace).ok().flatten()
}

/// The story of the work at hand.
#[cfg(feature = "lambda")]
pub(crate) fn correlation_id() -> Option<String> {
    WORK.try_with(|work| work.correlation_id.clone()).ok().flatten()
}

/// A store whose events say to which trace they belong.
pub(crate) struct Traced(pub(crate) Arc<dyn Store>);

#[async_trait]
impl Store for Traced {
    async fn items(&self, partition: &Partition, names: &[&str]) -> Result<Vec<Option<Item>>> {
        self.0.items(partition, names).await
    }

    async fn commit(&self, change: Change) -> Result<()> {
        let Some(trace) = current() else {
            return self.0.commit(change).await;
        };
        let outbox = change.outbox.into_iter().map(|event| event.traced(trace)).collect();
        self.0.commit(Change { outbox, ..change }).await
    }

    async fn query(&self, query: Query) -> Result<Page<Found>> {
        self.0.query(query).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use adapter_local::LocalDb;
    use contracts::envelope::Origin;
    use contracts::order::OrderParked;
    use contracts::{OrderId, Timestamp};
    use ports::Outbox;

    const NAMED: &str = "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01";

    /// A change that parks an order.
    fn change() -> Change {
        let order_id: OrderId = "ord_018f2b6a5d3c7e4f8a9b0c1d2e3f4a5b".parse().unwrap();
        let text = || "outcome_unknown".to_owned();
        let partition = Partition::of("order", &order_id);
        let fact = OrderParked { order_id, reason: text(), step: text(), error: text() };
        let origin = Origin {
            at: Timestamp::EPOCH,
            aggregate: partition.as_str(),
            sequence: 1,
            correlation_id: "018f2b6a",
            causation_id: None,
        };
        let outbox = vec![Envelope::of(&fact, &origin)];
        Change { partition, writes: Vec::new(), outbox }
    }

    /// What the events say of their trace that are committed while this is worked on.
    async fn committed(work: Option<Work>) -> Vec<Option<String>> {
        let dir = tempfile::tempdir().unwrap();
        let db = Arc::new(LocalDb::open(dir.path()).unwrap());
        let store = Traced(Arc::clone(&db) as _);
        let commit = store.commit(change());
        match work {
            Some(work) => within(work, commit).await.unwrap(),
            None => commit.await.unwrap(),
        }
        let pending = db.pending(0, 9).await.unwrap();
        pending.iter().map(|one| one.envelope.metadata()?.traceparent.clone()).collect()
    }

    #[tokio::test]
    async fn what_is_committed_for_a_request_says_to_which_trace_it_belongs() {
        let work = Work { trace: TraceParent::parse(NAMED), correlation_id: None };
        assert_eq!(committed(Some(work)).await, [Some(NAMED.to_owned())]);
        assert_eq!(committed(Some(Work::default())).await, [None]);
        assert_eq!(committed(None).await, [None]);
    }

    #[tokio::test]
    async fn what_follows_from_an_event_belongs_to_its_trace() {
        let [event] = <[Envelope; 1]>::try_from(change().outbox).unwrap();
        let event = event.traced(TraceParent::parse(NAMED).unwrap());
        assert_eq!(committed(Some(Work::of(&event))).await, [Some(NAMED.to_owned())]);
    }
}
