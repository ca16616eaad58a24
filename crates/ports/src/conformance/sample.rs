//! Samples that the suites write: events, heads, changes.

use crate::journal::{Append, ExecutionId, Head, Status};
use crate::store::{Change, Expect, IndexKey, Partition, Write};
use contracts::envelope::{Detail, Envelope, Metadata};
use contracts::{Timestamp, id};

/// When the suites' clock starts.
pub(super) const START: Timestamp = Timestamp::from_millis(1_795_413_600_000);

/// Makes an event of a story; the same story and number make the same event.
#[must_use]
pub fn envelope(story: &str, number: u64) -> Envelope {
    let event_id = id::derived(&["sample", story, &number.to_string()]);
    Envelope {
        id: event_id,
        source: "ordersaga.sample".to_owned(),
        detail_type: "SampleHappened".to_owned(),
        time: START,
        detail: Detail::Fact {
            metadata: Metadata {
                event_id,
                correlation_id: story.to_owned(),
                causation_id: None,
                aggregate: format!("sample#{story}"),
                sequence: number,
                schema_version: 1,
                traceparent: None,
                deadline: None,
            },
            data: serde_json::json!({"number": number, "text": "naïve \"quoted\" 文"}),
        },
        ..Envelope::default()
    }
}

/// Makes the head of a running execution that owes calls.
#[must_use]
pub fn head(machine: &str, name: &str, version: u64) -> Head {
    Head {
        id: ExecutionId { machine: machine.to_owned(), name: name.to_owned() },
        definition: "definition-1".to_owned(),
        status: Status::Running,
        version,
        started_at: START,
        stopped_at: None,
        wake_at: None,
        owes_calls: true,
        annex: None,
    }
}

/// Makes the append that leads from `expected` events to `head`.
pub(super) fn append(head: Head, expected: u64, events: &[u8]) -> Append {
    Append { head, expected, events: events.to_vec() }
}

/// Makes a put of an item that neither expires nor stands in an index.
pub(super) fn put(name: &str, expect: Expect, body: &str) -> Write {
    Write::Put {
        name: name.to_owned(),
        expect,
        body: body.to_owned(),
        indexes: Vec::new(),
        expires_at: None,
    }
}

/// Makes a put of an item that stands in indexes.
pub(super) fn indexed(name: &str, expect: Expect, indexes: Vec<IndexKey>) -> Write {
    Write::Put { name: name.to_owned(), expect, body: "{}".to_owned(), indexes, expires_at: None }
}

/// Makes a put of an item that expires.
pub(super) fn expiring(name: &str, expect: Expect, expires_at: Timestamp) -> Write {
    Write::Put {
        name: name.to_owned(),
        expect,
        body: "{}".to_owned(),
        indexes: vec![place("by-key", "group", name)],
        expires_at: Some(expires_at),
    }
}

/// Makes a place in an index.
pub(super) fn place(index: &'static str, key: &str, sort: &str) -> IndexKey {
    IndexKey { index, key: key.to_owned(), sort: sort.to_owned() }
}

/// Makes a change without events.
pub(super) fn change(partition: &str, writes: Vec<Write>) -> Change {
    Change { partition: Partition::of("sample", partition), writes, outbox: Vec::new() }
}
