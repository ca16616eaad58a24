//! `wildcard`: text in which `*` stands for any run of characters.
//!
//! Matching is greedy and linear. EventBridge compiles wildcards into an automaton and refuses a
//! rule whose automaton can be in too many places at once; [`places`] counts those, so that a
//! pattern accepted here is accepted there.

use std::collections::{BTreeSet, VecDeque};

/// The most places a field's wildcards may be in at once. EventBridge does not publish its limit;
/// it is known to take seven and to refuse nine.
pub(crate) const PLACES_MAX: usize = 8;

/// The most combinations of places looked at before a field counts as too complex: real patterns
/// have tens.
const COMBINATIONS_MAX: usize = 10_000;

/// A text with wildcards: the literal runs between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wildcard(Vec<String>);

impl Wildcard {
    /// Reads a text; `\*` and `\\` are the characters themselves. The error says what is wrong.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let mut runs = vec![String::new()];
        let mut chars = text.chars().peekable();
        let mut run = String::new();
        while let Some(char) = chars.next() {
            match char {
                '*' if chars.peek() == Some(&'*') => {
                    return Err("has two wildcards in a row".to_owned());
                }
                '*' => {
                    if let Some(last) = runs.last_mut() {
                        *last = std::mem::take(&mut run);
                    }
                    runs.push(String::new());
                }
                '\\' => match chars.next() {
                    Some(escaped @ ('*' | '\\')) => run.push(escaped),
                    Some(_) | None => {
                        return Err("has a `\\` before neither `*` nor `\\`".to_owned());
                    }
                },
                plain => run.push(plain),
            }
        }
        if let Some(last) = runs.last_mut() {
            *last = run;
        }
        Ok(Self(runs))
    }

    /// How every text begins and ends that fits.
    pub(crate) fn ends(&self) -> (&str, &str) {
        (self.0.first().map_or("", String::as_str), self.0.last().map_or("", String::as_str))
    }

    /// Whether the whole `text` fits.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let Some((first, others)) = self.0.split_first() else {
            return text.is_empty();
        };
        let Some((last, middle)) = others.split_last() else {
            return text == first;
        };
        let rest =
            text.strip_prefix(first.as_str()).and_then(|rest| rest.strip_suffix(last.as_str()));
        let Some(rest) = rest else { return false };
        middle
            .iter()
            .try_fold(rest, |rest, run| rest.split_once(run.as_str()).map(|(_, after)| after))
            .is_some()
    }

    fn tokens(&self) -> Vec<Token> {
        let mut tokens = Vec::new();
        for (index, run) in self.0.iter().enumerate() {
            if index > 0 {
                tokens.push(Token::Any);
            }
            tokens.extend(run.chars().map(Token::Char));
        }
        tokens
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Any,
    Char(char),
}

/// Counts the most places the wildcards can be in at once, for the worst text; stops counting
/// above [`PLACES_MAX`].
pub(crate) fn places(wildcards: &[&Wildcard]) -> usize {
    let tokens: Vec<Vec<Token>> = wildcards.iter().map(|wildcard| wildcard.tokens()).collect();
    let mut start = BTreeSet::new();
    for wildcard in 0..tokens.len() {
        enter((wildcard, 0), &tokens, &mut start);
    }
    let mut seen = BTreeSet::from([start.clone()]);
    let mut open = VecDeque::from([start]);
    let mut most = 0;
    while let Some(places) = open.pop_front() {
        for input in inputs(&places, &tokens) {
            let next = step(&places, input, &tokens);
            most = most.max(next.len());
            if most > PLACES_MAX || seen.len() > COMBINATIONS_MAX {
                return PLACES_MAX + 1;
            }
            if seen.insert(next.clone()) {
                open.push_back(next);
            }
        }
    }
    most
}

/// A wildcard, and how many of its tokens are behind.
type Place = (usize, usize);

/// The characters that make a difference here; `None` stands for all others.
fn inputs(places: &BTreeSet<Place>, tokens: &[Vec<Token>]) -> BTreeSet<Option<char>> {
    let next = places.iter().filter_map(|(wildcard, behind)| tokens.get(*wildcard)?.get(*behind));
    let next = next.map(|token| match token {
        Token::Char(char) => Some(*char),
        Token::Any => None,
    });
    next.chain([None]).collect()
}

fn step(places: &BTreeSet<Place>, input: Option<char>, tokens: &[Vec<Token>]) -> BTreeSet<Place> {
    let mut next = BTreeSet::new();
    for &(wildcard, behind) in places {
        let Some(tokens_here) = tokens.get(wildcard) else {
            continue;
        };
        let is_inside_any = behind
            .checked_sub(1)
            .and_then(|last| tokens_here.get(last))
            .is_some_and(|token| *token == Token::Any);
        if is_inside_any {
            enter((wildcard, behind), tokens, &mut next);
        }
        match tokens_here.get(behind) {
            Some(Token::Char(char)) if Some(*char) == input => {
                enter((wildcard, behind + 1), tokens, &mut next);
            }
            Some(Token::Any) => enter((wildcard, behind + 1), tokens, &mut next),
            Some(Token::Char(_)) | None => {}
        }
    }
    next
}

/// Adds a place, and the one behind a wildcard that may stand for nothing.
fn enter((wildcard, behind): Place, tokens: &[Vec<Token>], places: &mut BTreeSet<Place>) {
    places.insert((wildcard, behind));
    let next = tokens.get(wildcard).and_then(|tokens| tokens.get(behind));
    if next == Some(&Token::Any) {
        places.insert((wildcard, behind + 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wildcard(text: &str) -> Wildcard {
        Wildcard::read(text).expect("the wildcard is written well")
    }

    #[test]
    fn a_wildcard_stands_for_any_run_also_an_empty_one() {
        assert!(wildcard("d*f").matches("df") && wildcard("d*f").matches("dexef"));
        assert!(wildcard("*a*b*").matches("ab") && wildcard("*").matches(""));
        assert!(!wildcard("ab*ba").matches("aba"), "the ends may not overlap");
        assert!(!wildcard("d*ff").matches("dexef"));
    }

    #[test]
    fn a_backslash_makes_a_star_a_star() {
        assert!(wildcard(r"a\*\\").matches(r"a*\"));
        assert!(!wildcard(r"a\*").matches("ab"));
        assert!(Wildcard::read(r"a\b").is_err() && Wildcard::read(r"a\").is_err());
        assert!(Wildcard::read("a**b").is_err());
    }

    #[test]
    fn repetition_behind_a_wildcard_costs_places() {
        for (text, expected) in [
            ("*", 1),
            ("abc", 1),
            ("aa*", 2),
            ("a*b", 2),
            ("*ab", 2),
            ("*aa", 3),
            ("a*bb", 3),
            ("*ab*ad", 4),
            ("a*b*bb", 5),
        ] {
            assert_eq!(places(&[&wildcard(text)]), expected, "{text}");
        }
        assert_eq!(places(&[&wildcard("*,*,*,*,*,*")]), PLACES_MAX + 1);
    }

    /// The definition, without any cleverness.
    fn naive(pattern: &[char], text: &[char]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some(('*', rest)), _) if naive(rest, text) => true,
            (Some(('*', _)), Some((_, behind))) => naive(pattern, behind),
            (Some((want, rest)), Some((have, behind))) => want == have && naive(rest, behind),
            (None, Some(_)) | (Some(_), None) => false,
        }
    }

    proptest! {
        #[test]
        fn greedy_matching_equals_the_definition(pattern in "([ab]|\\*[ab]){0,6}\\*?",
                                                 text in "[ab]{0,9}") {
            let chars: Vec<char> = pattern.chars().collect();
            let against: Vec<char> = text.chars().collect();
            prop_assert_eq!(wildcard(&pattern).matches(&text), naive(&chars, &against));
        }
    }
}
