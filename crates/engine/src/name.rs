//! What may name an execution, a machine, an alias or an activity.
//!
//! Spec: Step Functions API reference, `StartExecution` and `CreateStateMachine`.

use ports::saga_engine::Refusal;
pub(crate) use ports::saga_engine::check_name as check;

/// How much of a wrong name is shown.
const SHOWN_CHARS_MAX: usize = 100;

/// Checks the name of an execution.
pub(crate) fn check_name(name: &str) -> Result<(), Refusal> {
    check(name).map_err(|why| Refusal::InvalidName { name: shown(name), why })
}

/// As much of a name as is worth showing.
pub(crate) fn shown(name: &str) -> String {
    name.chars().take(SHOWN_CHARS_MAX).collect()
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
        let control = ["a\u{7}", "a\u{1f}", "a\u{7f}", "a\u{9f}", "a\u{fffe}", "a\u{ffff}"];
        for bad in ["", "a b", "a*", too_long.as_str()].into_iter().chain(control) {
            assert!(check_name(bad).is_err(), "{bad}");
        }
        for character in r#"<>{}[]?*"#.chars().chain(r##""#%\^|~`$&,;:/"##.chars()) {
            assert!(check_name(&format!("a{character}")).is_err(), "{character}");
        }
    }
}
