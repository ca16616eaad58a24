//! How products, stock and reservations are stored: JSON with a version tag.
//!
//! Owns: the stored shapes and the way from and to the deciders' states. A shape never changes; a
//! new one gets the next `v`.

use crate::product;
use crate::stock::{Counters, Reservation};
use contracts::{Money, Timestamp};
use ports::store::Item;
use ports::{Error, Kind, record};
use serde::{Deserialize, Serialize};

const VERSION: u32 = 1;

/// A product as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProductRecord {
    v: u32,
    name: String,
    unit_price: Money,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

impl ProductRecord {
    pub(crate) fn of(product: product::State, created_at: Timestamp, now: Timestamp) -> Self {
        Self {
            v: VERSION,
            name: product.name,
            unit_price: product.unit_price,
            created_at,
            updated_at: now,
        }
    }

    pub(crate) fn read(item: &Item) -> Result<Self, Error> {
        record::read(item, "a product", VERSION)
    }

    pub(crate) fn state(self) -> product::State {
        product::State { name: self.name, unit_price: self.unit_price }
    }
}

/// A product's stock as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StockRecord {
    v: u32,
    on_hand: u64,
    reserved: u64,
    sold: u64,
    /// How many changes were told of it: the place of each among the others. Many share a write,
    /// so the item's version does not tell them apart.
    pub(crate) changes: u64,
}

impl StockRecord {
    /// Reads a product's stock; one that was never counted has none of anything.
    pub(crate) fn read(item: Option<&Item>) -> Result<Self, Error> {
        let nothing = Self { v: VERSION, on_hand: 0, reserved: 0, sold: 0, changes: 0 };
        item.map_or(Ok(nothing), |item| record::read(item, "a stock", VERSION))
    }

    pub(crate) const fn counters(&self) -> Counters {
        Counters { on_hand: self.on_hand, reserved: self.reserved, sold: self.sold }
    }

    pub(crate) const fn count(&mut self, counters: Counters) {
        self.on_hand = counters.on_hand;
        self.reserved = counters.reserved;
        self.sold = counters.sold;
    }
}

/// How far a reservation is, as it is stored; untouched ones are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Reserved,
    Barred,
    Committed,
    Returned,
    Released,
}

/// A reservation as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReservationRecord {
    v: u32,
    status: Status,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    quantity: Option<u32>,
    at: Timestamp,
    /// Until when the order will be decided, while it holds something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    held_until: Option<Timestamp>,
}

impl ReservationRecord {
    /// The record of a reservation; `None` when the order has not asked for it.
    pub(crate) fn of(reservation: Reservation, at: Timestamp) -> Option<Self> {
        let (status, quantity) = match reservation {
            Reservation::Untouched => return None,
            Reservation::Reserved { quantity } => (Status::Reserved, Some(quantity)),
            Reservation::Barred { quantity } => (Status::Barred, Some(quantity)),
            Reservation::Committed { quantity } => (Status::Committed, Some(quantity)),
            Reservation::Returned => (Status::Returned, None),
            Reservation::Released => (Status::Released, None),
        };
        Some(Self { v: VERSION, status, quantity, at, held_until: None })
    }

    /// The record of a hold, with the time that it is for.
    pub(crate) fn until(self, held_until: Option<Timestamp>) -> Self {
        match self.status {
            Status::Reserved => Self { held_until, ..self },
            Status::Barred | Status::Committed | Status::Returned | Status::Released => self,
        }
    }
}

/// Reads an order's reservation.
pub(crate) fn reservation(item: Option<&Item>) -> Result<Reservation, Error> {
    let Some(item) = item else {
        return Ok(Reservation::Untouched);
    };
    let record: ReservationRecord = record::read(item, "a reservation", VERSION)?;
    match (record.status, record.quantity) {
        (Status::Reserved, Some(quantity)) => Ok(Reservation::Reserved { quantity }),
        (Status::Barred, Some(quantity)) => Ok(Reservation::Barred { quantity }),
        (Status::Committed, Some(quantity)) => Ok(Reservation::Committed { quantity }),
        (Status::Returned, _) => Ok(Reservation::Returned),
        (Status::Released, _) => Ok(Reservation::Released),
        (Status::Reserved | Status::Barred | Status::Committed, None) => {
            Err(corrupt("a reservation", "it says nothing of how many pieces it holds"))
        }
    }
}

fn corrupt(what: &str, why: &str) -> Error {
    Error::new(Kind::Corrupt, format!("read {what}")).because(why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::Currency;

    fn stored(body: &str) -> Item {
        Item { name: "state".to_owned(), version: 1, body: body.to_owned(), expires_at: None }
    }

    #[test]
    fn a_product_of_version_1_can_be_read_for_ever() {
        let body = concat!(
            r#"{"v":1,"name":"Tea","unit_price":{"amount_minor":250,"currency":"EUR"},"#,
            r#""created_at":"2026-11-23T06:00:00.000Z","updated_at":"2026-11-23T06:00:00.120Z"}"#,
        );
        let record = ProductRecord::read(&stored(body)).unwrap();
        assert_eq!(record::text(&record), body);
        let price = Money::new(250, Currency::Eur);
        assert_eq!(record.state().unit_price, price);
    }

    #[test]
    fn a_stock_of_version_1_can_be_read_for_ever() {
        let body = r#"{"v":1,"on_hand":7,"reserved":2,"sold":1,"changes":5}"#;
        let record = StockRecord::read(Some(&stored(body))).unwrap();
        let expected = Counters { on_hand: 7, reserved: 2, sold: 1 };
        assert_eq!((record.counters(), record.changes), (expected, 5));
        assert_eq!(record::text(&record), body);
    }

    #[test]
    fn a_reservation_of_version_1_can_be_read_for_ever() {
        let held = |status: &str| {
            format!(r#"{{"v":1,"status":"{status}","quantity":2,"at":"2026-11-23T06:00:00.000Z"}}"#)
        };
        let done = |status: &str| {
            format!(r#"{{"v":1,"status":"{status}","at":"2026-11-23T06:00:00.000Z"}}"#)
        };
        let at = "2026-11-23T06:00:00.000Z".parse().unwrap();
        for (body, expected) in [
            (held("reserved"), Reservation::Reserved { quantity: 2 }),
            (held("barred"), Reservation::Barred { quantity: 2 }),
            (held("committed"), Reservation::Committed { quantity: 2 }),
            (done("returned"), Reservation::Returned),
            (done("released"), Reservation::Released),
        ] {
            let read = reservation(Some(&stored(&body))).unwrap();
            assert_eq!(read, expected);
            let record = ReservationRecord::of(read, at).unwrap();
            assert_eq!(record::text(&record), body);
        }
    }

    #[test]
    fn a_hold_says_until_when_its_order_will_be_decided() {
        let at = "2026-11-23T06:00:00.000Z".parse().unwrap();
        let until = Some("2026-11-23T06:15:00.000Z".parse().unwrap());
        let body = |reservation| {
            record::text(&ReservationRecord::of(reservation, at).unwrap().until(until))
        };
        let held = body(Reservation::Reserved { quantity: 2 });
        assert!(held.contains(r#""held_until":"2026-11-23T06:15:00.000Z""#), "{held}");
        let read = reservation(Some(&stored(&held))).unwrap();
        assert_eq!(read, Reservation::Reserved { quantity: 2 });
        assert!(!body(Reservation::Committed { quantity: 2 }).contains("held_until"));
    }

    #[test]
    fn a_record_of_another_version_is_refused_by_name() {
        let error = StockRecord::read(Some(&stored(r#"{"v":2,"pieces":[]}"#))).unwrap_err();
        assert_eq!(error.kind(), Kind::Corrupt);
        assert!(ports::task::chain(&error).contains("version 2"), "{error}");
    }

    #[test]
    fn a_reservation_that_does_not_say_how_many_is_corrupt() {
        let body = r#"{"v":1,"status":"reserved","at":"2026-11-23T06:00:00.000Z"}"#;
        let error = reservation(Some(&stored(body))).unwrap_err();
        assert_eq!(error.kind(), Kind::Corrupt);
    }
}
