//! The inventory service: what is sold and for how much, and how much of it there is.
//!
//! ```text
//! PUT /v1/products/{sku} ─▶ product ──▶ ProductPut         (asked by orders: `Catalogue`)
//! PUT /v1/stock/{sku} ────▶ stock ────▶ StockSet
//! saga ─▶ tasks ──────────▶ stock ────▶ StockReserved, StockCommitted, StockReturned, …
//! ```
//!
//! Commands: put a product, set a stock. Tasks, each with its compensation: `reserve_stock` and
//! `release_stock`, `commit_stock` and `return_stock`. Consumes no events.
//!
//! Owns: products, stock, and the reservation of each order on each product.
//! Does not own: orders and their prices once placed.

pub mod api;
mod batch;
mod holding;
pub mod product;
mod queue;
mod record;
mod service;
pub mod stock;
mod tasks;
#[cfg(test)]
mod tests;

pub use holding::Holding;
pub use service::{Put, Service};
pub use tasks::FUNCTION;
