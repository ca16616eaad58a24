//! A store that keeps its promises and nothing more: writes fail, are not answered, come late.

use crate::executor::Sim;
use async_trait::async_trait;
use ports::store::{Change, Expect, Found, Item, Page, Partition, Query, Write};
use ports::{Error, Kind, Result, Store};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// The item whose write is the effect.
pub(crate) const EFFECT: &str = "effect";

/// What was seen in the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// How often each effect was written, by its partition.
    pub(crate) effects: BTreeMap<String, u32>,
    /// Writes that were refused, not answered, or late.
    pub(crate) faults: u64,
    /// Leases that were taken from another run.
    pub(crate) takeovers: u64,
    /// Ends of runs that were refused, for another run had taken over.
    pub(crate) superseded: u64,
}

type Items = BTreeMap<(String, String), Item>;

/// The store; clones are the same.
#[derive(Clone)]
pub(crate) struct FaultyStore {
    sim: Sim,
    items: Arc<Mutex<Items>>,
    counts: Arc<Mutex<Counts>>,
    /// Whether it works, always.
    is_calm: bool,
}

impl FaultyStore {
    pub(crate) fn new(sim: Sim, is_calm: bool) -> Self {
        Self { sim, items: Arc::default(), counts: Arc::default(), is_calm }
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts.lock().unwrap().clone()
    }

    fn apply(&self, change: &Change) -> Result<()> {
        let (mut items, mut counts) = (self.items.lock().unwrap(), self.counts.lock().unwrap());
        let partition = change.partition.as_str();
        let key = |name: &str| (partition.to_owned(), name.to_owned());
        for write in &change.writes {
            let (Write::Put { name, expect, .. } | Write::Delete { name, expect }) = write;
            if Expect::unchanged(items.get(&key(name))) != *expect {
                if matches!(write, Write::Put { body, .. } if body.contains(r#""state":"done""#)) {
                    counts.superseded += 1;
                }
                return Err(Error::new(Kind::Conflict, "write what has changed"));
            }
        }
        for write in &change.writes {
            let Write::Put { name, expect, body, expires_at, .. } = write else {
                panic!("nothing is deleted here");
            };
            if name == EFFECT {
                *counts.effects.entry(partition.to_owned()).or_default() += 1;
            }
            let runs = |body: &str| body.contains(r#""state":"running""#);
            let before = items.get(&key(name)).is_some_and(|item| runs(&item.body));
            counts.takeovers += u64::from(before && runs(body));
            let (name, version) = (name.clone(), expect.next_version());
            let item = Item { name, version, body: body.clone(), expires_at: *expires_at };
            items.insert(key(&item.name), item);
        }
        Ok(())
    }

    fn fault(&self) {
        self.counts.lock().unwrap().faults += 1;
    }
}

#[async_trait]
impl Store for FaultyStore {
    async fn items(&self, partition: &Partition, names: &[&str]) -> Result<Vec<Option<Item>>> {
        self.sim.sleep(self.sim.below(5)).await;
        if !self.is_calm && self.sim.one_in(200) {
            return Err(Error::new(Kind::Unavailable, "reach the store"));
        }
        let items = self.items.lock().unwrap();
        let item =
            |name: &&str| items.get(&(partition.as_str().to_owned(), (*name).to_owned())).cloned();
        Ok(names.iter().map(item).collect())
    }

    async fn commit(&self, change: Change) -> Result<()> {
        self.sim.sleep(self.sim.below(10)).await;
        let unanswered = || Error::new(Kind::Timeout, "hear of a write");
        let fate = if self.is_calm { u64::MAX } else { self.sim.below(40) };
        match fate {
            0 => {
                self.fault();
                return Err(Error::new(Kind::Throttled, "write so much"));
            }
            1 => {
                self.fault();
                self.sim.sleep(1_000).await;
                return Err(unanswered());
            }
            2 | 3 => {
                self.fault();
                self.apply(&change).ok();
                self.sim.sleep(1_000).await;
                return Err(unanswered());
            }
            4 => {
                self.fault();
                let (store, late) = (self.clone(), self.sim.below(5_000));
                self.sim.spawn(
                    None,
                    Box::pin(async move {
                        store.sim.sleep(late).await;
                        store.apply(&change).ok();
                    }),
                );
                return Err(unanswered());
            }
            // Longer than the grace of a lease.
            5 => {
                self.fault();
                self.sim.sleep(self.sim.below(4_000)).await;
            }
            _ => {}
        }
        self.apply(&change)?;
        self.sim.sleep(self.sim.below(10)).await;
        Ok(())
    }

    async fn query(&self, _: Query) -> Result<Page<Found>> {
        Err(Error::new(Kind::Invalid, "list anything here"))
    }
}
