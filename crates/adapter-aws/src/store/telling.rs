//! Stories, read from the index of events by their story.

use crate::error::{Effect, failed};
use crate::store::attributes::{Attributes, place_of, read_envelope, story_key, text, text_of};
use crate::store::failure::{CODES, corrupt};
use crate::store::stamp::first_place;
use crate::store::table::STORY;
use aws_sdk_dynamodb::Client;
use contracts::Timestamp;
use ports::Result;
use ports::event_log::Archived;
use std::time::Duration;

/// How long after its commit an event is told: until then, one that was committed before it may
/// still be on its way into the index.
///
/// An event that takes longer (a write that hangs, an index that is throttled) and is overtaken by
/// a later one is missed by whoever asks for what came after the later one; whoever reads the
/// story from its beginning has it.
const SETTLED_AFTER: Duration = Duration::from_secs(1);

/// Sorts behind every event of a place.
const BEHIND: &str = "~";

/// Reads the events of a story that are settled at `now`.
pub(super) async fn story(
    (client, table): (&Client, &str),
    correlation_id: &str,
    (after, limit): (u64, usize),
    now: Timestamp,
) -> Result<Vec<Archived>> {
    let until = first_place(now.minus(SETTLED_AFTER));
    if correlation_id.is_empty() || limit == 0 || after >= until {
        return Ok(Vec::new());
    }
    let doing = || format!("read the story of `{correlation_id}`");
    let mut story = Vec::new();
    let mut start: Option<Attributes> = None;
    // One more than wanted tells whether the last place is another's too.
    while story.len() <= limit {
        let wanted = i32::try_from(limit + 1 - story.len()).unwrap_or(i32::MAX);
        let query = client
            .query()
            .table_name(table)
            .index_name(STORY.name)
            .key_condition_expression("#story = :story AND #place BETWEEN :after AND :until")
            .expression_attribute_names("#story", STORY.pk)
            .expression_attribute_names("#place", STORY.sk)
            .expression_attribute_values(":story", text(correlation_id))
            .expression_attribute_values(":after", text(story_key(after, BEHIND)))
            .expression_attribute_values(":until", text(format!("{until:020}")))
            .limit(wanted)
            .set_exclusive_start_key(start.take());
        let answer = match query.send().await {
            Ok(answer) => answer,
            Err(failure) => return Err(failed(doing(), Effect::Reads, CODES, failure)),
        };
        for event in answer.items.unwrap_or_default() {
            let sequence = text_of(&event, STORY.sk).and_then(place_of);
            let sequence = sequence.ok_or_else(|| corrupt(doing()))?;
            story.push(Archived { sequence, envelope: read_envelope(&event)? });
        }
        start = answer.last_evaluated_key;
        if start.is_none() {
            break;
        }
    }
    Ok(page(story, limit))
}

/// The first `limit` events, ended where a place ends: whoever goes on after a place that two
/// events share would miss the second.
fn page(mut story: Vec<Archived>, limit: usize) -> Vec<Archived> {
    let place = |index: usize| story.get(index).map(|archived: &Archived| archived.sequence);
    let mut end = limit;
    while end > 0 && place(end).is_some() && place(end) == place(end - 1) {
        end -= 1;
    }
    // Where one place fills the page there is no better end.
    story.truncate(if end == 0 { limit } else { end });
    story
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::Envelope;

    fn check(places: &[u64], limit: usize, ends_with: &[u64]) {
        let archived = |sequence| Archived { sequence, envelope: Envelope::default() };
        let story = places.iter().copied().map(archived).collect();
        let page: Vec<_> = page(story, limit).iter().map(|archived| archived.sequence).collect();
        assert_eq!(page, ends_with, "{places:?}, {limit}");
    }

    #[test]
    fn a_page_ends_where_a_place_ends() {
        check(&[1, 2, 3], 2, &[1, 2]);
        check(&[1, 2], 2, &[1, 2]);
        check(&[], 2, &[]);
        check(&[1, 2, 2], 2, &[1]);
        check(&[1, 2, 2], 3, &[1, 2, 2]);
        check(&[2, 2, 2], 2, &[2, 2]);
    }
}
