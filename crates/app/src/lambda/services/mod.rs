//! The services as they are deployed: which roles each has, and what each role is built of.
//!
//! Each is a constant that its binary names, so that a binary links the roles of its own service
//! and no other.

pub(super) mod desk;
pub(super) mod inventory;
pub(super) mod notification;
pub(super) mod order;
pub(super) mod payment;
pub(super) mod relay;
pub(super) mod user;

pub use self::desk::DESK;
pub use self::inventory::INVENTORY;
pub use self::notification::NOTIFICATION;
pub use self::order::ORDER;
pub use self::payment::PAYMENT;
pub use self::relay::RELAY;
pub use self::user::USER;
