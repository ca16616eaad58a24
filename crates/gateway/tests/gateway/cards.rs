//! Every magic card, end to end over loopback; time stands still unless a test moves it.

use crate::support::{House, five_euros};
use ports::gateway::{Books, Outcome};
use ports::{Kind, PaymentGateway as _};
use std::time::Duration;

/// What `tok_slow` costs.
const SLOW: Duration = Duration::from_secs(2);

/// How long a silent connection is held.
const HOLD: Duration = Duration::from_secs(30);

fn declined(reason: &str) -> Outcome {
    Outcome::Declined { reason: reason.to_owned() }
}

async fn authorize(house: &House, card: &str) -> ports::Result<Outcome> {
    let operation = five_euros("order-1", "authorize-1");
    house.gateway.authorize(&operation, card).await
}

async fn capture(house: &House) -> ports::Result<Outcome> {
    house.gateway.capture(&five_euros("order-1", "capture-1")).await
}

async fn void(house: &House) -> ports::Result<Outcome> {
    house.gateway.void(&five_euros("order-1", "void-1")).await
}

async fn refund(house: &House) -> ports::Result<Outcome> {
    house.gateway.refund(&five_euros("order-1", "refund-1")).await
}

async fn books(house: &House) -> Books {
    house.gateway.find("order-1", None).await.unwrap()
}

/// Authorizes with a card that stays silent, until the sandbox cuts the connection.
async fn authorize_into_silence(house: &House, card: &str) -> Outcome {
    let cut = async {
        house.clock.until_asleep(1).await;
        house.clock.advance(HOLD);
    };
    let (outcome, ()) = tokio::join!(authorize(house, card), cut);
    outcome.unwrap()
}

fn assert_unavailable(outcome: ports::Result<Outcome>) {
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    assert_eq!(error.wait(), Some(Duration::from_secs(1)));
}

#[tokio::test]
async fn tok_approve_holds_takes_and_gives_back() {
    let house = House::open().await;
    assert_eq!(authorize(&house, "tok_approve").await.unwrap(), Outcome::Done);
    assert_eq!(capture(&house).await.unwrap(), Outcome::Done);
    assert_eq!(refund(&house).await.unwrap(), Outcome::Done);
    house.close().await;
}

#[tokio::test]
async fn tok_decline_and_tok_insufficient_funds_are_declined_for_good() {
    let house = House::open().await;
    let cards = [("tok_decline", "declined"), ("tok_insufficient_funds", "insufficient_funds")];
    for (card, reason) in cards {
        let operation = five_euros(card, card);
        let outcome = house.gateway.authorize(&operation, card).await.unwrap();
        assert_eq!(outcome, declined(reason));
    }
    house.close().await;
}

#[tokio::test]
async fn a_token_that_no_card_has_is_declined_and_not_kept() {
    let house = House::open().await;
    let outcome = authorize(&house, "4242424242424242").await.unwrap();
    assert_eq!(outcome, declined("unknown_card"));
    let folder = house.close().await;
    let file = std::fs::read(folder.path().join("sandbox-ledger.sqlite3")).unwrap();
    assert!(!file.windows(16).any(|bytes| bytes == b"4242424242424242"));
}

#[tokio::test]
async fn tok_slow_delays_every_answer_by_two_seconds() {
    let house = House::open().await;
    let watch = async {
        for _ in 0..2 {
            house.clock.until_asleep(1).await;
            house.clock.advance(SLOW - Duration::from_millis(1));
            assert_eq!(house.clock.asleep(), 1);
            house.clock.advance(Duration::from_millis(1));
            house.clock.until_asleep(0).await;
        }
    };
    let calls = async {
        assert_eq!(authorize(&house, "tok_slow").await.unwrap(), Outcome::Done);
        assert_eq!(capture(&house).await.unwrap(), Outcome::Done);
    };
    tokio::join!(calls, watch);
    house.close().await;
}

#[tokio::test]
async fn tok_flaky_2_fails_two_calls_of_each_kind_and_applies_nothing() {
    let house = House::open().await;
    for _ in 0..2 {
        assert_unavailable(authorize(&house, "tok_flaky_2").await);
        assert_eq!(books(&house).await, Books::default());
    }
    assert_eq!(authorize(&house, "tok_flaky_2").await.unwrap(), Outcome::Done);
    for _ in 0..2 {
        assert_unavailable(capture(&house).await);
        assert_eq!(books(&house).await.captured_minor, 0);
    }
    assert_eq!(capture(&house).await.unwrap(), Outcome::Done);
    house.close().await;
}

#[tokio::test]
async fn tok_timeout_before_apply_loses_the_first_authorization() {
    let house = House::open().await;
    let card = "tok_timeout_before_apply";
    let outcome = authorize_into_silence(&house, card).await;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    assert_eq!(books(&house).await, Books::default());
    assert_eq!(authorize(&house, card).await.unwrap(), Outcome::Done);
    assert_eq!(books(&house).await.authorized_minor, 500);
    house.close().await;
}

#[tokio::test]
async fn tok_timeout_after_apply_applies_the_authorization_but_hides_it() {
    let house = House::open().await;
    let card = "tok_timeout_after_apply";
    let outcome = authorize_into_silence(&house, card).await;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    assert_eq!(books(&house).await.authorized_minor, 500);
    assert_eq!(authorize(&house, card).await.unwrap(), Outcome::Done);
    assert_eq!(books(&house).await.authorized_minor, 500);
    assert_eq!(capture(&house).await.unwrap(), Outcome::Done);
    house.close().await;
}

#[tokio::test]
async fn a_hold_that_nobody_heard_of_can_be_let_go() {
    let house = House::open().await;
    let outcome = authorize_into_silence(&house, "tok_timeout_after_apply").await;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    assert_eq!(void(&house).await.unwrap(), Outcome::Done);
    let books = books(&house).await;
    assert_eq!((books.authorized_minor, books.voided_minor), (500, 500));
    house.close().await;
}

#[tokio::test]
async fn tok_capture_fails_authorizes_and_declines_the_capture_for_good() {
    let house = House::open().await;
    let card = "tok_capture_fails";
    assert_eq!(authorize(&house, card).await.unwrap(), Outcome::Done);
    for _ in 0..2 {
        assert_eq!(capture(&house).await.unwrap(), declined("capture_declined"));
    }
    assert_eq!(void(&house).await.unwrap(), Outcome::Done);
    house.close().await;
}

#[tokio::test]
async fn tok_void_fails_3_works_at_the_fourth_void() {
    let house = House::open().await;
    assert_eq!(authorize(&house, "tok_void_fails_3").await.unwrap(), Outcome::Done);
    for _ in 0..3 {
        assert_unavailable(void(&house).await);
        assert_eq!(books(&house).await.voided_minor, 0);
    }
    assert_eq!(void(&house).await.unwrap(), Outcome::Done);
    assert_eq!(books(&house).await.voided_minor, 500);
    house.close().await;
}

#[tokio::test]
async fn cards_combine() {
    let house = House::open().await;
    let card = "tok_capture_fails+tok_void_fails_3";
    assert_eq!(authorize(&house, card).await.unwrap(), Outcome::Done);
    assert_eq!(capture(&house).await.unwrap(), declined("capture_declined"));
    for _ in 0..3 {
        assert_unavailable(void(&house).await);
    }
    assert_eq!(void(&house).await.unwrap(), Outcome::Done);
    house.close().await;
}

#[tokio::test]
async fn the_counters_of_a_card_survive_a_restart() {
    let house = House::open().await;
    assert_unavailable(authorize(&house, "tok_flaky_2").await);
    let house = house.reopen().await;
    assert_unavailable(authorize(&house, "tok_flaky_2").await);
    let house = house.reopen().await;
    assert_eq!(authorize(&house, "tok_flaky_2").await.unwrap(), Outcome::Done);
    house.close().await;
}

#[tokio::test]
async fn a_silent_connection_ends_when_the_sandbox_does() {
    let house = House::open().await;
    let gateway = house.gateway.clone();
    let call = tokio::spawn(async move {
        let operation = five_euros("order-1", "authorize-1");
        gateway.authorize(&operation, "tok_timeout_before_apply").await
    });
    house.clock.until_asleep(1).await;
    house.close().await;
    let outcome = call.await.unwrap().unwrap();
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
}
