//! What the whole-system tests share: a shop to order in, and the invariants that always hold.
//!
//! Owns: a running system (in this process or another), its HTTP client, the oracle.
//! Does not own: any knowledge that a client of the HTTP API would not have.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends with the reason")]

pub mod client;
pub mod cloud;
pub mod customer;
pub mod damage;
pub mod invariants;
pub mod orders;
pub mod proxy;
pub mod rehearsal;
pub mod saga;
pub mod shop;

pub use client::Client;
pub use customer::Customer;
pub use shop::Shop;
