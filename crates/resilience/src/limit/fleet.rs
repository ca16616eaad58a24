//! One limit that a fleet shares through the store.
//!
//! Owns: the shares that this instance holds, the loans, and going on alone without the store.
//! Does not own: how much may be lent (`share.rs`).

use super::bucket::Standing;
use super::share::{Answer, Lent, Share, Shared};
use contracts::Timestamp;
use futures::channel::mpsc::{self, Receiver, Sender};
use futures::lock::Mutex as TurnLock;
use futures::{FutureExt, StreamExt};
use ports::store::{Change, Expect, Partition, Write};
use ports::task::chain;
use ports::{Clock, Error, Kind, Result, Store};
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The most shares that an instance holds; those of past windows make room. Newcomers are refused
/// while there is none: a limit that is shared fails closed.
pub const SHARES_MAX: usize = 65_536;

/// The item of a partition in which it stands what was lent.
const ITEM: &str = "lent";

/// How often a loan is tried while others borrow at the same time.
const CONFLICTS_MAX: u32 = 8;

/// How many loans wait to be asked for ahead of need; beyond it they are asked for when needed.
const AHEAD_MAX: usize = 1_024;

/// When a newcomer should come again while there is no room for shares.
const FULL_RETRY_AFTER: Duration = Duration::from_secs(1);

/// A limit that the instances of a fleet share.
pub struct Fleet {
    name: &'static str,
    shared: Shared,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    held: Mutex<HashMap<u64, Held>>,
    ahead: Sender<u64>,
    asked: TurnLock<Receiver<u64>>,
    is_alone: AtomicBool,
}

struct Held {
    share: Share,
    partition: Partition,
}

/// What a shared limit says to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Admitted(Standing),
    Ask,
    Refused { retry_after: Duration },
}

impl Fleet {
    /// Makes this instance's part of the limit `name`, which is the same on every instance.
    #[must_use]
    pub fn new(
        name: &'static str,
        shared: Shared,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        let (ahead, asked) = mpsc::channel(AHEAD_MAX);
        Arc::new(Self {
            name,
            shared,
            store,
            clock,
            held: Mutex::default(),
            ahead,
            asked: TurnLock::new(asked),
            is_alone: AtomicBool::new(false),
        })
    }

    /// The limit's name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// How many shares this instance holds.
    #[must_use]
    pub fn shares(&self) -> usize {
        self.held().len()
    }

    /// What it goes by.
    #[must_use]
    pub const fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Borrows ahead of need, for as long as it is polled.
    pub async fn run(&self) {
        let mut asked = self.asked.lock().await;
        while let Some(key) = asked.next().await {
            self.borrow(key).await;
        }
    }

    /// Borrows what is to be borrowed ahead by now: what [`Self::run`] does all the time, for a
    /// process that is only awake while it is called.
    pub async fn catch_up(&self) {
        let mut asked = self.asked.lock().await;
        while let Some(key) = asked.next().now_or_never().flatten() {
            self.borrow(key).await;
        }
    }

    /// Takes a token of whoever `key` stands for in this process; `names` names them in the store.
    pub(super) fn take(&self, key: u64, names: impl FnOnce() -> String, now: Timestamp) -> Said {
        let mut held = self.held();
        if held.len() >= SHARES_MAX && !held.contains_key(&key) {
            held.retain(|_, held| !held.share.is_over(&self.shared, now));
            if held.len() >= SHARES_MAX {
                return Said::Refused { retry_after: FULL_RETRY_AFTER };
            }
        }
        let Held { share, .. } = held.entry(key).or_insert_with(|| Held {
            share: Share::default(),
            partition: Partition::of("rate-limit", format_args!("{}#{}", self.name, names())),
        });
        let answer = share.take(&self.shared, now);
        // Whoever finds nothing borrows for itself.
        if matches!(answer, Answer::Admitted { .. }) && share.is_low(&self.shared, now) {
            // A full queue does no harm: the loan is asked for when it is needed.
            share.asks = self.ahead.clone().try_send(key).is_ok();
        }
        match answer {
            Answer::Admitted { left } => Said::Admitted(self.standing(left, now)),
            Answer::Ask => Said::Ask,
            Answer::Refused { retry_after } => Said::Refused { retry_after },
        }
    }

    /// How the limit stands where nothing is known of what others hold: this instance's part.
    pub(super) fn standing(&self, remaining: u32, now: Timestamp) -> Standing {
        Standing { remaining, full_in: self.shared.rest(now) }
    }

    pub(super) fn give_back(&self, key: u64) {
        if let Some(held) = self.held().get_mut(&key) {
            held.share.give_back();
        }
    }

    /// Borrows for a key; afterwards there is a token, or no use in asking again soon.
    pub(super) async fn borrow(&self, key: u64) {
        let Some(partition) = self.held().get(&key).map(|held| held.partition.clone()) else {
            return;
        };
        let loan = self.loan(&partition).await;
        let now = self.clock.now();
        self.tell(loan.as_ref().err());
        if let Some(Held { share, .. }) = self.held().get_mut(&key) {
            match loan {
                Ok((loan, window)) => share.borrow(&self.shared, loan, window, now),
                Err(_) => share.was_left_alone(&self.shared, now),
            }
        }
    }

    /// Takes a loan out of the store; answers how much it is, and for which window.
    async fn loan(&self, partition: &Partition) -> Result<(u32, i64)> {
        let mut conflicts = 0;
        loop {
            let items = self.store.items(partition, &[ITEM]).await?;
            let item = items.into_iter().flatten().next();
            let lent = match &item {
                Some(item) => serde_json::from_str(&item.body).map_err(|e| {
                    Error::new(Kind::Corrupt, format!("read what {partition} has lent")).because(e)
                })?,
                None => Lent::default(),
            };
            let now = self.clock.now();
            let (lent, loan) = Lent::lend(lent, &self.shared, now);
            if loan == 0 {
                return Ok((0, lent.window()));
            }
            let body = serde_json::to_string(&lent)
                .map_err(|e| Error::new(Kind::Invalid, "write what was lent").because(e))?;
            // It is looked at in this window and in the next one.
            let expires_at = Some(now.plus(self.shared.window * 3));
            let (name, expect) = (ITEM.to_owned(), Expect::unchanged(item.as_ref()));
            let write = Write::Put { name, expect, body, indexes: Vec::new(), expires_at };
            let change =
                Change { partition: partition.clone(), writes: vec![write], outbox: Vec::new() };
            match self.store.commit(change).await {
                Ok(()) => return Ok((loan, lent.window())),
                Err(error) if error.kind() == Kind::Conflict && conflicts < CONFLICTS_MAX => {
                    conflicts += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Says once that the store does not lend, and once that it does again.
    fn tell(&self, error: Option<&Error>) {
        let was_alone = self.is_alone.swap(error.is_some(), Ordering::Relaxed);
        let limit = self.name;
        match (was_alone, error) {
            (false, Some(error)) => {
                let error = chain(error);
                tracing::warn!(limit, error, "rate limit goes on with its own share alone");
            }
            (true, None) => tracing::info!(limit, "rate limit is shared again"),
            (true, Some(_)) | (false, None) => {}
        }
    }

    fn held(&self) -> MutexGuard<'_, HashMap<u64, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fleet")
            .field("name", &self.name)
            .field("shared", &self.shared)
            .finish_non_exhaustive()
    }
}
