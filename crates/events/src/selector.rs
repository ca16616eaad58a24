//! Which events of the log an archive has.
//!
//! Pure.

use crate::arn::Home;
use crate::control::{Archive, Replay};
use crate::delivered;
use crate::pattern::Pattern;
use contracts::Timestamp;
use ports::event_log::Archived;
use std::time::Duration;

/// A day.
const DAY: Duration = Duration::from_hours(24);

/// An archive's selection, with its patterns read.
pub(crate) struct Selector {
    home: Home,
    bus: String,
    /// From behind which place on which events; absent means all of the bus.
    spans: Vec<(u64, Option<Pattern>)>,
}

impl Selector {
    /// Reads an archive's patterns; `None` when one cannot be read any more.
    pub(crate) fn of(archive: &Archive, home: &Home) -> Option<Self> {
        let spans = archive.spans.iter().map(|span| {
            let pattern = span.pattern.as_deref().map(|text| Pattern::parse(text).ok());
            match pattern {
                None => Some((span.after, None)),
                Some(pattern) => Some((span.after, Some(pattern?))),
            }
        });
        let spans = spans.collect::<Option<Vec<_>>>()?;
        Some(Self { home: home.clone(), bus: archive.bus.clone(), spans })
    }

    /// Whether the archive has an event.
    pub(crate) fn has(&self, archived: &Archived) -> bool {
        let event = &archived.envelope;
        if event.bus != self.bus || event.replay_name.is_some() {
            return false;
        }
        let mut spans = self.spans.iter().rev();
        match spans.find(|(after, _)| *after < archived.sequence) {
            None => false,
            Some((_, None)) => true,
            Some((_, Some(pattern))) => pattern.matches(&delivered::view(event, &self.home)),
        }
    }
}

/// The window of time that a replay is about: what it asks for, as far back as was retained.
pub(crate) fn window(replay: &Replay) -> (Timestamp, Timestamp) {
    let days = replay.archive.retention_days;
    if days == 0 {
        return (replay.from, replay.to);
    }
    let kept_for = DAY.saturating_mul(days).as_millis();
    let kept_for = i64::try_from(kept_for).unwrap_or(i64::MAX);
    let kept_since = replay.started_at.as_millis().saturating_sub(kept_for);
    (replay.from.max(Timestamp::from_millis(kept_since)), replay.to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{ReplayState, Span};
    use contracts::Envelope;

    fn archive(spans: &[(u64, Option<&str>)]) -> Archive {
        let span = |(after, pattern): &(u64, Option<&str>)| Span {
            after: *after,
            pattern: pattern.map(str::to_owned),
        };
        Archive {
            name: "a".into(),
            bus: "orders".into(),
            description: None,
            spans: spans.iter().map(span).collect(),
            retention_days: 1,
            created_at: Timestamp::EPOCH,
        }
    }

    #[test]
    fn an_archive_has_what_came_after_it_was_made_by_the_pattern_of_that_time() {
        let archive = archive(&[(2, None), (4, Some(r#"{"source": ["shop"]}"#))]);
        let selector = Selector::of(&archive, &Home::default()).expect("the pattern is right");
        for (sequence, source, bus, has) in [
            (2, "x", "orders", false),
            (3, "x", "orders", true),
            (3, "x", "default", false),
            (4, "x", "orders", true),
            (5, "x", "orders", false),
            (5, "shop", "orders", true),
        ] {
            let envelope =
                Envelope { source: source.into(), bus: bus.into(), ..Envelope::default() };
            let archived = Archived { sequence, envelope };
            assert_eq!(selector.has(&archived), has, "{sequence} {source} {bus}");
        }
    }

    #[test]
    fn a_replay_reaches_no_further_back_than_was_retained() {
        let day = Timestamp::EPOCH.plus(DAY);
        let replay = Replay {
            name: "r".into(),
            description: None,
            archive: archive(&[]),
            from: Timestamp::EPOCH,
            to: day,
            filter_arns: Vec::new(),
            state: ReplayState::Starting,
            state_reason: None,
            started_at: day.plus(Duration::from_secs(1)),
            ended_at: None,
            cursor: 0,
            last: 0,
            last_replayed: None,
        };
        assert_eq!(window(&replay), (Timestamp::from_millis(1_000), day));
        let mut for_ever = replay;
        for_ever.archive.retention_days = 0;
        assert_eq!(window(&for_ever), (Timestamp::EPOCH, day));
    }
}
