//! What every payment gateway must keep, run over the real client and the real sandbox.
//!
//! Each case sees the port only; a gateway joins by being added to `payment_gateways`.

use crate::support::five_euros;
use contracts::{Currency, Money};
use ports::gateway::{Books, Operation, Outcome};
use ports::{Kind, PaymentGateway};

/// A card that the gateway approves.
const GOOD_CARD: &str = "tok_approve";

/// A card that the gateway declines.
const BAD_CARD: &str = "tok_insufficient_funds";

macro_rules! conformance {
    ($($case:ident),+ $(,)?) => {
        /// Every case against the sandbox over HTTP.
        mod http_gateway {
            $(#[tokio::test]
            async fn $case() {
                let house = crate::support::House::open().await;
                super::$case(&house.gateway).await;
                house.close().await;
            })+
        }
    };
}

conformance!(
    an_unknown_reference_has_empty_books,
    a_hold_is_on_the_books,
    a_hold_is_taken_and_given_back,
    the_same_key_takes_effect_once,
    the_same_key_for_another_amount_is_invalid,
    concurrent_calls_under_one_key_take_effect_once,
    a_decline_holds_nothing_and_says_why,
    no_more_is_taken_than_is_held,
    a_void_lets_go_and_closes_the_reference,
    a_void_before_the_hold_keeps_the_hold_out,
    no_more_is_given_back_than_was_taken,
    references_do_not_touch_each_other,
    an_amount_that_is_no_amount_is_invalid,
    a_reference_of_any_script_is_found_again,
);

fn declined(reason: &str) -> Outcome {
    Outcome::Declined { reason: reason.to_owned() }
}

fn with_amount(operation: Operation, amount_minor: i64) -> Operation {
    Operation { amount: Money::new(amount_minor, Currency::Eur), ..operation }
}

async fn hold(gateway: &dyn PaymentGateway, reference: &str) {
    let operation = five_euros(reference, &format!("{reference}-authorize"));
    let outcome = gateway.authorize(&operation, GOOD_CARD).await.unwrap();
    assert_eq!(outcome, Outcome::Done);
}

async fn take(gateway: &dyn PaymentGateway, reference: &str) {
    let operation = five_euros(reference, &format!("{reference}-capture"));
    assert_eq!(gateway.capture(&operation).await.unwrap(), Outcome::Done);
}

async fn an_unknown_reference_has_empty_books(gateway: &dyn PaymentGateway) {
    assert_eq!(gateway.find("nobody", None).await.unwrap(), Books::default());
}

async fn a_hold_is_on_the_books(gateway: &dyn PaymentGateway) {
    hold(gateway, "order-1").await;
    let books = gateway.find("order-1", None).await.unwrap();
    let held = Books { authorized_minor: 500, ..Books::default() };
    assert_eq!(books, held);
}

async fn a_hold_is_taken_and_given_back(gateway: &dyn PaymentGateway) {
    hold(gateway, "order-1").await;
    take(gateway, "order-1").await;
    let refund = five_euros("order-1", "order-1-refund");
    assert_eq!(gateway.refund(&refund).await.unwrap(), Outcome::Done);
    let books = gateway.find("order-1", None).await.unwrap();
    let settled =
        Books { authorized_minor: 500, captured_minor: 500, voided_minor: 0, refunded_minor: 500 };
    assert_eq!(books, settled);
}

async fn the_same_key_takes_effect_once(gateway: &dyn PaymentGateway) {
    for _ in 0..3 {
        hold(gateway, "order-1").await;
        take(gateway, "order-1").await;
    }
    let part = with_amount(five_euros("order-1", "order-1-refund"), 100);
    for _ in 0..3 {
        assert_eq!(gateway.refund(&part).await.unwrap(), Outcome::Done);
    }
    let books = gateway.find("order-1", None).await.unwrap();
    assert_eq!((books.captured_minor, books.refunded_minor), (500, 100));
}

async fn the_same_key_for_another_amount_is_invalid(gateway: &dyn PaymentGateway) {
    hold(gateway, "order-1").await;
    let other = with_amount(five_euros("order-1", "order-1-authorize"), 999);
    let error = gateway.authorize(&other, GOOD_CARD).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    let books = gateway.find("order-1", None).await.unwrap();
    assert_eq!(books.authorized_minor, 500);
}

async fn concurrent_calls_under_one_key_take_effect_once(gateway: &dyn PaymentGateway) {
    let operation = five_euros("order-1", "order-1-authorize");
    let calls = (0..16).map(|_| gateway.authorize(&operation, GOOD_CARD));
    for outcome in futures::future::join_all(calls).await {
        assert_eq!(outcome.unwrap(), Outcome::Done);
    }
    let books = gateway.find("order-1", None).await.unwrap();
    assert_eq!(books.authorized_minor, 500);
}

async fn a_decline_holds_nothing_and_says_why(gateway: &dyn PaymentGateway) {
    let operation = five_euros("order-1", "order-1-authorize");
    for _ in 0..2 {
        let outcome = gateway.authorize(&operation, BAD_CARD).await.unwrap();
        assert_eq!(outcome, declined("insufficient_funds"));
    }
    let books = gateway.find("order-1", None).await.unwrap();
    assert_eq!(books, Books::default());
}

async fn no_more_is_taken_than_is_held(gateway: &dyn PaymentGateway) {
    hold(gateway, "order-1").await;
    let more = with_amount(five_euros("order-1", "order-1-capture"), 501);
    let outcome = gateway.capture(&more).await.unwrap();
    assert!(matches!(outcome, Outcome::Declined { .. }), "{outcome:?}");
    let books = gateway.find("order-1", None).await.unwrap();
    assert_eq!(books.captured_minor, 0);
}

async fn a_void_lets_go_and_closes_the_reference(gateway: &dyn PaymentGateway) {
    hold(gateway, "order-1").await;
    let void = five_euros("order-1", "order-1-void");
    assert_eq!(gateway.void(&void).await.unwrap(), Outcome::Done);
    let capture = five_euros("order-1", "order-1-capture");
    let outcome = gateway.capture(&capture).await.unwrap();
    assert!(matches!(outcome, Outcome::Declined { .. }), "{outcome:?}");
    let books = gateway.find("order-1", None).await.unwrap();
    assert_eq!((books.voided_minor, books.captured_minor), (500, 0));
}

async fn a_void_before_the_hold_keeps_the_hold_out(gateway: &dyn PaymentGateway) {
    let void = five_euros("order-1", "order-1-void");
    assert_eq!(gateway.void(&void).await.unwrap(), Outcome::Done);
    let late = five_euros("order-1", "order-1-authorize");
    let outcome = gateway.authorize(&late, GOOD_CARD).await.unwrap();
    assert!(matches!(outcome, Outcome::Declined { .. }), "{outcome:?}");
    let books = gateway.find("order-1", None).await.unwrap();
    assert_eq!(books, Books::default());
}

async fn no_more_is_given_back_than_was_taken(gateway: &dyn PaymentGateway) {
    hold(gateway, "order-1").await;
    take(gateway, "order-1").await;
    let more = with_amount(five_euros("order-1", "order-1-refund"), 501);
    let outcome = gateway.refund(&more).await.unwrap();
    assert!(matches!(outcome, Outcome::Declined { .. }), "{outcome:?}");
    let books = gateway.find("order-1", None).await.unwrap();
    assert_eq!(books.refunded_minor, 0);
}

async fn references_do_not_touch_each_other(gateway: &dyn PaymentGateway) {
    hold(gateway, "order-1").await;
    hold(gateway, "order-2").await;
    let void = five_euros("order-1", "order-1-void");
    assert_eq!(gateway.void(&void).await.unwrap(), Outcome::Done);
    take(gateway, "order-2").await;
    let books = gateway.find("order-2", None).await.unwrap();
    assert_eq!((books.captured_minor, books.voided_minor), (500, 0));
}

async fn an_amount_that_is_no_amount_is_invalid(gateway: &dyn PaymentGateway) {
    for amount_minor in [0, -500, i64::MIN] {
        let operation = with_amount(five_euros("order-1", "order-1-authorize"), amount_minor);
        let error = gateway.authorize(&operation, GOOD_CARD).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid);
    }
}

async fn a_reference_of_any_script_is_found_again(gateway: &dyn PaymentGateway) {
    let reference = "bestelling é&=+%20/?#";
    let operation = five_euros(reference, "one-key");
    let outcome = gateway.authorize(&operation, GOOD_CARD).await.unwrap();
    assert_eq!(outcome, Outcome::Done);
    let books = gateway.find(reference, None).await.unwrap();
    assert_eq!(books.authorized_minor, 500);
}
