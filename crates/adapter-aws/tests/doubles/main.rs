//! The adapters against services that say what they are told to, in this process: what AWS's
//! answers, and its silence, become.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod double;
mod lambda;
mod mailer;
mod secrets;
