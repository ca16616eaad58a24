//! Which index stands in which of the table's four: the one place that knows.
//!
//! | item | gsi1 | gsi2 | gsi3 | gsi4 |
//! |---|---|---|---|---|
//! | order | `orders` | `orders-by-user` | `orders-by-status` | `orders-by-user-status` |
//! | user | `users` | | | |
//! | product | `products` | | | |
//! | payment of unknown outcome | `payments-unsettled` | | | |
//! | mail | `notifications-by-order` | | | |
//! | suspended step | `suspended-steps` | `suspended-steps-all` | | |
//! | function that is waited for | `suspended-functions` | | | |
//! | breaker | `breakers` | | | |
//!
//! A table's index is paid for by what stands in it, so few are better than many; and two indexes
//! may share one unless an item stands in both. The store refuses an index that is not named here.

use adapter_aws::store::{Layout, Slot};

pub(super) const PLACES: [(&str, Slot); 12] = [
    ("orders", Slot::One),
    ("orders-by-user", Slot::Two),
    ("orders-by-status", Slot::Three),
    ("orders-by-user-status", Slot::Four),
    ("users", Slot::One),
    ("products", Slot::One),
    ("payments-unsettled", Slot::One),
    ("notifications-by-order", Slot::One),
    ("suspended-steps", Slot::One),
    ("suspended-steps-all", Slot::Two),
    ("suspended-functions", Slot::One),
    ("breakers", Slot::One),
];

/// The layout of the table.
pub(super) fn layout() -> Layout {
    Layout::new(PLACES)
}
