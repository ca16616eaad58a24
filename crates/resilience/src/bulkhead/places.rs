//! The places of one bulkhead and those who wait for one. Pure.

use std::collections::BTreeMap;

/// How many calls run, and how many wait, at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// So many run at a time; at least one.
    pub concurrent_max: u32,
    /// So many wait.
    pub waiting_max: u32,
}

/// A place in the queue; they are handed out in rising order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

/// What became of the wish to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entrance {
    /// Run.
    In,
    /// Wait until the place is handed over.
    Queued(Ticket),
    /// There is no room to wait.
    Full,
}

/// Who runs and who waits; `W` is how a waiting one is told.
#[derive(Debug)]
pub(super) struct Places<W> {
    limits: Limits,
    busy: u32,
    waiting: BTreeMap<Ticket, W>,
    next: Ticket,
}

impl<W> Places<W> {
    pub(super) fn new(limits: Limits) -> Self {
        let limits = Limits { concurrent_max: limits.concurrent_max.max(1), ..limits };
        Self { limits, busy: 0, waiting: BTreeMap::new(), next: Ticket(0) }
    }

    /// Takes a place, or one in the queue.
    ///
    /// Who comes later does not overtake: while somebody waits, no place is free.
    pub(super) fn enter(&mut self, waiter: impl FnOnce() -> W) -> Entrance {
        if self.busy < self.limits.concurrent_max {
            self.busy = self.busy.saturating_add(1);
            return Entrance::In;
        }
        if self.waiting_count() >= self.limits.waiting_max {
            return Entrance::Full;
        }
        let ticket = self.next;
        self.next = Ticket(ticket.0.wrapping_add(1));
        self.waiting.insert(ticket, waiter());
        Entrance::Queued(ticket)
    }

    /// Gives a place back; answers who has it now.
    pub(super) fn leave(&mut self) -> Option<W> {
        let next = self.waiting.pop_first().map(|(_, waiter)| waiter);
        if next.is_none() {
            self.busy = self.busy.saturating_sub(1);
        }
        next
    }

    /// Gives up waiting; answers whether it was still waiting. One that was not has a place.
    pub(super) fn abandon(&mut self, ticket: Ticket) -> bool {
        self.waiting.remove(&ticket).is_some()
    }

    pub(super) const fn busy(&self) -> u32 {
        self.busy
    }

    pub(super) fn waiting_count(&self) -> u32 {
        u32::try_from(self.waiting.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn is_at_rest(&self) -> bool {
        self.busy == 0 && self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    fn places(concurrent_max: u32, waiting_max: u32) -> Places<u32> {
        Places::new(Limits { concurrent_max, waiting_max })
    }

    #[test]
    fn so_many_run_so_many_wait_and_the_next_is_turned_away() {
        let mut places = places(2, 1);
        assert_eq!(places.enter(|| 1), Entrance::In);
        assert_eq!(places.enter(|| 2), Entrance::In);
        assert!(matches!(places.enter(|| 3), Entrance::Queued(_)));
        assert_eq!(places.enter(|| 4), Entrance::Full);
    }

    #[test]
    fn a_bulkhead_without_places_has_one() {
        assert_eq!(places(0, 0).enter(|| 1), Entrance::In);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Enter,
        Leave,
        Abandon(usize),
    }

    proptest! {
        #[test]
        fn nobody_overtakes_nobody_is_lost_and_the_limits_hold(
            steps in prop::collection::vec(prop_oneof![
                2 => Just(Step::Enter),
                1 => Just(Step::Leave),
                1 => any::<usize>().prop_map(Step::Abandon),
            ], 0..200),
            (concurrent, waiting) in (1u32..5, 0u32..5),
        ) {
            let mut places = places(concurrent, waiting);
            let (mut running, mut queue, mut number) = (0, VecDeque::new(), 0);
            for step in steps {
                match step {
                    Step::Enter => {
                        number += 1;
                        match places.enter(|| number) {
                            Entrance::In => running += 1,
                            Entrance::Queued(ticket) => queue.push_back((ticket, number)),
                            Entrance::Full => prop_assert_eq!(queue.len() as u32, waiting),
                        }
                    }
                    Step::Leave if running == 0 => {}
                    Step::Leave => match (places.leave(), queue.pop_front()) {
                        (Some(next), Some((_, first))) => prop_assert_eq!(next, first),
                        (None, None) => running -= 1,
                        (next, first) => prop_assert!(false, "{:?} for {:?}", next, first),
                    },
                    Step::Abandon(_) if queue.is_empty() => {}
                    Step::Abandon(which) => {
                        let (ticket, _) = queue.remove(which % queue.len()).unwrap();
                        prop_assert!(places.abandon(ticket));
                        prop_assert!(!places.abandon(ticket));
                    }
                }
                prop_assert_eq!(places.busy(), running);
                prop_assert_eq!(places.waiting_count() as usize, queue.len());
                prop_assert!(running <= concurrent && queue.len() as u32 <= waiting);
                prop_assert!(queue.is_empty() || running == concurrent);
            }
        }
    }
}
