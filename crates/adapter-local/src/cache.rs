//! A cache in memory, with a bound: what has the least time left goes first.

use async_trait::async_trait;
use contracts::Timestamp;
use ports::cache::{check_entry, check_key};
use ports::{Cache, Clock, Result};
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Keeps values in this process; clones would be other caches, so it is shared in an [`Arc`].
pub struct MemoryCache {
    clock: Arc<dyn Clock>,
    bytes_max: usize,
    kept: Mutex<Kept>,
}

impl fmt::Debug for MemoryCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryCache").field("bytes_max", &self.bytes_max).finish_non_exhaustive()
    }
}

impl MemoryCache {
    /// Keeps at most `bytes_max` bytes of keys and values, by the time of `clock`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, bytes_max: usize) -> Self {
        Self { clock, bytes_max, kept: Mutex::default() }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Cache for MemoryCache {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        check_key(key)?;
        let now = self.clock.now();
        Ok(self.kept().get(key, now).map(<[u8]>::to_vec))
    }

    /// A value that is larger than the whole cache is forgotten at once.
    async fn set(&self, key: &str, value: &[u8], kept: Duration) -> Result<()> {
        check_entry(key, value, kept)?;
        let until = self.clock.now().plus(kept);
        self.kept().put(key, value, until, self.bytes_max);
        Ok(())
    }

    async fn set_if_absent(&self, key: &str, value: &[u8], kept: Duration) -> Result<bool> {
        check_entry(key, value, kept)?;
        let now = self.clock.now();
        let mut held = self.kept();
        let is_absent = held.get(key, now).is_none();
        if is_absent {
            held.put(key, value, now.plus(kept), self.bytes_max);
        }
        Ok(is_absent)
    }

    async fn delete(&self, key: &str) -> Result<()> {
        check_key(key)?;
        self.kept().take(key);
        Ok(())
    }
}

/// What is kept, and in which order it goes.
#[derive(Default)]
struct Kept {
    values: HashMap<String, (Vec<u8>, Timestamp)>,
    by_end: BTreeSet<(Timestamp, String)>,
    bytes: usize,
}

impl Kept {
    fn get(&self, key: &str, now: Timestamp) -> Option<&[u8]> {
        let (value, until) = self.values.get(key)?;
        (*until > now).then_some(value)
    }

    fn put(&mut self, key: &str, value: &[u8], until: Timestamp, bytes_max: usize) {
        self.take(key);
        self.bytes += key.len() + value.len();
        self.values.insert(key.to_owned(), (value.to_vec(), until));
        self.by_end.insert((until, key.to_owned()));
        while self.bytes > bytes_max {
            // What is too old has the earliest end, so it goes before what is of use.
            let Some((_, soonest)) = self.by_end.first().cloned() else { return };
            self.take(&soonest);
        }
    }

    fn take(&mut self, key: &str) {
        if let Some((value, until)) = self.values.remove(key) {
            self.bytes -= key.len() + value.len();
            self.by_end.remove(&(until, key.to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: Timestamp = Timestamp::from_millis(1_000);

    fn end(seconds: u64) -> Timestamp {
        END.plus(Duration::from_secs(seconds))
    }

    #[test]
    fn what_has_the_least_time_left_makes_room() {
        let mut kept = Kept::default();
        for (key, seconds) in [("a", 3), ("b", 1), ("c", 2)] {
            kept.put(key, b"123456789", end(seconds), 30);
        }
        assert_eq!(kept.bytes, 30);
        kept.put("d", b"1", end(9), 30);
        let left = |key| kept.get(key, END).is_some();
        assert_eq!([left("a"), left("b"), left("c"), left("d")], [true, false, true, true]);
        assert_eq!(kept.bytes, 22);
    }

    #[test]
    fn what_is_larger_than_everything_is_forgotten_at_once() {
        let mut kept = Kept::default();
        kept.put("a", b"12", end(1), 3);
        kept.put("b", b"123", end(2), 3);
        assert_eq!((kept.values.len(), kept.by_end.len(), kept.bytes), (0, 0, 0));
    }

    #[test]
    fn a_value_that_is_put_again_counts_once() {
        let mut kept = Kept::default();
        for _ in 0..10 {
            kept.put("a", b"12", end(1), 100);
        }
        assert_eq!((kept.by_end.len(), kept.bytes), (1, 3));
        kept.take("a");
        kept.take("a");
        assert_eq!((kept.by_end.len(), kept.bytes), (0, 0));
    }
}
