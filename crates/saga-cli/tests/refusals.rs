//! What `saga` refuses: it says what is wrong, where and how to mend it, and changes nothing.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use adapter_local::LocalDb;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

/// The exit code of a usage or configuration error.
const USAGE: Option<i32> = Some(2);

/// Runs `saga` in an empty environment and an empty directory until it ends.
fn saga(dir: &TempDir, arguments: &[&str], env: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_saga"))
        .current_dir(dir.path())
        .env_clear()
        .envs(env.iter().copied())
        .args(arguments)
        .output()
        .unwrap()
}

/// What was complained about.
fn complaint(output: &Output) -> String {
    assert!(output.stdout.is_empty(), "a refusal says nothing on standard output");
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// What is in a directory.
fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn every_problem_of_the_settings_is_said_at_once_and_nothing_is_begun() {
    let dir = tempfile::tempdir().unwrap();
    let settings = "gateway_listen = 8090\ndata_dri = \"here\"\n";
    std::fs::write(dir.path().join("ordersaga.toml"), settings).unwrap();
    let flags = ["up", "--listen", "here", "--gateway-timeout-ms", "0"];
    let refused = saga(&dir, &flags, &[("ORDERSAGA_DEMO", "perhaps"), ("ORDERSAGA_LISTN", "x")]);
    let complaint = complaint(&refused);
    assert_eq!(refused.status.code(), USAGE, "{complaint}");
    for said in [
        "--listen: listen = `here` must be an address and a port",
        "--gateway-timeout-ms: gateway_timeout_ms = `0` must be 10 to 9000",
        "ORDERSAGA_DEMO: demo = `perhaps` must be true or false",
        "ORDERSAGA_LISTN: `listn` is not a setting; settings are: ",
        "ordersaga.toml: `data_dri` is not a setting",
        "ordersaga.toml: gateway_listen = `8090` must be an address",
    ] {
        assert!(complaint.contains(said), "{said:?} is not in {complaint}");
    }
    assert_eq!(names(dir.path()), ["ordersaga.toml"], "no data directory was made");
}

#[test]
fn a_settings_file_that_is_not_there_or_cannot_be_read_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let refused = saga(&dir, &["up", "--config", "missing.toml"], &[]);
    assert_eq!(refused.status.code(), USAGE);
    assert!(complaint(&refused).contains("missing.toml"));
    std::fs::write(dir.path().join("broken.toml"), "listen = [").unwrap();
    let refused = saga(&dir, &["up"], &[("ORDERSAGA_CONFIG", "broken.toml")]);
    assert_eq!(refused.status.code(), USAGE);
    assert!(complaint(&refused).contains("broken.toml"));
    assert_eq!(names(dir.path()), ["broken.toml"]);
}

#[test]
fn a_command_or_a_flag_that_does_not_exist_is_refused_with_what_there_is() {
    let dir = tempfile::tempdir().unwrap();
    for (arguments, said) in [
        (["upp", ""], "up"),
        (["up", "--listne"], "--listen"),
        (["up", "--data-dir"], "--data-dir <DATA_DIR>"),
    ] {
        let arguments: Vec<_> = arguments.into_iter().filter(|text| !text.is_empty()).collect();
        let refused = saga(&dir, &arguments, &[]);
        let complaint = complaint(&refused);
        assert_eq!(refused.status.code(), USAGE, "{complaint}");
        assert!(complaint.contains(said), "{said:?} is not in {complaint}");
    }
    assert_eq!(saga(&dir, &[], &[]).status.code(), USAGE);
}

#[test]
fn a_taken_port_is_said_with_the_flag_that_chooses_another() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let flags = ["--listen", "--gateway-listen", "--aws-listen"];
    for flag in flags {
        let others = flags.into_iter().filter(|other| *other != flag);
        let others = others.flat_map(|other| [other, "127.0.0.1:0"]);
        let arguments: Vec<_> = ["up", flag, &address].into_iter().chain(others).collect();
        let refused = saga(&dir, &arguments, &[]);
        let complaint = complaint(&refused);
        assert!(!refused.status.success());
        assert!(complaint.contains(&address), "{complaint}");
        assert!(complaint.contains(&format!("choose another with {flag})")), "{complaint}");
    }
}

#[test]
fn a_store_of_a_newer_format_is_refused_and_left_as_it_is() {
    // Where SQLite keeps a file's `user_version`, in bytes from its beginning.
    const FORMAT_AT: usize = 60;
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    LocalDb::open(&data).unwrap().close();
    let file = data.join("ordersaga.db");
    let mut newer = std::fs::read(&file).unwrap();
    newer[FORMAT_AT..FORMAT_AT + 4].copy_from_slice(&99_u32.to_be_bytes());
    std::fs::write(&file, &newer).unwrap();
    let ports =
        ["--listen", "127.0.0.1:0", "--gateway-listen", "127.0.0.1:0", "--aws-listen", "off"];
    let refused = saga(&dir, &[&["up", "--data-dir", "data"], &ports[..]].concat(), &[]);
    let complaint = complaint(&refused);
    assert!(!refused.status.success());
    for said in ["data/ordersaga.db", "format is 99", "nothing was changed", "newer program"] {
        assert!(complaint.contains(said), "{said:?} is not in {complaint}");
    }
    assert_eq!(std::fs::read(&file).unwrap(), newer);
}
