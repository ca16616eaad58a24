//! What an idempotency key costs in the store: the same request with a key and without.

use super::counted::CountedStore;
use adapter_local::{LocalDb, SystemClock};
use anyhow::{Result, anyhow, ensure};
use contracts::Fingerprint;
use ports::aggregate::{Decision, Once};
use ports::store::{Expect, Partition, Write};
use ports::{Aggregates, Store};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;

/// How many requests are made of each kind.
const REQUESTS: u64 = 100;

/// Makes requests with a key and without, and answers a line of JSON.
pub(super) async fn run(dir: &Path) -> Result<String> {
    let dir = tempfile::tempdir_in(dir)?;
    let db = LocalDb::open(dir.path())?;
    let store = Arc::new(CountedStore::over(Arc::new(db)));
    let clock = Arc::new(SystemClock::new());
    let aggregates = Aggregates::new(Arc::clone(&store) as Arc<dyn Store>, clock);
    for n in 0..REQUESTS {
        request(&aggregates, &format!("without-{n}"), None).await?;
    }
    let (commits, rows) = store.take();
    for n in 0..REQUESTS {
        request(&aggregates, &format!("with-{n}"), Some(&once(n))).await?;
    }
    let (commits_keyed, rows_keyed) = store.take();
    for n in 0..REQUESTS {
        request(&aggregates, &format!("with-{n}"), Some(&once(n))).await?;
    }
    let (commits_replayed, _) = store.take();
    ensure!(commits_keyed == commits, "a key takes a commit of its own");
    let per = |count: u64| count as f64 / REQUESTS as f64;
    Ok(json!({
        "bench": "idempotency",
        "requests": REQUESTS,
        "commits_per_request": per(commits),
        "commits_per_request_with_key": per(commits_keyed),
        "commits_per_replay": per(commits_replayed),
        "rows_per_request": per(rows),
        "rows_per_request_with_key": per(rows_keyed),
    })
    .to_string())
}

fn once(n: u64) -> Once {
    Once { key: format!("key-{n}"), fingerprint: Fingerprint::of(&json!(n)) }
}

/// A request that changes one item of an aggregate of its own.
async fn request(aggregates: &Aggregates, name: &str, once: Option<&Once>) -> Result<()> {
    let partition = Partition::of("bench", name);
    let decided = aggregates.decide(&partition, &["thing"], once, |items| {
        let expect = Expect::unchanged(items.first().and_then(Option::as_ref));
        let write = Write::Put {
            name: "thing".to_owned(),
            expect,
            body: json!({"is": "changed"}).to_string(),
            indexes: Vec::new(),
            expires_at: None,
        };
        Ok::<_, ()>(Decision { writes: vec![write], outbox: Vec::new(), reply: json!("done") })
    });
    decided.await.map(drop).map_err(|failure| anyhow!("a request failed: {failure:?}"))
}
