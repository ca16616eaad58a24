//! Plays recordings of definitions: refused ones, and ones that were only looked at.

use crate::{Judgement, compare, definition_text};
use asl::{MachineType, Program, ValidationOptions, invalid_definition, validate};
use serde_json::{Value, json};

/// A definition that CreateStateMachine refused.
pub(crate) fn refused(vector: &Value) -> Judgement {
    let actual = match Program::compile_as(&definition_text(vector), machine_type(vector)) {
        Ok(_) => json!({}),
        Err(problems) => json!({
            "error_code": "InvalidDefinition",
            "error_message": invalid_definition(&problems),
        }),
    };
    compare::values(&vector["expected"], &actual, "refusal").into()
}

/// A definition that ValidateStateMachineDefinition gave its diagnostics on.
pub(crate) fn validated(vector: &Value) -> Judgement {
    let options =
        ValidationOptions { machine_type: machine_type(vector), ..ValidationOptions::default() };
    let actual = validate(&definition_text(vector), options);
    match serde_json::to_value(actual) {
        Ok(actual) => compare::values(&vector["expected"], &actual, "validation").into(),
        Err(error) => Judgement::Missed(error.to_string()),
    }
}

fn machine_type(vector: &Value) -> MachineType {
    match vector["type"].as_str() {
        Some("EXPRESS") => MachineType::Express,
        _ => MachineType::Standard,
    }
}
