//! Instants as the states language writes them: ISO-8601 extended offset date-times, to the
//! nanosecond.

use contracts::time::Timestamp;

/// An instant in nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instant(i128);

const NANOS_PER_SECOND: i128 = 1_000_000_000;
const NANOS_PER_MILLI: i128 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;
/// Digits after the decimal point that are told apart.
const FRACTION_DIGITS_MAX: usize = 9;
/// Hours that an offset from UTC may have.
const OFFSET_HOURS_MAX: i64 = 18;

impl Instant {
    /// Reads `2016-03-14T01:59:26.535Z` or with an offset like `+02:00`; the fraction may be
    /// missing, nothing else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut rest = Rest(text.as_bytes());
        let year = rest.digits(4)?;
        rest.byte(b'-')?;
        let month = rest.digits(2)?;
        rest.byte(b'-')?;
        let day = rest.digits(2)?;
        rest.byte(b'T')?;
        let hour = rest.digits(2)?;
        rest.byte(b':')?;
        let minute = rest.digits(2)?;
        rest.byte(b':')?;
        let second = rest.digits(2)?;
        let nanos = rest.fraction()?;
        let offset_seconds = rest.offset()?;
        let valid = (1..=12).contains(&month)
            && (1..=days_in(year, month)).contains(&day)
            && hour < 24
            && minute < 60
            && second < 60
            && rest.0.is_empty();
        if !valid {
            return None;
        }
        let of_day = hour * 3_600 + minute * 60 + second;
        let seconds =
            days_since_epoch(year, month, day) * SECONDS_PER_DAY + of_day - offset_seconds;
        Some(Self(i128::from(seconds) * NANOS_PER_SECOND + i128::from(nanos)))
    }

    /// The same instant to the millisecond, never before it.
    pub(crate) fn timestamp(self) -> Timestamp {
        let millis = self.0.div_euclid(NANOS_PER_MILLI);
        let up = i128::from(self.0.rem_euclid(NANOS_PER_MILLI) > 0);
        Timestamp::from_millis(i64::try_from(millis + up).unwrap_or(i64::MAX))
    }
}

/// What is left to read.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn byte(&mut self, expected: u8) -> Option<()> {
        self.0 = self.0.strip_prefix(&[expected])?;
        Some(())
    }

    fn digits(&mut self, count: usize) -> Option<i64> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        digits.iter().try_fold(0, |number: i64, byte| {
            byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0'))
        })
    }

    /// `.` and at least one digit, as nanoseconds; nothing is zero.
    fn fraction(&mut self) -> Option<i64> {
        if self.byte(b'.').is_none() {
            return Some(0);
        }
        let count = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let told_apart = (1..=FRACTION_DIGITS_MAX).contains(&count);
        let digits = told_apart.then(|| self.digits(count))??;
        let missing = u32::try_from(FRACTION_DIGITS_MAX - count).ok()?;
        Some(digits * 10_i64.pow(missing))
    }

    /// `Z`, or `±hh:mm` in seconds.
    fn offset(&mut self) -> Option<i64> {
        if self.byte(b'Z').is_some() {
            return Some(0);
        }
        let sign = if self.byte(b'+').is_some() { 1 } else { self.byte(b'-').map(|()| -1)? };
        let hours = self.digits(2)?;
        self.byte(b':')?;
        let minutes = self.digits(2)?;
        (hours <= OFFSET_HOURS_MAX && minutes < 60).then_some(sign * (hours * 3_600 + minutes * 60))
    }
}

const fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

const fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days of the proleptic Gregorian calendar, counted in years that begin in March so that leap days
/// come last.
const fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let of_year = (153 * month + 2) / 5 + day - 1;
    year * 365 + leaps + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn millis(text: &str) -> Option<i64> {
        Instant::parse(text).map(|instant| instant.timestamp().as_millis())
    }

    #[test]
    fn an_instant_is_read_with_its_fraction_and_offset() {
        assert_eq!(millis("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(millis("2026-11-23T06:00:00.120Z"), Some(1_795_413_600_120));
        assert_eq!(millis("2026-11-23T08:00:00.12+02:00"), Some(1_795_413_600_120));
        assert_eq!(millis("2024-02-29T00:00:00Z"), Some(1_709_164_800_000));
    }

    #[test]
    fn anything_else_is_no_instant() {
        for text in [
            "2016-13-05T21:29:29Z",
            "2016-12-05T25:29:29Z",
            "2016-12-05 21:29:29Z",
            "2016-12-05T21:29:29",
            "05-12-2016T21:29:29Z",
            "2023-02-29T00:00:00Z",
            "2016-12-05T21:29:29.Z",
            "2016-12-05T21:29:29Zx",
            "",
        ] {
            assert_eq!(millis(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_timestamp_is_read_back_as_it_was_written(at in 0_i64..253_402_300_799_999) {
            let text = Timestamp::from_millis(at).to_string();
            prop_assert_eq!(millis(&text), Some(at));
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _: Option<Instant> = Instant::parse(&text);
        }
    }
}
