//! The store on DynamoDB: aggregates, their indexes, their outbox and the stories it tells.
//!
//! ```text
//! commit ──▶ checked, encoded ──▶ PutItem / DeleteItem, or one TransactWriteItems
//! items ───▶ GetItem, or one TransactGetItems        (consistent)
//! query ───▶ Query of gsi1…4 ──▶ BatchGetItem        (places lag behind; items are as they are)
//! story ───▶ Query of `story`
//! ```
//!
//! Owns: one table, as [`table`] says. Does not own: which index of the port stands in which of
//! the table's ([`Layout`] is given), and when the outbox is published.

mod key;
mod layout;
pub mod table;

pub use layout::{Layout, Slot};
