//! The router and what it calls: over loopback, and over the embedded adapters.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends with the reason")]

mod documents;
mod functions;
mod http;
mod machine;
mod messages;
mod recorded;
mod world;
