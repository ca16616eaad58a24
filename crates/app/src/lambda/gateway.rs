//! The payment gateway, from the first call on: reading what certificates this machine trusts takes
//! longer than all else that a function starts with, and most starts need no gateway at once.

use super::parts::Parts;
use super::settings::Gateway as Settings;
use adapter_aws::SecretsManager;
use async_trait::async_trait;
use contracts::Timestamp;
use gateway::{GatewayConfig, HttpGateway};
use ports::gateway::{Books, Operation, Outcome};
use ports::{Clock, PaymentGateway, Result, Secrets};
use std::sync::{Arc, OnceLock};

/// A gateway that is made when it is first called.
pub(super) struct Gateway {
    at: GatewayConfig,
    secret: String,
    secrets: Arc<dyn Secrets>,
    clock: Arc<dyn Clock>,
    made: OnceLock<HttpGateway>,
}

impl Gateway {
    /// The gateway of these settings; its key is read when it is first called, and kept for as long
    /// as the adapter believes it.
    pub(super) fn new(settings: Settings, parts: &Parts) -> Self {
        let Settings { url, secret, timeout } = settings;
        Self {
            at: GatewayConfig { base_url: url, timeout },
            secret,
            secrets: Arc::new(SecretsManager::new(&parts.clients, Arc::clone(&parts.clock))),
            clock: Arc::clone(&parts.clock),
            made: OnceLock::new(),
        }
    }

    fn reach(&self) -> Result<&HttpGateway> {
        if let Some(made) = self.made.get() {
            return Ok(made);
        }
        let made = HttpGateway::new(&self.at, Arc::clone(&self.clock))?;
        let made = made.with_key(Arc::clone(&self.secrets), self.secret.clone());
        Ok(self.made.get_or_init(|| made))
    }
}

#[async_trait]
impl PaymentGateway for Gateway {
    async fn authorize(&self, operation: &Operation, card_token: &str) -> Result<Outcome> {
        self.reach()?.authorize(operation, card_token).await
    }

    async fn capture(&self, operation: &Operation) -> Result<Outcome> {
        self.reach()?.capture(operation).await
    }

    async fn void(&self, operation: &Operation) -> Result<Outcome> {
        self.reach()?.void(operation).await
    }

    async fn refund(&self, operation: &Operation) -> Result<Outcome> {
        self.reach()?.refund(operation).await
    }

    async fn find(&self, reference: &str, deadline: Option<Timestamp>) -> Result<Books> {
        self.reach()?.find(reference, deadline).await
    }
}
