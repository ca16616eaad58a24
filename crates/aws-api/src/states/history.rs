//! Histories, page by page, in either direction.

use super::names::execution;
use super::tokens::{Paging, invalid_token};
use super::{ARN, StepFunctions};
use crate::fault::Fault;
use crate::members::Members;
use asl::history::HistoryEvent;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ports::store::Cursor;
use serde_json::{Value, json};

/// The members of an event's details that are its execution's data.
const DATA: [&str; 5] = ["input", "output", "parameters", "error", "cause"];

/// Where a page begins: at which event, of which listing.
struct Position<'a> {
    execution: &'a str,
    is_reverse: bool,
    id: u32,
}

impl<'a> Position<'a> {
    fn token(&self) -> String {
        let Self { execution, is_reverse, id } = self;
        URL_SAFE_NO_PAD.encode(format!("{id} {is_reverse} {execution}"))
    }

    /// Reads a token of the same listing.
    fn read(token: &str, execution: &'a str, is_reverse: bool) -> Option<Self> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
        let id = text.split(' ').next()?.parse().ok()?;
        let position = Self { execution, is_reverse, id };
        (position.token() == token).then_some(position)
    }
}

pub(super) async fn events(api: &StepFunctions, mut members: Members) -> Result<Value, Fault> {
    let arn = members.text("executionArn", ARN);
    let is_reverse = members.flag_if("reverseOrder").unwrap_or(false);
    let with_data = members.flag_if("includeExecutionData").unwrap_or(true);
    let Paging { limit, after } = Paging::read(&mut members);
    members.finish()?;
    let id = execution(&arn)?;
    let from = match &after {
        None => None,
        Some(Cursor(token)) => {
            Some(Position::read(token, &arn, is_reverse).ok_or_else(invalid_token)?.id)
        }
    };
    let mut events = api.engine.events(&id).await?;
    if is_reverse {
        events.reverse();
    }
    Ok(page(&events, from, limit, with_data, |id| Position { execution: &arn, is_reverse, id }))
}

/// One page of events that are in order already.
fn page<'a>(
    events: &[HistoryEvent],
    from: Option<u32>,
    limit: usize,
    with_data: bool,
    position: impl FnOnce(u32) -> Position<'a>,
) -> Value {
    let begin =
        from.map_or(0, |id| events.iter().position(|event| event.id == id).unwrap_or(events.len()));
    let mut rest = events.iter().skip(begin);
    let said: Vec<_> = rest.by_ref().take(limit).map(|event| said(event, with_data)).collect();
    let mut page = json!({"events": said});
    if let Some(next) = rest.next() {
        page["nextToken"] = position(next.id).token().into();
    }
    page
}

fn said(event: &HistoryEvent, with_data: bool) -> Value {
    let mut said = event.to_json();
    if !with_data
        && let Some((name, _)) = &event.details
        && let Some(details) = said.get_mut(*name).and_then(Value::as_object_mut)
    {
        details.retain(|name, _| !DATA.contains(&name.as_str()));
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::Timestamp;

    fn history() -> Vec<HistoryEvent> {
        (1..=7)
            .map(|id| HistoryEvent {
                id,
                previous_event_id: id - 1,
                at: Timestamp::EPOCH,
                kind: "PassStateEntered".to_owned(),
                details: Some((
                    "stateEnteredEventDetails",
                    [("name".to_owned(), json!("a")), ("input".to_owned(), json!("{}"))]
                        .into_iter()
                        .collect(),
                )),
            })
            .collect()
    }

    fn ids(page: &Value) -> Vec<u64> {
        let events = page["events"].as_array().unwrap();
        events.iter().map(|event| event["id"].as_u64().unwrap()).collect()
    }

    #[test]
    fn pages_join_to_the_whole_history_in_both_directions() {
        for is_reverse in [false, true] {
            let mut events = history();
            if is_reverse {
                events.reverse();
            }
            let (mut from, mut all) = (None, Vec::new());
            loop {
                let at = |id| Position { execution: "e", is_reverse, id };
                let page = page(&events, from, 3, true, at);
                all.extend(ids(&page));
                let Some(token) = page["nextToken"].as_str() else { break };
                assert!(Position::read(token, "e", !is_reverse).is_none());
                assert!(Position::read(token, "other", is_reverse).is_none());
                from = Some(Position::read(token, "e", is_reverse).unwrap().id);
            }
            assert_eq!(all, events.iter().map(|event| u64::from(event.id)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn without_data_an_event_keeps_its_shape_only() {
        let event = said(&history()[0], false);
        assert_eq!(event["stateEnteredEventDetails"], json!({"name": "a"}));
        let event = said(&history()[0], true);
        assert_eq!(event["stateEnteredEventDetails"]["input"], "{}");
    }
}
