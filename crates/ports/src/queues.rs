//! Message queues, as SQS's standard queues: at least once, in no promised order.
//!
//! A received message is invisible until its visibility timeout ends or it is deleted with the
//! receipt that came with it. A message that was received as often as its queue allows goes to the
//! dead-letter queue when it would be received again.
//!
//! Three ports, for three kinds of callers: [`Queues`] for those who send and receive,
//! [`QueueRegistry`] for those who keep queues, [`QueueMoves`] for those who bring messages back.

use crate::error::Result;
use crate::store::{Cursor, Page};
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
    /// The trace it belongs to, as X-Ray writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_header: Option<String>,
}

impl Outgoing {
    /// The bytes that count towards a queue's limit: text, and attributes with their names.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let attributes = self.attributes.iter();
        let attributes = attributes.map(|(name, a)| name.len() + a.data_type.len() + a.value.len());
        self.body.len() + attributes.sum::<usize>()
    }
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
    /// The trace it belongs to, as X-Ray writes it.
    pub trace_header: Option<String>,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// How often it was received from any queue, this time included.
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

    /// Deletes every message that is in the queue now, received or not.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`.
    async fn purge(&self, queue: &str) -> Result<()>;
}

/// How a queue behaves; the words are those of SQS's attributes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// How long a received message stays invisible, in seconds.
    pub visibility_s: u32,
    /// How long a sent message stays invisible at first, in seconds.
    pub delay_s: u32,
    /// How long a message is kept after it was sent, in seconds.
    pub retention_s: u32,
    /// How long a receive waits that does not say, in seconds.
    pub wait_s: u32,
    /// The most bytes of a message.
    pub message_bytes_max: usize,
    /// Where messages go that were received too often.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redrive: Option<Redrive>,
    /// Whose dead letters the queue takes.
    #[serde(default)]
    pub takes: Takes,
    /// Attributes that are kept and shown, and change nothing here: policies and keys.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub stated: BTreeMap<String, String>,
    /// Labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

impl Default for Settings {
    /// As SQS makes a queue that says nothing.
    fn default() -> Self {
        Self {
            visibility_s: 30,
            delay_s: 0,
            retention_s: 4 * 24 * 3_600,
            wait_s: 0,
            message_bytes_max: MESSAGE_BYTES_MAX,
            redrive: None,
            takes: Takes::default(),
            stated: BTreeMap::new(),
            tags: BTreeMap::new(),
        }
    }
}

/// Where messages go that were received too often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redrive {
    /// The name of the dead-letter queue.
    pub dead_letter_queue: String,
    /// How often a message may be received; it moves when it would be received once more.
    pub receives_max: u32,
}

/// Whose dead letters a queue takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Takes {
    /// Any queue's.
    #[default]
    All,
    /// None.
    Nothing,
    /// Those of these queues, by name.
    From(Vec<String>),
}

/// A queue that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// How it behaves.
    pub settings: Settings,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its settings were changed last.
    pub changed_at: Timestamp,
}

/// How many messages a queue has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Can be received now.
    pub visible: u64,
    /// Were received and are neither deleted nor visible again.
    pub in_flight: u64,
    /// Were sent and are not visible yet.
    pub delayed: u64,
}

/// Keeps queues.
#[async_trait]
pub trait QueueRegistry: Send + Sync {
    /// Makes a queue (`before` absent), or changes one whose settings are still `before`.
    ///
    /// # Errors
    /// `Conflict`: it exists, or its settings are others. `NotFound`: it is to be changed and does
    /// not exist. `Invalid`: its dead-letter queue does not exist or does not take its letters.
    async fn put(&self, name: &str, before: Option<&Settings>, settings: Settings) -> Result<()>;

    /// Finds a queue.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    async fn find(&self, name: &str) -> Result<Option<Queue>>;

    /// Counts a queue's messages; takes as long as there are many.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`.
    async fn depth(&self, name: &str) -> Result<Depth>;

    /// Lists queues whose names begin with `prefix`, by name.
    ///
    /// # Errors
    /// `Invalid`: the cursor is none of this listing's. `Unavailable`.
    async fn list(&self, prefix: &str, limit: usize, after: Option<Cursor>) -> Result<Page<Queue>>;

    /// Removes a queue with its messages; a new one of that name has none of them.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`.
    async fn remove(&self, name: &str) -> Result<()>;
}

/// The most messages a move may be told to move in a second.
pub const MOVE_RATE_MAX: u32 = 500;
/// How many moves are remembered of each queue.
pub const MOVES_KEPT: usize = 10;

/// How a move stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoveStatus {
    /// It goes on.
    Running,
    /// It moved all that was there when it began.
    Completed,
    /// It was told to stop.
    Cancelled,
    /// It could not go on; messages that were not moved are where they were.
    Failed,
}

/// A move of messages out of a dead-letter queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// Names the move.
    pub handle: String,
    /// Out of which queue.
    pub source: String,
    /// Into which; absent: each message into the queue in which it died.
    pub destination: Option<String>,
    /// At most how many a second; absent: as fast as it goes.
    pub rate: Option<u32>,
    /// How it stands.
    pub status: MoveStatus,
    /// How many were moved.
    pub moved: u64,
    /// How many there were to move when it began.
    pub to_move: u64,
    /// When it began.
    pub started_at: Timestamp,
    /// Why it failed.
    pub reason: Option<String>,
}

/// Brings messages back out of dead-letter queues.
///
/// A move takes what is in the queue when it begins, so that a message that dies again meanwhile
/// is not moved in circles. A moved message is a new one: its id, its age and its count of receives
/// begin anew.
#[async_trait]
pub trait QueueMoves: Send + Sync {
    /// Begins a move and returns its handle once it is durable; at most one of a queue at a time.
    ///
    /// # Errors
    /// `NotFound`: a queue does not exist. `Conflict`: a move out of the source is going on.
    async fn begin(
        &self,
        source: &str,
        destination: Option<&str>,
        rate: Option<u32>,
    ) -> Result<String>;

    /// Lists the latest moves out of a queue, the newest first.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`.
    async fn moves(&self, source: &str) -> Result<Vec<Move>>;

    /// Stops a move and returns how many messages it had moved; they stay where they are now.
    ///
    /// # Errors
    /// `NotFound`: no such move. `Conflict`: it is not going on.
    async fn cancel(&self, handle: &str) -> Result<u64>;

    /// Moves what is due now, and returns when to come again, if a move is going on.
    ///
    /// # Errors
    /// `Unavailable`: what was not moved is where it was.
    async fn advance(&self) -> Result<Option<Timestamp>>;
}
