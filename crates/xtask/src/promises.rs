//! `docs/promises.md`: which test holds which promise.
//!
//! Owns: reading its tables, and that every named test exists. Does not own: whether a test shows
//! what its row says; its title and a reader do.

use anyhow::{Context, Result};
use std::path::Path;

const FILE: &str = "docs/promises.md";

/// One row of a table.
struct Promise<'a> {
    /// In few words.
    words: &'a str,
    /// The tests, each `path::name`.
    tests: Vec<&'a str>,
}

/// Lists every promise whose tests are not there.
///
/// # Errors
/// The file cannot be read, or has no promise.
pub fn broken(root: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(root.join(FILE)).with_context(|| format!("read {FILE}"))?;
    let promises = rows(&text);
    anyhow::ensure!(!promises.is_empty(), "{FILE} promises nothing");
    Ok(promises.iter().flat_map(|promise| missing(root, promise)).collect())
}

/// The rows of all tables, without their heads.
fn rows(text: &str) -> Vec<Promise<'_>> {
    let lines = text.lines().filter(|line| line.starts_with('|') && !line.starts_with("|---"));
    let cells = lines.map(|line| line.trim_matches('|').rsplit_once('|').unwrap_or((line, "")));
    cells
        .filter(|(_, held_by)| held_by.trim() != "held by")
        .map(|(words, held_by)| Promise {
            words: words.trim(),
            tests: held_by.split('`').skip(1).step_by(2).collect(),
        })
        .collect()
}

fn missing(root: &Path, promise: &Promise<'_>) -> Vec<String> {
    let words = promise.words;
    if promise.tests.is_empty() {
        return vec![format!("no test holds: {words}")];
    }
    let gone = promise.tests.iter().filter(|test| !exists(root, test));
    gone.map(|test| format!("{test} is gone, which holds: {words}")).collect()
}

/// Whether a file has a function of this name.
fn exists(root: &Path, test: &str) -> bool {
    let Some((path, name)) = test.split_once("::") else {
        return false;
    };
    let code = std::fs::read_to_string(root.join(path)).unwrap_or_default();
    code.contains(&format!("fn {name}("))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(given: &str, then: &[&str]) {
        let root = crate::root();
        let complaints: Vec<_> = rows(given).iter().flat_map(|row| missing(&root, row)).collect();
        assert_eq!(complaints, then);
    }

    #[test]
    fn a_promise_is_held_by_tests_that_exist() {
        let here = "crates/xtask/src/promises.rs";
        let kept = format!("| promise | held by |\n|---|---|\n| a | `{here}::exists` |");
        check(&kept, &[]);
        check("| a | |", &["no test holds: a"]);
        check("| a | `no/such.rs::test` |", &["no/such.rs::test is gone, which holds: a"]);
        let gone = format!("{here}::no_such_test");
        let row = format!("| a | `{here}::exists` `{gone}` |");
        check(&row, &[&format!("{gone} is gone, which holds: a")]);
        check("| a | `no_path` |", &["no_path is gone, which holds: a"]);
    }
}
