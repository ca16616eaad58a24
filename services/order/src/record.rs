//! How an order is kept: one item, and the four indexes it is found through.
//!
//! Owns: the stored text and its version tag, and the names of partitions and indexes.
//! Does not own: any rule about orders.

use crate::order::{Details, Line, Order, Parking, Saga, State, Status};
use contracts::user::Contact;
use contracts::{Money, OrderId, Timestamp, UserId};
use ports::store::{Expect, IndexKey, Item, Partition, Write};
use ports::{Result, record};
use serde::{Deserialize, Serialize};

/// The item of an order's partition that holds the order.
pub(crate) const ITEM: &str = "state";
/// The version of the stored text that this program writes, and the only one it reads.
const VERSION: u32 = 1;

/// An order as it was read from the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The order.
    pub order: Order,
    /// How often it was written.
    pub version: u64,
    /// When it was written last.
    pub updated_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct Record {
    v: u32,
    id: OrderId,
    user_id: UserId,
    contact: Contact,
    lines: Vec<Line>,
    total: Money,
    card_token: String,
    placed_at: Timestamp,
    updated_at: Timestamp,
    state: StateRecord,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
enum StateRecord {
    Pending,
    PendingCancel,
    Confirmed,
    Cancelling,
    Cancelled { by: Saga },
    Rejected { reason: String },
    Parked(Parking),
}

impl From<State> for StateRecord {
    fn from(state: State) -> Self {
        match state {
            State::Pending => Self::Pending,
            State::PendingCancel => Self::PendingCancel,
            State::Confirmed => Self::Confirmed,
            State::Cancelling => Self::Cancelling,
            State::Cancelled { by } => Self::Cancelled { by },
            State::Rejected { reason } => Self::Rejected { reason },
            State::Parked(parking) => Self::Parked(parking),
        }
    }
}

impl From<StateRecord> for State {
    fn from(state: StateRecord) -> Self {
        match state {
            StateRecord::Pending => Self::Pending,
            StateRecord::PendingCancel => Self::PendingCancel,
            StateRecord::Confirmed => Self::Confirmed,
            StateRecord::Cancelling => Self::Cancelling,
            StateRecord::Cancelled { by } => Self::Cancelled { by },
            StateRecord::Rejected { reason } => Self::Rejected { reason },
            StateRecord::Parked(parking) => Self::Parked(parking),
        }
    }
}

/// The partition of an order.
pub(crate) fn partition(id: &OrderId) -> Partition {
    Partition::of("order", id)
}

/// Reads an order from its item.
///
/// # Errors
/// `Corrupt` when the text is not an order, or of a version this program does not know.
pub fn read(item: &Item) -> Result<Stored> {
    let record: Record = record::read(item, "an order", VERSION)?;
    let details = Details {
        id: record.id,
        user_id: record.user_id,
        contact: record.contact,
        lines: record.lines,
        total: record.total,
        card_token: record.card_token,
        placed_at: record.placed_at,
    };
    Ok(Stored {
        order: Order { details, state: record.state.into() },
        version: item.version,
        updated_at: record.updated_at,
    })
}

/// The write that stores an order, provided that its item is still as `expect` says.
pub(crate) fn write(order: &Order, expect: Expect, updated_at: Timestamp) -> Write {
    let details = order.details.clone();
    let record = Record {
        v: VERSION,
        id: details.id,
        user_id: details.user_id,
        contact: details.contact,
        lines: details.lines,
        total: details.total,
        card_token: details.card_token,
        placed_at: details.placed_at,
        updated_at,
        state: order.state.clone().into(),
    };
    Write::Put {
        name: ITEM.to_owned(),
        expect,
        body: record::text(&record),
        indexes: indexes(order),
        expires_at: None,
    }
}

/// The index, and the group in it, that holds the orders of a user, of a status, of both, or all.
pub(crate) fn group(user: Option<&UserId>, status: Option<Status>) -> (&'static str, String) {
    match (user, status) {
        (None, None) => ("orders", "all".to_owned()),
        (Some(user), None) => ("orders-by-user", user.to_string()),
        (None, Some(status)) => ("orders-by-status", status.to_string()),
        (Some(user), Some(status)) => ("orders-by-user-status", format!("{user}/{status}")),
    }
}

fn indexes(order: &Order) -> Vec<IndexKey> {
    let details = &order.details;
    let (user, status) = (&details.user_id, order.state.status());
    let groups = [
        group(None, None),
        group(Some(user), None),
        group(None, Some(status)),
        group(Some(user), Some(status)),
    ];
    let sort = format!("{}#{}", details.placed_at, details.id);
    let place = |(index, key)| IndexKey { index, key, sort: sort.clone() };
    groups.into_iter().map(place).collect()
}

#[cfg(test)]
mod tests;
