//! Mail addresses: sane ones, and which of them are the same.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The longest address, in characters (RFC 5321 leaves room for no longer one).
pub const EMAIL_LENGTH_MAX: usize = 254;

/// Characters that end an address, or begin another one, where mail is written by hand.
const SEPARATORS: [char; 8] = [',', ';', ':', '<', '>', '"', '(', ')'];

/// A mail address, as its user writes it.
///
/// The rule is on purpose simple: only a mail that arrives proves an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
// What was stored is read without the rule, so that a stricter one locks nobody out.
#[serde(transparent)]
pub struct Email(String);

impl Email {
    /// The address as its user writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address in the form in which no two users may share it: lower case.
    #[must_use]
    pub fn key(&self) -> String {
        self.0.to_lowercase()
    }

    /// Whether mail to the two goes to the same user.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Email {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let foreign = |c: char| c.is_whitespace() || c.is_control() || SEPARATORS.contains(&c);
        if text.chars().count() > EMAIL_LENGTH_MAX {
            return Err("must have at most 254 characters");
        }
        if text.contains(foreign) {
            return Err("must not have white space or any of , ; : < > \" ( )");
        }
        let (name, domain) = text.split_once('@').ok_or("must have an @")?;
        if name.is_empty() || domain.is_empty() || domain.contains('@') {
            return Err("must have exactly one @, with something before and after it");
        }
        let dotted = domain.contains('.') && domain.split('.').all(|label| !label.is_empty());
        if dotted || domain.eq_ignore_ascii_case("localhost") {
            Ok(Self(text.to_owned()))
        } else {
            Err("must have a domain like example.com after the @")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(given: &str, then: bool) {
        assert_eq!(given.parse::<Email>().is_ok(), then, "{given}");
    }

    #[test]
    fn everyday_addresses_are_taken() {
        for good in ["ada@example.com", "a+b.c@sub.example.co.uk", "root@localhost", "ü@exämple.de"]
        {
            check(good, true);
        }
    }

    #[test]
    fn what_mail_cannot_reach_is_refused() {
        for bad in ["", "ada", "@example.com", "ada@", "a@b@c.de", "ada@example", "ada@.com"] {
            check(bad, false);
        }
    }

    #[test]
    fn white_space_and_second_addresses_are_refused() {
        for bad in ["a da@example.com", "ada@example.com\r\nBcc:x@y.z", "a@b.c,d@e.f", "<a@b.c>"] {
            check(bad, false);
        }
    }

    #[test]
    fn two_hundred_and_fifty_four_characters_are_enough() {
        let domain = "@example.com";
        check(&format!("{}{domain}", "x".repeat(254 - domain.len())), true);
        check(&format!("{}{domain}", "x".repeat(255 - domain.len())), false);
    }

    #[test]
    fn case_makes_no_other_user() {
        let (one, two): (Email, Email) =
            ("Ada@Example.com".parse().unwrap(), "ada@example.COM".parse().unwrap());
        assert!(one.is_same(&two));
        assert_eq!(one.as_str(), "Ada@Example.com");
    }

    proptest! {
        #[test]
        fn any_text_is_an_address_or_is_not(text in ".{0,300}") {
            if let Ok(email) = text.parse::<Email>() {
                prop_assert_eq!(email.as_str(), text);
            }
        }
    }
}
