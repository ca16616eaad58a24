//! What Step Functions answers about a definition: its diagnostics, and the text of its refusal.
//!
//! Owns: the shapes and words of the answers. Does not own: the rules themselves (`check`).

use crate::check::{self, Problem, Severity};
use crate::limits::{DIAGNOSTICS_MAX, MESSAGE_BYTES_MAX};
use crate::program::MachineType;
use serde::Serialize;

/// What ValidateStateMachineDefinition is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValidationOptions {
    /// What the machine is to be.
    pub machine_type: MachineType,
    /// The least severe diagnostics to report.
    pub severity: Severity,
    /// How many diagnostics to report; 0, or more than the maximum, means the maximum.
    pub results_max: usize,
}

impl Default for ValidationOptions {
    fn default() -> Self {
        Self {
            machine_type: MachineType::Standard,
            severity: Severity::Error,
            results_max: DIAGNOSTICS_MAX,
        }
    }
}

/// What ValidateStateMachineDefinition answers; serializes as its response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Validation {
    /// Whether the machine could be created.
    pub result: Verdict,
    /// What was found, errors first.
    pub diagnostics: Vec<Diagnostic>,
    /// Whether there is more than is reported.
    pub truncated: bool,
}

/// Whether a machine can be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Verdict {
    /// It can, though there may be warnings.
    Ok,
    /// It cannot.
    Fail,
}

/// One thing that Step Functions says about a definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What kind of problem it is.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// Where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
}

impl From<Problem> for Diagnostic {
    fn from(problem: Problem) -> Self {
        let Problem { severity, code, message, location, .. } = problem;
        Self { severity, code, message, location }
    }
}

/// Says everything that is to be said about a definition, without creating anything.
#[must_use]
pub fn validate(definition: &str, options: ValidationOptions) -> Validation {
    let checked = check::machine(definition, options.machine_type);
    let result = if checked.program.is_some() { Verdict::Ok } else { Verdict::Fail };
    let found = checked.errors.into_iter().chain(checked.warnings);
    let mut diagnostics: Vec<Diagnostic> = found
        .filter(|problem| problem.severity >= options.severity)
        .map(Diagnostic::from)
        .collect();
    let results_max = match options.results_max {
        0 => DIAGNOSTICS_MAX,
        asked => asked.min(DIAGNOSTICS_MAX),
    };
    let truncated = diagnostics.len() > results_max;
    diagnostics.truncate(results_max);
    Validation { result, diagnostics, truncated }
}

/// The message of the `InvalidDefinition` error with which Step Functions refuses a definition.
#[must_use]
pub fn invalid_definition(problems: &[Problem]) -> String {
    let said: Vec<String> = problems.iter().map(said).collect();
    let mut all = said.join(", ");
    all.truncate(all.floor_char_boundary(MESSAGE_BYTES_MAX));
    format!("Invalid State Machine Definition: '{all}'")
}

fn said(problem: &Problem) -> String {
    let Problem { code, message, location, .. } = problem;
    match location {
        Some(location) if !message.ends_with(location.as_str()) => {
            format!("{code}: {message} at {location}")
        }
        Some(_) | None => format!("{code}: {message}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const MISSPELT: &str = r#"{"StartAt": "a", "States": {
        "a": {"Type": "Pass", "Next": "c"},
        "b": {"Type": "Pass", "Parameters": {"of": "$.order"}, "End": true}
    }}"#;

    fn options() -> ValidationOptions {
        ValidationOptions { severity: Severity::Warning, ..ValidationOptions::default() }
    }

    fn codes(validation: &Validation) -> Vec<&'static str> {
        validation.diagnostics.iter().map(|diagnostic| diagnostic.code).collect()
    }

    #[test]
    fn a_refusal_lists_every_error_and_no_warning() {
        let problems = crate::Program::compile(MISSPELT).unwrap_err();
        assert_eq!(
            invalid_definition(&problems),
            "Invalid State Machine Definition: 'MISSING_TRANSITION_TARGET: Missing 'Next' target: \
             c at /States/a/Next, MISSING_TRANSITION_TARGET: State \"b\" is not reachable. at \
             /States/b'"
        );
    }

    #[test]
    fn errors_come_first_and_warnings_only_where_asked_for() {
        let all = validate(MISSPELT, options());
        let expected = ["MISSING_TRANSITION_TARGET", "MISSING_TRANSITION_TARGET", "NO_DOLLAR"];
        assert_eq!(codes(&all), expected);
        let errors = validate(MISSPELT, ValidationOptions::default());
        assert_eq!(codes(&errors), expected[..2]);
        assert!(!all.truncated && !errors.truncated);
    }

    #[test]
    fn more_than_was_asked_for_is_cut_and_said_to_be() {
        let one = validate(MISSPELT, ValidationOptions { results_max: 1, ..options() });
        assert_eq!((one.diagnostics.len(), one.truncated), (1, true));
        let all = validate(MISSPELT, ValidationOptions { results_max: 0, ..options() });
        assert_eq!((all.diagnostics.len(), all.truncated), (3, false));
    }

    #[test]
    fn warnings_alone_do_not_fail_a_definition() {
        let definition = r#"{"StartAt": "a", "States": {
            "a": {"Type": "Pass", "Result": {"of": "$.order"}, "Next": "b"},
            "b": {"Type": "Choice", "Default": "c", "Choices": [
                {"Variable": "$.a", "StringEquals": "$.b", "Next": "c"}]},
            "c": {"Type": "Fail", "Cause": "States.Format('{}', $.b)", "Error": "$.error"}
        }}"#;
        let validation = validate(definition, options());
        assert_eq!(validation.result, Verdict::Ok);
        assert_eq!(codes(&validation), ["PASS_RESULT_IS_STATIC", "NO_PATH", "NO_PATH"]);
    }

    #[test]
    fn the_answer_has_the_shape_of_the_response() {
        let validation = validate(r#"{"States": {}}"#, ValidationOptions::default());
        assert_eq!(
            serde_json::to_value(validation).unwrap(),
            json!({"result": "FAIL", "truncated": false, "diagnostics": [{
                "severity": "ERROR",
                "code": "SCHEMA_VALIDATION_FAILED",
                "message": "These fields are required: [StartAt]",
                "location": "/",
            }]})
        );
    }

    #[test]
    fn a_workflow_that_cannot_end_is_refused() {
        let definition = r#"{"StartAt": "a", "States": {"a": {"Type": "Pass", "Next": "a"}}}"#;
        assert_eq!(codes(&validate(definition, options())), ["MISSING_END_STATE"]);
    }

    #[test]
    fn an_express_machine_waits_for_nobody() {
        let of = |resource: &str| {
            json!({"StartAt": "a", "States": {
                "a": {"Type": "Task", "Resource": resource, "End": true}}})
            .to_string()
        };
        let express = ValidationOptions {
            machine_type: MachineType::Express,
            ..ValidationOptions::default()
        };
        for resource in [
            "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
            "arn:aws:states:::states:startExecution.sync:2",
            "arn:aws:states:us-east-1:111111111111:activity:pack",
        ] {
            let standard = validate(&of(resource), ValidationOptions::default());
            assert_eq!(standard.result, Verdict::Ok, "{resource}");
            let refused = validate(&of(resource), express);
            assert_eq!(refused.result, Verdict::Fail, "{resource}");
            let location = refused.diagnostics[0].location.as_deref();
            assert_eq!(location, Some("/States/a/Resource"));
        }
        let plain = validate(&of("arn:aws:states:::sqs:sendMessage"), express);
        assert_eq!(plain.result, Verdict::Ok);
    }

    #[test]
    fn a_map_run_belongs_to_a_standard_machine_and_may_have_express_children() {
        let of = |kind: &str, resource: &str| {
            json!({"StartAt": "a", "States": {"a": {"Type": "Map", "End": true, "ItemProcessor": {
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": kind},
                "StartAt": "b", "States": {
                    "b": {"Type": "Task", "Resource": resource, "End": true}}}}}})
            .to_string()
        };
        let standard =
            |kind, resource| validate(&of(kind, resource), ValidationOptions::default()).result;
        let waits = "arn:aws:states:::sqs:sendMessage.waitForTaskToken";
        assert_eq!(standard("STANDARD", waits), Verdict::Ok);
        assert_eq!(standard("EXPRESS", waits), Verdict::Fail);
        assert_eq!(standard("EXPRESS", "arn:aws:states:::sqs:sendMessage"), Verdict::Ok);
        let express = ValidationOptions {
            machine_type: MachineType::Express,
            ..ValidationOptions::default()
        };
        let definition = of("EXPRESS", "arn:aws:states:::sqs:sendMessage");
        assert_eq!(validate(&definition, express).result, Verdict::Fail);
    }
}
