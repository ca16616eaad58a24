//! Secrets on Secrets Manager, read once for many calls.
//!
//! ```text
//! get ──▶ young enough? ──▶ answer          refresh ──▶ another one by now? ──▶ answer
//!            │ no                                          │ no
//!            └──────────▶ read AWSCURRENT ◀────────────────┘
//!                            │ out of order: the old one for a while (get only)
//! ```
//!
//! Owns: how long a secret is believed, and that callers who come together share one read. Does not
//! own: who rotates it.

use crate::Clients;
use crate::error::{Codes, Effect, failed};
use async_trait::async_trait;
use aws_sdk_secretsmanager::Client;
use contracts::Timestamp;
use ports::secrets::{Secret, is_name};
use ports::task::chain;
use ports::{Clock, Error, Kind, Result, Secrets};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex as Lock, PoisonError};
use std::time::Duration;
use tokio::sync::Mutex;

/// How long a secret is believed: a rotation that nobody is refused by is seen within this time.
const BELIEVED: Duration = Duration::from_mins(5);
/// How old a secret may be while Secrets Manager cannot be asked; a key that was rotated is refused
/// by its other side anyway.
const BELIEVED_IN_AN_OUTAGE: Duration = Duration::from_hours(1);
/// How long Secrets Manager is left alone after it could not be asked, while an old secret is known.
const REST: Duration = Duration::from_secs(10);
/// How long a secret that was read is not read anew, whoever is refused with it.
const REFRESH_REST: Duration = Duration::from_secs(1);

/// Secrets Manager's own codes; those of all services go beside them.
const CODES: Codes = &[
    ("DecryptionFailure", Kind::Denied),
    ("InternalServiceError", Kind::Unavailable),
    ("InvalidParameterException", Kind::Invalid),
    // It is marked for deletion.
    ("InvalidRequestException", Kind::NotFound),
];

/// The secrets of Secrets Manager, by name or ARN; their current versions.
pub struct SecretsManager {
    client: Client,
    clock: Arc<dyn Clock>,
    places: Lock<HashMap<String, Arc<Mutex<Option<Known>>>>>,
}

impl fmt::Debug for SecretsManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretsManager").finish_non_exhaustive()
    }
}

/// A secret that was read.
#[derive(Clone, Debug)]
struct Known {
    secret: Secret,
    read_at: Timestamp,
    /// When it could not be read anew last, if it could not.
    failed_at: Option<Timestamp>,
}

impl Known {
    /// Whether it is an answer without asking anybody.
    fn is_believed(&self, now: Timestamp) -> bool {
        let rests = self.failed_at.is_some_and(|at| now < at.plus(REST));
        now < self.read_at.plus(BELIEVED) || (rests && self.is_better_than_none(now))
    }

    /// Whether it is an answer while nobody can be asked.
    fn is_better_than_none(&self, now: Timestamp) -> bool {
        now < self.read_at.plus(BELIEVED_IN_AN_OUTAGE)
    }

    /// Whether it is an answer to who was refused with another one, or with this one just now.
    fn is_news(&self, refused: &Secret, now: Timestamp) -> bool {
        self.secret != *refused || now < self.read_at.plus(REFRESH_REST)
    }
}

impl SecretsManager {
    /// Reads secrets; `clock` says how old they are.
    #[must_use]
    pub fn new(clients: &Clients, clock: Arc<dyn Clock>) -> Self {
        Self { client: Client::new(clients.config()), clock, places: Lock::default() }
    }

    /// The place of a secret: who holds its lock reads it, and the others wait for that.
    fn place(&self, name: &str) -> Result<Arc<Mutex<Option<Known>>>> {
        if !is_name(name) {
            let doing = format!("read the secret `{name}`: no secret can have that name");
            return Err(Error::new(Kind::Invalid, doing));
        }
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(places.entry(name.to_owned()).or_default()))
    }

    async fn read(&self, name: &str) -> Result<Secret> {
        let doing = || format!("read the secret `{name}`");
        let read = self.client.get_secret_value().secret_id(name).send().await;
        let read = read.map_err(|error| failed(doing(), Effect::Reads, CODES, error))?;
        match read.secret_string {
            Some(text) if !text.is_empty() => Ok(Secret::new(text)),
            Some(_) => Err(Error::new(Kind::NotFound, doing()).because("it is empty")),
            None => Err(Error::new(Kind::Corrupt, doing()).because("it is bytes and no text")),
        }
    }
}

#[async_trait]
impl Secrets for SecretsManager {
    async fn get(&self, name: &str) -> Result<Secret> {
        let place = self.place(name)?;
        let mut known = place.lock().await;
        if let Some(known) = known.as_ref().filter(|known| known.is_believed(self.clock.now())) {
            return Ok(known.secret.clone());
        }
        let read = self.read(name).await;
        let now = self.clock.now();
        match (read, known.as_mut()) {
            (Ok(secret), _) => {
                *known = Some(Known { secret: secret.clone(), read_at: now, failed_at: None });
                Ok(secret)
            }
            (Err(error), Some(old))
                if error.kind().is_retryable() && old.is_better_than_none(now) =>
            {
                tracing::warn!(secret = name, error = chain(&error), "an old secret goes on");
                old.failed_at = Some(now);
                Ok(old.secret.clone())
            }
            (Err(error), _) => Err(error),
        }
    }

    async fn refresh(&self, name: &str, refused: &Secret) -> Result<Secret> {
        let place = self.place(name)?;
        let mut known = place.lock().await;
        let now = self.clock.now();
        if let Some(known) = known.as_ref().filter(|known| known.is_news(refused, now)) {
            return Ok(known.secret.clone());
        }
        let secret = self.read(name).await?;
        let read_at = self.clock.now();
        *known = Some(Known { secret: secret.clone(), read_at, failed_at: None });
        Ok(secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Known {
        let secret = Secret::new("old".to_owned());
        Known { secret, read_at: Timestamp::EPOCH, failed_at: None }
    }

    fn after(time: Duration) -> Timestamp {
        Timestamp::EPOCH.plus(time)
    }

    #[test]
    fn a_secret_is_believed_for_five_minutes() {
        let blink = Duration::from_millis(1);
        assert!(known().is_believed(after(BELIEVED - blink)));
        assert!(!known().is_believed(after(BELIEVED)));
    }

    #[test]
    fn an_old_secret_spares_who_is_out_of_order_and_not_for_ever() {
        let failed_at = |time| Known { failed_at: Some(after(time)), ..known() };
        let ten_minutes = Duration::from_mins(10);
        assert!(failed_at(ten_minutes).is_believed(after(ten_minutes + REST / 2)));
        assert!(!failed_at(ten_minutes).is_believed(after(ten_minutes + REST)));
        let end = BELIEVED_IN_AN_OUTAGE;
        assert!(!failed_at(end - REST / 2).is_believed(after(end)));
    }

    #[test]
    fn who_was_refused_gets_another_secret_or_a_read() {
        let refused = |text: &str| Secret::new(text.to_owned());
        assert!(known().is_news(&refused("older"), after(BELIEVED)));
        assert!(!known().is_news(&refused("old"), after(REFRESH_REST)));
        assert!(known().is_news(&refused("old"), after(REFRESH_REST / 2)));
    }
}
