//! DynamoDB's numbers: decimal, exact, up to 38 significant digits.
//!
//! Spec: "Number" in "Supported data types and naming rules in Amazon DynamoDB".

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// The most significant digits.
const DIGITS_MAX: u32 = 38;
/// The place of the first digit of the largest number: 9.99…E+125.
const PLACE_MAX: i32 = 125;
/// The place of the first digit of the smallest number: 1E-130.
const PLACE_MIN: i32 = -130;
/// Beyond this an exponent is out of range whatever stands before it.
const EXPONENT_MAX: i32 = 100_000;

/// A number: `coefficient × 10^exponent`, the coefficient without trailing zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Number {
    is_negative: bool,
    /// Below 10^38; zero only with a positive sign and exponent zero.
    coefficient: u128,
    exponent: i32,
}

/// Why a text or a sum is no number of DynamoDB's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OutOfRange {
    /// It is no number at all.
    NotANumber,
    /// It has more than 38 significant digits.
    TooPrecise,
    /// It is larger than 9.99…E+125.
    TooLarge,
    /// It is nearer to zero than 1E-130.
    TooSmall,
}

impl OutOfRange {
    /// What DynamoDB says about it.
    pub(crate) fn message(self, text: &str) -> String {
        match self {
            Self::NotANumber => {
                format!("The parameter cannot be converted to a numeric value: {text}")
            }
            Self::TooPrecise => {
                format!("Attempting to store more than {DIGITS_MAX} significant digits in a Number")
            }
            Self::TooLarge => {
                "Number overflow. Attempting to store a number with magnitude larger \
                               than supported range"
                    .to_owned()
            }
            Self::TooSmall => "Number underflow. Attempting to store a number with magnitude \
                               smaller than supported range"
                .to_owned(),
        }
    }
}

impl Number {
    const ZERO: Self = Self { is_negative: false, coefficient: 0, exponent: 0 };

    /// A small whole number.
    pub(crate) fn whole(count: usize) -> Self {
        let coefficient = u128::try_from(count).unwrap_or(u128::MAX);
        Self::new(false, coefficient, 0).unwrap_or(Self::ZERO)
    }

    /// Makes a number, trimmed, if it is in range.
    fn new(is_negative: bool, coefficient: u128, exponent: i32) -> Result<Self, OutOfRange> {
        let (mut coefficient, mut exponent) = (coefficient, exponent);
        if coefficient == 0 {
            return Ok(Self::ZERO);
        }
        while coefficient.is_multiple_of(10) {
            coefficient /= 10;
            exponent += 1;
        }
        if digits(coefficient) > DIGITS_MAX {
            return Err(OutOfRange::TooPrecise);
        }
        let number = Self { is_negative, coefficient, exponent };
        match number.place() {
            place if place > PLACE_MAX => Err(OutOfRange::TooLarge),
            place if place < PLACE_MIN => Err(OutOfRange::TooSmall),
            _ => Ok(number),
        }
    }

    /// The place of the first digit: 0 for 1 to 9, -1 for 0.1.
    fn place(&self) -> i32 {
        self.exponent + i32::try_from(digits(self.coefficient)).unwrap_or(0) - 1
    }

    /// The sum, exact or not at all.
    pub(crate) fn plus(self, other: Self) -> Result<Self, OutOfRange> {
        if self.coefficient == 0 {
            return Ok(other);
        }
        if other.coefficient == 0 {
            return Ok(self);
        }
        let exponent = self.exponent.min(other.exponent);
        // A coefficient that grows beyond 128 bits here has a digit at its own first place and one
        // at the other's last: the sum needs more than 38 of them, whatever it is.
        let (one, two) = (self.scaled_to(exponent)?, other.scaled_to(exponent)?);
        let (is_negative, coefficient) = match self.is_negative == other.is_negative {
            true => (self.is_negative, one.checked_add(two).ok_or(OutOfRange::TooPrecise)?),
            false if one >= two => (self.is_negative, one - two),
            false => (other.is_negative, two - one),
        };
        Self::new(is_negative, coefficient, exponent)
    }

    /// The difference, exact or not at all.
    pub(crate) fn minus(self, other: Self) -> Result<Self, OutOfRange> {
        let is_negative = !other.is_negative && other.coefficient != 0;
        self.plus(Self { is_negative, ..other })
    }

    fn scaled_to(self, exponent: i32) -> Result<u128, OutOfRange> {
        let places = u32::try_from(self.exponent - exponent).unwrap_or(0);
        let factor = 10u128.checked_pow(places).ok_or(OutOfRange::TooPrecise)?;
        self.coefficient.checked_mul(factor).ok_or(OutOfRange::TooPrecise)
    }

    /// Compares the sizes, signs left aside.
    fn magnitude(&self, other: &Self) -> Ordering {
        let zero = (self.coefficient == 0).cmp(&(other.coefficient == 0)).reverse();
        zero.then_with(|| self.place().cmp(&other.place())).then_with(|| {
            // Both begin at the same place, so they can be compared digit by digit.
            self.coefficient.to_string().cmp(&other.coefficient.to_string())
        })
    }
}

fn digits(coefficient: u128) -> u32 {
    coefficient.checked_ilog10().map_or(1, |log| log + 1)
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.is_negative, other.is_negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => self.magnitude(other),
            (true, true) => other.magnitude(self),
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl FromStr for Number {
    type Err = OutOfRange;

    /// Reads `[sign] digits [. digits] [e [sign] digits]`.
    fn from_str(text: &str) -> Result<Self, OutOfRange> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, read_exponent(exponent)?),
            None => (text, 0),
        };
        let is_negative = mantissa.starts_with('-');
        let mantissa = mantissa.strip_prefix(['-', '+']).unwrap_or(mantissa);
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_digits(whole) || !is_digits(fraction) || (whole.len() + fraction.len() == 0) {
            return Err(OutOfRange::NotANumber);
        }
        let scale = i32::try_from(fraction.len()).map_err(|_| OutOfRange::TooPrecise)?;
        let all = [whole, fraction].concat();
        let leading = all.trim_start_matches('0');
        let trimmed = leading.trim_end_matches('0');
        if trimmed.is_empty() {
            return Ok(Self::ZERO);
        }
        let zeros = i32::try_from(leading.len() - trimmed.len()).unwrap_or(EXPONENT_MAX);
        let coefficient = match trimmed.len() {
            length if length > 38 => return Err(OutOfRange::TooPrecise),
            _ => trimmed.parse().map_err(|_| OutOfRange::TooPrecise)?,
        };
        Self::new(is_negative, coefficient, exponent.saturating_sub(scale).saturating_add(zeros))
    }
}

/// Reads an exponent; one beyond all range counts as the range's end.
fn read_exponent(text: &str) -> Result<i32, OutOfRange> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(OutOfRange::NotANumber);
    }
    let size = digits.parse().unwrap_or(EXPONENT_MAX).min(EXPONENT_MAX);
    Ok(if text.starts_with('-') { -size } else { size })
}

impl fmt::Display for Number {
    /// Writes all digits, without an exponent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.coefficient.to_string();
        let sign = if self.is_negative { "-" } else { "" };
        let Ok(behind) = usize::try_from(-i64::from(self.exponent)) else {
            let zeros = usize::try_from(self.exponent).unwrap_or(0);
            return write!(f, "{sign}{digits}{:0<zeros$}", "");
        };
        match digits.len().checked_sub(behind) {
            _ if behind == 0 => write!(f, "{sign}{digits}"),
            Some(before) if before > 0 => {
                let (whole, fraction) = digits.split_at(before);
                write!(f, "{sign}{whole}.{fraction}")
            }
            Some(_) | None => write!(f, "{sign}0.{digits:0>behind$}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(text: &str) -> Number {
        text.parse().unwrap_or_else(|why| panic!("{text}: {why:?}"))
    }

    #[test]
    fn a_number_is_written_trimmed_and_without_an_exponent() {
        for (text, written) in [
            ("0", "0"),
            ("-0.000", "0"),
            ("007", "7"),
            ("1.50", "1.5"),
            ("-0.001", "-0.001"),
            ("1E+2", "100"),
            ("12.5e-3", "0.0125"),
            (".5", "0.5"),
            ("5.", "5"),
            ("1e3", "1000"),
            ("10", "10"),
            ("123456789012345678901234567890.12345678", "123456789012345678901234567890.12345678"),
        ] {
            assert_eq!(number(text).to_string(), written, "{text}");
        }
        assert_eq!(number("1E+125").to_string().len(), 126);
        assert_eq!(number("1E-130").to_string().len(), 132);
    }

    #[test]
    fn what_is_out_of_range_says_how() {
        for (text, why) in [
            ("", OutOfRange::NotANumber),
            (".", OutOfRange::NotANumber),
            ("1e", OutOfRange::NotANumber),
            ("0x1", OutOfRange::NotANumber),
            (" 1", OutOfRange::NotANumber),
            ("--1", OutOfRange::NotANumber),
            ("NaN", OutOfRange::NotANumber),
            ("123456789012345678901234567890123456789", OutOfRange::TooPrecise),
            ("1E+126", OutOfRange::TooLarge),
            ("1E+99999999999999", OutOfRange::TooLarge),
            ("1E-131", OutOfRange::TooSmall),
            ("1E-99999999999999", OutOfRange::TooSmall),
        ] {
            assert_eq!(text.parse::<Number>(), Err(why), "{text}");
        }
        // Trailing zeros are no digits of significance.
        assert!("1000000000000000000000000000000000000000000".parse::<Number>().is_ok());
    }

    #[test]
    fn sums_are_exact_or_refused() {
        let sum = |a: &str, b: &str| number(a).plus(number(b)).map(|sum| sum.to_string());
        assert_eq!(sum("0.1", "0.2").unwrap(), "0.3");
        assert_eq!(sum("1", "-1").unwrap(), "0");
        let nines = "9".repeat(38);
        assert_eq!(sum(&format!("-{nines}"), "1E38").unwrap(), "1");
        assert_eq!(sum(&nines, "1").unwrap(), format!("1{}", "0".repeat(38)));
        assert_eq!(sum("1E+30", "1E-30"), Err(OutOfRange::TooPrecise));
        assert_eq!(sum("9E+125", "9E+125"), Err(OutOfRange::TooLarge));
        assert_eq!(number("1").minus(number("3")).unwrap().to_string(), "-2");
    }

    proptest! {
        #[test]
        fn numbers_agree_with_whole_numbers(a in -1_000_000_000i64..1_000_000_000,
                                            b in -1_000_000_000i64..1_000_000_000) {
            let (x, y) = (number(&a.to_string()), number(&b.to_string()));
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
            prop_assert_eq!(x.plus(y).unwrap().to_string(), (a + b).to_string());
            prop_assert_eq!(x.minus(y).unwrap().to_string(), (a - b).to_string());
        }

        #[test]
        fn a_number_survives_its_text(coefficient in 0u128..10u128.pow(38), exponent in -130i32..88) {
            let text = format!("{coefficient}E{exponent}");
            if let Ok(read) = text.parse::<Number>() {
                prop_assert_eq!(number(&read.to_string()), read);
            }
        }

        #[test]
        fn no_text_makes_the_reader_fall_over(text in ".{0,60}") {
            let read = text.parse::<Number>();
            prop_assert!(read.is_err() || read.is_ok_and(|n| n.to_string().len() <= 200));
        }
    }
}
