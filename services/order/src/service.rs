//! What can be done with orders: load, decide, commit, reply.
//!
//! ```text
//! place:  directories ──▶ Command::Place ──▶ decide ──▶ order + OrderPlaced + answer, one write
//! others:                 Command        ──▶ decide ──▶ order + fact (+ answer), one write
//! ```
//!
//! Owns: the order of these steps. Does not own: any rule; they live in [`crate::order`].

use crate::api::{self, ListOrders, PlaceOrder};
use crate::facts;
use crate::order::{self, Command, Obstacle, Placement, Rejection, State};
use crate::record::{self, Stored};
use contracts::envelope::Origin;
use contracts::http::{IdempotencyKey, StoredAnswer};
use contracts::order::Quantity;
use contracts::{OrderId, Sku, Timestamp};
use ports::Result;
use ports::aggregate::{Aggregates, Answer, Decision, Failure, Once};
use ports::directory::{Catalogue, Customers};
use ports::store::{Cursor, Direction, Expect, Item, Page, Query};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// The orders, and what can be done with them.
pub struct Service {
    aggregates: Arc<Aggregates>,
    customers: Arc<dyn Customers>,
    catalogue: Arc<dyn Catalogue>,
}

impl Service {
    /// Makes the service of the orders in `aggregates`.
    #[must_use]
    pub fn new(
        aggregates: Arc<Aggregates>,
        customers: Arc<dyn Customers>,
        catalogue: Arc<dyn Catalogue>,
    ) -> Self {
        Self { aggregates, customers, catalogue }
    }

    /// Places an order; the same key again answers the same, and places nothing.
    ///
    /// The order's id derives from the key's scope. So the key leads to the order's partition, and
    /// order, `OrderPlaced` and answer are one write.
    ///
    /// # Errors
    /// See [`Rejection`]: nothing is recorded, and the key stays free. `KeyReused`. The world's.
    pub async fn place(
        &self,
        request: PlaceOrder,
        key: &IdempotencyKey,
    ) -> Result<Answer<StoredAnswer>, Failure<Rejection>> {
        let id = Self::id_of(key);
        // What the directories answer is judged by the decider, after the record was looked for:
        // a key that was used gets its answer even if the user is gone by now.
        let skus: Vec<Sku> = request.lines.iter().map(|line| line.sku.clone()).collect();
        let (contact, prices) = futures::try_join!(
            self.customers.contact(&request.user_id),
            self.catalogue.unit_prices(&skus),
        )?;
        let wanted = request.lines.into_iter().map(Quantity::from);
        let command = Command::Place(Placement {
            id: id.clone(),
            user_id: request.user_id,
            contact,
            lines: wanted.zip(prices).collect(),
            card_token: request.payment_method.card_token,
            at: self.now(),
        });
        let once = once(key);
        self.execute(&id, Some(&once), &command, api::accepted).await
    }

    /// The id of the order that a key places.
    #[must_use]
    pub fn id_of(key: &IdempotencyKey) -> OrderId {
        OrderId::from_uuid(contracts::id::derived(&["order", &key.scope]))
    }

    /// What was answered under a key of an order's before; `None` when nothing was. Does nothing.
    ///
    /// # Errors
    /// `KeyReused`. The world's.
    pub async fn answered(
        &self,
        id: &OrderId,
        key: &IdempotencyKey,
    ) -> Result<Option<StoredAnswer>, Failure<Rejection>> {
        struct NothingYet;
        let (partition, once) = (record::partition(id), once(key));
        // The record is looked for before anything is decided, and here nothing ever is.
        let decide = |_: &[Option<Item>]| Err::<Decision<StoredAnswer>, _>(NothingYet);
        let before = self.aggregates.decide(&partition, &[], Some(&once), decide).await;
        match before {
            Ok(answer) => Ok(Some(answer.reply())),
            Err(Failure::Rejected(NothingYet)) => Ok(None),
            Err(Failure::KeyReused) => Err(Failure::KeyReused),
            Err(Failure::World(error)) => Err(Failure::World(error)),
        }
    }

    /// Reads an order.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    pub async fn find(&self, id: &OrderId) -> Result<Option<Stored>> {
        let store = self.aggregates.store();
        let items = store.items(&record::partition(id), &[record::ITEM]).await?;
        items.into_iter().flatten().next().as_ref().map(record::read).transpose()
    }

    /// Lists orders, the newest first.
    ///
    /// # Errors
    /// `Invalid` for a cursor that the store did not make. `Unavailable`, `Corrupt`.
    pub async fn list(&self, wanted: ListOrders) -> Result<Page<Stored>> {
        let (index, key) = record::group(wanted.user_id.as_ref(), wanted.status);
        let query = Query {
            index,
            key,
            direction: Direction::Descending,
            limit: wanted.page.limit,
            after: wanted.page.cursor.map(Cursor),
        };
        let page = self.aggregates.store().query(query).await?;
        let items = page.items.iter().map(|found| record::read(&found.item));
        Ok(Page { items: items.collect::<Result<_>>()?, next: page.next })
    }

    /// Takes note that the customer wants to cancel; the saga that runs, or a new one, does it.
    ///
    /// Asking again changes nothing. With a key, the first answer is given again.
    ///
    /// # Errors
    /// `NoSuchOrder`, `NotCancellable`. `KeyReused`. The world's.
    pub async fn cancel(
        &self,
        id: &OrderId,
        key: Option<&IdempotencyKey>,
    ) -> Result<Answer<StoredAnswer>, Failure<Rejection>> {
        let once = key.map(once);
        self.execute(id, once.as_ref(), &Command::RequestCancel, api::accepted).await
    }

    /// What an order's saga waits for an operator to clear; `None` when it does not wait.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    pub async fn obstacle(&self, id: &OrderId) -> Result<Option<Obstacle>> {
        Ok(match self.find(id).await?.map(|stored| stored.order.state) {
            Some(State::Parked(parking)) => Some(parking.obstacle),
            Some(
                State::Pending
                | State::PendingCancel
                | State::Confirmed
                | State::Cancelling
                | State::Cancelled { .. }
                | State::Rejected { .. },
            )
            | None => None,
        })
    }

    /// Performs a command on an order, once per `once`, and answers with the order as it is then.
    pub(crate) async fn execute<R>(
        &self,
        id: &OrderId,
        once: Option<&Once>,
        command: &Command,
        reply: impl Fn(&Stored) -> R,
    ) -> Result<Answer<R>, Failure<Rejection>>
    where
        R: Serialize + DeserializeOwned,
    {
        let (partition, at) = (record::partition(id), self.now());
        self.aggregates
            .decide(&partition, &[record::ITEM], once, |items| {
                let item = items.first().and_then(Option::as_ref);
                decision(item, command, at, &reply)
            })
            .await
            .map_err(Failure::flatten)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.aggregates.clock().now()
    }
}

fn once(key: &IdempotencyKey) -> Once {
    Once { key: format!("request#{}", key.scope), fingerprint: key.fingerprint.clone() }
}

/// What a command does to an order as it is stored.
fn decision<R>(
    item: Option<&Item>,
    command: &Command,
    at: Timestamp,
    reply: impl Fn(&Stored) -> R,
) -> Result<Decision<R>, Failure<Rejection>> {
    let stored = item.map(record::read).transpose()?;
    let before = stored.as_ref().map(|stored| &stored.order);
    let events = order::decide(before, command).map_err(Failure::Rejected)?;
    if let (Some(stored), []) = (&stored, events.as_slice()) {
        return Ok(Decision::nothing(reply(stored)));
    }
    let mut order = stored.map(|stored| stored.order);
    for event in &events {
        order::apply(&mut order, event);
    }
    let order = order.expect("an order that was not there can only be placed");
    let expect = Expect::unchanged(item);
    let (partition, version) = (record::partition(&order.details.id), expect.next_version());
    let origin = Origin {
        at,
        aggregate: partition.as_str(),
        sequence: version,
        correlation_id: order.details.id.as_str(),
        causation_id: None,
    };
    let told = events.iter().filter_map(|event| facts::envelope(event, &order.details, &origin));
    let outbox = told.collect();
    let writes = vec![record::write(&order, expect, at)];
    let stored = Stored { order, version, updated_at: at };
    Ok(Decision { writes, outbox, reply: reply(&stored) })
}

#[cfg(test)]
mod tests;
