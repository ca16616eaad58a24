//! What the disk allows: the same bytes in as many durable group commits, and nothing else.

use crate::bench::load::{self, Measured};
use adapter_local::floor::Floor;
use anyhow::Result;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Runs `clients` closed loops of `appends` durable appends of `bytes` each.
pub(crate) async fn run(
    dir: &Path,
    clients: usize,
    duration: Duration,
    (appends, bytes): (u32, usize),
) -> Result<Measured> {
    std::fs::create_dir_all(dir)?;
    let floor = Arc::new(Floor::open(dir)?);
    let work = move |floor: Arc<Floor>| async move {
        for _ in 0..appends {
            floor.append(vec![b'x'; bytes]).await?;
        }
        Ok(floor)
    };
    let make = |_| std::future::ready(Ok(Arc::clone(&floor)));
    load::closed_loop(clients, duration, make, work, || Ok(())).await
}
