//! Finds what is allowed and was hardly meant: paths where nothing looks for one.
//!
//! Spec: the warning codes of `ValidateStateMachineDefinitionDiagnostic`.

use super::Checker;
use super::problem::{NO_DOLLAR, NO_PATH, Problem, STATIC_RESULT};
use crate::document::Node;
use serde_json::Value;

/// The fields whose value is a payload template in the JSONPath language.
const TEMPLATES: [&str; 5] =
    ["Parameters", "ResultSelector", "ItemSelector", "Assign", "BatchInput"];
/// The fields that hold a text which a field of the same name with `Path` could look up.
const TEXTS: [&str; 2] = ["Error", "Cause"];
/// The fields of a state that hold rules with fields of their own.
const RULES: [&str; 5] = ["Choices", "Catch", "And", "Or", "Not"];

impl Checker {
    /// Looks through one state of the JSONPath language, without the states inside it.
    pub(super) fn warn_of_paths(&mut self, state: &Node<'_>) {
        let is_pass = state.value.get("Type").is_some_and(|kind| kind == "Pass");
        for (name, node) in state.members().unwrap_or_default() {
            match name {
                "Result" if is_pass => self.warn_of_static_result(&node),
                name if TEMPLATES.contains(&name) => self.warn_of_template(&node),
                name if TEXTS.contains(&name) => self.warn_of_text(name, &node),
                name if RULES.contains(&name) => self.warn_of_rules(&node),
                _ => {}
            }
        }
    }

    fn warn_of_rules(&mut self, node: &Node<'_>) {
        for rule in node.elements().unwrap_or_else(|| vec![node.clone()]) {
            for (name, node) in rule.members().unwrap_or_default() {
                let compares = name.ends_with("Equals") || name.ends_with("Than");
                match name {
                    "Assign" => self.warn_of_template(&node),
                    name if RULES.contains(&name) => self.warn_of_rules(&node),
                    name if compares => self.warn_of_text(name, &node),
                    _ => {}
                }
            }
        }
    }

    fn warn_of_text(&mut self, name: &str, node: &Node<'_>) {
        if looks_like_path(node.value) {
            let message = format!(
                "The value of the field '{name}' looks like a path, but the name of the field \
                 does not end with 'Path'"
            );
            let mend = "name the field with Path at its end if the value is to be looked up";
            self.warnings.push(Problem::warning(&node.pointer, NO_PATH, message, mend));
        }
    }

    fn warn_of_template(&mut self, node: &Node<'_>) {
        for element in node.elements().unwrap_or_default() {
            self.warn_of_template(&element);
        }
        for (name, member) in node.members().unwrap_or_default() {
            let is_found = looks_like_path(member.value) || looks_like_intrinsic(member.value);
            if is_found && !name.ends_with(".$") {
                let message = format!(
                    "The value of the field '{name}' looks like a path or an intrinsic function, \
                     but the name of the field does not end with '.$'"
                );
                let mend = "name the field with .$ at its end if the value is to be filled in";
                self.warnings.push(Problem::warning(&member.pointer, NO_DOLLAR, message, mend));
            }
            self.warn_of_template(&member);
        }
    }

    fn warn_of_static_result(&mut self, node: &Node<'_>) {
        if looks_like_path(node.value) || looks_like_intrinsic(node.value) {
            let message = "The Result of a Pass is fixed: paths and intrinsic functions in it are \
                           not filled in"
                .to_owned();
            let mend = "use Parameters instead if the value is to be filled in";
            self.warnings.push(Problem::warning(&node.pointer, STATIC_RESULT, message, mend));
        }
        for element in node.elements().unwrap_or_default() {
            self.warn_of_static_result(&element);
        }
        for (_, member) in node.members().unwrap_or_default() {
            self.warn_of_static_result(&member);
        }
    }
}

fn looks_like_path(value: &Value) -> bool {
    let is_path = |text: &str| {
        let rest = text.strip_prefix("$$").or_else(|| text.strip_prefix('$'));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    value.as_str().is_some_and(is_path)
}

fn looks_like_intrinsic(value: &Value) -> bool {
    let is_call = |text: &str| {
        let name = text.strip_prefix("States.").and_then(|rest| rest.split_once('('));
        name.is_some_and(|(name, rest)| {
            name.chars().all(char::is_alphanumeric) && rest.trim_end().ends_with(')')
        })
    };
    value.as_str().is_some_and(is_call)
}
