//! Connections: how an HTTP API is shown who calls, kept out of every definition.
//!
//! Spec: "Connections for API targets" of Amazon EventBridge. A definition names a connection by
//! its ARN; the secret stands in the settings or the environment.

use std::collections::BTreeMap;
use std::fmt;

/// How a call shows who makes it.
#[derive(Clone, PartialEq, Eq)]
pub enum Authorization {
    /// A header with a secret value.
    ApiKey {
        /// The header's name: `X-Api-Key`.
        header: String,
        /// The secret.
        value: String,
    },
    /// HTTP's own user name and password.
    Basic {
        /// The user.
        username: String,
        /// The secret.
        password: String,
    },
}

impl fmt::Debug for Authorization {
    /// Shows no secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ApiKey { header, .. } => write!(f, "ApiKey({header})"),
            Self::Basic { username, .. } => write!(f, "Basic({username})"),
        }
    }
}

/// What is known of one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// How a call shows who makes it.
    pub authorization: Authorization,
}

/// The connections by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connections(pub BTreeMap<String, Connection>);

impl Connections {
    /// The connection that an ARN names: `arn:aws:events:…:connection/<name>/<id>`, or the name
    /// itself.
    pub(crate) fn named(&self, arn: &str) -> Option<&Connection> {
        let after = arn.split_once(":connection/").map_or(arn, |(_, name)| name);
        self.0.get(after.split('/').next().unwrap_or(after))
    }

    /// The names, for the error that lists them.
    pub(crate) fn names(&self) -> String {
        match self.0.is_empty() {
            true => "none".to_owned(),
            false => self.0.keys().cloned().collect::<Vec<_>>().join(", "),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections() -> Connections {
        let authorization =
            Authorization::ApiKey { header: "X-Api-Key".into(), value: "hush".into() };
        Connections(BTreeMap::from([("stripe".to_owned(), Connection { authorization })]))
    }

    #[test]
    fn a_connection_is_named_by_its_arn_or_its_name() {
        let arn = "arn:aws:events:us-east-2:123456789012:connection/stripe/81210c42";
        assert!(connections().named(arn).is_some());
        assert!(connections().named("stripe").is_some());
        assert!(connections().named("arn:aws:events:::connection/other/1").is_none());
    }

    #[test]
    fn a_secret_is_never_shown() {
        assert!(!format!("{:?}", connections()).contains("hush"));
    }
}
