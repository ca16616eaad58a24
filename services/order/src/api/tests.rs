//! What customers may send and what they see.

use super::*;
use crate::order::{Details, Obstacle, Order, Parking, Stage};
use contracts::Currency;
use contracts::user::Contact;
use serde_json::json;

fn stored(state: State) -> Stored {
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
        placed_at: Timestamp::EPOCH,
    };
    Stored { order: Order { details, state }, version: 3, updated_at: Timestamp::EPOCH }
}

/// This body has problems at those pointers; none means that it is read.
fn check(given: &Value, then: &[&str]) {
    let wrong = PlaceOrder::read(given).err().unwrap_or_default();
    let pointers: Vec<&str> = wrong.iter().map(|e| e.pointer.as_str()).collect();
    assert_eq!(pointers, then, "{given}");
}

fn body(lines: &Value, card_token: &str) -> Value {
    let user_id = "usr_00000000000000000000000000000002";
    json!({"user_id": user_id, "lines": lines, "payment_method": {"card_token": card_token}})
}

#[test]
fn an_order_of_one_hundred_lines_is_read() {
    let lines = (0..100).map(|i| json!({"sku": format!("SKU-{i}"), "quantity": 1000}));
    check(&body(&Value::Array(lines.collect()), "tok_visa+3DS.v2-x"), &[]);
}

#[test]
fn more_than_one_hundred_lines_or_none_are_refused() {
    let lines = (0..101).map(|i| json!({"sku": format!("SKU-{i}"), "quantity": 1}));
    check(&body(&Value::Array(lines.collect()), "t"), &["/lines"]);
    check(&body(&json!([]), "t"), &["/lines"]);
}

#[test]
fn everything_wrong_is_said_at_once() {
    let lines = json!([{"sku": "a b", "quantity": 0}, {"quantity": 1001, "price": 0}]);
    let mut given = body(&lines, "4111 1111");
    given["coupon"] = json!("X");
    let then = [
        "/lines/0/sku",
        "/lines/0/quantity",
        "/lines/1/sku",
        "/lines/1/quantity",
        "/lines/1/price",
        "/payment_method/card_token",
        "/coupon",
    ];
    check(&given, &then);
}

#[test]
fn a_product_on_two_lines_is_refused_at_the_second() {
    let tea = json!({"sku": "TEA", "quantity": 1});
    let cup = json!({"sku": "CUP", "quantity": 1});
    let given = body(&json!([tea, cup, tea]), "tok_visa");
    check(&given, &["/lines/2/sku"]);
    let wrong = PlaceOrder::read(&given).unwrap_err();
    assert!(wrong[0].detail.starts_with("duplicate"), "{:?}", wrong[0]);
}

#[test]
fn a_card_token_is_plain_and_short() {
    let line = json!([{"sku": "TEA", "quantity": 1}]);
    for bad in ["", "tok visa", "tök", "a/b", &"x".repeat(129)] {
        check(&body(&line, bad), &["/payment_method/card_token"]);
    }
    check(&body(&line, &"x".repeat(128)), &[]);
}

#[test]
fn a_body_that_is_no_object_is_refused() {
    for bad in [json!(null), json!([]), json!("x"), json!(1)] {
        check(&bad, &[""]);
    }
}

#[test]
fn orders_can_be_listed_by_user_and_status() {
    let pairs = |given: &[(&str, &str)]| -> Vec<(String, String)> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        given.iter().map(owned).collect()
    };
    let user = "usr_00000000000000000000000000000002";
    let wanted = ListOrders::read(&pairs(&[("user_id", user), ("status", "parked")])).unwrap();
    assert_eq!(wanted.user_id, user.parse().ok());
    assert_eq!(wanted.status, Some(Status::Parked));
    let wrong = ListOrders::read(&pairs(&[("status", "lost"), ("user", user)])).unwrap_err();
    let pointers: Vec<&str> = wrong.iter().map(|e| e.pointer.as_str()).collect();
    assert_eq!(pointers, ["?status", "?user"]);
}

#[test]
fn the_answer_to_a_new_order_never_changes_its_shape() {
    let answer = accepted(&stored(State::Pending));
    assert_eq!(answer.status, 202);
    assert_eq!(answer.location, "/v1/orders/ord_00000000000000000000000000000001");
    assert_eq!(
        answer.body,
        concat!(
            r#"{"id":"ord_00000000000000000000000000000001","#,
            r#""user_id":"usr_00000000000000000000000000000002","status":"pending","#,
            r#""total":{"amount_minor":900,"currency":"EUR"},"#,
            r#""lines":[{"sku":"TEA","quantity":2,"#,
            r#""unit_price":{"amount_minor":450,"currency":"EUR"}}],"#,
            r#""execution":"place-order/ord_00000000000000000000000000000001","#,
            r#""created_at":"1970-01-01T00:00:00.000Z","#,
            r#""decide_by":"1970-01-01T00:15:00.000Z","#,
            r#""updated_at":"1970-01-01T00:00:00.000Z","version":3}"#,
        )
    );
}

#[test]
fn a_parked_order_says_why_and_where_but_not_the_token() {
    let obstacle = Obstacle {
        reason: "compensation_failed".to_owned(),
        step: "RefundPayment".to_owned(),
        error: "Ordersaga.Unavailable".to_owned(),
        task_token: "a secret between the saga and its operator".to_owned(),
    };
    let parking = Parking { obstacle, since: Timestamp::EPOCH, was: Stage::Cancelling };
    let view = OrderView::of(&stored(State::Parked(parking)), Vec::new());
    let shown = serde_json::to_value(view).unwrap();
    assert_eq!(shown["status"], "parked");
    assert_eq!(shown["reason"], "compensation_failed");
    assert_eq!(shown["parked"]["step"], "RefundPayment");
    let execution = "cancel-order/ord_00000000000000000000000000000001";
    assert_eq!(shown["execution"], execution);
    assert!(!shown.to_string().contains("secret"));
}

#[test]
fn a_cancelling_order_is_confirmed_still_and_names_its_new_saga() {
    let view = OrderView::of(&stored(State::Cancelling), Vec::new());
    assert_eq!(view.status, Status::Confirmed);
    assert!(view.execution.starts_with("cancel-order/"));
}

#[test]
fn the_timeline_tells_events_in_snake_case_with_their_reason() {
    let told = contracts::payment::PaymentDeclined {
        payment_id: "pay_00000000000000000000000000000003".parse().unwrap(),
        order_id: "ord_00000000000000000000000000000001".parse().unwrap(),
        reason: "insufficient_funds".to_owned(),
    };
    let origin = contracts::envelope::Origin {
        at: Timestamp::EPOCH,
        aggregate: "payment#x",
        sequence: 2,
        correlation_id: "ord_00000000000000000000000000000001",
        causation_id: None,
    };
    let entry = TimelineEntry::from(&Envelope::of(&told, &origin));
    assert_eq!(entry.event, "payment_declined");
    assert_eq!(entry.detail.as_deref(), Some("insufficient_funds"));
}
