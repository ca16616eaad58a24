//! An event takes effect once per consumer, by the same leases as a request takes effect once.
//!
//! ```text
//! event ──▶ claim (consumer, event) ──▶ Run ──▶ handler ──▶ on record ──▶ done
//!             │ done before: done           │ it fails: given back, and delivered again
//!             └ another delivery runs: Unavailable, later
//! ```
//!
//! For handlers whose effect is elsewhere; one that commits its effect records
//! [`ports::aggregate::Once::of_event`] in the same write and needs no layer.
//!
//! Owns: that deliveries of one event do not overlap, and that a handled one is not handled again.
//! Does not own: deliveries, and when one that failed comes again.

use super::lease::{Begun, Ended, Leases};
use super::record::{Abandon, Record};
use super::stored::Kept;
use contracts::{Envelope, Fingerprint};
use futures::future::BoxFuture;
use ports::aggregate::Once;
use ports::{Error, Kind};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tower_layer::Layer;
use tower_service::Service;

/// When a delivery that met another one comes again: by then most have ended.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Lets each event through once for one consumer.
#[derive(Clone, Debug)]
pub struct OnceLayer {
    consumer: Arc<str>,
    leases: Leases,
}

impl OnceLayer {
    /// Makes the layer of a consumer, whose name tells its records from others'.
    #[must_use]
    pub fn new(consumer: &str, leases: Leases) -> Self {
        Self { consumer: consumer.into(), leases }
    }
}

impl<S> Layer<S> for OnceLayer {
    type Service = OncePerEvent<S>;

    fn layer(&self, inner: S) -> OncePerEvent<S> {
        OncePerEvent { inner, once: self.clone() }
    }
}

/// A consumer behind the layer.
///
/// `Unavailable` when another delivery of the event runs, or the store does not answer; `Timeout`
/// when it took longer than its lease. In all these cases another delivery finds out.
#[derive(Clone, Debug)]
pub struct OncePerEvent<S> {
    inner: S,
    once: OnceLayer,
}

impl<S> Service<Envelope> for OncePerEvent<S>
where
    S: Service<Envelope, Response = (), Error = Error> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = ();
    type Error = Error;
    type Future = BoxFuture<'static, Result<(), Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, event: Envelope) -> Self::Future {
        // The service that was polled ready is the one that is called.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let OnceLayer { consumer, leases } = self.once.clone();
        Box::pin(async move {
            let once = Once::of_event(&consumer, &event);
            let scope = Fingerprint::of_bytes(once.key.as_bytes());
            let claim = leases.claim(once.fingerprint, event.deadline());
            let run = match leases.begin(scope.as_str(), &claim).await? {
                Begun::Run(run) => run,
                Begun::Replay(_) => return Ok(()),
                Begun::Busy { .. } => return Err(later("handle an event that is being handled")),
                Begun::Reused => {
                    let doing = "handle an event whose id is another's";
                    return Err(Error::new(Kind::Invalid, doing));
                }
            };
            match leases.in_time(run.ends_at(), inner.call(event)).await {
                Some(Ok(())) => match run.finish(Kept::handled()).await? {
                    Ended::Recorded | Ended::Superseded(Record::Done { .. }) => Ok(()),
                    Ended::Superseded(
                        Record::Free { .. } | Record::Running { .. } | Record::Released { .. },
                    ) => Err(later("record an event that is handled anew")),
                },
                Some(Err(error)) => {
                    run.abandon(Abandon::Failed).await;
                    Err(error)
                }
                None => {
                    run.abandon(Abandon::Failed).await;
                    Err(Error::new(Kind::Timeout, "handle an event within its lease"))
                }
            }
        })
    }
}

fn later(doing: &str) -> Error {
    Error::new(Kind::Unavailable, doing).retry_after(AGAIN_AFTER)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hand_clock::HandClock;
    use crate::idempotency::StoreRecords;
    use adapter_local::LocalDb;
    use futures::channel::oneshot;
    use futures::executor::block_on;
    use futures::future::{self, Either};
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU32, Ordering};
    use tempfile::TempDir;
    use testkit::SeededIds;
    use uuid::Uuid;

    /// A consumer that counts what it handles.
    #[derive(Clone, Default)]
    struct Counter {
        handled: Arc<AtomicU32>,
        fails: Arc<Mutex<Vec<Kind>>>,
        /// Told when the next event is begun to be handled, which then hangs.
        hangs: Arc<Mutex<Option<oneshot::Sender<()>>>>,
    }

    impl Service<Envelope> for Counter {
        type Response = ();
        type Error = Error;
        type Future = BoxFuture<'static, Result<(), Error>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Envelope) -> Self::Future {
            let counter = self.clone();
            Box::pin(async move {
                let begun = counter.hangs.lock().unwrap().take();
                if let Some(begun) = begun {
                    begun.send(()).ok();
                    std::future::pending::<()>().await;
                }
                if let Some(kind) = counter.fails.lock().unwrap().pop() {
                    return Err(Error::new(kind, "handle the event"));
                }
                counter.handled.fetch_add(1, Ordering::Relaxed);
                Ok(())
            })
        }
    }

    struct Bench {
        leases: Leases,
        clock: Arc<HandClock>,
        counter: Counter,
        _dir: TempDir,
    }

    impl Bench {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let clock = HandClock::standing();
            let db = LocalDb::open_with_clock(dir.path(), clock.clone()).unwrap();
            let records = StoreRecords::new(Arc::new(db), clock.clone());
            let leases = Leases::new(Arc::new(records), clock.clone(), Arc::new(SeededIds::new(1)));
            Self { leases, clock, counter: Counter::default(), _dir: dir }
        }

        fn deliver(&self, consumer: &str, event: u128) -> BoxFuture<'static, Result<(), Error>> {
            let layer = OnceLayer::new(consumer, self.leases.clone());
            let event = Envelope { id: Uuid::from_u128(event), ..Envelope::default() };
            layer.layer(self.counter.clone()).call(event)
        }

        fn handled(&self) -> u32 {
            self.counter.handled.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn an_event_delivered_again_is_handled_once_per_consumer() {
        let bench = Bench::new();
        for (consumer, event, handled) in
            [("mailer", 1, 1), ("mailer", 1, 1), ("mailer", 2, 2), ("keeper", 1, 3)]
        {
            block_on(bench.deliver(consumer, event)).unwrap();
            assert_eq!(bench.handled(), handled, "{consumer} {event}");
        }
    }

    #[test]
    fn an_event_that_failed_is_handled_when_it_comes_again_and_then_no_more() {
        let bench = Bench::new();
        bench.counter.fails.lock().unwrap().push(Kind::Unavailable);
        assert!(block_on(bench.deliver("mailer", 1)).is_err());
        for _ in 0..3 {
            block_on(bench.deliver("mailer", 1)).unwrap();
        }
        assert_eq!(bench.handled(), 1);
    }

    #[test]
    fn two_deliveries_of_one_event_do_not_overlap_and_a_crash_is_made_good() {
        let bench = Bench::new();
        let (tell, begun) = oneshot::channel();
        *bench.counter.hangs.lock().unwrap() = Some(tell);
        let Either::Right((Ok(()), first)) =
            block_on(future::select(bench.deliver("mailer", 1), begun))
        else {
            panic!("it hangs");
        };
        let copy = block_on(bench.deliver("mailer", 1)).unwrap_err();
        assert_eq!((copy.kind(), copy.wait()), (Kind::Unavailable, Some(AGAIN_AFTER)));
        drop(first);
        bench.clock.advance(Duration::from_secs(32));
        block_on(bench.deliver("mailer", 1)).unwrap();
        assert_eq!(bench.handled(), 1);
    }
}
