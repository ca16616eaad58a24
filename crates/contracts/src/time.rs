//! Instants as they are stored and sent: RFC 3339, UTC, milliseconds.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// An instant in milliseconds since 1970-01-01T00:00:00Z.
///
/// It saturates at the ends of its range instead of wrapping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// The last millisecond of the year 9999: beyond it RFC 3339 has no text.
const MILLIS_MAX: i64 = 253_402_300_799_999;

impl Timestamp {
    /// The start of 1970, UTC.
    pub const EPOCH: Self = Self(0);
    /// The last instant that has a text form.
    pub const MAX: Self = Self(MILLIS_MAX);

    /// Makes an instant of milliseconds since the epoch; out of range is clamped.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        if millis < -MILLIS_MAX {
            Self(-MILLIS_MAX)
        } else if millis > MILLIS_MAX {
            Self::MAX
        } else {
            Self(millis)
        }
    }

    /// The milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The instant `after` later, or [`Timestamp::MAX`].
    #[must_use]
    pub fn plus(self, after: Duration) -> Self {
        let millis = i64::try_from(after.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.0.saturating_add(millis))
    }

    /// The instant `before` earlier.
    #[must_use]
    pub fn minus(self, before: Duration) -> Self {
        let millis = i64::try_from(before.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.0.saturating_sub(millis))
    }

    /// How long after `earlier` this is; zero when it is not.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let instant = jiff::Timestamp::from_millisecond(self.0).map_err(|_| fmt::Error)?;
        write!(f, "{instant:.3}")
    }
}

/// A text is not an RFC 3339 instant.
#[derive(Debug, thiserror::Error)]
#[error("`{text}` is not an instant like 2026-11-23T06:00:00.000Z")]
pub struct NotATimestamp {
    text: String,
}

impl FromStr for Timestamp {
    type Err = NotATimestamp;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<jiff::Timestamp>()
            .map(|instant| Self::from_millis(instant.as_millisecond()))
            .map_err(|_| NotATimestamp { text: text.to_owned() })
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_instant_survives_its_text(millis in -MILLIS_MAX..=MILLIS_MAX) {
            let instant = Timestamp::from_millis(millis);
            prop_assume!(millis >= -62_135_596_800_000);
            prop_assert_eq!(instant.to_string().parse::<Timestamp>().unwrap(), instant);
        }

        #[test]
        fn adding_and_subtracting_agree(millis in 0..MILLIS_MAX / 2, more in 0u64..1_000_000_000) {
            let start = Timestamp::from_millis(millis);
            let more = Duration::from_millis(more);
            prop_assert_eq!(start.plus(more).since(start), more);
        }
    }

    #[test]
    fn an_instant_reads_as_rfc_3339_with_milliseconds() {
        assert_eq!(
            Timestamp::from_millis(1_795_413_600_120).to_string(),
            "2026-11-23T06:00:00.120Z"
        );
    }
}
