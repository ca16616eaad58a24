//! What was stored once is read for ever.

use super::*;
use crate::order::{Obstacle, Stage};
use contracts::Currency;
use ports::Kind;

const FACTS: &str = concat!(
    r#""id":"ord_00000000000000000000000000000001","#,
    r#""user_id":"usr_00000000000000000000000000000002","#,
    r#""contact":{"email":"ada@example.com","name":"Ada"},"#,
    r#""lines":[{"sku":"TEA","quantity":2,"unit_price":{"amount_minor":450,"currency":"EUR"}}],"#,
    r#""total":{"amount_minor":900,"currency":"EUR"},"card_token":"tok_visa","#,
    r#""placed_at":"2026-11-23T06:00:00.000Z","updated_at":"2026-11-23T06:01:00.000Z""#,
);

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn order(state: State) -> Order {
    let details = Details {
        id: "ord_00000000000000000000000000000001".parse().unwrap(),
        user_id: "usr_00000000000000000000000000000002".parse().unwrap(),
        contact: Contact { email: "ada@example.com".to_owned(), name: "Ada".to_owned() },
        lines: vec![Line {
            sku: "TEA".parse().unwrap(),
            quantity: 2,
            unit_price: Money::new(450, Currency::Eur),
        }],
        total: Money::new(900, Currency::Eur),
        card_token: "tok_visa".to_owned(),
        placed_at: at("2026-11-23T06:00:00Z"),
    };
    Order { details, state }
}

fn item(body: String) -> Item {
    Item { name: ITEM.to_owned(), version: 7, body, expires_at: None }
}

/// An order in this state is stored as that text, and the text reads as the order.
fn check(state: State, stored_state: &str) {
    let text = format!(r#"{{"v":1,{FACTS},"state":{stored_state}}}"#);
    let order = order(state);
    let updated_at = at("2026-11-23T06:01:00Z");
    let Write::Put { body, .. } = write(&order, Expect::Version(6), updated_at) else {
        panic!("an order is stored by a put");
    };
    assert_eq!(body, text);
    let stored = Stored { order, version: 7, updated_at };
    assert_eq!(read(&item(text)).unwrap(), stored);
}

#[test]
fn every_state_of_version_1_reads_as_it_was_written() {
    let reason = "payment_declined".to_owned();
    check(State::Pending, r#"{"is":"pending"}"#);
    check(State::PendingCancel, r#"{"is":"pending_cancel"}"#);
    check(State::Confirmed, r#"{"is":"confirmed"}"#);
    check(State::Cancelling, r#"{"is":"cancelling"}"#);
    let by = Saga::CancelOrder;
    check(State::Cancelled { by }, r#"{"is":"cancelled","by":"cancel-order"}"#);
    let by = Saga::PlaceOrder;
    check(State::Cancelled { by }, r#"{"is":"cancelled","by":"place-order"}"#);
    check(State::Rejected { reason }, r#"{"is":"rejected","reason":"payment_declined"}"#);
}

#[test]
fn a_parked_order_of_version_1_reads_as_it_was_written() {
    let parking = Parking {
        obstacle: Obstacle {
            reason: "outcome_unknown".to_owned(),
            step: "CapturePayment".to_owned(),
            error: "Ordersaga.OutcomeUnknown".to_owned(),
            task_token: "token-1".to_owned(),
        },
        since: at("2026-11-23T06:01:00Z"),
        was: Stage::PendingCancel,
    };
    check(
        State::Parked(parking),
        concat!(
            r#"{"is":"parked","obstacle":{"reason":"outcome_unknown","step":"CapturePayment","#,
            r#""error":"Ordersaga.OutcomeUnknown","task_token":"token-1"},"#,
            r#""since":"2026-11-23T06:01:00.000Z","was":"pending_cancel"}"#,
        ),
    );
}

#[test]
fn a_version_of_the_future_is_refused_by_its_number() {
    let error = read(&item(r#"{"v":2,"novelty":true}"#.to_owned())).unwrap_err();
    assert_eq!(error.kind(), Kind::Corrupt);
    assert!(error.to_string().contains("version 2"), "{error}");
}

#[test]
fn a_text_that_is_no_order_is_corrupt() {
    for body in ["", "{}", "[]", r#"{"v":1}"#, r#"{"v":"1"}"#] {
        let error = read(&item(body.to_owned())).unwrap_err();
        assert_eq!(error.kind(), Kind::Corrupt, "{body}");
    }
}

#[test]
fn an_order_is_found_by_user_by_status_by_both_and_among_all() {
    let found: Vec<(&str, String)> = indexes(&order(State::Cancelling))
        .into_iter()
        .map(|place| (place.index, place.key))
        .collect();
    let user = "usr_00000000000000000000000000000002";
    assert_eq!(
        found,
        [
            ("orders", "all".to_owned()),
            ("orders-by-user", user.to_owned()),
            ("orders-by-status", "confirmed".to_owned()),
            ("orders-by-user-status", format!("{user}/confirmed")),
        ]
    );
}
