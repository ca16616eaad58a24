//! The ledger: every decision with its answer, in one durable transaction.
//!
//! Owns: idempotency keys, the rows of accounts and operations, and what a batch commits.
//! Does not own: the rules (`account`), the queue before it (`writer`), reading pages (`reports`).

use super::account::{Account, Calls, Command, Event, apply, decide, moved_minor};
use super::answer::{Answer, answer, outcome};
use super::card::{Card, Fault};
use super::schema;
use crate::wire::Sums;
use contracts::{Fingerprint, Timestamp};
use ports::{Error, Kind, Result};
use rusqlite::{Connection, OptionalExtension as _, Row, TransactionBehavior, params};
use std::fs::File;
use std::path::Path;

/// An operation as it arrives: checked, but not decided.
#[derive(Clone, Debug)]
pub(super) struct Request {
    /// The idempotency key.
    pub(super) key: String,
    /// What the key stands for: another fingerprint under the same key is another request.
    pub(super) fingerprint: Fingerprint,
    /// The reference that it moves money on.
    pub(super) reference: String,
    /// What it asks.
    pub(super) command: Command,
    /// When it arrived.
    pub(super) at: Timestamp,
}

/// What came of a request, once it is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    /// What to say.
    pub(super) verdict: Verdict,
    /// Whether the card delays the answer.
    pub(super) is_slow: bool,
}

/// What to say to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The answer, decided now.
    Fresh(Answer),
    /// The answer, decided before under the same key.
    Stored(Answer),
    /// The key stands for another request.
    KeyReused,
    /// Nothing happened, says a 503.
    Unavailable,
    /// Nothing: the connection is held.
    Silence,
}

/// The file and the only connection that writes to it.
pub(super) struct Ledger {
    connection: Connection,
    next_id: i64,
    // Last, so that the folder is free only after the connection has closed.
    _lock: Option<File>,
}

impl Ledger {
    /// Opens the ledger in `folder`; see [`super::Sandbox::open`].
    pub(super) fn open(folder: &Path) -> Result<Self> {
        let lock = schema::lock_folder(folder)?;
        let connection = schema::open_for_writing(folder)?;
        Self::over(connection, Some(lock))
            .map_err(|error| Error::new(Kind::Corrupt, "read the gateway's ledger").because(error))
    }

    fn over(connection: Connection, lock: Option<File>) -> rusqlite::Result<Self> {
        let last_id: Option<i64> =
            connection.query_row("SELECT max(id) FROM operations", (), |row| row.get(0))?;
        Ok(Self { connection, next_id: last_id.unwrap_or(0).saturating_add(1), _lock: lock })
    }

    /// Decides the requests in their order and commits them together.
    ///
    /// # Errors
    /// None of them took effect, unless it was the commit itself that failed: then nobody knows
    /// before the key is sent again.
    pub(super) fn settle<'a>(
        &mut self,
        requests: impl Iterator<Item = &'a Request>,
    ) -> rusqlite::Result<Vec<Reply>> {
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let next_id = &mut self.next_id;
        let replies = requests
            .map(|request| settle_one(&transaction, next_id, request))
            .collect::<rusqlite::Result<_>>()?;
        transaction.commit()?;
        Ok(replies)
    }
}

fn settle_one(
    connection: &Connection,
    next_id: &mut i64,
    request: &Request,
) -> rusqlite::Result<Reply> {
    let mut account = load_account(connection, &request.reference)?;
    if let Some(verdict) = stored_verdict(connection, request)? {
        let is_slow = account.card.is_slow();
        return Ok(Reply { verdict, is_slow });
    }
    let decision = decide(&account, &request.command);
    apply(&mut account, &request.command, &decision.event);
    save_account(connection, &request.reference, &account)?;
    let verdict = match decision.fault {
        Some(Fault::Unavailable) => Verdict::Unavailable,
        Some(Fault::LostBeforeApply) => Verdict::Silence,
        Some(Fault::LostAfterApply) => {
            record(connection, next_id, request, &decision.event)?;
            Verdict::Silence
        }
        None => Verdict::Fresh(record(connection, next_id, request, &decision.event)?),
    };
    let is_slow = account.card.is_slow();
    Ok(Reply { verdict, is_slow })
}

fn stored_verdict(connection: &Connection, request: &Request) -> rusqlite::Result<Option<Verdict>> {
    let mut query = connection
        .prepare_cached("SELECT fingerprint, status, body FROM operations WHERE key = ?1")?;
    query
        .query_row([&request.key], |row| {
            if row.get_ref(0)?.as_str()? != request.fingerprint.as_str() {
                return Ok(Verdict::KeyReused);
            }
            let body: Vec<u8> = row.get(2)?;
            Ok(Verdict::Stored(Answer { status: row.get(1)?, body: body.into() }))
        })
        .optional()
}

fn record(
    connection: &Connection,
    next_id: &mut i64,
    request: &Request,
    event: &Event,
) -> rusqlite::Result<Answer> {
    let id = *next_id;
    *next_id = next_id.saturating_add(1);
    let answer = answer(id, &request.reference, &request.command, event, request.at);
    let amount = request.command.amount();
    let mut insert = connection.prepare_cached(
        "INSERT INTO operations (id, key, fingerprint, reference, kind, amount_minor, currency,
             moved_minor, at_ms, outcome, status, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?;
    insert.execute(params![
        id,
        request.key,
        request.fingerprint.as_str(),
        request.reference,
        request.command.kind().name(),
        amount.amount_minor,
        amount.currency.code(),
        moved_minor(&request.command, event),
        request.at.as_millis(),
        outcome(event),
        answer.status,
        &answer.body[..],
    ])?;
    Ok(answer)
}

fn load_account(connection: &Connection, reference: &str) -> rusqlite::Result<Account> {
    let mut query = connection.prepare_cached(
        "SELECT card, currency, authorized_minor, captured_minor, voided_minor, refunded_minor,
             is_voided, authorizations, captures, voids, refunds
         FROM accounts WHERE reference = ?1",
    )?;
    let account = query.query_row([reference], account_in).optional()?;
    Ok(account.unwrap_or_default())
}

fn account_in(row: &Row<'_>) -> rusqlite::Result<Account> {
    let currency = row.get_ref(1)?.as_str_or_null()?;
    Ok(Account {
        card: Card::named(row.get_ref(0)?.as_str()?),
        currency: currency.map(schema::from_text).transpose()?,
        sums: Sums {
            authorized_minor: row.get(2)?,
            captured_minor: row.get(3)?,
            voided_minor: row.get(4)?,
            refunded_minor: row.get(5)?,
        },
        is_voided: row.get(6)?,
        calls: Calls {
            authorizations: row.get(7)?,
            captures: row.get(8)?,
            voids: row.get(9)?,
            refunds: row.get(10)?,
        },
    })
}

fn save_account(
    connection: &Connection,
    reference: &str,
    account: &Account,
) -> rusqlite::Result<()> {
    let mut upsert = connection.prepare_cached(
        "INSERT OR REPLACE INTO accounts (reference, card, currency, authorized_minor,
             captured_minor, voided_minor, refunded_minor, is_voided, authorizations, captures,
             voids, refunds)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?;
    upsert.execute(params![
        reference,
        account.card.name(),
        account.currency.map(contracts::Currency::code),
        account.sums.authorized_minor,
        account.sums.captured_minor,
        account.sums.voided_minor,
        account.sums.refunded_minor,
        account.is_voided,
        account.calls.authorizations,
        account.calls.captures,
        account.calls.voids,
        account.calls.refunds,
    ])?;
    Ok(())
}

#[cfg(test)]
mod tests;
