//! What all clients of AWS's services share: region, credentials, addresses and times.
//!
//! Owns: that no client tries a call again by itself, and how long one try may take.
//! Does not own: what is called, and where the region and the credentials come from.

use crate::http::{self, Trust};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use ports::{Error, Kind, Result};
use std::fmt;
use std::time::Duration;

/// How long one call may take: longer than any that works, shorter than a task's 30 s.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// The region that counterparts are told.
const COUNTERPARTS_REGION: &str = "us-east-1";

/// The keys that calls are signed with.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    /// Whose they are.
    pub id: String,
    /// The secret one.
    pub secret: String,
    /// What comes with keys that expire.
    pub session_token: Option<String>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Where AWS is called, and as whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The region, such as `eu-central-1`.
    pub region: String,
    /// Who calls.
    pub keys: Keys,
    /// One address for every service; by default each has its own in the region.
    pub endpoint: Option<String>,
}

/// What clients are made from.
#[derive(Clone, Debug)]
pub struct Clients {
    config: SdkConfig,
}

impl Clients {
    /// Makes what clients are made from; nothing is called yet.
    ///
    /// A call is made once: whoever makes it has a policy for retries, and two policies inside one
    /// another multiply.
    ///
    /// # Errors
    /// `Invalid` when AWS is reached over TLS and this machine's certificates cannot be read.
    pub fn new(access: Access) -> Result<Self> {
        let is_plain = access.endpoint.as_deref().is_some_and(|url| url.starts_with("http://"));
        let trust = if is_plain { Trust::Nobody } else { Trust::Machine };
        let http = http::client(trust).map_err(|error| {
            Error::new(Kind::Invalid, "read whom this machine trusts").because(error)
        })?;
        let Keys { id, secret, session_token } = access.keys;
        let keys = Credentials::new(id, secret, session_token, None, "given");
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(http)
            .region(Region::new(access.region))
            .credentials_provider(SharedCredentialsProvider::new(keys))
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::builder().operation_timeout(CALL_TIMEOUT).build());
        config.set_endpoint_url(access.endpoint);
        Ok(Self { config: config.build() })
    }

    /// Takes a configuration as it is, but for retries: they are off.
    #[must_use]
    pub fn of(config: &SdkConfig) -> Self {
        Self { config: config.to_builder().retry_config(RetryConfig::disabled()).build() }
    }

    /// Reaches every service at one address, with these keys (id, secret): a counterpart of AWS,
    /// which looks at neither the region nor the secret.
    ///
    /// # Errors
    /// As [`Clients::new`]; none where the address is plain HTTP.
    pub fn at(endpoint: &str, (id, secret): (&str, &str)) -> Result<Self> {
        Self::new(Access {
            region: COUNTERPARTS_REGION.to_owned(),
            keys: Keys { id: id.to_owned(), secret: secret.to_owned(), session_token: None },
            endpoint: Some(endpoint.to_owned()),
        })
    }

    /// What the clients of single services are made from.
    #[must_use]
    pub const fn config(&self) -> &SdkConfig {
        &self.config
    }
}
