//! Keys, answers and batches of the ledger, as laws over random traffic and on a real file.

use super::super::card::Card;
use super::*;
use contracts::{Currency, Money};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::slice;

fn ledger_in_memory() -> Ledger {
    Ledger::over(schema::open_in_memory(), None).unwrap()
}

fn request(key: &str, reference: &str, command: Command) -> Request {
    Request {
        key: key.to_owned(),
        fingerprint: Fingerprint::of_bytes(format!("{reference} {command:?}").as_bytes()),
        reference: reference.to_owned(),
        command,
        at: Timestamp::from_millis(1_795_413_600_000),
    }
}

fn some_request() -> impl Strategy<Value = Request> {
    let command = (0..4u8, 1..4i64).prop_map(|(kind, minor)| {
        let amount = Money::new(minor, Currency::Eur);
        match kind {
            0 => Command::Authorize { amount, card: Card::named("tok_flaky_2") },
            1 => Command::Capture { amount },
            2 => Command::Void { amount },
            _ => Command::Refund { amount },
        }
    });
    (0..12u8, 0..2u8, command)
        .prop_map(|(key, name, command)| request(&format!("k{key}"), &format!("r{name}"), command))
}

fn some_traffic() -> impl Strategy<Value = Vec<Request>> {
    prop::collection::vec(some_request(), 1..40)
}

fn settle_alone(ledger: &mut Ledger, request: &Request) -> Reply {
    let mut replies = ledger.settle(slice::from_ref(request).iter()).unwrap();
    replies.remove(0)
}

/// Counts the accounts whose sums are not those of their operations.
const ACCOUNTS_THAT_DIFFER: &str = "
SELECT count(*) FROM accounts
WHERE (authorized_minor, captured_minor, voided_minor, refunded_minor) != (
    SELECT coalesce(sum(moved_minor) FILTER (WHERE kind = 'authorization'), 0),
        coalesce(sum(moved_minor) FILTER (WHERE kind = 'capture'), 0),
        coalesce(sum(moved_minor) FILTER (WHERE kind = 'void'), 0),
        coalesce(sum(moved_minor) FILTER (WHERE kind = 'refund'), 0)
    FROM operations WHERE operations.reference = accounts.reference)
";

/// All rows of the ledger, as one text.
fn rows(ledger: &Ledger) -> String {
    let columns = "id, key, reference, kind, moved_minor, outcome, hex(body)";
    let mut rows = String::new();
    let mut query = ledger
        .connection
        .prepare(&format!("SELECT {columns} FROM operations ORDER BY id"))
        .unwrap();
    let mut found = query.query(()).unwrap();
    while let Some(row) = found.next().unwrap() {
        for column in 0..7 {
            rows.push_str(&format!("{:?} ", row.get_ref(column).unwrap()));
        }
        rows.push('\n');
    }
    rows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn each_key_takes_effect_once_and_keeps_its_answer(traffic in some_traffic()) {
        let mut ledger = ledger_in_memory();
        let mut decided = BTreeMap::new();
        for request in &traffic {
            let reply = settle_alone(&mut ledger, request);
            match decided.get(&request.key) {
                None => if let Verdict::Fresh(answer) = reply.verdict {
                    decided.insert(request.key.clone(), (request.fingerprint.clone(), answer));
                } else {
                    prop_assert_eq!(reply.verdict, Verdict::Unavailable);
                },
                Some((first, answer)) if *first == request.fingerprint => {
                    prop_assert_eq!(reply.verdict, Verdict::Stored(answer.clone()));
                }
                Some(_) => prop_assert_eq!(reply.verdict, Verdict::KeyReused),
            }
        }
        let operations: i64 = ledger
            .connection
            .query_row("SELECT count(*) FROM operations", (), |row| row.get(0))
            .unwrap();
        prop_assert_eq!(usize::try_from(operations), Ok(decided.len()));
    }

    #[test]
    fn the_accounts_are_the_sums_of_the_operations(traffic in some_traffic()) {
        let mut ledger = ledger_in_memory();
        ledger.settle(traffic.iter()).unwrap();
        let differing: i64 = ledger
            .connection
            .query_row(ACCOUNTS_THAT_DIFFER, (), |row| row.get(0))
            .unwrap();
        prop_assert_eq!(differing, 0);
    }

    #[test]
    fn it_does_not_matter_how_requests_share_commits(
        traffic in some_traffic(),
        batch in 1..10usize,
    ) {
        let (mut alone, mut together) = (ledger_in_memory(), ledger_in_memory());
        let singly: Vec<_> = traffic.iter().map(|one| settle_alone(&mut alone, one)).collect();
        let batched: Vec<_> = traffic
            .chunks(batch)
            .flat_map(|batch| together.settle(batch.iter()).unwrap())
            .collect();
        prop_assert_eq!(singly, batched);
        prop_assert_eq!(rows(&alone), rows(&together));
    }
}

fn hold(key: &str, reference: &str, token: &str) -> Request {
    let amount = Money::new(500, Currency::Eur);
    let card = Card::named(token);
    request(key, reference, Command::Authorize { amount, card })
}

#[test]
fn a_batch_that_fails_leaves_no_trace() {
    let mut ledger = ledger_in_memory();
    settle_alone(&mut ledger, &hold("k1", "r1", "tok_approve"));
    ledger.connection.execute("UPDATE accounts SET currency = 'no currency'", ()).unwrap();
    let before = rows(&ledger);
    let batch = [hold("k2", "r2", "tok_approve"), hold("k3", "r1", "tok_approve")];
    assert!(ledger.settle(batch.iter()).is_err());
    assert_eq!(rows(&ledger), before);
    let alone = settle_alone(&mut ledger, &batch[0]);
    assert!(matches!(alone.verdict, Verdict::Fresh(answer) if answer.status == 201));
}

#[test]
fn what_a_card_counts_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let call = hold("k1", "r1", "tok_flaky_2");
    let verdicts: Vec<_> = (0..3)
        .map(|_| {
            let mut ledger = Ledger::open(folder.path()).unwrap();
            settle_alone(&mut ledger, &call).verdict
        })
        .collect();
    assert_eq!(verdicts[..2], [Verdict::Unavailable, Verdict::Unavailable]);
    assert!(matches!(verdicts[2], Verdict::Fresh(_)));
}

#[test]
fn a_folder_serves_one_ledger_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let first = Ledger::open(folder.path()).unwrap();
    let second = Ledger::open(folder.path()).map(|_| ()).unwrap_err();
    assert_eq!(second.kind(), Kind::Conflict);
    drop(first);
    assert!(Ledger::open(folder.path()).is_ok());
}

#[test]
fn a_newer_format_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    drop(Ledger::open(folder.path()).unwrap());
    let path = folder.path().join("sandbox-ledger.sqlite3");
    let raise = Connection::open(&path).unwrap();
    raise.execute_batch("PRAGMA user_version = 99").unwrap();
    drop(raise);
    let before = std::fs::read(&path).unwrap();
    let error = Ledger::open(folder.path()).map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_file_that_is_no_ledger_is_called_corrupt() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sandbox-ledger.sqlite3");
    std::fs::write(&path, b"these are not the books you are looking for").unwrap();
    let error = Ledger::open(folder.path()).map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), Kind::Corrupt);
}
