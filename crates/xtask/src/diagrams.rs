//! Saga diagrams, generated from the state machines so that they cannot lie.

use anyhow::{Context, Result};
use serde_json::Value;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The text of every saga diagram, by the file it belongs in.
///
/// # Errors
/// A state machine cannot be read.
pub fn render_all(root: &Path) -> Result<Vec<(PathBuf, String)>> {
    let mut diagrams = Vec::new();
    for entry in std::fs::read_dir(root.join("state-machines"))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if let Some(machine) = name.strip_suffix(".asl.json") {
            let text = std::fs::read_to_string(&path)?;
            let definition: Value = serde_json::from_str(&text).context(name.to_owned())?;
            let target = root.join("diagrams").join(format!("{machine}.md"));
            diagrams.push((target, render(machine, &definition)));
        }
    }
    diagrams.sort();
    Ok(diagrams)
}

/// Writes every saga diagram.
///
/// # Errors
/// A file cannot be read or written.
pub fn write(root: &Path) -> Result<()> {
    for (path, text) in render_all(root)? {
        std::fs::write(&path, text).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// One machine as a Mermaid state diagram: solid steps forward, labelled ways out of failures.
fn render(machine: &str, definition: &Value) -> String {
    let mut text = format!("# {machine}\n\nGenerated from `state-machines/{machine}.asl.json` by ");
    text.push_str("`cargo xtask diagrams`; a test checks that both agree.\n\n```mermaid\n");
    text.push_str("stateDiagram-v2\n");
    let start = definition["StartAt"].as_str().unwrap_or_default();
    line(&mut text, "[*]", start, "");
    for (name, state) in definition["States"].as_object().into_iter().flatten() {
        for (next, label) in ways_out(state) {
            line(&mut text, name, next, &label);
        }
        let ends = matches!(state["Type"].as_str(), Some("Succeed" | "Fail"));
        if ends || state["End"] == Value::Bool(true) {
            line(&mut text, name, "[*]", "");
        }
    }
    text.push_str("```\n");
    text
}

fn ways_out(state: &Value) -> Vec<(&str, String)> {
    let mut ways = Vec::new();
    if let Some(next) = state["Next"].as_str() {
        ways.push((next, String::new()));
    }
    for choice in state["Choices"].as_array().into_iter().flatten() {
        if let Some(next) = choice["Next"].as_str() {
            ways.push((next, "if".to_owned()));
        }
    }
    if let Some(next) = state["Default"].as_str() {
        ways.push((next, "else".to_owned()));
    }
    for catcher in state["Catch"].as_array().into_iter().flatten() {
        let names = catcher["ErrorEquals"].as_array().into_iter().flatten();
        let names: Vec<&str> = names.filter_map(Value::as_str).collect();
        if let Some(next) = catcher["Next"].as_str() {
            ways.push((next, names.join(", ")));
        }
    }
    ways
}

fn line(text: &mut String, from: &str, to: &str, label: &str) {
    let label = if label.is_empty() { String::new() } else { format!(": {label}") };
    writeln!(text, "    {from} --> {to}{label}").expect("a string takes every text");
}
