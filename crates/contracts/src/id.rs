//! Ids: each a newtype, so that a user cannot be passed where an order is meant.

use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// The namespace under which ids are derived from business facts (UUID version 5).
const NAMESPACE: Uuid = Uuid::from_u128(0x6f72_6465_7273_6167_6100_0000_0000_0001);

/// A text is not an id of the wanted kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {wanted}")]
pub struct Malformed {
    text: String,
    wanted: &'static str,
}

/// Derives a UUID from business facts: the same facts give the same id, on every attempt.
#[must_use]
pub fn derived(facts: &[&str]) -> Uuid {
    // A separator that no fact contains keeps ("a", "bc") and ("ab", "c") apart.
    Uuid::new_v5(&NAMESPACE, facts.join("\u{1f}").as_bytes())
}

macro_rules! prefixed_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $wanted:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, utoipa::ToSchema)]
        #[serde(transparent)]
        #[schema(value_type = String)]
        pub struct $name(String);

        impl $name {
            /// Makes the id that stands for `uuid`.
            #[must_use]
            pub fn from_uuid(uuid: Uuid) -> Self {
                Self(format!(concat!($prefix, "{}"), uuid.simple()))
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = Malformed;

            fn from_str(text: &str) -> Result<Self, Malformed> {
                let valid = text.strip_prefix($prefix).is_some_and(|digits| {
                    digits.len() == 32
                        && digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
                });
                if valid {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(Malformed { text: text.chars().take(80).collect(), wanted: $wanted })
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

prefixed_id!(
    /// Names a user: `usr_` and 32 hexadecimal digits.
    UserId,
    "usr_",
    "a user id (usr_ and 32 hexadecimal digits)"
);
prefixed_id!(
    /// Names an order: `ord_` and 32 hexadecimal digits. Also the name of its saga's execution.
    OrderId,
    "ord_",
    "an order id (ord_ and 32 hexadecimal digits)"
);
prefixed_id!(
    /// Names a payment: `pay_` and 32 hexadecimal digits.
    PaymentId,
    "pay_",
    "a payment id (pay_ and 32 hexadecimal digits)"
);

/// The longest stock-keeping unit, in characters.
pub const SKU_LENGTH_MAX: usize = 64;

/// A stock-keeping unit: 1–64 letters, digits, `-`, `_` or `.`, starting with a letter or digit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, utoipa::ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, example = "TEA-EARL-GREY", min_length = 1, max_length = 64)]
pub struct Sku(String);

impl Sku {
    /// The unit as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Sku {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Sku {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        let starts_well = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
        if starts_well && text.len() <= SKU_LENGTH_MAX && text.bytes().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Malformed {
                text: text.chars().take(80).collect(),
                wanted: "a SKU (1-64 letters, digits, `-`, `_`, `.`, first a letter or digit)",
            })
        }
    }
}

impl<'de> Deserialize<'de> for Sku {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_facts_derive_the_same_id() {
        assert_eq!(derived(&["ord_1", "capture"]), derived(&["ord_1", "capture"]));
    }

    #[test]
    fn facts_that_only_join_alike_derive_different_ids() {
        assert_ne!(derived(&["a", "bc"]), derived(&["ab", "c"]));
    }

    #[test]
    fn an_id_of_another_kind_is_refused() {
        let user = UserId::from_uuid(derived(&["x"]));
        assert!(user.as_str().parse::<OrderId>().is_err());
        assert_eq!(user.as_str().parse::<UserId>(), Ok(user));
    }

    #[test]
    fn a_sku_with_a_path_or_a_space_is_refused() {
        for bad in ["", "a/b", "a b", "-a", "é", &"x".repeat(65)] {
            assert!(bad.parse::<Sku>().is_err(), "{bad}");
        }
        assert!("TEA-EARL.GREY_1".parse::<Sku>().is_ok());
    }
}
