//! Envelopes as rows hold them, and waiting for the next one.

use contracts::Envelope;
use rusqlite::Row;
use rusqlite::types::Type;
use tokio::sync::watch;

/// The most events one read returns, whatever was asked: a read runs where it is called.
pub(crate) const READ_MAX: usize = 10_000;

/// A place in an order of events as SQLite compares it; past its largest integer stands nothing.
pub(crate) fn place(sequence: u64) -> i64 {
    i64::try_from(sequence).unwrap_or(i64::MAX)
}

/// Encodes an envelope as JSON text.
pub(crate) fn encode(envelope: &Envelope) -> String {
    serde_json::to_string(envelope).expect("an envelope is plain data")
}

/// Reads an envelope from a column.
pub(crate) fn read(row: &Row<'_>, column: usize) -> rusqlite::Result<Envelope> {
    let text = row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?;
    serde_json::from_str(text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into())
    })
}

/// Returns once the announced number is greater than `after`.
pub(crate) async fn grown_past(announced: &watch::Sender<u64>, after: u64) {
    let mut announced = announced.subscribe();
    // The sender is ours and lives as long as we wait.
    drop(announced.wait_for(|last| *last > after).await);
}
