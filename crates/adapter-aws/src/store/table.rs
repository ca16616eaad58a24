//! The one table, as data: its keys, indexes, stream and names of attributes.
//!
//! `infra/aws/template.yaml` makes the table that these names describe, and a test holds the two
//! together.
//!
//! | item | `pk` | `sk` | attributes |
//! |---|---|---|---|
//! | an aggregate's | the partition's text | the item's name | `version` N, `body` S; if it expires: `expires_ms` N, `ttl` N; for each index it stands in: `gsi1pk` S, `gsi1sk` B … `gsi4pk` S, `gsi4sk` B |
//! | an event in the outbox | the partition's text | `outbox#<sequence, 20 digits>#<place in its commit, 3 digits>#<event id>` | `body` S (the envelope's JSON), `ttl` N, `storypk` S, `storysk` S; until it is published: `unpubpk` S, `unpubsk` S; if the bus will never take it: `refused` S and `unpubpk` = `refused` |
//!
//! | index | partition key | sort key | projection |
//! |---|---|---|---|
//! | `gsi1` … `gsi4` | `gsiNpk` S: `<index>#<key>` | `gsiNsk` B: sort, partition and name, so that bytes sort as they do | KEYS_ONLY |
//! | `story` | `storypk` S: the correlation id | `storysk` S: `<place, 20 digits>#<event id>` | INCLUDE `body` |
//! | `unpublished` (sparse) | `unpubpk` S: shard `0` … `7` | `unpubsk` S: `<milliseconds, 15 digits>#<event id>` | KEYS_ONLY |
//!
//! The stream carries new images; the relay's filter takes `eventName` INSERT whose
//! `dynamodb.Keys.sk.S` begins with `outbox#`. The attribute of DynamoDB's TTL is `ttl`.

/// The partition key of the table.
pub const PK: &str = "pk";
/// The sort key of the table.
pub const SK: &str = "sk";
/// An item's version.
pub const VERSION: &str = "version";
/// An item's JSON text.
pub const BODY: &str = "body";
/// From when on an item counts as absent, in milliseconds: what conditions compare.
pub const EXPIRES_MS: &str = "expires_ms";
/// The same in seconds, rounded up: when DynamoDB may remove the item.
pub const TTL: &str = "ttl";
/// Why the bus will never take an event.
pub const REFUSED: &str = "refused";

/// How the sort keys of events in the outbox begin; no item of an aggregate may be named so.
pub const OUTBOX_PREFIX: &str = "outbox#";
/// How many shards the unpublished events are spread over: one partition takes 1,000 writes a
/// second.
pub const UNPUBLISHED_SHARDS: u8 = 8;

/// A key attribute's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyType {
    /// DynamoDB's `S`.
    Text,
    /// DynamoDB's `B`.
    Bytes,
}

/// What an index holds of an item besides its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Projection {
    /// Nothing.
    KeysOnly,
    /// These attributes.
    Include(&'static [&'static str]),
}

/// A global secondary index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GlobalIndex {
    /// Its name.
    pub name: &'static str,
    /// Its partition key; always a text.
    pub pk: &'static str,
    /// Its sort key.
    pub sk: &'static str,
    /// Its sort key's type.
    pub sk_type: KeyType,
    /// What it holds besides keys.
    pub projection: Projection,
}

/// An index that any index of the port may stand in.
const fn overloaded(name: &'static str, pk: &'static str, sk: &'static str) -> GlobalIndex {
    GlobalIndex { name, pk, sk, sk_type: KeyType::Bytes, projection: Projection::KeysOnly }
}

/// The four indexes for the indexes of the port, in the order of [`crate::store::Slot`].
pub const OVERLOADED: [GlobalIndex; 4] = [
    overloaded("gsi1", "gsi1pk", "gsi1sk"),
    overloaded("gsi2", "gsi2pk", "gsi2sk"),
    overloaded("gsi3", "gsi3pk", "gsi3sk"),
    overloaded("gsi4", "gsi4pk", "gsi4sk"),
];

/// Events by the story they belong to.
///
/// It holds bodies, and nothing that changes when an event is published: then that costs no write
/// here.
pub const STORY: GlobalIndex = GlobalIndex {
    name: "story",
    pk: "storypk",
    sk: "storysk",
    sk_type: KeyType::Text,
    projection: Projection::Include(&[BODY]),
};

/// Events that no relay has published, by age, in shards.
pub const UNPUBLISHED: GlobalIndex = GlobalIndex {
    name: "unpublished",
    pk: "unpubpk",
    sk: "unpubsk",
    sk_type: KeyType::Text,
    projection: Projection::KeysOnly,
};

/// All indexes of the table.
pub const INDEXES: [GlobalIndex; 6] =
    [OVERLOADED[0], OVERLOADED[1], OVERLOADED[2], OVERLOADED[3], STORY, UNPUBLISHED];
