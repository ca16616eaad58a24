//! Secrets: keys and passwords that stand in no setting, and that change while the system runs.

use crate::error::Result;
use async_trait::async_trait;
use std::fmt;

/// The longest name of a secret in bytes (Secrets Manager's, for a name or an ARN).
pub const NAME_BYTES_MAX: usize = 512;
/// The longest secret in bytes (Secrets Manager's).
pub const SECRET_BYTES_MAX: usize = 65_536;

/// A secret, which is shown to nobody who does not ask for it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a text as a secret.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The secret itself: for whoever sends it on, and for no log.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Knows secrets by name.
///
/// An adapter may answer what it read before, for as long as it says; whoever is refused with a
/// secret asks for a [`refresh`](Secrets::refresh) and is ahead of that time. Concurrent calls are
/// answered alike, from one read where they come together.
#[async_trait]
pub trait Secrets: Send + Sync {
    /// The secret of this name. Asking twice is reading once or twice, and changes nothing.
    ///
    /// # Errors
    /// `NotFound` when there is none, or an empty one. `Invalid` for a name that cannot be.
    /// `Denied`: it may not be read, or others can read it, too. `Corrupt`: it is not text.
    /// `Unavailable`, `Throttled`, `Timeout`: it could not be read, and none is known that is
    /// young enough.
    async fn get(&self, name: &str) -> Result<Secret>;

    /// The secret of this name, now that `refused` is of no use any more: what another caller has
    /// read since, or else what a read says. It may be the same as before, and what was read within
    /// the last second need not be read again.
    ///
    /// # Errors
    /// As [`Secrets::get`]; what was known is no answer.
    async fn refresh(&self, name: &str, refused: &Secret) -> Result<Secret>;
}

/// Whether this can be the name of a secret: segments between slashes, of letters, digits and
/// `_ + = . @ : -`, none of them empty, `.` or `..`.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_+=.@:-".contains(c);
    let segment = |segment: &str| !matches!(segment, "" | "." | "..") && segment.chars().all(fits);
    name.len() <= NAME_BYTES_MAX && name.split('/').all(segment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown_by_accident() {
        let secret = Secret::new("hunter2".to_owned());
        assert_eq!(format!("{secret:?} {:?}", Some(&secret)), "Secret(…) Some(Secret(…))");
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn a_name_may_be_an_arn_and_leads_nowhere_else() {
        let arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop/gateway-AbCdEf";
        for name in ["gateway", "shop/gateway.key", "a+b=c@d_e-f", arn] {
            assert!(is_name(name), "{name}");
        }
        let long = "n".repeat(NAME_BYTES_MAX + 1);
        for name in ["", "/a", "a/", "a//b", "..", "a/../b", ".", "a b", "a\\b", "é", &long] {
            assert!(!is_name(name), "{name}");
        }
    }
}
