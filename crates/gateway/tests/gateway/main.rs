//! The client and the sandbox over loopback, as one test program: nothing here sleeps, and every
//! sandbox has a port and a folder of its own.

#![expect(clippy::unwrap_used, reason = "what a test relies on and does not get fails the test")]

mod cards;
mod conformance;
mod http;
mod key;
mod lying_gateway;
mod support;
