//! `docs/promises.md`: which test holds which promise.
//!
//! Owns: reading its tables, and that every named test exists. Does not own: whether a test shows
//! what its row says; its title and a reader do.

use anyhow::{Context, Result};
use std::path::Path;

const FILE: &str = "docs/promises.md";

/// What must have a row, by the heading above its table: words that the row says.
const PROMISED: [(&str, &[&str]); 6] = [
    (
        "## 1. Idempotent requests",
        &[
            "missing or malformed",
            "scope of a key",
            "completed",
            "other payload",
            "first is running",
            "refused before execution",
            "crash in the middle",
            "lease expired",
            "store unavailable",
            "retention",
            "one write",
            "before every task",
            "before every event handler",
            "transient failure",
        ],
    ),
    (
        "### Bugs of others: idempotency",
        &[
            "three times",
            "overwrites",
            "throttled",
            "another amount",
            "milliseconds",
            "run twice",
            "its owner",
        ],
    ),
    (
        "## 2. Circuit breaker",
        &[
            "states",
            "window",
            "minimum",
            "trip",
            "open for",
            "half-open",
            "late results",
            "deltas",
            "elect",
            "store down",
            "rejection",
            "the saga",
        ],
    ),
    (
        "### Bugs of others: breakers",
        &[
            "counters",
            "stale probe",
            "closed era",
            "ignored error",
            "herd",
            "later callers",
            "below zero",
            "stuck half-open",
            "lock",
            "reloading",
            "bad node",
            "hot key",
        ],
    ),
    (
        "## 3. Retry",
        &[
            "full jitter",
            "budget",
            "deadline",
            "`retry_after`",
            "only kinds",
            "state machines",
            "two",
        ],
    ),
    (
        "## 4. Task outcomes",
        &["done", "failed", "retryable", "unknown", "compensation covers", "UUIDv5"],
    ),
];

/// One row of a table.
struct Promise<'a> {
    /// The heading above its table.
    heading: &'a str,
    /// In few words.
    words: &'a str,
    /// The tests, each `path::name`.
    tests: Vec<&'a str>,
}

/// Lists every promise whose tests are not there, and every one that has no row.
///
/// # Errors
/// The file cannot be read.
pub fn broken(root: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(root.join(FILE)).with_context(|| format!("read {FILE}"))?;
    let promises = rows(&text);
    let broken = promises.iter().flat_map(|promise| missing(root, promise));
    Ok(broken.chain(without_a_row(&promises)).collect())
}

/// What is promised and has no row.
fn without_a_row(promises: &[Promise<'_>]) -> Vec<String> {
    let has_row = |heading: &str, said: &str| {
        promises.iter().any(|row| row.heading == heading && row.words.contains(said))
    };
    let promised =
        PROMISED.iter().flat_map(|(heading, rows)| rows.iter().map(move |r| (*heading, r)));
    let lacking = promised.filter(|(heading, said)| !has_row(heading, said));
    lacking.map(|(heading, said)| format!("no row under `{heading}` says: {said}")).collect()
}

/// The rows of all tables, without their heads.
fn rows(text: &str) -> Vec<Promise<'_>> {
    let (mut heading, mut rows) = ("", Vec::new());
    for line in text.lines() {
        if line.starts_with('#') {
            heading = line;
        }
        if !line.starts_with('|') || line.starts_with("|---") {
            continue;
        }
        let (words, held_by) = line.trim_matches('|').rsplit_once('|').unwrap_or((line, ""));
        if held_by.trim() != "held by" {
            let tests = held_by.split('`').skip(1).step_by(2).collect();
            rows.push(Promise { heading, words: words.trim(), tests });
        }
    }
    rows
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

    #[test]
    fn a_promise_without_a_row_is_named_with_its_table() {
        let lacking = without_a_row(&rows("## 3. Retry\n| full jitter | `a::b` |"));
        assert!(!lacking.contains(&"no row under `## 3. Retry` says: full jitter".to_owned()));
        assert!(lacking.contains(&"no row under `## 3. Retry` says: only kinds".to_owned()));
        let promised: usize = PROMISED.iter().map(|(_, rows)| rows.len()).sum();
        assert_eq!(lacking.len(), promised - 1);
    }
}
