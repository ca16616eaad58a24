//! Instants as AWS's JSON protocol has them: seconds since 1970 with a fraction.

use contracts::Timestamp;
use serde_json::{Number, Value};

/// The instant in seconds since the epoch, exact to the millisecond.
#[must_use]
pub fn seconds(at: Timestamp) -> Value {
    let millis = at.as_millis();
    if millis % 1_000 == 0 {
        return Value::from(millis / 1_000);
    }
    // Below 2^53, which every instant with a text form is, the division rounds to the double that
    // is nearest to the decimal fraction, and that prints as the fraction itself.
    #[expect(clippy::cast_precision_loss, reason = "an instant's milliseconds are below 2^53")]
    let fraction = millis as f64 / 1_000.0;
    Number::from_f64(fraction).map_or(Value::Null, Value::Number)
}

/// The instant that a number of seconds names.
pub(crate) fn instant(seconds: &Value) -> Option<Timestamp> {
    const SECONDS_MAX: f64 = 1e12;
    if let Some(whole) = seconds.as_i64() {
        return Some(Timestamp::from_millis(whole.saturating_mul(1_000)));
    }
    let seconds = seconds.as_f64().filter(|seconds| seconds.abs() < SECONDS_MAX)?;
    #[expect(clippy::cast_possible_truncation, reason = "below 10^15, as checked")]
    let millis = (seconds * 1_000.0).round() as i64;
    Some(Timestamp::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_prints_as_seconds_with_just_its_fraction() {
        for (millis, text) in [
            (0, "0"),
            (1_795_413_600_000, "1795413600"),
            (1_795_413_600_120, "1795413600.12"),
            (1_795_413_600_007, "1795413600.007"),
        ] {
            let written = seconds(Timestamp::from_millis(millis));
            assert_eq!(written.to_string(), text);
            assert_eq!(instant(&written), Some(Timestamp::from_millis(millis)));
        }
    }
}
