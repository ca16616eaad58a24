//! `check-definition machine|pattern <file>…`: says everything that is wrong with what is deployed.
//!
//! The checks of the AWS template call it with the state machines and the event patterns as they
//! are after the substitutions, so that what is deployed there is judged by what runs here.
//!
//! Owns: reading files, and one line for each problem. Does not own: what is a problem.
//! Ends with 0 if there is none, with 1 if there is one, with 2 if it was called wrongly.

use asl::{Severity, ValidationOptions};
use events::Pattern;
use std::io::{Write, stdout};
use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "usage: check-definition machine|pattern <file>…";

fn main() -> std::io::Result<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let check: fn(&str) -> Vec<String> = match arguments.next().as_deref() {
        Some("machine") => of_machine,
        Some("pattern") => of_pattern,
        _ => {
            writeln!(stdout(), "{USAGE}")?;
            return Ok(ExitCode::from(2));
        }
    };
    let mut found = 0_usize;
    for path in arguments {
        let problems = match std::fs::read_to_string(&path) {
            Ok(text) => check(&text),
            Err(error) => vec![format!("cannot be read: {error}")],
        };
        let name = Path::new(&path).file_name().unwrap_or_default().to_string_lossy();
        for problem in problems {
            found += 1;
            writeln!(stdout(), "{name}: {problem}")?;
        }
    }
    Ok(if found == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Errors and warnings: a state that nothing leads to is no mistake for AWS, but is one for us.
fn of_machine(definition: &str) -> Vec<String> {
    let options = ValidationOptions { severity: Severity::Warning, ..ValidationOptions::default() };
    let said = asl::validate(definition, options).diagnostics;
    let line = |found: asl::Diagnostic| {
        let place = found.location.unwrap_or_else(|| "/".to_owned());
        format!("{place}: {} ({})", found.message, found.code)
    };
    said.into_iter().map(line).collect()
}

fn of_pattern(pattern: &str) -> Vec<String> {
    let problems = Pattern::parse(pattern).err().unwrap_or_default();
    problems.iter().map(ToString::to_string).collect()
}
