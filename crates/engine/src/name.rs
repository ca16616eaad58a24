//! What may name an execution.
//!
//! Spec: Step Functions API reference, `StartExecution`.

use ports::saga_engine::Refusal;

/// The longest name, in characters.
const NAME_CHARS_MAX: usize = 80;

/// Checks the name of an execution.
pub(crate) fn check_name(name: &str) -> Result<(), Refusal> {
    let invalid = |why| Err(Refusal::InvalidName { name: name.chars().take(100).collect(), why });
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX {
        return invalid("it must have 1 to 80 characters");
    }
    if name.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return invalid("it must not have white space or control characters");
    }
    if name.contains(['<', '>', '{', '}', '[', ']', '?', '*']) {
        return invalid("it must not have brackets or wildcards");
    }
    if name.contains(['"', '#', '%', '\\', '^', '|', '~', '`', '$', '&', ',', ';', ':', '/']) {
        return invalid("it must not have any of \" # % \\ ^ | ~ ` $ & , ; : /");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_follows_the_rules_of_start_execution() {
        for good in ["ord_0199", "a", "A.b-c+d=e@f!g'(h)", &"x".repeat(80)] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        let too_long = "x".repeat(81);
        for bad in ["", "a b", "a/b", "a:b", "a\u{7}", "a*", "{a}", "a\\b", too_long.as_str()] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
