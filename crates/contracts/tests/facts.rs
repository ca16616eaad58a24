//! The shape of every event of version 1: what was archived can be read for ever, and what is sent
//! today reads the same to whoever learned the shape.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends with the reason")]

use contracts::envelope::{Envelope, Fact, Origin};
use contracts::inventory::{
    ProductPut, StockCommitted, StockReleased, StockReserved, StockReturned, StockSet,
};
use contracts::order::{
    OrderCancelRequested, OrderCancelled, OrderConfirmed, OrderParked, OrderPlaced, OrderRejected,
    OrderResolved, OrderResumed,
};
use contracts::payment::{
    PaymentAuthorized, PaymentCaptured, PaymentDeclined, PaymentRefunded, PaymentVoided,
};
use contracts::resilience::{BreakerClosed, BreakerHalfOpened, BreakerOpened, BreakerSwitched};
use contracts::user::{UserCreated, UserDeleted, UserUpdated};
use contracts::{Timestamp, id};
use serde_json::{Value, json};

const ORDER: &str = "ord_018f2b6a5d3c7e4f8a9b0c1d2e3f4a5b";
const USER: &str = "usr_018f2b6a5d3c7e4f8a9b0c1d2e3f4a5b";
const PAYMENT: &str = "pay_018f2b6a5d3c7e4f8a9b0c1d2e3f4a5b";

/// An event as it was archived.
fn archived(source: &str, detail_type: &str, data: &Value) -> Value {
    let event_id = id::derived(&["event", "order#1", "3", detail_type]);
    json!({
        "id": event_id,
        "source": source,
        "detail-type": detail_type,
        "time": "2026-11-23T08:00:00.000Z",
        "detail": {
            "metadata": {
                "event_id": event_id,
                "correlation_id": ORDER,
                "aggregate": "order#1",
                "sequence": 3,
                "schema_version": 1,
            },
            "data": data,
        },
    })
}

/// Data of version 1 reads as `F`, is written again as it was, and may grow fields.
fn check<F: Fact>(source: &str, detail_type: &str, data: Value) {
    let text = archived(source, detail_type, &data);
    let envelope: Envelope = serde_json::from_value(text.clone()).unwrap();
    let fact = envelope.fact::<F>().expect(detail_type).unwrap();
    let origin = Origin {
        at: Timestamp::from_millis(1_795_420_800_000),
        aggregate: "order#1",
        sequence: 3,
        correlation_id: ORDER,
        causation_id: None,
    };
    let written = serde_json::to_value(Envelope::of(&fact, &origin)).unwrap();
    assert_eq!(written, text, "{detail_type}");

    let mut grown = data;
    grown["said_since_version_1"] = json!(true);
    let grown = serde_json::from_value(archived(source, detail_type, &grown));
    let grown: Envelope = grown.unwrap();
    assert!(grown.fact::<F>().unwrap().is_ok(), "{detail_type} may grow");
}

fn money() -> Value {
    json!({"amount_minor": 2_899, "currency": "EUR"})
}

#[test]
fn every_order_event_of_version_1_reads_and_is_written_as_it_was() {
    let source = "ordersaga.order";
    let lines = json!([{"sku": "TEA", "quantity": 2}]);
    let contact = json!({"email": "ada@example.com", "name": "Ada"});
    let placed = json!({"order_id": ORDER, "user_id": USER, "lines": lines, "total": money()});
    check::<OrderPlaced>(source, "OrderPlaced", placed);
    let ended = json!({"order_id": ORDER, "user_id": USER, "total": money(), "contact": contact});
    check::<OrderConfirmed>(source, "OrderConfirmed", ended.clone());
    check::<OrderCancelled>(source, "OrderCancelled", ended.clone());
    let mut rejected = ended;
    rejected["reason"] = json!("out_of_stock");
    check::<OrderRejected>(source, "OrderRejected", rejected);
    let asked = json!({"order_id": ORDER, "user_id": USER, "lines": lines, "total": money()});
    check::<OrderCancelRequested>(source, "OrderCancelRequested", asked);
    let parked = json!({
        "order_id": ORDER, "reason": "compensation_failed", "step": "VoidPayment",
        "error": "Ordersaga.Unavailable",
    });
    check::<OrderParked>(source, "OrderParked", parked);
    check::<OrderResumed>(source, "OrderResumed", json!({"order_id": ORDER}));
    let resolved = json!({
        "order_id": ORDER,
        "step": "RefundPayment",
        "resolution": "done",
        "by": "ada",
        "note": "refunded by hand",
    });
    check::<OrderResolved>(source, "OrderResolved", resolved);
}

#[test]
fn every_payment_event_of_version_1_reads_and_is_written_as_it_was() {
    let source = "ordersaga.payment";
    let moved = json!({"payment_id": PAYMENT, "order_id": ORDER, "amount": money()});
    check::<PaymentAuthorized>(source, "PaymentAuthorized", moved.clone());
    check::<PaymentCaptured>(source, "PaymentCaptured", moved.clone());
    check::<PaymentVoided>(source, "PaymentVoided", moved.clone());
    check::<PaymentRefunded>(source, "PaymentRefunded", moved);
    let declined = json!({"payment_id": PAYMENT, "order_id": ORDER, "reason": "no funds"});
    check::<PaymentDeclined>(source, "PaymentDeclined", declined);
}

#[test]
fn every_stock_event_of_version_1_reads_and_is_written_as_it_was() {
    let source = "ordersaga.inventory";
    let moved = json!({"sku": "TEA", "order_id": ORDER, "quantity": 2});
    check::<StockReserved>(source, "StockReserved", moved.clone());
    let mut held = moved.clone();
    held["held_until"] = json!("2026-11-23T06:15:00.000Z");
    check::<StockReserved>(source, "StockReserved", held);
    check::<StockReleased>(source, "StockReleased", moved.clone());
    check::<StockCommitted>(source, "StockCommitted", moved.clone());
    check::<StockReturned>(source, "StockReturned", moved);
    check::<StockSet>(source, "StockSet", json!({"sku": "TEA", "on_hand": 10}));
    check::<ProductPut>(source, "ProductPut", json!({"sku": "TEA"}));
}

#[test]
fn every_user_event_of_version_1_reads_and_is_written_as_it_was() {
    let (source, data) = ("ordersaga.user", json!({"user_id": USER}));
    check::<UserCreated>(source, "UserCreated", data.clone());
    check::<UserUpdated>(source, "UserUpdated", data.clone());
    check::<UserDeleted>(source, "UserDeleted", data);
}

#[test]
fn every_breaker_event_of_version_1_reads_and_is_written_as_it_was() {
    let source = "ordersaga.resilience";
    let moved = json!({"breaker": "pricing", "generation": 3, "by": "an instance"});
    check::<BreakerHalfOpened>(source, "BreakerHalfOpened", moved.clone());
    check::<BreakerClosed>(source, "BreakerClosed", moved.clone());
    let mut switched = moved.clone();
    switched["mode"] = json!("forced_open");
    check::<BreakerSwitched>(source, "BreakerSwitched", switched);
    let mut opened = moved;
    opened["until"] = json!("2026-11-23T08:00:05.000Z");
    opened["openings"] = json!(2);
    check::<BreakerOpened>(source, "BreakerOpened", opened.clone());
    opened["seen"] = json!({"calls": 20, "failures": 10, "slow": 0});
    check::<BreakerOpened>(source, "BreakerOpened", opened);
}
