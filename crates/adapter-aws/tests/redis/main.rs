//! The cache against a Redis of its own.
//!
//! Without one it is skipped, loudly; see `testkit::counterparts`.

use adapter_aws::RedisCache;
use ports::conformance::{self, Pass};
use ports::{Cache, Kind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use testkit::counterparts::{Counterpart, Program};

/// How much later than said Redis may be.
const LATE: Duration = Duration::from_millis(50);

#[tokio::test]
async fn redis_passes_the_suite_of_caches() {
    let Some(redis) = Counterpart::start(Program::Redis, "redis_passes_the_suite_of_caches") else {
        return;
    };
    // A database of its own for each case; there are sixteen.
    let databases = AtomicU32::new(0);
    conformance::cache(async || {
        let database = databases.fetch_add(1, Ordering::Relaxed);
        let url = format!("redis://{}/{database}", redis.address());
        let cache = Arc::new(RedisCache::new(&url).unwrap()) as Arc<dyn Cache>;
        // Nobody moves the clock of a Redis.
        let pass: Pass = Box::new(|time| Box::pin(tokio::time::sleep(time + LATE)));
        (cache, pass)
    })
    .await;
}

#[tokio::test]
async fn a_redis_that_went_away_is_said_to_be_away() {
    let title = "a_redis_that_went_away_is_said_to_be_away";
    let Some(first) = Counterpart::start(Program::Redis, title) else { return };
    let url = format!("redis://{}/0", first.address());
    let cache = RedisCache::new(&url).unwrap();
    cache.set("k", b"x", Duration::from_secs(60)).await.unwrap();
    drop(first);
    let away = cache.get("k").await.unwrap_err();
    assert!(matches!(away.kind(), Kind::Unavailable | Kind::Timeout), "{away:?}");
}
