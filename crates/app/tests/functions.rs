//! The functions as they are built: each binary starts, or says all that keeps it from starting.

#![cfg(feature = "lambda")]
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::process::{Command, Output};

/// Each binary, a role that it has, and one that it has not.
const BINARIES: [(&str, &str, &str, Option<&str>); 7] = [
    ("order", env!("CARGO_BIN_EXE_order"), "api", None),
    ("payment", env!("CARGO_BIN_EXE_payment"), "tasks", Some("events")),
    ("inventory", env!("CARGO_BIN_EXE_inventory"), "tasks", Some("events")),
    ("user", env!("CARGO_BIN_EXE_user"), "api", Some("tasks")),
    ("notification", env!("CARGO_BIN_EXE_notification"), "events", Some("tasks")),
    ("desk", env!("CARGO_BIN_EXE_desk"), "tasks", None),
    ("relay", env!("CARGO_BIN_EXE_relay"), "events", Some("api")),
];

/// What Lambda sets by itself.
const LAMBDAS: [(&str, &str); 3] =
    [("AWS_REGION", "eu-west-1"), ("AWS_ACCESS_KEY_ID", "any"), ("AWS_SECRET_ACCESS_KEY", "any")];

/// Runs a binary in an environment that holds a role and nothing else of ours.
fn run(path: &str, role: Option<&str>) -> Output {
    let mut command = Command::new(path);
    command.env_clear();
    command.envs(LAMBDAS);
    command.envs(role.map(|role| ("ORDERSAGA_ROLE", role)));
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text)).concat()
}

#[test]
fn a_function_without_its_settings_ends_and_names_each_of_them() {
    for (name, path, role, _) in BINARIES {
        let ended = run(path, Some(role));
        assert!(!ended.status.success(), "{name}");
        let said = said(&ended);
        assert!(said.contains("ORDERSAGA_TABLE must be set"), "{name}: {said}");
        assert!(!said.contains("panicked"), "{name}: {said}");
    }
}

#[test]
fn a_function_without_a_role_or_in_one_that_it_does_not_have_says_which_it_has() {
    for (name, path, role, foreign) in BINARIES {
        let nameless = said(&run(path, None));
        assert!(nameless.contains("ORDERSAGA_ROLE must be set"), "{name}: {nameless}");
        let Some(foreign) = foreign else { continue };
        let said = said(&run(path, Some(foreign)));
        assert!(said.contains(&format!("is no role of `{name}`")), "{name}: {said}");
        assert!(said.contains(role), "{name}: {said}");
    }
}
