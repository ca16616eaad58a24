//! `cargo xtask <chore>`.

use anyhow::{Result, bail};

fn main() -> Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("diagrams") => xtask::diagrams::write(&xtask::root()),
        _ => bail!("usage: cargo xtask diagrams    (writes diagrams/ from state-machines/)"),
    }
}
