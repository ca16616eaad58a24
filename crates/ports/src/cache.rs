//! A cache: what was worked out once and is good for a while.

use crate::error::{Error, Kind, Result};
use async_trait::async_trait;
use std::time::Duration;

/// The longest key in bytes.
pub const KEY_BYTES_MAX: usize = 512;
/// The most bytes of one value: more is a blob.
pub const VALUE_BYTES_MAX: usize = 1_048_576;
/// The longest that a value is kept.
pub const KEPT_MAX: Duration = Duration::from_hours(24);

/// Keeps values for a while, and may forget any of them at any time.
///
/// Nothing that must be true may stand here alone: a cache is emptied, is full, is away, and the
/// same work is done again. What it does answer is what was put there last, and not older than was
/// said.
#[async_trait]
pub trait Cache: Send + Sync {
    /// The value of a key; `None` when there is none, when it is too old, or when it was forgotten.
    ///
    /// # Errors
    /// `Invalid` for a key that cannot be. `Unavailable`, `Timeout`: as if there were none.
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>>;

    /// Puts a value in the place of the one before, for this long. Of concurrent ones, one stays.
    ///
    /// # Errors
    /// `Invalid` for a key, a value or a time that cannot be. `Unavailable`, `Timeout`: the old
    /// value may still be there.
    async fn set(&self, key: &str, value: &[u8], kept: Duration) -> Result<()>;

    /// Puts a value where there is none, and says whether it did. Of concurrent ones, one does;
    /// two may, if the cache forgets in between.
    ///
    /// # Errors
    /// As [`Cache::set`]; after a `Timeout` it may stand there.
    async fn set_if_absent(&self, key: &str, value: &[u8], kept: Duration) -> Result<bool>;

    /// Takes a value away; one that is not there is away already.
    ///
    /// # Errors
    /// As [`Cache::set`].
    async fn delete(&self, key: &str) -> Result<()>;
}

/// Checks a key.
///
/// # Errors
/// `Invalid`: it is empty or too long.
pub fn check_key(key: &str) -> Result<()> {
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        let doing = format!("use a key of {} bytes: 1 to {KEY_BYTES_MAX} go", key.len());
        return Err(Error::new(Kind::Invalid, doing));
    }
    Ok(())
}

/// Checks what is to be put.
///
/// # Errors
/// `Invalid`: the key is none, the value too large, or the time nothing or too long.
pub fn check_entry(key: &str, value: &[u8], kept: Duration) -> Result<()> {
    check_key(key)?;
    if value.len() > VALUE_BYTES_MAX {
        let doing = format!("keep {} bytes: {VALUE_BYTES_MAX} go", value.len());
        return Err(Error::new(Kind::Invalid, doing));
    }
    if kept < Duration::from_millis(1) || kept > KEPT_MAX {
        return Err(Error::new(Kind::Invalid, format!("keep something for {kept:?}")));
    }
    Ok(())
}
