//! What the local cloud needs beside this repository's code: dynoxide, and the Lambda binaries.

use std::path::PathBuf;
use testkit::counterparts::{Counterpart, Program, skip};

/// Where binaries are that were not built where tests are.
const ELSEWHERE: &str = "ORDERSAGA_FUNCTIONS";

/// A running dynoxide, and the folder of the binaries; `None` once it was said what `title` lacks.
///
/// # Panics
/// Something is missing where nothing may be.
#[must_use]
pub(super) fn start(binaries: &[&str], title: &str) -> Option<(Counterpart, PathBuf)> {
    // Tests are built into `deps`, binaries beside it.
    let beside = || Some(std::env::current_exe().ok()?.parent()?.parent()?.to_owned());
    let folder = std::env::var_os(ELSEWHERE).map(PathBuf::from).or_else(beside)?;
    let is_absent = |name: &&&str| !folder.join(name).is_file();
    let absent: Vec<&&str> = binaries.iter().filter(is_absent).collect();
    if absent.is_empty() {
        return Some((Counterpart::start(Program::Dynoxide, title)?, folder));
    }
    let at = folder.display();
    let build = "`cargo build -p app --bins --features lambda` builds them";
    skip(title, &format!("the functions {absent:?} are absent in {at}; {build}"));
    None
}
