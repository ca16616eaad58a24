//! `cargo xtask <chore>`.

use anyhow::{Context, Result, bail};

fn main() -> Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("diagrams") => xtask::diagrams::write(&xtask::root()),
        Some("response-shapes") => {
            let models = std::env::args().nth(2).context("name the folder of the models")?;
            xtask::response_shapes::write(&xtask::root(), models.as_ref())
        }
        _ => bail!(
            "usage: cargo xtask diagrams                  (writes diagrams/ from state-machines/)\n\
             \x20      cargo xtask response-shapes <models>  (writes what services answer)"
        ),
    }
}
