//! What all clients of AWS's services share: region, credentials, addresses and times.
//!
//! Owns: that no client tries a call again by itself, and how long one try may take.
//! Does not own: what is called.

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, SdkConfig};
use aws_credential_types::Credentials;
use std::time::Duration;

/// How long connecting may take: within a region it takes milliseconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long one call may take: longer than any that works, shorter than a task's 30 s.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// The region that counterparts are told.
const COUNTERPARTS_REGION: &str = "us-east-1";

/// What all configurations share.
fn loader() -> ConfigLoader {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_timeout(CALL_TIMEOUT)
        .build();
    aws_config::defaults(BehaviorVersion::latest())
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
}

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
        Self { config: loader().load().await }
    }

    /// Takes a configuration as it is, but for retries: they are off.
    #[must_use]
    pub fn of(config: &SdkConfig) -> Self {
        Self { config: config.to_builder().retry_config(RetryConfig::disabled()).build() }
    }

    /// Reaches every service at one address, with these keys (id, secret): a counterpart of AWS,
    /// which looks at neither the region nor the secret.
    pub async fn at(endpoint: &str, (id, secret): (&str, &str)) -> Self {
        let keys = Credentials::new(id, secret, None, None, "given");
        let loader = loader().region(COUNTERPARTS_REGION).endpoint_url(endpoint);
        Self { config: loader.credentials_provider(keys).load().await }
    }

    /// What the clients of single services are made from.
    #[must_use]
    pub const fn config(&self) -> &SdkConfig {
        &self.config
    }
}
