//! The notification service: tells customers by mail how their orders ended.
//!
//! ```text
//! OrderConfirmed ─┐
//! OrderRejected ──┼─▶ consume ─▶ compose ─▶ mailer ─▶ record, once per event
//! OrderCancelled ─┘                          (the mail's id is the event's)
//! ```
//!
//! Offers no commands, no tasks and no events of its own; consumes three events.
//!
//! Owns: the words of the mails (in `templates/`), and the record of what was sent.
//! Does not own: addresses (events carry a copy) and delivery ([`ports::Mailer`]).

pub mod api;
mod consumers;
pub mod notification;
mod record;
mod service;

pub use consumers::PATTERN;
pub use service::Service;
