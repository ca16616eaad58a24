//! What an order has of the stock: for an operator who says that it was given back.
//!
//! Owns: reading it. Does not own: what it means for a saga.

use crate::batch;
use crate::record;
use crate::service::Service;
use crate::stock::Reservation;
use contracts::{OrderId, Sku};
use ports::{Kind, Result};

/// What an order has of one product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holding {
    /// Nothing, and if anything was undone, nothing can follow.
    Nothing,
    /// Pieces are held for it.
    Held,
    /// Pieces are sold to it.
    Sold,
    /// The record cannot be read.
    Unreadable,
}

impl Service {
    /// Reads what an order has of these products, in their order.
    ///
    /// A record that cannot be read is one of the answers: somebody must be able to look at it.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn holdings(&self, order_id: &OrderId, skus: &[Sku]) -> Result<Vec<Holding>> {
        let mut holdings = Vec::with_capacity(skus.len());
        let name = batch::reservation_name(order_id);
        for sku in skus {
            let read = self.store().items(&batch::partition(sku), &[&name]).await;
            let reservation =
                read.and_then(|items| record::reservation(items.first().and_then(Option::as_ref)));
            holdings.push(match reservation {
                Ok(Reservation::Untouched | Reservation::Returned | Reservation::Released) => {
                    Holding::Nothing
                }
                Ok(Reservation::Reserved { .. } | Reservation::Barred { .. }) => Holding::Held,
                Ok(Reservation::Committed { .. }) => Holding::Sold,
                Err(error) if error.kind() == Kind::Corrupt => Holding::Unreadable,
                Err(error) => return Err(error),
            });
        }
        Ok(holdings)
    }
}
