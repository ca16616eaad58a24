//! Many calls on one product's stock, decided one after the other and written as one change.
//!
//! Owns: which items a batch reads and writes, and what others are told of it.
//! Does not own: any rule; they live in [`crate::stock`].

use crate::queue::{Call, Verdict};
use crate::record::{self, ReservationRecord, StockRecord};
use crate::stock::{self, Event, Reservation, State};
use contracts::envelope::Origin;
use contracts::inventory::{
    StockCommitted, StockMovement, StockReleased, StockReserved, StockReturned, StockSet,
};
use contracts::{Envelope, OrderId, Sku, Timestamp};
use ports::aggregate::{Decision, Failure};
use ports::store::{Expect, Item, Partition, Write};
use ports::{Error, Result};
use std::time::Duration;

/// How long a reservation is remembered after the order gave everything back: longer than the 14
/// days in which a saga can be redriven and send its calls again.
const TOMBSTONE_KEPT: Duration = Duration::from_hours(30 * 24);

pub(crate) const STATE: &str = "state";

/// The item that keeps an order's reservation.
pub(crate) fn reservation_name(order_id: &OrderId) -> String {
    format!("order#{order_id}")
}

/// Calls on one product's stock, each of another order.
pub(crate) struct Batch<'a> {
    sku: &'a Sku,
    partition: Partition,
    calls: Vec<(&'a Call, Option<String>)>,
    now: Timestamp,
}

impl<'a> Batch<'a> {
    pub(crate) fn new(
        sku: &'a Sku,
        calls: impl IntoIterator<Item = &'a Call>,
        now: Timestamp,
    ) -> Self {
        let named = |call: &'a Call| {
            let name = call.order_id.as_ref().map(reservation_name);
            (call, name)
        };
        Self { sku, partition: partition(sku), calls: calls.into_iter().map(named).collect(), now }
    }

    pub(crate) const fn partition(&self) -> &Partition {
        &self.partition
    }

    /// The items to read: the counters, then each order's reservation.
    pub(crate) fn names(&self) -> Vec<&str> {
        let reservations = self.calls.iter().filter_map(|(_, name)| name.as_deref());
        std::iter::once(STATE).chain(reservations).collect()
    }

    /// Decides every call on what the ones before it left; the verdicts are in their order.
    ///
    /// # Errors
    /// The counters cannot be read; what is wrong with one reservation fails its own call only.
    pub(crate) fn decide(&self, items: &[Option<Item>]) -> Result<(Decision<()>, Vec<Verdict>)> {
        let (stored, reserved) = match items.split_first() {
            Some((stored, reserved)) => (stored.as_ref(), reserved),
            None => (None, items),
        };
        let before = StockRecord::read(stored)?;
        let mut stock = before;
        let mut decision = Decision::nothing(());
        let mut reserved = reserved.iter();
        let verdicts = self.calls.iter().map(|(call, name)| {
            let item = name.as_ref().and_then(|_| reserved.next()).and_then(Option::as_ref);
            self.perform(call, name.as_deref().zip(Some(item)), &mut stock, &mut decision)
        });
        let verdicts: Vec<Verdict> = verdicts.collect();
        if stock != before {
            decision.writes.push(put(STATE, stored, ports::record::text(&stock), None));
        }
        Ok((decision, verdicts))
    }

    fn perform(
        &self,
        call: &Call,
        reserved: Option<(&str, Option<&Item>)>,
        stock: &mut StockRecord,
        decision: &mut Decision<()>,
    ) -> Verdict {
        let item = reserved.and_then(|(_, item)| item);
        let before = State { counters: stock.counters(), reservation: record::reservation(item)? };
        let events = stock::decide(&before, &call.command).map_err(Failure::Rejected)?;
        let mut after = before;
        for event in &events {
            stock::apply(&mut after, event);
        }
        if let Some((name, item)) = reserved
            && after.reservation != before.reservation
            && let Some(record) = ReservationRecord::of(after.reservation, self.now)
        {
            let body = ports::record::text(&record.until(call.held_until));
            decision.writes.push(put(name, item, body, self.expiry(after.reservation)));
        }
        for event in &events {
            let sequence = stock.changes + 1;
            if let Some(told) = self.told(call, event, sequence) {
                stock.changes = sequence;
                decision.outbox.push(told);
            }
        }
        stock.count(after.counters);
        Ok(())
    }

    /// What holds or sold pieces is kept: an order can be cancelled long after it was confirmed.
    fn expiry(&self, reservation: Reservation) -> Option<Timestamp> {
        match reservation {
            Reservation::Returned | Reservation::Released => Some(self.now.plus(TOMBSTONE_KEPT)),
            Reservation::Untouched
            | Reservation::Reserved { .. }
            | Reservation::Barred { .. }
            | Reservation::Committed { .. } => None,
        }
    }

    /// What others are told of an event; marks that move nothing are not told.
    fn told(&self, call: &Call, event: &Event, sequence: u64) -> Option<Envelope> {
        let order_id = call.order_id.as_ref();
        let origin = Origin {
            at: self.now,
            aggregate: self.partition.as_str(),
            sequence,
            correlation_id: order_id.map_or(self.sku.as_str(), OrderId::as_str),
            causation_id: None,
        };
        let sku = self.sku.clone();
        let movement = |quantity: u32| {
            let order_id = order_id?.clone();
            Some(StockMovement { sku: sku.clone(), order_id, quantity, held_until: None })
        };
        match *event {
            Event::Set { on_hand } => Some(Envelope::of(&StockSet { sku, on_hand }, &origin)),
            Event::Reserved { quantity } => {
                let held_until = call.held_until;
                let moved = movement(quantity).map(|moved| StockMovement { held_until, ..moved });
                moved.map(|moved| Envelope::of(&StockReserved(moved), &origin))
            }
            Event::Committed { quantity } => {
                movement(quantity).map(|moved| Envelope::of(&StockCommitted(moved), &origin))
            }
            Event::Returned { quantity } => {
                movement(quantity).map(|moved| Envelope::of(&StockReturned(moved), &origin))
            }
            Event::Released { quantity } => {
                movement(quantity).map(|moved| Envelope::of(&StockReleased(moved), &origin))
            }
            Event::Barred { .. } | Event::CommitForestalled | Event::ReserveForestalled => None,
        }
    }
}

/// The partition of a product's stock.
pub(crate) fn partition(sku: &Sku) -> Partition {
    Partition::of("stock", sku)
}

/// The same failure for everybody whose call was in the batch.
pub(crate) fn shared(error: &Error) -> Error {
    let copy = Error::new(error.kind(), "change a stock").because(ports::task::chain(error));
    match error.wait() {
        Some(wait) => copy.retry_after(wait),
        None => copy,
    }
}

fn put(name: &str, read: Option<&Item>, body: String, expires_at: Option<Timestamp>) -> Write {
    Write::Put {
        name: name.to_owned(),
        expect: Expect::unchanged(read),
        body,
        indexes: Vec::new(),
        expires_at,
    }
}
