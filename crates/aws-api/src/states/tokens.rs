//! Pages: how many items, from where, and how a page goes on.

use crate::fault::Fault;
use crate::members::Members;
use ports::Kind;
use ports::store::{Cursor, Page};
use serde_json::{Value, json};
use std::ops::RangeInclusive;

/// How many items a page has that is not told.
const PAGE: usize = 100;
/// The longest token.
const TOKEN: RangeInclusive<usize> = 1..=3_096;

/// Where a page begins and how much it holds.
pub(super) struct Paging {
    pub(super) limit: usize,
    pub(super) after: Option<Cursor>,
}

impl Paging {
    /// Reads `maxResults` and `nextToken`; zero means that the page is not told.
    pub(super) fn read(members: &mut Members) -> Self {
        let asked = members.number_if("maxResults", 0..=1_000).unwrap_or(0);
        let limit = usize::try_from(asked).ok().filter(|limit| *limit > 0).unwrap_or(PAGE);
        Self { limit, after: members.text_if("nextToken", TOKEN).map(Cursor) }
    }
}

/// A page whose only senseless part can have been its token.
pub(super) fn paged<T>(page: Result<Page<T>, impl Into<ListError>>) -> Result<Page<T>, Fault> {
    page.map_err(|error| match error.into() {
        ListError::World(error) if error.kind() == Kind::Invalid => invalid_token(),
        ListError::World(error) => error.into(),
        ListError::Other(fault) => fault,
    })
}

/// Why a list could not be read.
pub(super) enum ListError {
    World(ports::Error),
    Other(Fault),
}

impl From<ports::saga_engine::Refusal> for ListError {
    fn from(refusal: ports::saga_engine::Refusal) -> Self {
        match refusal {
            ports::saga_engine::Refusal::World(error) => Self::World(error),
            refusal => Self::Other(refusal.into()),
        }
    }
}

impl From<engine::MachineRefusal> for ListError {
    fn from(refusal: engine::MachineRefusal) -> Self {
        match refusal {
            engine::MachineRefusal::World(error) => Self::World(error),
            refusal => Self::Other(refusal.into()),
        }
    }
}

/// The refusal of a token that this listing did not give out.
pub(super) fn invalid_token() -> Fault {
    Fault::exception("InvalidToken", "Invalid Token: 'Invalid token'")
}

/// A page under its member's name.
pub(super) fn listed<T>(name: &str, page: Page<T>, said: impl FnMut(T) -> Value) -> Value {
    let items: Vec<_> = page.items.into_iter().map(said).collect();
    let mut listed = json!({name: items});
    if let Some(Cursor(token)) = page.next {
        listed["nextToken"] = token.into();
    }
    listed
}
