//! Message queues, as SQS's standard queues: at least once, in no promised order.
//!
//! A received message is invisible until its visibility timeout ends or it is deleted with the
//! receipt that came with it. A message that was received too often goes to the dead-letter queue
//! that its queue names.

use crate::error::Result;
use async_trait::async_trait;
use contracts::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// The most messages of one call.
pub const BATCH_MAX: usize = 10;
/// The most bytes of one message, attributes included (SQS: 1 MiB).
pub const MESSAGE_BYTES_MAX: usize = 1_048_576;

/// A message to send.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outgoing {
    /// Its text.
    pub body: String,
    /// What is said beside the text, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, Attribute>,
    /// How long it stays invisible at first; absent means as the queue says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<Duration>,
}

/// Something said beside a message's text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribute {
    /// `String`, `Number` or `Binary`, perhaps with a custom label after a dot.
    pub data_type: String,
    /// The value as text; base64 for `Binary`.
    pub value: String,
}

/// A message as it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Names the message for ever.
    pub id: String,
    /// Deletes this receipt of it, or changes how long it stays invisible.
    pub receipt: String,
    /// Its text.
    pub body: String,
    /// What is said beside the text, by name.
    pub attributes: BTreeMap<String, Attribute>,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// How often it was received, this time included.
    pub receive_count: u32,
    /// When it was received first.
    pub first_received_at: Timestamp,
    /// The queue that it died in, if it is in a dead-letter queue.
    pub dead_letter_source: Option<String>,
}

/// Keeps messages until somebody has dealt with them.
#[async_trait]
pub trait Queues: Send + Sync {
    /// Sends a message and returns its id once it is durable. Sending twice is two messages.
    ///
    /// # Errors
    /// `NotFound`: there is no such queue. `Invalid`: it is too large. `Unavailable`: not sent.
    async fn send(&self, queue: &str, message: Outgoing) -> Result<String>;

    /// Receives at most `limit` messages and hides them for `visibility` (absent: as the queue
    /// says); waits for the first one for at most `wait`.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Corrupt`.
    async fn receive(
        &self,
        queue: &str,
        limit: usize,
        visibility: Option<Duration>,
        wait: Duration,
    ) -> Result<Vec<Received>>;

    /// Deletes what a receipt stands for; deleting it twice is deleting it once.
    ///
    /// # Errors
    /// `NotFound`: no such queue. `Invalid`: the receipt is none of this queue's. `Unavailable`.
    async fn delete(&self, queue: &str, receipt: &str) -> Result<()>;

    /// Hides a received message for this long from now; zero shows it at once.
    ///
    /// # Errors
    /// As [`Queues::delete`]; `Conflict`: it is visible again, or deleted.
    async fn hide(&self, queue: &str, receipt: &str, visibility: Duration) -> Result<()>;
}
