//! AWS's JSON protocol in front of the engine, the bus and the queues.
//!
//! ```text
//! connection ─▶ server ─▶ Api ─▶ guard (who may call) ─▶ family of the target ─▶ Operations
//!                                                                                   │
//!             answer ◀── Fault, or the members of an output ◀── handler ◀── Members ─┘
//! ```
//!
//! Owns: what AWS's clients put on the wire and read from it: targets, members and their
//! constraints, faults with their codes and statuses, signatures. A handler reads its members,
//! calls one port, and says the answer. Does not own: any rule of what it fronts.
//!
//! Spec: the service models of Step Functions (`AWSStepFunctions`, JSON 1.0), EventBridge
//! (`AWSEvents`, JSON 1.1) and SQS (`AmazonSQS`, JSON 1.0 with the query errors of old).

mod api;
mod event_bridge;
mod family;
mod fault;
mod guard;
mod members;
mod operation;
mod queues;
mod seconds;
mod server;
mod sigv4;
mod states;

pub use api::Api;
pub use event_bridge::EventBridge;
pub use family::Family;
pub use fault::Fault;
pub use guard::{Credentials, Guard};
pub use members::Members;
pub use operation::{Handler, Operation, Operations, Service};
pub use queues::Sqs;
pub use seconds::seconds;
pub use server::serve;
pub use states::StepFunctions;
