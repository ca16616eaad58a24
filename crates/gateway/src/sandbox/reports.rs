//! Reading the books: what is committed, a page at a time.
//!
//! Owns: the connection that only reads, pages and cursors.
//! Does not own: writing (that is `ledger`).

use super::answer::operation_id;
use super::schema;
use crate::wire::{
    CurrencyTotal, LedgerOperation, LedgerPage, ReferenceBooks, ReferenceLedger, Sums,
};
use contracts::Timestamp;
use ports::Result;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// The connection that only reads; its lock is held for one page.
pub(super) struct Reports {
    connection: Mutex<Connection>,
}

/// The sums of an account, in the order of [`sums_in`].
macro_rules! sums_columns {
    ($from:literal) => {
        concat!(
            "SELECT authorized_minor, captured_minor, voided_minor, refunded_minor, currency,
                 is_voided, reference FROM accounts ",
            $from
        )
    };
}

impl Reports {
    /// Opens the books beside the writer.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        let connection = Mutex::new(schema::open_for_reading(folder)?);
        Ok(Self { connection })
    }

    /// The books of one reference and at most `limit` of its operations after number `after`.
    pub(super) fn reference(
        &self,
        reference: &str,
        after: i64,
        limit: u32,
    ) -> rusqlite::Result<ReferenceLedger> {
        let mut connection = self.lock();
        // One transaction, so that sums and operations are of the same moment.
        let snapshot = connection.transaction()?;
        let books = snapshot
            .prepare_cached(sums_columns!("WHERE reference = ?1"))?
            .query_row([reference], books_in)
            .optional()?;
        let mut operations = snapshot
            .prepare_cached(
                "SELECT id, kind, key, amount_minor, currency, moved_minor, at_ms, outcome
                 FROM operations WHERE reference = ?1 AND id > ?2 ORDER BY id LIMIT ?3",
            )?
            .query_map(params![reference, after, i64::from(limit) + 1], operation_in)?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        let next_cursor = cut_to(&mut operations, limit).map(|(id, _)| id.to_string());
        let operations = operations.into_iter().map(|(_, row)| row).collect();
        let books = books.unwrap_or_else(|| ReferenceBooks {
            reference: reference.to_owned(),
            currency: None,
            sums: Sums::default(),
            is_voided: false,
        });
        Ok(ReferenceLedger {
            reference: books.reference,
            currency: books.currency,
            sums: books.sums,
            is_voided: books.is_voided,
            operations,
            next_cursor,
        })
    }

    /// The totals, and at most `limit` references whose text comes after `after`.
    pub(super) fn page(&self, after: &str, limit: u32) -> rusqlite::Result<LedgerPage> {
        let mut connection = self.lock();
        let snapshot = connection.transaction()?;
        let totals = snapshot
            .prepare_cached(
                "SELECT sum(authorized_minor), sum(captured_minor), sum(voided_minor),
                     sum(refunded_minor), currency
                 FROM accounts WHERE currency IS NOT NULL GROUP BY currency ORDER BY currency",
            )?
            .query_map((), total_in)?
            .collect::<rusqlite::Result<_>>()?;
        let mut references = snapshot
            .prepare_cached(sums_columns!("WHERE reference > ?1 ORDER BY reference LIMIT ?2"))?
            .query_map(params![after, i64::from(limit) + 1], books_in)?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        let next_cursor = cut_to(&mut references, limit).map(|last| last.reference.clone());
        Ok(LedgerPage { totals, references, next_cursor })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Connection> {
        // A reader that panicked left no half-done work behind: it only read.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Cuts a page that was read one row too long; the last row kept is where the next page starts.
fn cut_to<T>(rows: &mut Vec<T>, limit: u32) -> Option<&T> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let is_last = rows.len() <= limit;
    rows.truncate(limit);
    if is_last { None } else { rows.last() }
}

fn sums_in(row: &Row<'_>) -> rusqlite::Result<Sums> {
    Ok(Sums {
        authorized_minor: row.get(0)?,
        captured_minor: row.get(1)?,
        voided_minor: row.get(2)?,
        refunded_minor: row.get(3)?,
    })
}

fn books_in(row: &Row<'_>) -> rusqlite::Result<ReferenceBooks> {
    let currency = row.get_ref(4)?.as_str_or_null()?;
    Ok(ReferenceBooks {
        reference: row.get(6)?,
        currency: currency.map(schema::from_text).transpose()?,
        sums: sums_in(row)?,
        is_voided: row.get(5)?,
    })
}

fn total_in(row: &Row<'_>) -> rusqlite::Result<CurrencyTotal> {
    Ok(CurrencyTotal {
        currency: schema::from_text(row.get_ref(4)?.as_str()?)?,
        sums: sums_in(row)?,
    })
}

fn operation_in(row: &Row<'_>) -> rusqlite::Result<(i64, LedgerOperation)> {
    let id = row.get(0)?;
    let operation = LedgerOperation {
        id: operation_id(id),
        kind: schema::from_text(row.get_ref(1)?.as_str()?)?,
        key: row.get(2)?,
        amount_minor: row.get(3)?,
        currency: schema::from_text(row.get_ref(4)?.as_str()?)?,
        moved_minor: row.get(5)?,
        at: Timestamp::from_millis(row.get(6)?),
        outcome: row.get(7)?,
    };
    Ok((id, operation))
}
