//! Objects by bucket and key: datasets that are read, results that are written.

use crate::error::Result;
use crate::store::{Cursor, Page};
use async_trait::async_trait;
use contracts::Timestamp;

/// The largest object that is written in one piece, in bytes.
pub const PUT_BYTES_MAX: usize = 64 * 1_048_576;
/// The most bytes that one read answers.
pub const READ_BYTES_MAX: usize = 1_048_576;
/// The longest key in bytes.
pub const KEY_BYTES_MAX: usize = 1_024;

/// What is known of an object without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// Its key within the bucket.
    pub key: String,
    /// Its length.
    pub bytes: u64,
    /// When it was written last.
    pub modified_at: Timestamp,
    /// Another text for other contents.
    pub etag: String,
}

/// Keeps objects.
///
/// A bucket's name has 3 to 63 lower-case letters, digits, dots and hyphens, and begins and ends
/// with a letter or digit. A key is a path: segments between slashes, none of them empty, `.` or
/// `..`; no key is the path of another one's folder. A bucket that nothing was written to is empty.
#[async_trait]
pub trait Blobs: Send + Sync {
    /// Writes an object, in place of the one that has the key; durable when this returns.
    ///
    /// Twice is once. Whoever reads meanwhile sees the object before or the object after, never a
    /// part. Of concurrent writes one stays.
    ///
    /// # Errors
    /// `Invalid` for a name or key that cannot be, or past [`PUT_BYTES_MAX`]. `Unavailable`:
    /// nothing was written, or all of it.
    async fn put(&self, bucket: &str, key: &str, bytes: Vec<u8>) -> Result<()>;

    /// Reads at most `most` bytes of an object, and at most [`READ_BYTES_MAX`], from a position
    /// on; nothing from its end on.
    ///
    /// An object that is replaced between two reads is not noticed.
    ///
    /// # Errors
    /// `NotFound` when there is none. `Invalid` for a name or key that cannot be. `Unavailable`.
    async fn read(&self, bucket: &str, key: &str, from: u64, most: usize) -> Result<Vec<u8>>;

    /// Lists the objects whose keys begin with `prefix`, in the order of their keys' bytes.
    ///
    /// Objects that are written or deleted while a listing runs may or may not appear.
    ///
    /// # Errors
    /// `Invalid` for a bucket's name that cannot be. `Unavailable`.
    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        limit: usize,
        after: Option<Cursor>,
    ) -> Result<Page<Blob>>;

    /// Deletes an object; one that is not there is deleted already.
    ///
    /// # Errors
    /// `Invalid` for a name or key that cannot be. `Unavailable`.
    async fn delete(&self, bucket: &str, key: &str) -> Result<()>;
}

/// Whether this can be the name of a bucket.
#[must_use]
pub fn is_bucket(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = [name.bytes().next(), name.bytes().last()];
    (3..=63).contains(&name.len())
        && name.bytes().all(|byte| plain(byte) || byte == b'-' || byte == b'.')
        && ends.into_iter().all(|end| end.is_some_and(plain))
        && !name.contains("..")
}

/// Whether this can be the key of an object.
#[must_use]
pub fn is_key(key: &str) -> bool {
    let segment = |segment: &str| !matches!(segment, "" | "." | "..");
    key.len() <= KEY_BYTES_MAX
        && key.split('/').all(segment)
        && !key.contains(['\\', ':'])
        && !key.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_named_as_s3_names_them() {
        for name in ["abc", "my-bucket.eu", "0ab"] {
            assert!(is_bucket(name), "{name}");
        }
        for name in ["", "ab", "Abc", "-abc", "abc-", "a..b", "a/b", ".tmp", &"a".repeat(64)] {
            assert!(!is_bucket(name), "{name}");
        }
    }

    #[test]
    fn a_key_leads_nowhere_but_into_its_bucket() {
        for key in ["a", "a/b.csv", "…/é", "a b", "a..b/c"] {
            assert!(is_key(key), "{key}");
        }
        for key in ["", "/a", "a/", "a//b", "..", "a/../b", "./a", "a\\b", "c:", "a\0b"] {
            assert!(!is_key(key), "{key:?}");
        }
        assert!(!is_key(&"k".repeat(KEY_BYTES_MAX + 1)));
    }
}
