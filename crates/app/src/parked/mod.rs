//! The operators' queue: everything that stands still and may need a person.
//!
//! ```text
//! orders that are parked ────────┐
//! payments of unknown outcome ───┼──▶ entries, the oldest of each kind first ──▶ show ──▶ resolve
//! steps that wait for an outage ─┘
//! ```
//!
//! Owns: what an entry is, how it is named, and the page that runs through all kinds.
//! Does not own: what a resolution needs (`rules`) and does (`resolve`).

mod entry;
mod resolve;
mod rules;

pub(crate) use self::entry::{Entry, EntryId, Kind, Money, Wanted};
pub(crate) use self::resolve::{Resolve, Resolved, resolve};

use crate::http::operations::Operations;
use contracts::http::{Listing, PageRequest};
use futures::future::join_all;
use order::Status;
use order::api::ListOrders;
use ports::store::Cursor;
use ports::task::chain;
use ports::{Error, Kind as ErrorKind, Result};
use std::time::Duration;

/// How long a payment may be at work before an operator hears of it: longer than any try takes.
const AT_WORK_MAX: Duration = Duration::from_secs(30);
/// How long the gateway's books are waited for: whoever looks at the queue of an outage must see it.
const BOOKS_WAIT: Duration = Duration::from_secs(2);

/// Lists what stands still: parked orders, then payments, then steps.
pub(crate) async fn list(operations: &Operations, wanted: Wanted) -> Result<Listing<Entry>> {
    let mut kinds = Kind::ALL.into_iter().filter(|kind| wanted.kind.is_none_or(|k| k == *kind));
    let (first, mut inner) = match &wanted.page.cursor {
        None => (None, None),
        Some(cursor) => {
            let (kind, inner) = read_cursor(cursor)?;
            (Some(kind), inner)
        }
    };
    let mut items = Vec::new();
    let mut kind = match first {
        Some(first) => kinds.find(|kind| *kind == first),
        None => kinds.next(),
    };
    while let Some(current) = kind {
        let room = wanted.page.limit.saturating_sub(items.len());
        if room == 0 {
            return Ok(Listing { items, next_cursor: Some(cursor(current, None)) });
        }
        let page = PageRequest { limit: room, cursor: inner.take() };
        let found = of_kind(operations, current, page).await?;
        items.extend(found.items);
        if let Some(next) = found.next_cursor {
            return Ok(Listing { items, next_cursor: Some(cursor(current, Some(&next))) });
        }
        kind = kinds.next();
    }
    Ok(Listing { items, next_cursor: None })
}

/// Reads one entry; `None` when it does not stand still any more.
pub(crate) async fn find(operations: &Operations, id: &EntryId) -> Result<Option<Entry>> {
    Ok(match id {
        EntryId::Order(order_id) => {
            let stored = operations.orders.find(order_id).await?;
            match stored.as_ref().and_then(Entry::of_order) {
                Some(entry) => Some(with_money(operations, entry).await?),
                None => None,
            }
        }
        EntryId::Payment(order_id) => match operations.payments.unsettled_of(order_id).await? {
            Some(unsettled) => Some(with_books(operations, Entry::of_payment(unsettled)).await),
            None => None,
        },
        EntryId::Step(id) => operations.desk.wait(id).await?.map(Entry::of_step),
    })
}

async fn of_kind(operations: &Operations, kind: Kind, page: PageRequest) -> Result<Listing<Entry>> {
    match kind {
        Kind::Order => {
            let wanted = ListOrders { status: Some(Status::Parked), page, user_id: None };
            let found = operations.orders.list(wanted).await?;
            let items = found.items.iter().filter_map(Entry::of_order).collect();
            Ok(Listing { items, next_cursor: found.next.map(|cursor| cursor.0) })
        }
        Kind::Payment => {
            let found = operations.payments.unsettled(page).await?;
            let now = operations.clock.now();
            // What is at work right now is nobody's concern yet.
            let stands = found
                .items
                .into_iter()
                .filter(|found| found.tries > 0 || now.since(found.since) > AT_WORK_MAX);
            let entries = stands.map(|found| with_books(operations, Entry::of_payment(found)));
            Ok(Listing { items: join_all(entries).await, next_cursor: found.next_cursor })
        }
        Kind::Step => {
            let found = operations.desk.waits(page.limit, page.cursor.map(Cursor)).await?;
            let items = found.items.into_iter().map(Entry::of_step).collect();
            Ok(Listing { items, next_cursor: found.next.map(|cursor| cursor.0) })
        }
    }
}

/// Adds both ledgers to a parked order whose step is about money.
async fn with_money(operations: &Operations, entry: Entry) -> Result<Entry> {
    let Some(order_id) = entry.order_id.clone().filter(|_| entry.is_about_money()) else {
        return Ok(entry);
    };
    let payments = operations.payments.payments(&order_id).await?;
    let money = payments.items.first().map(Money::of);
    Ok(with_books(operations, Entry { money, ..entry }).await)
}

/// Adds what the gateway's books say, or why they cannot be had.
async fn with_books(operations: &Operations, mut entry: Entry) -> Entry {
    if let (Some(money), Some(order_id)) = (&mut entry.money, &entry.order_id) {
        let until = operations.clock.now().plus(BOOKS_WAIT);
        match operations.payments.books(order_id, Some(until)).await {
            Ok(books) => money.gateway = Some(books.into()),
            Err(error) => money.gateway_error = Some(chain(&error)),
        }
    }
    entry
}

fn cursor(kind: Kind, inner: Option<&str>) -> String {
    match inner {
        Some(inner) => format!("{}.{inner}", kind.as_str()),
        None => kind.as_str().to_owned(),
    }
}

/// # Errors
/// `Invalid` for a cursor that is none of ours, as a store says it.
fn read_cursor(text: &str) -> Result<(Kind, Option<String>)> {
    let (kind, inner) = match text.split_once('.') {
        Some((kind, inner)) => (kind, Some(inner.to_owned())),
        None => (text, None),
    };
    let kind = kind.parse().map_err(|why: String| {
        Error::new(ErrorKind::Invalid, "go on with the operators' queue").because(why)
    })?;
    Ok((kind, inner))
}
