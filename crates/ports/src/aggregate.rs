//! The one use case of every service: load, decide, commit, reply; once per key.
//!
//! ```text
//! items ──▶ record of this key there? ──yes──▶ same answer again
//!   ▲              │ no
//!   │              ▼
//!   └─conflict── commit(items + outbox + record) ◀── decide(items)
//! ```
//!
//! Owns: the optimistic loop, and the record that makes a decision take effect once. The record,
//! the aggregate and the outbox commit in one write, so there is no lease to expire: whoever
//! commits first has done the work, and everybody else finds its record.
//! Does not own: any decision.

use crate::clock::Clock;
use crate::error::{Error, Kind};
use crate::store::{Change, Expect, Item, Partition, Store, Write};
use crate::task::TaskContext;
use contracts::task::TaskCall;
use contracts::{Envelope, Fingerprint, Problem};
use futures::lock::Mutex;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;
use std::time::Duration;

/// How long a record is kept: longer than the 14 days in which a saga can be redriven.
pub const RECORD_KEPT: Duration = Duration::from_hours(30 * 24);

/// How often a decision is made anew because somebody else changed the aggregate meanwhile.
///
/// Within one process the stripes below keep rivals apart; this bounds rivals in other processes.
const CONFLICTS_MAX: u32 = 8;

/// How many locks keep rivals of one process apart; aggregates share them by hash.
const STRIPES: usize = 1024;

/// A piece of work that must take effect once within its partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    /// Names the work: a client's key with its scope, a task, an event's id.
    pub key: String,
    /// What was asked; the same key with another payload is refused.
    pub fingerprint: Fingerprint,
}

impl Once {
    /// Names one visit of a task: the same for every attempt, replay and redrive of the visit.
    ///
    /// A machine that comes back to a state visits it anew. So a task that takes effect once per
    /// aggregate, whoever asks, is named after itself alone.
    #[must_use]
    pub fn of_task(context: &TaskContext, call: &TaskCall) -> Self {
        Self {
            key: format!("task#{}#{}", call.task, context.key),
            fingerprint: Fingerprint::of(&call.input),
        }
    }

    /// Names an event as one consumer handles it, however often it is delivered or replayed.
    #[must_use]
    pub fn of_event(consumer: &str, event: &Envelope) -> Self {
        Self {
            key: format!("event#{consumer}#{}", event.id),
            fingerprint: Fingerprint::of(
                &serde_json::to_value(&event.detail).expect("a detail is plain data"),
            ),
        }
    }
}

/// What a decision wants done, in one atomic write, and what it answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision<R> {
    /// The aggregate's items.
    pub writes: Vec<Write>,
    /// The events to publish, in order.
    pub outbox: Vec<Envelope>,
    /// The answer.
    pub reply: R,
}

impl<R> Decision<R> {
    /// Decides that nothing is to be done.
    pub const fn nothing(reply: R) -> Self {
        Self { writes: Vec::new(), outbox: Vec::new(), reply }
    }
}

/// The answer to a piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer<R> {
    /// It was done now.
    First(R),
    /// It had been done before; this is what was answered then.
    Replayed(R),
}

impl<R> Answer<R> {
    /// The answer, whenever it was given first.
    pub fn reply(self) -> R {
        match self {
            Self::First(reply) | Self::Replayed(reply) => reply,
        }
    }
}

/// Why a piece of work was not done.
#[derive(Debug)]
pub enum Failure<X> {
    /// The domain says no.
    Rejected(X),
    /// The key was used for another payload; nothing of the first is revealed.
    KeyReused,
    /// The world failed.
    World(Error),
}

impl<X> Failure<Failure<X>> {
    /// Takes out the failure of a decision that had to read its aggregate's items first.
    pub fn flatten(self) -> Failure<X> {
        match self {
            Self::Rejected(failure) => failure,
            Self::KeyReused => Failure::KeyReused,
            Self::World(error) => Failure::World(error),
        }
    }
}

impl<X: Into<Problem>> From<Failure<X>> for Problem {
    fn from(failure: Failure<X>) -> Self {
        match failure {
            Failure::Rejected(rejection) => rejection.into(),
            Failure::KeyReused => Self::new(
                422,
                "idempotency_key_reused",
                "The idempotency key was used for another request",
            )
            .detail("send the first request again as it was, or take a fresh key"),
            Failure::World(error) => Self::from(&error),
        }
    }
}

impl<X> From<Error> for Failure<X> {
    fn from(error: Error) -> Self {
        Self::World(error)
    }
}

/// A record as it is stored.
#[derive(Serialize, Deserialize)]
struct Record<R> {
    v: u32,
    fingerprint: Fingerprint,
    reply: R,
}

const RECORD_VERSION: u32 = 1;

/// Aggregates in a store.
pub struct Aggregates {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    stripes: Box<[Mutex<()>]>,
}

impl Aggregates {
    /// Opens the aggregates of a store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        let stripes = (0..STRIPES).map(|_| Mutex::new(())).collect();
        Self { store, clock, stripes }
    }

    /// The store itself, for reading.
    #[must_use]
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// The clock that decisions are made by.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// Loads the items `names` of `partition`, decides, and commits what was decided.
    ///
    /// `decide` is called again when somebody else changed the partition in between, so it must
    /// be pure. With `once`, a second call with the same key answers what the first answered and
    /// does nothing; rejections are not recorded; and a write that was not answered is looked for.
    ///
    /// # Errors
    /// See [`Failure`]. `World` of kind `Conflict` after a bounded number of lost races.
    pub async fn decide<R, X>(
        &self,
        partition: &Partition,
        names: &[&str],
        once: Option<&Once>,
        mut decide: impl FnMut(&[Option<Item>]) -> Result<Decision<R>, X>,
    ) -> Result<Answer<R>, Failure<X>>
    where
        R: Serialize + DeserializeOwned,
    {
        let record = once.map(|once| format!("once#{}", once.key));
        let mut wanted = names.to_vec();
        wanted.extend(record.as_deref());
        // Rivals in this process take turns instead of undoing each other's work.
        let _turn = self.stripe(partition).lock().await;
        let (mut conflicts, mut doubted) = (0, false);
        loop {
            let items = self.store.items(partition, &wanted).await?;
            let (items, done) = items.split_at(names.len());
            if let (Some(once), Some(Some(done))) = (once, done.first()) {
                return replay(once, done);
            }
            let decision = decide(items).map_err(Failure::Rejected)?;
            let Decision { mut writes, outbox, reply } = decision;
            if let (Some(once), Some(name)) = (once, &record) {
                writes.push(self.record(once, name, &reply)?);
            }
            if writes.is_empty() && outbox.is_empty() {
                return Ok(Answer::First(reply));
            }
            let change = Change { partition: partition.clone(), writes, outbox };
            match self.store.commit(change).await {
                Ok(()) => return Ok(Answer::First(reply)),
                Err(error) if error.kind() == Kind::Conflict && conflicts < CONFLICTS_MAX => {
                    conflicts += 1;
                }
                // It may have been written: the record tells. Where there is none it is decided
                // anew, and whichever write comes second finds its condition broken.
                Err(error) if error.kind() == Kind::Timeout && once.is_some() && !doubted => {
                    doubted = true;
                }
                Err(error) => return Err(Failure::World(error)),
            }
        }
    }

    /// The write that records an answer, so that it is given only once.
    fn record<R: Serialize>(&self, once: &Once, name: &str, reply: &R) -> Result<Write, Error> {
        let fingerprint = once.fingerprint.clone();
        let body = serde_json::to_string(&Record { v: RECORD_VERSION, fingerprint, reply })
            .map_err(|e| Error::new(Kind::Invalid, "record an answer").because(e))?;
        Ok(Write::Put {
            name: name.to_owned(),
            expect: Expect::Absent,
            body,
            indexes: Vec::new(),
            expires_at: Some(self.clock.now().plus(RECORD_KEPT)),
        })
    }

    fn stripe(&self, partition: &Partition) -> &Mutex<()> {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(partition);
        let index = usize::try_from(hash % STRIPES as u64).unwrap_or(0);
        &self.stripes[index]
    }
}

fn replay<R: DeserializeOwned, X>(once: &Once, done: &Item) -> Result<Answer<R>, Failure<X>> {
    let record: Record<R> = serde_json::from_str(&done.body).map_err(|e| {
        Error::new(Kind::Corrupt, format!("read the record of {}", once.key)).because(e)
    })?;
    if record.fingerprint.matches(&once.fingerprint) {
        Ok(Answer::Replayed(record.reply))
    } else {
        Err(Failure::KeyReused)
    }
}
