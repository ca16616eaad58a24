//! What the layers cost: nanoseconds of a healthy call, calls of the store, rows, and orders.
//!
//! Everything is measured beside the same without the layer, in the same run and in turn, since
//! machines are as fast as they like from one second to the next: what counts are the medians of
//! differences and ratios of neighbours.

mod calls;
mod counted;
mod pairs;
mod rows;

use anyhow::Result;
use std::path::Path;

/// Measures what the layers cost.
pub(crate) async fn run(dir: &Path, quick: bool) -> Result<()> {
    app::telemetry::count();
    for line in calls::run(quick)? {
        crate::say(&line);
    }
    crate::say(&calls::beside(quick).await?);
    crate::say(&rows::run(dir).await?);
    pairs::run(dir, quick).await
}

/// The one in the middle of an odd number.
fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
