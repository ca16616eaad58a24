//! What is stored or sent: ids, money, time, events, task payloads and problems.
//!
//! Owns: the shapes that cross a process, a file or a version of this program. A change here is a
//! change of contract; the golden tests say so.
//! Does not own: rules (they live in the services) and the world's traits (they live in `ports`).

pub mod envelope;
pub mod fields;
pub mod fingerprint;
pub mod http;
pub mod id;
pub mod inventory;
pub mod money;
pub mod order;
pub mod payment;
pub mod problem;
pub mod query;
pub mod resilience;
pub mod task;
pub mod time;
pub mod trace;
pub mod user;

pub use envelope::{Envelope, Fact, Metadata};
pub use fingerprint::Fingerprint;
pub use id::{OrderId, PaymentId, Sku, UserId};
pub use money::{Currency, Money};
pub use problem::Problem;
pub use time::Timestamp;
pub use trace::TraceParent;
