//! The targets of open deliveries, by the durable names of their rows.
//!
//! Targets come and go while events are on their way. A target gets an id when it is first needed,
//! and gives it back when it is no longer known and nothing of it is open.

use super::{FRESH_PER_TARGET_MAX, Terms};
use std::collections::{BTreeSet, HashMap, VecDeque};

/// A target, by its place among those with something open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetId(pub usize);

#[derive(Debug, Default)]
pub(super) struct Targets {
    all: Vec<Target>,
    ids: HashMap<String, TargetId>,
    free: Vec<TargetId>,
}

#[derive(Debug, Default)]
pub(super) struct Target {
    pub(super) name: String,
    pub(super) terms: Terms,
    /// Fresh deliveries that have not started.
    pub(super) waiting: BTreeSet<u64>,
    /// Those of them that are first in their lane.
    pub(super) ready: VecDeque<u64>,
    pub(super) fresh: usize,
    pub(super) slow: usize,
    pub(super) redeliveries: usize,
}

impl Target {
    pub(super) const fn has_room(&self) -> bool {
        self.fresh + self.slow < FRESH_PER_TARGET_MAX
    }

    /// Whether it answers nobody: every fresh call it may have at once is slow.
    pub(super) const fn is_stalled(&self) -> bool {
        self.slow >= FRESH_PER_TARGET_MAX
    }

    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.fresh + self.slow + self.redeliveries == 0
    }
}

impl Targets {
    /// The id of a target, which goes by these terms from now on.
    pub(super) fn know(&mut self, name: &str, terms: Terms) -> TargetId {
        if let Some(&id) = self.ids.get(name) {
            if let Some(target) = self.get_mut(id) {
                target.terms = terms;
            }
            return id;
        }
        let target = Target { name: name.to_owned(), terms, ..Target::default() };
        let id = self.free.pop().unwrap_or(TargetId(self.all.len()));
        match self.all.get_mut(id.0) {
            Some(place) => *place = target,
            None => self.all.push(target),
        }
        self.ids.insert(name.to_owned(), id);
        id
    }

    /// Gives back the ids of idle targets that are no longer known.
    pub(super) fn forget(&mut self, is_known: impl Fn(&str) -> bool) {
        let Self { all, ids, free } = self;
        ids.retain(|name, id| {
            let is_idle = all.get(id.0).is_none_or(Target::is_idle);
            let stays = is_known(name) || !is_idle;
            if !stays {
                free.push(*id);
            }
            stays
        });
    }

    pub(super) fn get(&self, id: TargetId) -> Option<&Target> {
        self.all.get(id.0)
    }

    pub(super) fn get_mut(&mut self, id: TargetId) -> Option<&mut Target> {
        self.all.get_mut(id.0)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (TargetId, &mut Target)> {
        (0..).map(TargetId).zip(self.all.iter_mut())
    }

    /// How many redeliveries are in flight.
    pub(super) fn redeliveries(&self) -> usize {
        self.all.iter().map(|target| target.redeliveries).sum()
    }
}
