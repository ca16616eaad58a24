//! `saga gateway`: a payment gateway that can be taken away from the system that uses it.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Starts `saga` in an empty environment; answers the first line it says that begins with `word`.
fn start(dir: &TempDir, arguments: &[&str], word: &str) -> (Child, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_saga"))
        .current_dir(dir.path())
        .env_clear()
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.find_map(|line| line.ok().filter(|line| line.starts_with(word)));
    // What it still has to say must not fill the pipe.
    std::thread::spawn(move || lines.count());
    (child, line.expect("it says where it is"))
}

/// Asks it to stop, and answers whether it ended well.
fn stopped(mut child: Child) -> bool {
    let asked = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(asked.unwrap().success());
    child.wait().unwrap().success()
}

/// Asks a gateway for its books, with a header line more; answers all that it says.
fn asked(address: &str, header: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let question = format!(
        "GET /ledger?reference=nobody HTTP/1.1\r\nhost: {address}\r\n{header}connection: close\r\n\r\n"
    );
    stream.write_all(question.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_gateway_with_a_key_serves_who_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("key");
    std::fs::write(&key, "open-sesame\n").unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let flags = ["gateway", "--gateway-listen", "127.0.0.1:0", "--data-dir", "data"];
    let flags = [&flags[..], &["--gateway-key-file", "key"]].concat();
    let (child, line) = start(&dir, &flags, "Gateway");
    let address = line.split("http://").nth(1).unwrap().trim().to_owned();
    assert!(asked(&address, "").starts_with("HTTP/1.1 401"));
    assert!(asked(&address, "authorization: Bearer open-sesam\r\n").starts_with("HTTP/1.1 401"));
    let answer = asked(&address, "authorization: Bearer open-sesame\r\n");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(stopped(child));
}

#[test]
fn a_gateway_of_its_own_answers_and_stops_when_it_is_asked_to() {
    let dir = tempfile::tempdir().unwrap();
    let flags = ["gateway", "--gateway-listen", "127.0.0.1:0", "--data-dir", "data"];
    let (child, line) = start(&dir, &flags, "Gateway");
    let address = line.split("http://").nth(1).unwrap().trim().to_owned();
    let answer = asked(&address, "");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("\"operations\":[]"), "{answer}");
    assert!(stopped(child));
    assert!(dir.path().join("data/gateway").is_dir());
}

#[test]
fn a_system_that_uses_a_gateway_elsewhere_runs_none_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let ports = ["--listen", "127.0.0.1:0", "--aws-listen", "off", "--data-dir", "data"];
    let elsewhere = ["--gateway-url", "http://127.0.0.1:9"];
    let flags = [&["up"], &ports[..], &elsewhere[..]].concat();
    let (child, line) = start(&dir, &flags, "Gateway");
    assert!(line.ends_with("http://127.0.0.1:9"), "{line}");
    assert!(stopped(child));
    assert!(!dir.path().join("data/gateway").exists());
}
