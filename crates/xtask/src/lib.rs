//! Chores of the repository: what no compiler checks, and what is generated.
//!
//! `cargo xtask diagrams` writes; the tests of `tests/structure.rs` check the same functions.

pub mod diagrams;
pub mod direction;
pub mod tidy;

use std::path::{Path, PathBuf};

/// The root of the repository.
#[must_use]
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("this crate lives two folders below the root").to_owned()
}
