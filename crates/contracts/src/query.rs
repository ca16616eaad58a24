//! Reading a request's query parameters, so that everything wrong with them is said at once.
//!
//! ```text
//! let mut query = Query::read(&pairs);
//! let status = query.optional("status", query::parsed);
//! let page   = query.page();          // limit and cursor
//! query.finish()?                     // every problem, unknown parameters included
//! ```

use crate::http::{CURSOR_BYTES_MAX, PAGE_LIMIT_DEFAULT, PAGE_LIMIT_MAX, PageRequest};
use crate::problem::FieldError;
use std::fmt::Display;
use std::str::FromStr;

/// Query parameters that are being read.
///
/// A parameter that is wrong is remembered and read as `None`; [`Query::finish`] gives the verdict.
pub struct Query<'a> {
    pairs: &'a [(String, String)],
    known: Vec<&'static str>,
    wrong: Vec<FieldError>,
}

impl<'a> Query<'a> {
    /// Starts to read parameters that are percent-decoded already.
    #[must_use]
    pub const fn read(pairs: &'a [(String, String)]) -> Self {
        Self { pairs, known: Vec::new(), wrong: Vec::new() }
    }

    /// Reads a parameter that may be missing, and appears at most once.
    pub fn optional<T>(
        &mut self,
        name: &'static str,
        rule: impl FnOnce(&'a str) -> Result<T, String>,
    ) -> Option<T> {
        self.known.push(name);
        let mut values = self.pairs.iter().filter(|(known, _)| known == name);
        let (_, value) = values.next()?;
        if values.next().is_some() {
            self.wrong(name, "is given more than once");
            return None;
        }
        rule(value).map_err(|detail| self.wrong(name, &detail)).ok()
    }

    /// Reads a parameter that must be there, and appears once.
    pub fn required<T>(
        &mut self,
        name: &'static str,
        rule: impl FnOnce(&'a str) -> Result<T, String>,
    ) -> Option<T> {
        if !self.pairs.iter().any(|(known, _)| known == name) {
            self.known.push(name);
            self.wrong(name, "is missing");
            return None;
        }
        self.optional(name, rule)
    }

    /// Reads `limit` and `cursor`.
    pub fn page(&mut self) -> PageRequest {
        let limit = self.optional("limit", |text| {
            let limit = text.parse().ok();
            limit
                .filter(|limit| (1..=PAGE_LIMIT_MAX).contains(limit))
                .and_then(|limit| usize::try_from(limit).ok())
                .ok_or_else(|| format!("must be a whole number from 1 to {PAGE_LIMIT_MAX}"))
        });
        let cursor = self.optional("cursor", |text| {
            if text.is_empty() || text.len() > CURSOR_BYTES_MAX {
                return Err("must be a `next_cursor` of the page before".to_owned());
            }
            Ok(text.to_owned())
        });
        PageRequest { limit: limit.unwrap_or(PAGE_LIMIT_DEFAULT), cursor }
    }

    fn wrong(&mut self, name: &str, detail: &str) {
        self.wrong.push(FieldError::new(format!("?{name}"), detail));
    }

    /// Gives the verdict.
    ///
    /// # Errors
    /// Every problem found, and every parameter that is not known.
    pub fn finish(mut self) -> Result<(), Vec<FieldError>> {
        for (name, _) in self.pairs {
            if !self.known.contains(&name.as_str()) {
                let known = self.known.join(", ");
                let shown: String = name.chars().take(80).collect();
                self.wrong(&shown, &format!("is not a known parameter; known are: {known}"));
            }
        }
        if self.wrong.is_empty() { Ok(()) } else { Err(self.wrong) }
    }
}

/// A rule: text that parses as `T`.
///
/// # Errors
/// What `T`'s parser says.
pub fn parsed<T: FromStr<Err: Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|e: T::Err| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::OrderId;

    fn pairs(given: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        given.iter().map(owned).collect()
    }

    fn check(given: &[(&str, &str)], then: &[&str]) {
        let pairs = pairs(given);
        let mut query = Query::read(&pairs);
        query.required("order_id", parsed::<OrderId>);
        query.page();
        let wrong = query.finish().err().unwrap_or_default();
        let pointers: Vec<&str> = wrong.iter().map(|e| e.pointer.as_str()).collect();
        assert_eq!(pointers, then);
    }

    #[test]
    fn everything_wrong_is_said_at_once() {
        let given = [("order_id", "x"), ("limit", "101"), ("cursor", ""), ("z", "1")];
        check(&given, &["?order_id", "?limit", "?cursor", "?z"]);
    }

    #[test]
    fn a_missing_parameter_is_one_problem() {
        check(&[("limit", "1")], &["?order_id"]);
    }

    #[test]
    fn a_parameter_given_twice_is_refused() {
        let id = OrderId::from_uuid(crate::id::derived(&["x"]));
        let given = [("order_id", id.as_str()), ("limit", "1"), ("limit", "2")];
        check(&given, &["?limit"]);
    }

    #[test]
    fn a_page_without_parameters_has_the_default_limit() {
        let mut query = Query::read(&[]);
        assert_eq!(query.page(), PageRequest::default());
        assert_eq!(query.finish(), Ok(()));
    }
}
