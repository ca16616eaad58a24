//! Opening a data directory: what is refused, what is said, and that nothing is changed.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use adapter_local::{LocalDb, OpenError};
use ports::conformance::head;
use ports::journal::Append;
use ports::{Journal, Kind, Outbox};
use std::path::{Path, PathBuf};
use std::{fs, io};
use tempfile::TempDir;

/// Makes a closed database with one execution in it.
async fn closed_database() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let db = LocalDb::open(dir.path()).unwrap();
    let append = Append { head: head("m", "x", 1), expected: 0, events: b"1".to_vec() };
    db.append(append).await.unwrap();
    drop(db);
    let file = dir.path().join("ordersaga.db");
    (dir, file)
}

/// Why a directory is refused, in the words a user reads.
fn refusal(dir: &Path) -> (OpenError, String) {
    match LocalDb::open(dir) {
        Ok(_) => panic!("the directory was opened"),
        Err(error) => {
            let text = error.to_string();
            (error, text)
        }
    }
}

/// Overwrites a word of a database's header.
fn write_header(file: &Path, at: usize, word: u32) {
    let mut bytes = fs::read(file).unwrap();
    bytes[at..at + 4].copy_from_slice(&word.to_be_bytes());
    fs::write(file, bytes).unwrap();
}

#[test]
fn a_directory_that_is_not_there_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let nested = dir.path().join("data/of/orders");
    drop(LocalDb::open(&nested).unwrap());
    assert!(nested.join("ordersaga.db").is_file());
}

#[test]
fn a_second_opening_is_refused_until_the_first_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    let first = LocalDb::open(dir.path()).unwrap();
    let (error, text) = refusal(dir.path());
    assert!(matches!(error, OpenError::InUse { .. }), "{error:?}");
    assert!(text.contains(&dir.path().display().to_string()), "{text}");
    assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
    assert!(text.contains("stop it first"), "{text}");
    first.close();
    drop(LocalDb::open(dir.path()).unwrap());
}

#[tokio::test]
async fn a_closed_database_neither_reads_nor_writes() {
    let dir = tempfile::tempdir().unwrap();
    let db = LocalDb::open(dir.path()).unwrap();
    db.close();
    db.close();
    let append = Append { head: head("m", "x", 1), expected: 0, events: Vec::new() };
    assert_eq!(db.append(append).await.unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(db.pending(0, 1).await.unwrap_err().kind(), Kind::Unavailable);
}

#[tokio::test]
async fn a_closed_database_is_one_file_without_a_log() {
    let (dir, _) = closed_database().await;
    let wal = fs::metadata(dir.path().join("ordersaga.db-wal"));
    match wal {
        Ok(metadata) => assert_eq!(metadata.len(), 0),
        Err(error) => assert_eq!(error.kind(), io::ErrorKind::NotFound),
    }
}

#[tokio::test]
async fn a_newer_format_is_refused_and_left_as_it_is() {
    let (dir, file) = closed_database().await;
    write_header(&file, 60, u32::MAX);
    let before = fs::read(&file).unwrap();
    let (error, text) = refusal(dir.path());
    assert!(matches!(error, OpenError::Newer { found: u32::MAX, .. }), "{error:?}");
    assert!(text.contains("nothing was changed"), "{text}");
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[tokio::test]
async fn a_file_that_is_not_ours_is_refused_and_left_as_it_is() {
    let (dir, file) = closed_database().await;
    let ours = fs::read(&file).unwrap();
    write_header(&file, 68, 0);
    let another_program = fs::read(&file).unwrap();
    let text_file = b"dear diary".to_vec();
    let torn = ours[..50].to_vec();
    for bytes in [another_program, text_file, torn] {
        fs::write(&file, &bytes).unwrap();
        let (error, text) = refusal(dir.path());
        assert!(matches!(error, OpenError::Corrupt { .. }), "{error:?}");
        assert!(text.contains(&file.display().to_string()), "{text}");
        assert_eq!(fs::read(&file).unwrap(), bytes);
    }
}

#[tokio::test]
async fn a_damaged_schema_is_reported_as_damage() {
    let (dir, file) = closed_database().await;
    let mut bytes = fs::read(&file).unwrap();
    // The first page, behind the header, is the root of the schema.
    bytes[100..600].fill(0xff);
    fs::write(&file, bytes).unwrap();
    let (error, _) = refusal(dir.path());
    assert!(matches!(error, OpenError::Corrupt { .. }), "{error:?}");
}

#[test]
fn an_empty_file_of_an_interrupted_first_start_is_taken_as_new() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("ordersaga.db"), b"").unwrap();
    drop(LocalDb::open(dir.path()).unwrap());
}

#[test]
fn a_directory_that_is_a_file_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("data");
    fs::write(&file, b"").unwrap();
    let (error, text) = refusal(&file);
    assert!(matches!(error, OpenError::Io { .. }), "{error:?}");
    assert!(text.contains(&file.display().to_string()), "{text}");
}
