//! Numbers in patterns: equality and ranges.
//!
//! Numbers compare by value, so `300`, `300.0` and `3e2` are one. As in EventBridge, only a number
//! that a double holds exactly (its shortest decimal form is the number itself) can be ordered;
//! a longer integer, such as an account number of 20 digits, can only be equal.

use serde_json::Number as EventNumber;

/// The largest integer up to which a double holds every one.
const EXACT_INTEGER_MAX: u128 = 1 << 53;

/// A number of a pattern.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Number {
    value: f64,
    integer: Option<i128>,
    is_exact: bool,
}

impl Number {
    /// Reads JSON number text.
    pub(crate) fn read(text: &str) -> Self {
        let value: f64 = text.parse().unwrap_or(f64::INFINITY);
        let is_exact = value.is_finite() && Decimal::read(text) == shortest(value);
        let integer = text.parse().ok().or_else(|| integer_of(value, is_exact));
        Self { value, integer, is_exact }
    }

    /// The value as a double, if that is exactly the number.
    pub(crate) const fn exact(&self) -> Option<f64> {
        if self.is_exact { Some(self.value) } else { None }
    }

    /// The bits of the double that is nearest: equal numbers have equal ones.
    pub(crate) fn bits(&self) -> u64 {
        bits(self.value)
    }

    /// Whether an event's number is this one.
    pub(crate) fn equals(&self, event: &EventNumber) -> bool {
        match (self.integer, event_integer(event)) {
            (Some(ours), Some(theirs)) => ours == theirs,
            (None, Some(_)) => false,
            (_, None) => event.as_f64() == Some(self.value),
        }
    }
}

/// The bits of a double; both zeros have the same.
pub(crate) fn bits(value: f64) -> u64 {
    if value == 0.0 { 0.0_f64.to_bits() } else { value.to_bits() }
}

fn event_integer(event: &EventNumber) -> Option<i128> {
    event.as_i64().map(i128::from).or_else(|| event.as_u64().map(i128::from))
}

/// The event's number as a double, if that is exactly the number.
fn event_exact(event: &EventNumber) -> Option<f64> {
    let value = event.as_f64()?;
    let is_exact = event_integer(event).is_none_or(|integer| {
        integer.unsigned_abs() <= EXACT_INTEGER_MAX
            || Decimal::read(&integer.to_string()) == shortest(value)
    });
    is_exact.then_some(value)
}

fn integer_of(value: f64, is_exact: bool) -> Option<i128> {
    let is_small = is_exact && value.fract() == 0.0 && value.abs() < 1e30;
    is_small.then_some(value as i128)
}

/// A range of numbers; an absent end is open.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Range {
    pub(crate) low: Option<Bound>,
    pub(crate) high: Option<Bound>,
}

/// One end of a range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bound {
    pub(crate) value: f64,
    pub(crate) is_inside: bool,
}

impl Range {
    /// The only number of the range, if it has one only.
    pub(crate) fn only(&self) -> Option<f64> {
        match (self.low, self.high) {
            (Some(low), Some(high)) if low == high && low.is_inside => Some(low.value),
            (_, _) => None,
        }
    }

    /// Whether an event's number lies in the range.
    pub(crate) fn contains(&self, event: &EventNumber) -> bool {
        let Some(value) = event_exact(event) else {
            return false;
        };
        let is_above =
            self.low.is_none_or(|low| value > low.value || low.is_inside && value == low.value);
        let is_below = self
            .high
            .is_none_or(|high| value < high.value || high.is_inside && value == high.value);
        is_above && is_below
    }
}

/// A decimal in one form only: digits without zeros at either end, times a power of ten.
#[derive(Debug, PartialEq, Eq)]
struct Decimal {
    is_negative: bool,
    digits: String,
    exponent: i64,
}

fn shortest(value: f64) -> Decimal {
    Decimal::read(&format!("{value:e}"))
}

impl Decimal {
    fn read(text: &str) -> Self {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let exponent: i64 =
            exponent.parse().unwrap_or(if exponent.starts_with('-') { i64::MIN } else { i64::MAX });
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{}{fraction}", whole.trim_start_matches('-'));
        let digits = all.trim_start_matches('0').trim_end_matches('0');
        if digits.is_empty() {
            return Self { is_negative: false, digits: String::new(), exponent: 0 };
        }
        let zeros = all.len() - all.trim_end_matches('0').len();
        let shift = length(zeros).saturating_sub(length(fraction.len()));
        Self {
            is_negative: whole.starts_with('-'),
            digits: digits.to_owned(),
            exponent: exponent.saturating_add(shift),
        }
    }
}

fn length(len: usize) -> i64 {
    i64::try_from(len).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, event: &str, expected: bool) {
        let event: EventNumber = serde_json::from_str(event).expect("the event is a number");
        assert_eq!(Number::read(pattern).equals(&event), expected, "{pattern} against {event}");
    }

    #[test]
    fn numbers_are_equal_by_value_however_they_are_written() {
        check("300", "300.0", true);
        check("3e2", "300", true);
        check("3.018e2", "301.8", true);
        check("-0.0", "0", true);
        check("300", "301", false);
        check("1", "-1", false);
        check("0.5", "5", false);
    }

    #[test]
    fn integers_beyond_a_double_are_equal_digit_by_digit() {
        check("12345678901234567890", "12345678901234567890", true);
        check("12345678901234567890", "12345678901234567891", false);
        check("9007199254740993", "9007199254740992", false);
    }

    #[test]
    fn only_what_a_double_holds_is_exact() {
        for text in ["1E-320", "0.000033", "-4e-6", "1e308", "0", "55555"] {
            assert!(Number::read(text).exact().is_some(), "{text}");
        }
        for text in ["1E-325", "1E309", "0.12345678901234567890", "9007199254740993"] {
            assert!(Number::read(text).exact().is_none(), "{text}");
        }
    }

    #[test]
    fn a_range_holds_its_closed_ends_only() {
        let range = Range {
            low: Some(Bound { value: 0.0, is_inside: false }),
            high: Some(Bound { value: 5.0, is_inside: true }),
        };
        assert!(!range.contains(&EventNumber::from(0)));
        assert!(range.contains(&EventNumber::from(5)));
        assert!(!range.contains(&EventNumber::from(u64::MAX)));
    }

    #[test]
    fn exponents_of_any_size_are_read_without_overflow() {
        let read = Decimal::read("1.5e99999999999999999999");
        assert_eq!(read.exponent, i64::MAX - 1);
        assert_eq!(Decimal::read("15e-99999999999999999999").exponent, i64::MIN);
    }
}
