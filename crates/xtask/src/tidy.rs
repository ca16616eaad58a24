//! What STYLE.md asks for and no compiler checks.

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The longest source file, in lines.
const FILE_LINES_MAX: usize = 500;
/// The longest test file, in lines: tables of cases are long.
const TEST_LINES_MAX: usize = 700;

/// The files that git tracks, relative to the root.
///
/// # Errors
/// Git cannot be asked.
pub fn tracked(root: &Path) -> Result<Vec<PathBuf>> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .context("ask git for the tracked files")?;
    let listed = String::from_utf8(listed.stdout)?;
    Ok(listed.lines().map(PathBuf::from).filter(|path| root.join(path).is_file()).collect())
}

/// Lists every source file that is too long or does not say what it is for.
///
/// # Errors
/// A file cannot be read.
pub fn untidy_sources(root: &Path) -> Result<Vec<String>> {
    let mut untidy = Vec::new();
    for path in tracked(root)?.iter().filter(|path| path.extension().is_some_and(|e| e == "rs")) {
        let text = std::fs::read_to_string(root.join(path))?;
        let is_test = path.components().any(|part| part.as_os_str() == "tests");
        let max = if is_test { TEST_LINES_MAX } else { FILE_LINES_MAX };
        let lines = text.lines().count();
        if lines > max {
            untidy.push(format!("{}: {lines} lines, more than {max}", path.display()));
        }
        if !text.starts_with("//!") {
            untidy.push(format!("{}: does not open with what it is for", path.display()));
        }
    }
    Ok(untidy)
}

/// Lists what ARCHITECTURE's "life of an order" names and the code no longer has.
///
/// Every `` `name` `` in the table's third column must occur in the file named in the same row.
///
/// # Errors
/// A file cannot be read, or there is no such table.
pub fn missing_symbols(root: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(root.join("ARCHITECTURE.md"))?;
    let section = text.split("## Life of an order").nth(1).context("no life of an order")?;
    let table = section.split("\n## ").next().unwrap_or_default();
    let mut missing = Vec::new();
    for row in table.lines().filter(|line| line.starts_with("| ")) {
        let where_it_is = row.split('|').nth(3).unwrap_or_default();
        let names: Vec<&str> = where_it_is.split('`').skip(1).step_by(2).collect();
        let (files, symbols): (Vec<&str>, Vec<&str>) =
            names.into_iter().partition(|name| name.contains('/'));
        let mut code = String::new();
        for file in &files {
            match std::fs::read_to_string(root.join(file)) {
                Ok(text) => code.push_str(&text),
                Err(_) => missing.push(format!("{file} is gone")),
            }
        }
        let gone = symbols.iter().filter(|symbol| !code.contains(**symbol));
        missing.extend(gone.map(|symbol| format!("{symbol} is in none of {files:?}")));
    }
    Ok(missing)
}
