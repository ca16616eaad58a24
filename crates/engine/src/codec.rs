//! Events as the journal stores them: one JSON array per append.
//!
//! JSON, so that a journal can be read with any tool and an event can grow a field; the version
//! tag of an event is `asl`'s.

use asl::Event;
use ports::journal::{Entry, ExecutionId};
use ports::{Error, Kind};

pub(crate) fn encode(events: &[Event]) -> Vec<u8> {
    serde_json::to_vec(events).expect("events are plain data")
}

/// Decodes a whole journal.
pub(crate) fn decode(id: &ExecutionId, entries: &[Entry]) -> Result<Vec<Event>, Error> {
    let mut events = Vec::new();
    for entry in entries {
        let corrupt = |why: &str| {
            let what = format!("read event {} of the journal of {id}: {why}", entry.from);
            Error::new(Kind::Corrupt, what)
        };
        if usize::try_from(entry.from) != Ok(events.len()) {
            return Err(corrupt("an entry is missing"));
        }
        let more: Vec<Event> = serde_json::from_slice(&entry.events)
            .map_err(|e| corrupt("it does not decode").because(e))?;
        events.extend(more);
    }
    Ok(events)
}
