//! Chores of the repository: what no compiler checks, and what is generated.
//!
//! `cargo xtask diagrams` writes; the tests of `tests/structure.rs` check the same functions.

pub mod diagrams;
pub mod direction;
pub mod promises;
pub mod response_shapes;
pub mod tidy;

use std::path::PathBuf;

/// The root of the repository that this runs in.
///
/// Found when it is asked for: a path kept at build time would outlive a moved checkout in a shared
/// build cache.
///
/// # Panics
/// It does not run inside the repository.
#[must_use]
pub fn root() -> PathBuf {
    let here = std::env::current_dir().expect("the current directory is there");
    let root = here.ancestors().find(|folder| folder.join("Cargo.lock").is_file());
    root.expect("this runs inside the repository").to_owned()
}
