//! What the inventory service says of stock, and the saga tasks it offers.

use crate::envelope::fact;
use crate::id::{OrderId, Sku};
use crate::order::Quantity;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// The stock of one product that one order touches; the payload of every inventory task.
///
/// Tasks: `reserve_stock` and its compensation `release_stock`; `commit_stock` and its
/// compensation `return_stock`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StockTask {
    /// For which order.
    pub order_id: OrderId,
    /// What and how many.
    pub lines: Vec<Quantity>,
    /// Until when the order will be decided; told by `reserve_stock`. What is held then is given
    /// back by the saga: stock never lets go of it by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_until: Option<Timestamp>,
}

/// What happened to the stock of one product for one order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockMovement {
    /// Which product.
    pub sku: Sku,
    /// For which order.
    pub order_id: OrderId,
    /// How many.
    pub quantity: u32,
    /// Until when the order will be decided, where stock went to reserved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_until: Option<Timestamp>,
}

macro_rules! movements {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        $($(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub StockMovement);)+
    };
}

movements!(
    /// Stock went from on hand to reserved.
    StockReserved,
    /// Stock went from reserved back to on hand.
    StockReleased,
    /// Stock went from reserved to sold.
    StockCommitted,
    /// Stock went from sold back to on hand.
    StockReturned,
);

/// Somebody counted, or new goods came in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockSet {
    /// Which product.
    pub sku: Sku,
    /// How many are on hand now.
    pub on_hand: u32,
}

/// A product was listed, renamed or priced anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductPut {
    /// Which product.
    pub sku: Sku,
}

fact!(
    "ordersaga.inventory",
    StockReserved,
    StockReleased,
    StockCommitted,
    StockReturned,
    StockSet,
    ProductPut,
);
