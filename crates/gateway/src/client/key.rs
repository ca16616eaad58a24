//! The key that the gateway knows us by: fetched from its place for every call, and anew when the
//! gateway refuses it.

use super::{Answer, Cause, Lost};
use http::{HeaderValue, StatusCode};
use ports::secrets::Secret;
use ports::task::chain;
use ports::{Error, Kind, Secrets};
use std::sync::Arc;

/// Where the key is.
#[derive(Clone)]
pub(super) struct ApiKey {
    pub(super) secrets: Arc<dyn Secrets>,
    pub(super) name: String,
}

impl ApiKey {
    /// The key, as it is known.
    pub(super) async fn known(&self) -> Result<Secret, Lost> {
        self.secrets.get(&self.name).await.map_err(no_key)
    }

    /// Another key than the one that was refused, if there is one by now.
    pub(super) async fn newer(&self, refused: &Secret) -> Option<Secret> {
        match self.secrets.refresh(&self.name, refused).await {
            Ok(key) => Some(key).filter(|key| key != refused),
            Err(error) => {
                let error = chain(&error);
                tracing::warn!(error, "the gateway's key was refused and cannot be read anew");
                None
            }
        }
    }
}

/// Nothing was sent, for want of a key. What another try cannot mend is for an operator.
fn no_key(error: Error) -> Lost {
    let kind = match error.kind() {
        Kind::Conflict | Kind::Throttled | Kind::Timeout | Kind::Unavailable => Kind::Unavailable,
        Kind::NotFound | Kind::Denied | Kind::Invalid | Kind::Corrupt => Kind::Denied,
    };
    Lost::NoKey(kind, format!("failed to {}", chain(&error)).into())
}

/// The header that carries a key, which no log shows.
pub(super) fn bearer(key: &Secret) -> Result<HeaderValue, Lost> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", key.expose())).map_err(|_| {
        // Not the header's own error, which might quote it.
        let why: Cause = "the gateway's key has characters that no header can have".into();
        Lost::NoKey(Kind::Denied, why)
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Whether the gateway did not accept the key.
pub(super) fn is_refused(answer: &Answer) -> bool {
    matches!(answer.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
}
