//! A cache on Redis (ElastiCache), whose connection comes when it is needed and comes back by
//! itself.
//!
//! Whoever uses a cache can do without: a Redis that does not answer within half a second counts as
//! one that has nothing.

use async_trait::async_trait;
use ports::cache::{check_entry, check_key};
use ports::{Cache, Error, Kind, Result};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, Cmd, ErrorKind, FromRedisValue, RedisError, ServerErrorKind};
use std::fmt;
use std::time::Duration;

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
/// How long an answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(500);

/// Keeps values in a Redis. Clones share one connection.
#[derive(Clone)]
pub struct RedisCache {
    manager: ConnectionManager,
}

impl fmt::Debug for RedisCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisCache").finish_non_exhaustive()
    }
}

impl RedisCache {
    /// Uses the Redis at `url` (`redis://host:6379/0`); nothing is connected before the first call.
    /// Must be made within a runtime.
    ///
    /// # Errors
    /// `Invalid` when the URL is none of Redis's, or one that asks for TLS.
    pub fn new(url: &str) -> Result<Self> {
        // Not the error's own words, which may quote a password.
        let invalid = |_: RedisError| {
            Error::new(Kind::Invalid, "use the cache: its URL must be like redis://host:6379/0")
        };
        let client = Client::open(url).map_err(invalid)?;
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(0)
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(ANSWER_TIMEOUT));
        let manager = ConnectionManager::new_lazy_with_config(client, config).map_err(invalid)?;
        Ok(Self { manager })
    }

    async fn ask<T: FromRedisValue>(&self, doing: &'static str, command: &Cmd) -> Result<T> {
        let mut manager = self.manager.clone();
        let answered = command.query_async(&mut manager).await;
        answered.map_err(|error| Error::new(kind_of(&error), doing).because(error))
    }
}

fn kind_of(error: &RedisError) -> Kind {
    if error.is_timeout() {
        return Kind::Timeout;
    }
    match error.kind() {
        ErrorKind::AuthenticationFailed | ErrorKind::Server(ServerErrorKind::NoPerm) => {
            Kind::Denied
        }
        ErrorKind::InvalidClientConfig | ErrorKind::Client => Kind::Invalid,
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType => Kind::Corrupt,
        // The library's enum may grow; whatever it is, the cache is of no use now.
        _ => Kind::Unavailable,
    }
}

/// Milliseconds, as Redis counts.
fn millis(kept: Duration) -> u64 {
    u64::try_from(kept.as_millis()).unwrap_or(u64::MAX)
}

#[async_trait]
impl Cache for RedisCache {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        check_key(key)?;
        self.ask("read a value of the cache", redis::cmd("GET").arg(key)).await
    }

    async fn set(&self, key: &str, value: &[u8], kept: Duration) -> Result<()> {
        check_entry(key, value, kept)?;
        let mut command = redis::cmd("SET");
        command.arg(key).arg(value).arg("PX").arg(millis(kept));
        self.ask("put a value into the cache", &command).await
    }

    async fn set_if_absent(&self, key: &str, value: &[u8], kept: Duration) -> Result<bool> {
        check_entry(key, value, kept)?;
        let mut command = redis::cmd("SET");
        command.arg(key).arg(value).arg("NX").arg("PX").arg(millis(kept));
        // Nothing is answered when something stood there.
        let put: Option<String> = self.ask("put a value into the cache", &command).await?;
        Ok(put.is_some())
    }

    async fn delete(&self, key: &str) -> Result<()> {
        check_key(key)?;
        let taken: u64 =
            self.ask("take a value out of the cache", redis::cmd("DEL").arg(key)).await?;
        tracing::trace!(taken, "a value of the cache was deleted");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_url_that_is_none_is_refused_without_being_quoted() {
        for url in ["", "redis", "http://user:hunter2@host", "rediss://:hunter2@host"] {
            let refused = RedisCache::new(url).unwrap_err();
            assert_eq!(refused.kind(), Kind::Invalid, "{url}");
            assert!(!ports::task::chain(&refused).contains("hunter2"));
        }
    }

    #[tokio::test]
    async fn a_redis_that_is_away_is_said_to_be() {
        // A port that was free a moment ago: nobody listens there.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let cache = RedisCache::new(&format!("redis://127.0.0.1:{port}/0")).unwrap();
        assert_eq!(cache.get("k").await.unwrap_err().kind(), Kind::Unavailable);
    }
}
