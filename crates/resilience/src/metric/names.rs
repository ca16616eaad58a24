//! Names as the values of labels: only so many are told apart.
//!
//! Owns: the bound. A recorder keeps every value of every label until the process ends, so whoever
//! may choose names without end could otherwise fill its memory.
//! Does not own: which metrics have which labels.

use metrics::SharedString;
use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};

/// How many names are told apart: more than any system of services has functions.
pub const NAMES_MAX: usize = 1_024;

/// What all further names are called.
pub const OTHER: &str = "other";

static NAMES: RwLock<Option<Names>> = RwLock::new(None);

/// The names that are told apart.
#[derive(Default)]
struct Names(HashSet<Arc<str>>);

impl Names {
    fn find(&self, name: &str) -> Option<SharedString> {
        if let Some(known) = self.0.get(name) {
            return Some(SharedString::from_shared(Arc::clone(known)));
        }
        (self.0.len() >= NAMES_MAX).then_some(SharedString::const_str(OTHER))
    }

    fn find_or_add(&mut self, name: &str) -> SharedString {
        self.find(name).unwrap_or_else(|| {
            let name: Arc<str> = name.into();
            self.0.insert(Arc::clone(&name));
            SharedString::from_shared(name)
        })
    }
}

/// A name as the value of a label, or [`OTHER`] when there are too many.
pub(super) fn bounded(name: &str) -> SharedString {
    let names = NAMES.read().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.as_ref().and_then(|names| names.find(name)) {
        return known;
    }
    drop(names);
    let mut names = NAMES.write().unwrap_or_else(PoisonError::into_inner);
    names.get_or_insert_default().find_or_add(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beyond_the_bound_are_counted_together() {
        let mut names = Names::default();
        for n in 0..NAMES_MAX {
            assert_eq!(&*names.find_or_add(&n.to_string()), n.to_string());
        }
        assert_eq!(&*names.find_or_add("one too many"), OTHER);
        assert_eq!(&*names.find_or_add("0"), "0");
        assert_eq!(names.0.len(), NAMES_MAX);
    }
}
