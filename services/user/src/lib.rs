//! The user service: who orders, and where to write to them.
//!
//! | command | event | told to the world |
//! |---|---|---|
//! | `Create` | `Created` | `UserCreated` |
//! | `Update` | `Updated` | `UserUpdated` |
//! | `Delete` | `Deleted` | `UserDeleted` |
//!
//! Offers no tasks and consumes no events. Other services ask it through
//! [`ports::directory::Customers`].
//!
//! Owns: users, and that no two of them have the same address.
//! Does not own: who may sign in, and the copy of an address that an order keeps.
//!
//! The path of a request: [`api`] → [`service`] → [`claim`] and [`user`] → [`record`].

pub mod api;
pub mod claim;
mod claims;
pub mod email;
pub mod record;
pub mod service;
pub mod user;

pub use email::Email;
pub use service::Service;
pub use user::{Command, Event, Rejection, User};
