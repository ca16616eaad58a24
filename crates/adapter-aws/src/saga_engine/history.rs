//! Histories, page by page, as Step Functions renders them.
//!
//! The SDK reads each kind of event into a type of its own and leaves out what it does not know. So
//! the answer is kept as it was sent, and every event's details are whatever they are.

use super::refusals::{About, refused};
use crate::error::Effect;
use aws_sdk_sfn::Client;
use aws_sdk_sfn::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_sfn::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sfn::error::BoxError;
use contracts::Timestamp;
use ports::journal::ExecutionId;
use ports::saga_engine::{HistoryEvent, Refusal};
use ports::{Error, Kind, Result};
use serde_json::{Map, Value};
use std::sync::{Arc, Mutex, PoisonError};

/// How many events a page has: all that Step Functions gives.
const PAGE_EVENTS: i32 = 1_000;
/// How many pages a history has at most: 25,000 events fill 25, and pages need not be full.
const PAGES_MAX: usize = 100;
/// What the name of the member ends with that holds an event's details.
const DETAILS: &str = "EventDetails";

/// Keeps the body of an answer.
#[derive(Clone, Debug, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Kept {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Intercept for Kept {
    fn name(&self) -> &'static str {
        "Kept"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.response().body().bytes().unwrap_or_default();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = body.to_vec();
        Ok(())
    }
}

/// Reads a history from its beginning.
pub(super) async fn read(
    client: &Client,
    arn: &str,
    id: &ExecutionId,
) -> Result<Vec<HistoryEvent>, Refusal> {
    let (kept, mut events, mut next) = (Kept::default(), Vec::new(), None);
    for _ in 0..PAGES_MAX {
        let ask = client.get_execution_history().execution_arn(arn).max_results(PAGE_EVENTS);
        let ask = ask.set_next_token(next).customize().interceptor(kept.clone());
        let about = About::Execution(id, "read the history of");
        let page = ask.send().await.map_err(|error| refused(&about, Effect::Reads, error))?;
        events.extend(self::events(&kept.take()).ok_or_else(|| unreadable(id))?);
        next = page.next_token;
        if next.is_none() {
            return Ok(events);
        }
    }
    Err(unreadable(id).into())
}

fn unreadable(id: &ExecutionId) -> Error {
    Error::new(Kind::Corrupt, format!("read the history of {id}: it is none"))
}

/// The events of a page.
fn events(body: &[u8]) -> Option<Vec<HistoryEvent>> {
    let page: Value = serde_json::from_slice(body).ok()?;
    page.get("events")?.as_array()?.iter().map(|event| read_event(event.as_object()?)).collect()
}

fn read_event(event: &Map<String, Value>) -> Option<HistoryEvent> {
    let number = |name: &str| event.get(name).and_then(Value::as_u64);
    let details = event.iter().find(|(name, _)| name.ends_with(DETAILS));
    Some(HistoryEvent {
        id: number("id")?,
        previous_id: number("previousEventId").unwrap_or(0),
        at: instant(event.get("timestamp")?.as_f64()?),
        kind: event.get("type")?.as_str()?.to_owned(),
        details: details.map_or(Value::Null, |(_, details)| details.clone()),
    })
}

/// Seconds with a fraction, to the nearest millisecond.
fn instant(seconds: f64) -> Timestamp {
    #[expect(clippy::cast_possible_truncation, reason = "a cast of a float saturates")]
    Timestamp::from_millis((seconds * 1_000.0).round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_keeps_whatever_is_said_of_it() {
        let page = json!({"nextToken": "t", "events": [
            {"timestamp": 1_795_413_600.123, "type": "SomethingNew", "id": 2, "previousEventId": 1,
             "somethingNewEventDetails": {"colour": "red", "parts": [1, null]}},
            {"timestamp": 1_795_413_600, "type": "MapStateSucceeded", "id": 3},
        ]});
        let events = events(page.to_string().as_bytes()).unwrap();
        assert_eq!(events[0].at, Timestamp::from_millis(1_795_413_600_123));
        assert_eq!((events[0].id, events[0].previous_id), (2, 1));
        assert_eq!(events[0].details, json!({"colour": "red", "parts": [1, null]}));
        assert_eq!((events[1].previous_id, &events[1].details), (0, &Value::Null));
    }

    #[test]
    fn what_is_no_page_is_none() {
        for wrong in ["", "{}", r#"{"events": {}}"#, r#"{"events": [{"id": 1}]}"#] {
            assert_eq!(events(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
