//! Mail, out into the world.

use crate::error::Result;
use async_trait::async_trait;
use uuid::Uuid;

/// A mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Names the mail: sending the same id twice is sending it once, where the world can do that.
    pub id: Uuid,
    /// The recipient's address.
    pub to: String,
    /// The subject line.
    pub subject: String,
    /// The text.
    pub body: String,
}

/// Sends mail.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Sends a mail; durable when `Ok`. Concurrent calls are as calls one after the other.
    ///
    /// # Errors
    /// `Unavailable`, `Throttled`: it was not sent. `Timeout`: it may have been. `Denied`: we may
    /// not send, or not from that address. `Invalid`: the recipient, or the mail, is refused.
    async fn send(&self, mail: Mail) -> Result<()>;
}
