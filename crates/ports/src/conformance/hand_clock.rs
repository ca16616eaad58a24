//! A clock that is moved by hand.

use crate::clock::Clock;
use contracts::Timestamp;
use futures::channel::oneshot;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A clock that stands still until it is moved; sleepers wake when it passes their time.
#[derive(Debug)]
pub struct HandClock {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    now: Timestamp,
    sleepers: Vec<(Timestamp, oneshot::Sender<()>)>,
}

impl HandClock {
    /// Makes a clock that stands at `now`.
    #[must_use]
    pub const fn at(now: Timestamp) -> Self {
        Self { state: Mutex::new(State { now, sleepers: Vec::new() }) }
    }

    /// Moves the clock forward and wakes whoever waited for a time it has passed.
    pub fn advance(&self, by: Duration) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.now = state.now.plus(by);
        let now = state.now;
        for (_, sleeper) in state.sleepers.extract_if(.., |(until, _)| *until <= now) {
            // Whoever no longer waits need not be woken.
            let (Ok(()) | Err(())) = sleeper.send(());
        }
    }
}

#[async_trait::async_trait]
impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).now
    }

    async fn sleep_until(&self, until: Timestamp) {
        let woken = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if state.now >= until {
                return;
            }
            let (sleeper, woken) = oneshot::channel();
            state.sleepers.push((until, sleeper));
            woken
        };
        // The sender lives in the clock, which we borrow.
        let (Ok(()) | Err(oneshot::Canceled)) = woken.await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance;
    use futures::FutureExt as _;
    use std::sync::Arc;

    #[test]
    fn a_sleeper_wakes_when_the_clock_passes_its_time() {
        let clock = HandClock::at(Timestamp::EPOCH);
        let mut sleep = clock.sleep(Duration::from_secs(5));
        assert!((&mut sleep).now_or_never().is_none());
        clock.advance(Duration::from_secs(4));
        assert!((&mut sleep).now_or_never().is_none());
        clock.advance(Duration::from_secs(1));
        assert!(sleep.now_or_never().is_some());
    }

    #[test]
    fn the_hand_clock_passes_the_suite_of_clocks() {
        let make = async || Arc::new(HandClock::at(Timestamp::EPOCH)) as Arc<dyn Clock>;
        assert!(conformance::clock(make).now_or_never().is_some());
    }
}
