//! Times as AWS's clients have them and as we do.

use aws_smithy_types::DateTime;
use contracts::Timestamp;

const NANOS_PER_MILLI: i64 = 1_000_000;

/// The instant to the millisecond. A fraction of seconds arrives as a binary number, so that the
/// nanoseconds may be a few short: they are rounded, not cut.
pub(crate) fn instant(time: &DateTime) -> Timestamp {
    let nanos = i64::from(time.subsec_nanos());
    let millis = (nanos + NANOS_PER_MILLI / 2) / NANOS_PER_MILLI;
    Timestamp::from_millis(time.secs().saturating_mul(1_000).saturating_add(millis))
}

/// The instant as AWS's clients send it.
pub(crate) fn date_time(at: Timestamp) -> DateTime {
    DateTime::from_millis(at.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_comes_back_to_the_millisecond() {
        for millis in [0, 1, 999, 1_795_413_600_123, 1_795_413_600_999] {
            let at = Timestamp::from_millis(millis);
            assert_eq!(instant(&date_time(at)), at);
        }
        for short in [122_999_907, 123_000_144] {
            let at = instant(&DateTime::from_secs_and_nanos(1_795_413_600, short));
            assert_eq!(at, Timestamp::from_millis(1_795_413_600_123));
        }
    }
}
