//! Money: integer minor units with a currency. No float comes near it.

use serde::{Deserialize, Serialize};
use std::fmt;

/// An ISO 4217 currency that the shop trades in.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum Currency {
    /// Swiss franc.
    Chf,
    /// Euro.
    Eur,
    /// Pound sterling.
    Gbp,
    /// Japanese yen: its minor unit is the yen itself.
    Jpy,
    /// United States dollar.
    Usd,
}

impl Currency {
    /// The ISO 4217 code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Chf => "CHF",
            Self::Eur => "EUR",
            Self::Gbp => "GBP",
            Self::Jpy => "JPY",
            Self::Usd => "USD",
        }
    }

    /// How many decimal digits its minor unit stands for.
    #[must_use]
    pub const fn minor_digits(self) -> u32 {
        match self {
            Self::Jpy => 0,
            Self::Chf | Self::Eur | Self::Gbp | Self::Usd => 2,
        }
    }
}

/// An amount of one currency in its minor units (cents).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Money {
    /// The amount in minor units; may be negative in ledgers, never in prices.
    #[schema(example = 1999)]
    pub amount_minor: i64,
    /// The currency of the amount.
    pub currency: Currency,
}

/// Two amounts cannot be combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// The amounts are of different currencies.
    #[error("{} and {} cannot be added", .0.code(), .1.code())]
    CurrencyMix(Currency, Currency),
    /// The result does not fit into 64 bits.
    #[error("the amount is too large")]
    TooLarge,
}

impl Money {
    /// Makes an amount.
    #[must_use]
    pub const fn new(amount_minor: i64, currency: Currency) -> Self {
        Self { amount_minor, currency }
    }

    /// Nothing, in `currency`.
    #[must_use]
    pub const fn zero(currency: Currency) -> Self {
        Self::new(0, currency)
    }

    /// Adds an amount of the same currency.
    ///
    /// # Errors
    /// [`MoneyError::CurrencyMix`], [`MoneyError::TooLarge`].
    pub fn plus(self, other: Self) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::CurrencyMix(self.currency, other.currency));
        }
        let sum = self.amount_minor.checked_add(other.amount_minor).ok_or(MoneyError::TooLarge)?;
        Ok(Self::new(sum, self.currency))
    }

    /// Takes the amount `quantity` times.
    ///
    /// # Errors
    /// [`MoneyError::TooLarge`].
    pub fn times(self, quantity: u32) -> Result<Self, MoneyError> {
        let product =
            self.amount_minor.checked_mul(i64::from(quantity)).ok_or(MoneyError::TooLarge)?;
        Ok(Self::new(product, self.currency))
    }
}

impl fmt::Display for Money {
    /// Writes `19.99 EUR`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.currency.minor_digits();
        let sign = if self.amount_minor < 0 { "-" } else { "" };
        let unit = 10u64.pow(digits);
        let amount = self.amount_minor.unsigned_abs();
        let (major, minor) = (amount / unit, amount % unit);
        let code = self.currency.code();
        if digits == 0 {
            write!(f, "{sign}{major} {code}")
        } else {
            write!(f, "{sign}{major}.{minor:0width$} {code}", width = digits as usize)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_sum_is_exact_or_refused(a: i64, b: i64) {
            let sum = Money::new(a, Currency::Eur).plus(Money::new(b, Currency::Eur));
            prop_assert_eq!(sum.ok().map(|m| i128::from(m.amount_minor)), {
                let exact = i128::from(a) + i128::from(b);
                i64::try_from(exact).ok().map(i128::from)
            });
        }
    }

    #[test]
    fn currencies_do_not_mix() {
        let mix = Money::new(1, Currency::Eur).plus(Money::new(1, Currency::Usd));
        assert_eq!(mix, Err(MoneyError::CurrencyMix(Currency::Eur, Currency::Usd)));
    }

    #[test]
    fn amounts_read_as_people_write_them() {
        assert_eq!(Money::new(-1905, Currency::Chf).to_string(), "-19.05 CHF");
        assert_eq!(Money::new(500, Currency::Jpy).to_string(), "500 JPY");
    }
}
