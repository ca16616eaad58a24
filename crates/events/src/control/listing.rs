//! Pages of listings by name.

use super::Refusal;

/// The most entries of a page.
pub const PAGE_MAX: usize = 100;

/// How tokens begin; what follows is the last name of the page before.
const TOKEN: &str = "after:";

/// Which page of a listing is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Only names that begin like this.
    pub prefix: String,
    /// At most this many entries.
    pub limit: Option<usize>,
    /// The token of the page before.
    pub token: Option<String>,
}

/// A page of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageOf<T> {
    /// What is on it.
    pub entries: Vec<T>,
    /// The token of the next page, if there is one.
    pub next: Option<String>,
}

impl Page {
    /// Cuts the page out of entries that are sorted by name.
    pub(super) fn of<T>(
        &self,
        entries: impl IntoIterator<Item = (String, T)>,
    ) -> Result<PageOf<T>, Refusal> {
        let after = match &self.token {
            None => None,
            Some(token) => Some(token.strip_prefix(TOKEN).ok_or_else(|| {
                Refusal::parameter("NextToken", "it is not a token of this listing.")
            })?),
        };
        let limit = self.limit.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
        let mut rest = entries
            .into_iter()
            .filter(|(name, _)| name.starts_with(&self.prefix))
            .filter(|(name, _)| after.is_none_or(|after| name.as_str() > after))
            .peekable();
        let mut page = PageOf { entries: Vec::new(), next: None };
        while let Some((name, entry)) = rest.next() {
            page.entries.push(entry);
            if page.entries.len() == limit {
                page.next = rest.peek().map(|_| format!("{TOKEN}{name}"));
                break;
            }
        }
        Ok(page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_join_to_the_listing_without_gap_or_double() {
        let names: Vec<String> = (0..10).map(|n| format!("r{n}")).collect();
        for limit in 1..12 {
            let mut page = Page { prefix: "r".into(), limit: Some(limit), token: None };
            let mut listed = Vec::new();
            loop {
                let entries = names.iter().map(|name| (name.clone(), name.clone()));
                let cut = page.of(entries).expect("the token is right");
                listed.extend(cut.entries);
                page.token = cut.next;
                if page.token.is_none() {
                    break;
                }
            }
            assert_eq!(listed, names, "by {limit}");
        }
        let wrong = Page { token: Some("x".into()), ..Page::default() };
        assert!(wrong.of(Vec::<(String, ())>::new()).is_err());
    }
}
