//! What goes wrong in the local cloud, by a seed.
//!
//! Every place where something may go wrong asks the same generator, so that a seed gives the same
//! series of draws; who draws when is up to the processes. Faults are numbered down: after the last
//! one everything works again, and what is to be held is that the system then comes to rest.
//!
//! Owns: how often what goes wrong. Does not own: doing it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

/// What may go wrong, each with its chance in a thousand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Chances {
    /// A function's process is killed while it calls AWS, before or after the call takes effect.
    pub kill: u64,
    /// DynamoDB throttles a request.
    pub throttle: u64,
    /// A request takes effect and its answer is lost.
    pub drop_answer: u64,
    /// A request takes a while.
    pub delay: u64,
    /// The bus takes only some of the entries of a batch.
    pub fail_entries: u64,
    /// A batch of a stream or a queue does not reach its function, and is tried again.
    pub drop_batch: u64,
    /// A batch reaches its function twice.
    pub duplicate_batch: u64,
    /// A batch reaches its function in two parts.
    pub split_batch: u64,
    /// The lanes of a batch come in another order.
    pub shuffle_batch: u64,
}

/// What goes wrong with one request to AWS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// The caller is killed before its request is sent on.
    KillBefore,
    /// The caller is killed after its request took effect.
    KillAfter,
    /// The request is refused for now.
    Throttle,
    /// It takes effect; the answer is lost.
    DropAnswer,
    /// It takes this long.
    Delay(Duration),
    /// These entries of the batch fail.
    FailEntries(Vec<bool>),
}

/// What goes wrong with one batch on its way to a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchFault {
    /// Nothing.
    None,
    /// It does not get there.
    Drop,
    /// It gets there twice.
    Duplicate,
    /// It gets there in two parts.
    Split,
    /// Its lanes come in another order; what the draw shuffles by.
    Shuffle(u64),
}

/// Deals out faults.
#[derive(Debug, Default)]
pub struct Faults(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    chances: Chances,
    random: u64,
    left: u32,
    /// How often what was dealt.
    dealt: BTreeMap<&'static str, u32>,
    /// What goes wrong next with a function's requests, whatever is drawn.
    planted: BTreeMap<String, VecDeque<Fault>>,
}

impl Fault {
    const fn name(&self) -> &'static str {
        match self {
            Self::None => "nothing",
            Self::KillBefore => "killed before",
            Self::KillAfter => "killed after",
            Self::Throttle => "throttled",
            Self::DropAnswer => "answer lost",
            Self::Delay(_) => "delayed",
            Self::FailEntries(_) => "entries failed",
        }
    }
}

impl BatchFault {
    const fn name(self) -> &'static str {
        match self {
            Self::None => "nothing",
            Self::Drop => "batch dropped",
            Self::Duplicate => "batch repeated",
            Self::Split => "batch split",
            Self::Shuffle(_) => "batch shuffled",
        }
    }
}

impl State {
    fn count(&mut self, what: &'static str) {
        *self.dealt.entry(what).or_default() += 1;
    }

    /// The next draw (SplitMix64).
    fn next(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Draws one of these, each with its chance in a thousand.
    fn draw<T: Clone>(&mut self, of: &[(u64, T)]) -> Option<T> {
        if self.left == 0 {
            return None;
        }
        let mut drawn = self.next() % 1000;
        for (chance, what) in of {
            if drawn < *chance {
                self.left -= 1;
                return Some(what.clone());
            }
            drawn -= chance;
        }
        None
    }
}

impl State {
    fn drawn(&mut self, entries: usize, throttles: bool) -> Fault {
        let Chances { kill, throttle, drop_answer, delay, fail_entries, .. } = self.chances;
        let only_if = |may: bool, chance| if may { chance } else { 0 };
        let drawn = self.draw(&[
            (kill / 2, Fault::KillBefore),
            (kill / 2, Fault::KillAfter),
            (only_if(throttles, throttle), Fault::Throttle),
            (drop_answer, Fault::DropAnswer),
            (delay, Fault::Delay(Duration::ZERO)),
            (only_if(entries > 0, fail_entries), Fault::FailEntries(Vec::new())),
        ]);
        match drawn {
            Some(Fault::Delay(_)) => Fault::Delay(Duration::from_millis(self.next() % 300)),
            Some(Fault::FailEntries(_)) => {
                Fault::FailEntries((0..entries).map(|_| self.next().is_multiple_of(2)).collect())
            }
            Some(other) => other,
            None => Fault::None,
        }
    }
}

impl Faults {
    /// From now on, at most `count` faults with these chances.
    pub fn begin(&self, seed: u64, chances: Chances, count: u32) {
        let mut state = self.0.lock().unwrap();
        *state = State { chances, random: seed, left: count, ..State::default() };
    }

    /// The next requests of a function go wrong like this, one after the other.
    pub fn plant(&self, function: &str, faults: impl IntoIterator<Item = Fault>) {
        let mut state = self.0.lock().unwrap();
        state.planted.entry(function.to_owned()).or_default().extend(faults);
    }

    /// What was planted and has not come about, by function.
    #[must_use]
    pub fn planted(&self) -> BTreeMap<String, usize> {
        let state = self.0.lock().unwrap();
        let left = state.planted.iter().filter(|(_, faults)| !faults.is_empty());
        left.map(|(function, faults)| (function.clone(), faults.len())).collect()
    }

    /// From now on nothing goes wrong; answers how often what did.
    pub fn end(&self) -> BTreeMap<&'static str, u32> {
        let mut state = self.0.lock().unwrap();
        state.left = 0;
        state.planted.clear();
        std::mem::take(&mut state.dealt)
    }

    /// What goes wrong with a function's request; `entries` is how many events it has, `throttles`
    /// whether its service may throttle it.
    pub fn of_request(&self, function: &str, entries: usize, throttles: bool) -> Fault {
        let mut state = self.0.lock().unwrap();
        let planted = state.planted.get_mut(function);
        // What is planted waits for a request that it can happen to.
        let suits = |fault: &mut Fault| match fault {
            Fault::FailEntries(_) => entries > 0,
            Fault::Throttle => throttles,
            Fault::None
            | Fault::KillBefore
            | Fault::KillAfter
            | Fault::DropAnswer
            | Fault::Delay(_) => true,
        };
        let fault = match planted.and_then(|faults| faults.pop_front_if(suits)) {
            Some(planted) => planted,
            None => state.drawn(entries, throttles),
        };
        if fault != Fault::None {
            state.count(fault.name());
        }
        fault
    }

    /// What goes wrong with a batch.
    pub fn of_batch(&self) -> BatchFault {
        let mut state = self.0.lock().unwrap();
        let Chances { drop_batch, duplicate_batch, split_batch, shuffle_batch, .. } = state.chances;
        let by = state.next();
        let drawn = state.draw(&[
            (drop_batch, BatchFault::Drop),
            (duplicate_batch, BatchFault::Duplicate),
            (split_batch, BatchFault::Split),
            (shuffle_batch, BatchFault::Shuffle(by)),
        ]);
        if let Some(fault) = drawn {
            state.count(fault.name());
        }
        drawn.unwrap_or(BatchFault::None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_deals_the_same_faults_and_no_more_than_were_asked_for() {
        let deal = |seed| {
            let faults = Faults::default();
            let chances = Chances { kill: 100, fail_entries: 300, ..Chances::default() };
            faults.begin(seed, chances, 20);
            let dealt: Vec<Fault> = (0..1_000).map(|_| faults.of_request("F", 3, false)).collect();
            assert_eq!(faults.end().values().sum::<u32>(), 20);
            assert_eq!(faults.of_request("F", 3, false), Fault::None);
            dealt
        };
        assert_eq!(deal(1), deal(1));
        assert_ne!(deal(1), deal(2));
    }

    #[test]
    fn what_is_planted_for_a_function_comes_about_at_its_own_requests_in_order() {
        let faults = Faults::default();
        faults.plant("F", [Fault::None, Fault::Throttle]);
        assert_eq!(faults.of_request("G", 0, true), Fault::None);
        assert_eq!(faults.planted(), [("F".to_owned(), 2)].into());
        assert_eq!(faults.of_request("F", 0, true), Fault::None);
        assert_eq!(faults.of_request("F", 0, true), Fault::Throttle);
        assert_eq!(faults.of_request("F", 0, true), Fault::None);
        assert!(faults.planted().is_empty());
    }
}
