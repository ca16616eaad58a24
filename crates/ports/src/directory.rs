//! What one service may ask of another's records: questions only, never a change.

use crate::error::Result;
use async_trait::async_trait;
use contracts::user::Contact;
use contracts::{Money, Sku, UserId};

/// Knows users.
#[async_trait]
pub trait Customers: Send + Sync {
    /// Whom to write to; `None` when there is no such user.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    async fn contact(&self, user_id: &UserId) -> Result<Option<Contact>>;
}

/// Knows what is sold and for how much.
#[async_trait]
pub trait Catalogue: Send + Sync {
    /// The unit prices, index-aligned with `skus`; `None` where there is no such product.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    async fn unit_prices(&self, skus: &[Sku]) -> Result<Vec<Option<Money>>>;
}
