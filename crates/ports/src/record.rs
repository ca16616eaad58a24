//! Records: how state is stored in an item, JSON with a version tag `v`.
//!
//! Owns: that a record of a version this program does not know is refused and not guessed at.
//! Does not own: any shape; each service has its own, and keeps readers for its old ones.

use crate::error::{Error, Kind, Result};
use crate::store::Item;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Reads a record of `version`; `what` names it in the error: "an order".
///
/// # Errors
/// `Corrupt` when the text is no such record, or is of another version.
pub fn read<T: DeserializeOwned>(item: &Item, what: &str, version: u32) -> Result<T> {
    #[derive(Deserialize)]
    struct Tag {
        v: u32,
    }
    let corrupt = |e| Error::new(Kind::Corrupt, format!("read {what}")).because(e);
    // The version first: a record of another one need not have this shape.
    let Tag { v } = serde_json::from_str(&item.body).map_err(corrupt)?;
    if v == version {
        return serde_json::from_str(&item.body).map_err(corrupt);
    }
    let doing = format!("read {what} stored in version {v}; known is version {version}");
    Err(Error::new(Kind::Corrupt, doing))
}

/// The text of a record.
///
/// # Panics
/// The record is no plain data: it has a map whose keys are no texts.
#[must_use]
pub fn text<T: Serialize>(record: &T) -> String {
    serde_json::to_string(record).expect("a record is plain data")
}
