//! How users and claims are kept: one item each, in a partition of its own.
//!
//! Owns: the stored texts and their version tags, and the names of partitions and indexes.
//! Does not own: any rule.

use crate::claim::{Claim, Seen};
use crate::email::Email;
use crate::user::User;
use contracts::{Timestamp, UserId};
use ports::store::{Expect, IndexKey, Item, Partition, Write};
use ports::{Result, record};
use serde::{Deserialize, Serialize};

/// The item of a user's partition that holds the user.
pub(crate) const USER_ITEM: &str = "state";
/// The item of an address's partition that holds the claim on it.
pub(crate) const CLAIM_ITEM: &str = "claim";
/// The index of all users, and the one group in it.
pub(crate) const INDEX: (&str, &str) = ("users", "all");
/// The version of the stored texts that this program writes, and the only one it reads.
const VERSION: u32 = 1;

/// A user as it was read from the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The user.
    pub user: User,
    /// How often it was written.
    pub version: u64,
    /// When it was written last.
    pub updated_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct UserRecord {
    v: u32,
    id: UserId,
    email: Email,
    name: String,
    created_at: Timestamp,
    updated_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct ClaimRecord {
    v: u32,
    #[serde(flatten)]
    claim: Claim,
}

/// The partition of a user.
pub(crate) fn user_partition(id: &UserId) -> Partition {
    Partition::of("user", id)
}

/// The partition of the claim on an address.
pub(crate) fn claim_partition(email: &Email) -> Partition {
    Partition::of("email", email.key())
}

/// Reads a user from its item.
///
/// # Errors
/// `Corrupt` when the text is not a user, or of a version this program does not know.
pub fn read_user(item: &Item) -> Result<Stored> {
    let record: UserRecord = record::read(item, "a user", VERSION)?;
    let user = User {
        id: record.id,
        email: record.email,
        name: record.name,
        created_at: record.created_at,
    };
    Ok(Stored { user, version: item.version, updated_at: record.updated_at })
}

/// Reads a claim from its item.
///
/// # Errors
/// `Corrupt` when the text is not a claim, or of a version this program does not know.
pub fn read_claim(item: &Item) -> Result<Seen> {
    let record: ClaimRecord = record::read(item, "a claim on an address", VERSION)?;
    Ok(Seen { claim: record.claim, version: item.version })
}

/// The write that stores a user, provided that its item is still as `expect` says.
pub(crate) fn write_user(user: &User, expect: Expect, updated_at: Timestamp) -> Write {
    let sort = format!("{}#{}", user.created_at, user.id);
    let record = UserRecord {
        v: VERSION,
        id: user.id.clone(),
        email: user.email.clone(),
        name: user.name.clone(),
        created_at: user.created_at,
        updated_at,
    };
    let (index, key) = INDEX;
    Write::Put {
        name: USER_ITEM.to_owned(),
        expect,
        body: record::text(&record),
        indexes: vec![IndexKey { index, key: key.to_owned(), sort }],
        expires_at: None,
    }
}

/// The write that stores a claim, provided that its item is still as `expect` says.
pub(crate) fn write_claim(claim: &Claim, expect: Expect) -> Write {
    let record = ClaimRecord { v: VERSION, claim: claim.clone() };
    Write::Put {
        name: CLAIM_ITEM.to_owned(),
        expect,
        body: record::text(&record),
        indexes: Vec::new(),
        expires_at: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::State;
    use ports::Kind;

    const USER: &str = concat!(
        r#"{"v":1,"id":"usr_00000000000000000000000000000002","email":"Ada@example.com","#,
        r#""name":"Ada","created_at":"2026-11-23T06:00:00.000Z","#,
        r#""updated_at":"2026-11-23T06:01:00.000Z"}"#,
    );

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn item(body: &str) -> Item {
        Item { name: USER_ITEM.to_owned(), version: 4, body: body.to_owned(), expires_at: None }
    }

    fn body(write: Write) -> String {
        match write {
            Write::Put { body, .. } => body,
            Write::Delete { .. } => panic!("stored by a put"),
        }
    }

    #[test]
    fn a_user_of_version_1_reads_as_it_was_written() {
        let stored = read_user(&item(USER)).unwrap();
        assert_eq!((stored.version, stored.user.email.as_str()), (4, "Ada@example.com"));
        assert_eq!(stored.updated_at, at("2026-11-23T06:01:00Z"));
        let written = write_user(&stored.user, Expect::Version(3), stored.updated_at);
        assert_eq!(body(written), USER);
    }

    #[test]
    fn a_claim_of_version_1_reads_as_it_was_written() {
        for (state, name) in [(State::Pending, "pending"), (State::Held, "held")] {
            let text = [
                r#"{"v":1,"user_id":"usr_00000000000000000000000000000002","state":""#,
                name,
                r#"","at":"2026-11-23T06:00:00.000Z"}"#,
            ]
            .concat();
            let seen = read_claim(&item(&text)).unwrap();
            assert_eq!((seen.version, seen.claim.state), (4, state));
            assert_eq!(body(write_claim(&seen.claim, Expect::Absent)), text);
        }
    }

    #[test]
    fn a_version_of_the_future_is_refused_by_its_number() {
        let future = item(r#"{"v":2}"#);
        for error in [read_user(&future).unwrap_err(), read_claim(&future).unwrap_err()] {
            assert_eq!(error.kind(), Kind::Corrupt);
            assert!(error.to_string().contains("version 2"), "{error}");
        }
    }

    #[test]
    fn a_text_that_is_nothing_of_ours_is_corrupt() {
        for body in ["", "{}", "[]", r#"{"v":1}"#] {
            assert_eq!(read_user(&item(body)).unwrap_err().kind(), Kind::Corrupt, "{body}");
            assert_eq!(read_claim(&item(body)).unwrap_err().kind(), Kind::Corrupt, "{body}");
        }
    }

    #[test]
    fn addresses_that_differ_in_case_share_one_partition() {
        let (one, two) = ("Ada@X.org".parse().unwrap(), "ada@x.ORG".parse().unwrap());
        assert_eq!(claim_partition(&one), claim_partition(&two));
    }
}
