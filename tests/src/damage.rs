//! Damage to what is stored, done while nobody has the store open.

use std::path::Path;

/// What no record reads like.
pub const DAMAGED: &str = "damaged";

/// Replaces what is stored of an aggregate's state; answers what stood there.
pub fn store(dir: &Path, partition: &str, body: &str) -> String {
    let file = rusqlite::Connection::open(dir.join("ordersaga.db")).unwrap();
    let find = "SELECT body FROM items WHERE partition = ?1 AND name = 'state'";
    let before = file.query_row(find, (partition,), |row| row.get(0)).unwrap();
    let change = "UPDATE items SET body = ?2 WHERE partition = ?1 AND name = 'state'";
    assert_eq!(file.execute(change, (partition, body)).unwrap(), 1);
    before
}
