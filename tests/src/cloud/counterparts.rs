//! What the local cloud needs beside this repository's code: dynoxide, and the Lambda binaries.

use std::path::{Path, PathBuf};
use testkit::counterparts::{Counterpart, Program, skip};

/// Where binaries are that were not built where tests are.
const ELSEWHERE: &str = "ORDERSAGA_FUNCTIONS";

/// The folder of the binaries; `None` when this process does not know where it is itself.
#[must_use]
pub(super) fn functions() -> Option<PathBuf> {
    // Tests are built into `deps`, binaries beside it.
    let beside = || Some(std::env::current_exe().ok()?.parent()?.parent()?.to_owned());
    std::env::var_os(ELSEWHERE).map(PathBuf::from).or_else(beside)
}

/// A running dynoxide, and these binaries of a folder; `None` once it was said what `title` lacks.
///
/// # Panics
/// Something is missing where nothing may be.
#[must_use]
pub(super) fn start(folder: &Path, binaries: &[&str], title: &str) -> Option<Counterpart> {
    let is_absent = |name: &&&str| !folder.join(name).is_file();
    let absent: Vec<&&str> = binaries.iter().filter(is_absent).collect();
    if absent.is_empty() {
        return Counterpart::start(Program::Dynoxide, title);
    }
    let at = folder.display();
    let build = "`cargo build -p app --bins --features lambda` builds them";
    skip(title, &format!("the functions {absent:?} are absent in {at}; {build}"));
    None
}
