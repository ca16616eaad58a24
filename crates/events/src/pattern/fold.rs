//! Text compared without regard to case, character by character.
//!
//! A character equals its lower-case and its upper-case form, which may be longer than one
//! character (`ß` and `SS`).

/// A text in both cases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Folded(Vec<BothCases>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct BothCases {
    lower: String,
    upper: String,
}

impl Folded {
    /// Folds a text.
    pub(crate) fn new(text: &str) -> Self {
        Self(
            text.chars()
                .map(|char| BothCases {
                    lower: char.to_lowercase().collect(),
                    upper: char.to_uppercase().collect(),
                })
                .collect(),
        )
    }

    /// The text in lower case, if it is ASCII: then every text that equals it is, too.
    pub(crate) fn ascii(&self) -> Option<String> {
        let is_ascii = self.0.iter().all(|char| char.lower.is_ascii() && char.upper.is_ascii());
        is_ascii.then(|| self.0.iter().map(|char| char.lower.as_str()).collect())
    }

    /// Whether `text` is this text.
    pub(crate) fn equals(&self, text: &str) -> bool {
        self.strip_prefix(text).is_some_and(str::is_empty)
    }

    /// Whether `text` begins with this text.
    pub(crate) fn begins(&self, text: &str) -> bool {
        self.strip_prefix(text).is_some()
    }

    /// Whether `text` ends with this text.
    pub(crate) fn ends(&self, text: &str) -> bool {
        self.0
            .iter()
            .rev()
            .try_fold(text, |rest, char| {
                rest.strip_suffix(char.lower.as_str())
                    .or_else(|| rest.strip_suffix(char.upper.as_str()))
            })
            .is_some()
    }

    fn strip_prefix<'t>(&self, text: &'t str) -> Option<&'t str> {
        self.0.iter().try_fold(text, |rest, char| {
            rest.strip_prefix(char.lower.as_str())
                .or_else(|| rest.strip_prefix(char.upper.as_str()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_does_not_count_at_either_end() {
        let folded = Folded::new("cHild");
        assert!(folded.equals("CHILD") && folded.begins("childhood") && folded.ends("MyChild"));
        assert!(!folded.equals("children") && !folded.begins("chil") && !folded.ends("hild"));
    }

    #[test]
    fn a_character_with_a_longer_upper_case_equals_both() {
        let folded = Folded::new("straße");
        assert!(folded.equals("STRASSE") && folded.equals("Straße"));
    }

    #[test]
    fn the_empty_text_begins_and_ends_everything() {
        let folded = Folded::new("");
        assert!(folded.begins("x") && folded.ends("x") && folded.equals("") && !folded.equals("x"));
    }
}
