//! What all clients of AWS's services share: region, credentials, addresses and times.
//!
//! Owns: that no client tries a call again by itself, and how long one try may take.
//! Does not own: what is called.

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use std::time::Duration;

/// How long connecting may take: within a region it takes milliseconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long one call may take: longer than any that works, shorter than a task's 30 s.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// What clients are made from.
#[derive(Clone, Debug)]
pub struct Clients {
    config: SdkConfig,
}

impl Clients {
    /// Reads region, credentials and addresses as every client of AWS does.
    ///
    /// A call is made once: whoever makes it has a policy for retries, and two policies inside one
    /// another multiply.
    pub async fn from_env() -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_timeout(CALL_TIMEOUT)
            .build();
        let config = aws_config::defaults(BehaviorVersion::latest())
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            .load()
            .await;
        Self { config }
    }

    /// What the clients of single services are made from.
    #[must_use]
    pub const fn config(&self) -> &SdkConfig {
        &self.config
    }
}
