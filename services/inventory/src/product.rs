//! The product: what it is called and what one of it costs.
//!
//! Owns: when a product may change. Pure: values in, values out.
//! Does not own: how much of it there is ([`crate::stock`]).

use contracts::Money;
use contracts::http::IfMatch;

/// The longest name of a product, in characters.
pub const NAME_LENGTH_MAX: usize = 200;

/// A product that is sold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// What it is called.
    pub name: String,
    /// What one of it costs; never negative.
    pub unit_price: Money,
}

/// What is asked of a product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Create it, or replace what is known of it.
    Put {
        /// What it is to be.
        product: State,
        /// The versions it may be replaced at.
        condition: IfMatch,
    },
}

/// What happened to a product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It was created.
    Created(State),
    /// It was replaced.
    Replaced(State),
}

/// Why nothing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// It has another version than the caller saw, or does not exist yet.
    VersionConflict,
}

/// A product as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned {
    /// Grows by one with every change, from one.
    pub version: u64,
    /// The product.
    pub product: State,
}

/// Decides what a command does; putting what is there already does nothing.
///
/// # Errors
/// [`Rejection::VersionConflict`].
pub fn decide(current: Option<&Versioned>, command: &Command) -> Result<Vec<Event>, Rejection> {
    let Command::Put { product, condition } = command;
    match current {
        None if *condition == IfMatch::Any => Ok(vec![Event::Created(product.clone())]),
        Some(current) if condition.admits(current.version) => {
            let is_news = current.product != *product;
            Ok(is_news.then(|| Event::Replaced(product.clone())).into_iter().collect())
        }
        None | Some(_) => Err(Rejection::VersionConflict),
    }
}

/// The product after an event.
#[must_use]
pub fn apply(event: &Event) -> State {
    match event {
        Event::Created(product) | Event::Replaced(product) => product.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::Currency;

    fn tea(amount_minor: i64) -> State {
        State { name: "Tea".to_owned(), unit_price: Money::new(amount_minor, Currency::Eur) }
    }

    fn check(
        given: Option<u64>,
        (when, condition): (State, IfMatch),
        then: Result<Vec<Event>, Rejection>,
    ) {
        let current = given.map(|version| Versioned { version, product: tea(1) });
        let command = Command::Put { product: when, condition };
        assert_eq!(decide(current.as_ref(), &command), then);
    }

    #[test]
    fn a_new_product_is_created() {
        let then = Ok(vec![Event::Created(tea(1))]);
        check(None, (tea(1), IfMatch::Any), then);
    }

    #[test]
    fn a_known_product_is_replaced() {
        let then = Ok(vec![Event::Replaced(tea(2))]);
        check(Some(3), (tea(2), IfMatch::OneOf(vec![3])), then);
    }

    #[test]
    fn putting_the_same_product_again_changes_nothing() {
        check(Some(3), (tea(1), IfMatch::Any), Ok(vec![]));
    }

    #[test]
    fn another_version_than_the_caller_saw_is_refused() {
        for given in [Some(4), None] {
            let when = (tea(2), IfMatch::OneOf(vec![3]));
            check(given, when, Err(Rejection::VersionConflict));
        }
    }
}
