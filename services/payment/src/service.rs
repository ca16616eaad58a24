//! What can be done with payments: load, decide, commit, reply.
//!
//! Owns: the order of these steps, and which items they touch.
//! Does not own: any rule; they live in [`crate::payment`].

use crate::api::{PaymentList, PaymentView};
use crate::ledger::{Entry, Movement};
use crate::payment::{self, Command, Event, Rejection, State};
use crate::record::{EntryRecord, Facts, PaymentRecord};
use contracts::envelope::Origin;
use contracts::payment::{
    PaymentAuthorized, PaymentCaptured, PaymentDeclined, PaymentMovement, PaymentRefunded,
    PaymentVoided,
};
use contracts::{Envelope, Money, OrderId, PaymentId, Timestamp};
use ports::aggregate::{Aggregates, Decision, Failure};
use ports::record;
use ports::store::{Expect, IndexKey, Item, Partition, Write};
use ports::{PaymentGateway, Result};
use std::sync::Arc;

pub(crate) const STATE: &str = "state";
pub(crate) const UNSETTLED: &str = "payments-unsettled";
pub(crate) const ALL: &str = "all";

/// The payments, and what can be done with them.
pub struct Service {
    pub(crate) aggregates: Arc<Aggregates>,
    pub(crate) gateway: Arc<dyn PaymentGateway>,
}

/// A payment after a command.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// The payment; none has begun when it is `None`.
    pub(crate) state: Option<State>,
    /// Whether the command changed it.
    pub(crate) is_news: bool,
    /// Since when it is as it is.
    pub(crate) since: Timestamp,
}

impl Service {
    /// Makes the service of the payments in `aggregates`, moved by `gateway`.
    #[must_use]
    pub fn new(aggregates: Arc<Aggregates>, gateway: Arc<dyn PaymentGateway>) -> Self {
        Self { aggregates, gateway }
    }

    /// Lists the payments of an order: one, or none when it has not begun.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    pub async fn payments(&self, order_id: &OrderId) -> Result<PaymentList> {
        let partition = partition(order_id);
        let items = self.aggregates.store().items(&partition, &[STATE]).await?;
        let mut views = Vec::new();
        for item in items.iter().flatten() {
            views.push(self.view(item).await?);
        }
        Ok(PaymentList { items: views, next_cursor: None })
    }

    pub(crate) async fn view(&self, item: &Item) -> Result<PaymentView> {
        let record = PaymentRecord::read(item)?;
        let names: Vec<String> = (1..=record.entries).map(entry_name).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let store = self.aggregates.store();
        let entries = store.items(&partition(&record.order_id), &names).await?;
        let entries = entries.iter().flatten().map(EntryRecord::read);
        let entries = entries.collect::<Result<Vec<EntryRecord>>>()?;
        let id = payment_id(&record.order_id);
        Ok(PaymentView::of(id, record, entries))
    }

    /// Reads an order's payment.
    pub(crate) async fn find(&self, order_id: &OrderId) -> Result<Option<State>> {
        let store = self.aggregates.store();
        let items = store.items(&partition(order_id), &[STATE]).await?;
        let record = items.iter().flatten().next().map(PaymentRecord::read);
        record.transpose()?.map(|record| record.state()).transpose()
    }

    /// Performs a command on an order's payment.
    pub(crate) async fn execute(
        &self,
        order_id: &OrderId,
        command: &Command,
    ) -> Result<Step, Failure<Rejection>> {
        let now = self.aggregates.clock().now();
        let answer = self
            .aggregates
            .decide(&partition(order_id), &[STATE], None, |items| {
                let item = items.first().and_then(Option::as_ref);
                decision(order_id, item, command, now)
            })
            .await
            .map_err(Failure::flatten)?;
        let (record, is_news): Reply = answer.reply();
        let since = record.as_ref().map_or(now, |record| record.updated_at);
        let state = record.map(|record| record.state()).transpose()?;
        Ok(Step { state, is_news, since })
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.aggregates.clock().now()
    }
}

pub(crate) fn partition(order_id: &OrderId) -> Partition {
    Partition::of("payment", order_id)
}

fn entry_name(number: u32) -> String {
    format!("entry#{number}")
}

/// The one payment of an order.
pub(crate) fn payment_id(order_id: &OrderId) -> PaymentId {
    PaymentId::from_uuid(contracts::id::derived(&["payment", order_id.as_str()]))
}

/// The payment's record, and whether it is news.
type Reply = (Option<PaymentRecord>, bool);

/// What a command does to a payment as it is stored: state, ledger and events in one write.
fn decision(
    order_id: &OrderId,
    item: Option<&Item>,
    command: &Command,
    now: Timestamp,
) -> Result<Decision<Reply>, Failure<Rejection>> {
    let record = item.map(PaymentRecord::read).transpose()?;
    let mut state = record.as_ref().map(PaymentRecord::state).transpose()?;
    let events = payment::decide(state.as_ref(), command).map_err(Failure::Rejected)?;
    if events.is_empty() {
        return Ok(Decision::nothing((record, false)));
    }
    for event in &events {
        payment::apply(&mut state, event);
    }
    let state = state.expect("the first event of a payment makes its state");
    let mut entries = record.as_ref().map_or(0, |record| record.entries);
    let mut writes = Vec::with_capacity(events.len());
    for (movement, moved) in moves(&state, &events) {
        entries += 1;
        let entry = Entry::of(movement, moved.amount_minor, moved.currency);
        let body = record::text(&EntryRecord::of(entry, now));
        writes.push(put(entry_name(entries), Expect::Absent, body, Vec::new()));
    }
    let expect = Expect::unchanged(item);
    let partition = partition(order_id);
    let origin = Origin {
        at: now,
        aggregate: partition.as_str(),
        sequence: expect.next_version(),
        correlation_id: order_id.as_str(),
        causation_id: None,
    };
    let outbox = told(order_id, &state, &events, &origin);
    let created_at = record.map_or(now, |record| record.created_at);
    let indexes = indexes(order_id, &state, created_at);
    let facts = Facts { order_id: order_id.clone(), entries, created_at, updated_at: now };
    let record = PaymentRecord::of(state, facts);
    writes.push(put(STATE.to_owned(), expect, record::text(&record), indexes));
    Ok(Decision { writes, outbox, reply: (Some(record), true) })
}

pub(crate) fn put(name: String, expect: Expect, body: String, indexes: Vec<IndexKey>) -> Write {
    Write::Put { name, expect, body, indexes, expires_at: None }
}

/// Payments of unknown outcome can be listed, so that nobody forgets them.
fn indexes(order_id: &OrderId, state: &State, created_at: Timestamp) -> Vec<IndexKey> {
    match state {
        State::Begun(payment) if payment.stage.is_unsettled() => vec![IndexKey {
            index: UNSETTLED,
            key: ALL.to_owned(),
            sort: format!("{created_at}#{order_id}"),
        }],
        State::Begun(_) | State::Forestalled => Vec::new(),
    }
}

/// What the events moved.
fn moves(state: &State, events: &[Event]) -> Vec<(Movement, Money)> {
    match state {
        State::Forestalled => Vec::new(),
        State::Begun(payment) => events
            .iter()
            .filter_map(|event| payment::movement(payment.amount, event))
            .map(|(movement, minor)| (movement, Money::new(minor, payment.amount.currency)))
            .collect(),
    }
}

/// What others are told of the events.
fn told(order_id: &OrderId, state: &State, events: &[Event], origin: &Origin<'_>) -> Vec<Envelope> {
    let payment_id = payment_id(order_id);
    let moved = |(movement, amount)| {
        let movement_of_order =
            PaymentMovement { payment_id: payment_id.clone(), order_id: order_id.clone(), amount };
        match movement {
            Movement::Authorization => Envelope::of(&PaymentAuthorized(movement_of_order), origin),
            Movement::Capture => Envelope::of(&PaymentCaptured(movement_of_order), origin),
            Movement::Void => Envelope::of(&PaymentVoided(movement_of_order), origin),
            Movement::Refund => Envelope::of(&PaymentRefunded(movement_of_order), origin),
        }
    };
    let declined = |event: &Event| {
        let reason = payment::refusal(event)?.to_owned();
        let fact =
            PaymentDeclined { payment_id: payment_id.clone(), order_id: order_id.clone(), reason };
        Some(Envelope::of(&fact, origin))
    };
    let moved = moves(state, events).into_iter().map(moved);
    moved.chain(events.iter().filter_map(declined)).collect()
}
