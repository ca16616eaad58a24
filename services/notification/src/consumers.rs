//! The events that ask for a mail.
//!
//! Owns: which events are consumed, and the way from an envelope to what it says.

use crate::notification::Event;
use crate::service::Service;
use contracts::order::{OrderCancelled, OrderConfirmed, OrderRejected};
use contracts::{Envelope, Fact};
use ports::{Error, Kind};

/// The events that [`Service::consume`] acts on, as an EventBridge pattern.
pub const PATTERN: &str = r#"{
  "source": ["ordersaga.order"],
  "detail-type": ["OrderConfirmed", "OrderRejected", "OrderCancelled"]
}"#;

impl Service {
    /// Mails the customer what an event tells; an event of another kind is none of our business.
    ///
    /// The same event again, even after a crash in the middle, mails and records once: the mail's
    /// id derives from the event's.
    ///
    /// # Errors
    /// `Invalid` when the event does not say what its kind promises: another try will not help.
    /// The mailer's and the store's.
    pub async fn consume(&self, event: &Envelope) -> Result<(), Error> {
        match asked_by(event)? {
            Some(asked) => self.notify(event, &asked).await,
            None => Ok(()),
        }
    }
}

fn asked_by(event: &Envelope) -> Result<Option<Event>, Error> {
    let asked = fact::<OrderConfirmed>(event)?.map(Event::Confirmed);
    let asked = match asked {
        Some(asked) => Some(asked),
        None => fact::<OrderRejected>(event)?.map(Event::Rejected),
    };
    match asked {
        Some(asked) => Ok(Some(asked)),
        None => Ok(fact::<OrderCancelled>(event)?.map(Event::Cancelled)),
    }
}

fn fact<F: Fact>(event: &Envelope) -> Result<Option<F>, Error> {
    event.fact::<F>().transpose().map_err(|error| {
        let doing = format!("read the event {} ({})", event.id, event.detail_type);
        Error::new(Kind::Invalid, doing).because(error)
    })
}
