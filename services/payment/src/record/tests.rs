//! Records of today can be read for ever.

use super::*;

fn stored(body: &str) -> Item {
    Item { name: "state".to_owned(), version: 1, body: body.to_owned(), expires_at: None }
}

fn begun(status: &str, beside: &str, authorized_minor: i64) -> String {
    format!(
        concat!(
            r#"{{"v":1,"order_id":"ord_00000000000000000000000000000001","status":"{status}","#,
            r#"{beside}"amount":{{"amount_minor":500,"currency":"EUR"}},"#,
            r#""authorized_minor":{authorized_minor},"captured_minor":0,"voided_minor":0,"#,
            r#""refunded_minor":0,"entries":1,"created_at":"2026-11-23T06:00:00.000Z","#,
            r#""updated_at":"2026-11-23T06:00:00.120Z"}}"#,
        ),
        status = status,
        beside = beside,
        authorized_minor = authorized_minor,
    )
}

#[track_caller]
fn check(body: &str, then: Stage) {
    let record = PaymentRecord::read(&stored(body)).unwrap();
    let state = record.state().unwrap();
    let expected = State::Begun(Payment {
        amount: Money::new(500, Currency::Eur),
        booked: record.booked(),
        stage: then,
    });
    assert_eq!(state, expected);
    let facts = Facts {
        order_id: record.order_id.clone(),
        entries: record.entries,
        created_at: record.created_at,
        updated_at: record.updated_at,
    };
    assert_eq!(record::text(&PaymentRecord::of(state, facts)), body);
}

#[test]
fn a_payment_of_version_1_can_be_read_for_ever() {
    let card_token = "tok_approve".to_owned();
    let card = r#""card_token":"tok_approve","#;
    check(&begun("authorizing", card, 0), Stage::Authorizing { card_token });
    let why = r#""reason":"insufficient_funds","#;
    let reason = || "insufficient_funds".to_owned();
    check(&begun("declined", why, 0), Stage::Declined { reason: reason() });
    let declined = Stage::CaptureDeclined { reason: reason() };
    check(&begun("capture_declined", why, 500), declined);
    for (status, stage) in [
        ("authorized", Stage::Authorized),
        ("capturing", Stage::Capturing),
        ("captured", Stage::Captured),
        ("refunding", Stage::Refunding),
        ("refunded", Stage::Refunded),
        ("voiding", Stage::Voiding),
        ("refunding_after_void", Stage::RefundingAfterVoid),
        ("voided", Stage::Voided),
    ] {
        check(&begun(status, "", 500), stage);
    }
}

#[test]
fn a_forestalled_payment_of_version_1_can_be_read_for_ever() {
    let body = concat!(
        r#"{"v":1,"order_id":"ord_00000000000000000000000000000001","status":"forestalled","#,
        r#""authorized_minor":0,"captured_minor":0,"voided_minor":0,"refunded_minor":0,"#,
        r#""entries":0,"created_at":"2026-11-23T06:00:00.000Z","#,
        r#""updated_at":"2026-11-23T06:00:00.000Z"}"#,
    );
    let record = PaymentRecord::read(&stored(body)).unwrap();
    assert_eq!(record.state().unwrap(), State::Forestalled);
    assert_eq!(record::text(&record), body);
}

#[test]
fn an_entry_of_version_1_can_be_read_for_ever() {
    let body = concat!(
        r#"{"v":1,"movement":"refund","currency":"EUR","postings":[{"account":"refunds","#,
        r#""amount_minor":500},{"account":"gateway_receivable","amount_minor":-500}],"#,
        r#""at":"2026-11-23T06:00:00.000Z"}"#,
    );
    let record = EntryRecord::read(&stored(body)).unwrap();
    let entry = Entry::of(Movement::Refund, 500, Currency::Eur);
    assert_eq!(EntryRecord::of(entry, record.at), record);
    assert_eq!(record::text(&record), body);
}

#[test]
fn a_record_of_another_version_is_refused_by_name() {
    let error = PaymentRecord::read(&stored(r#"{"v":7}"#)).unwrap_err();
    assert_eq!(error.kind(), Kind::Corrupt);
    assert!(ports::task::chain(&error).contains("version 7"), "{error}");
}

#[test]
fn a_payment_that_lacks_what_its_status_needs_is_corrupt() {
    let record = PaymentRecord::read(&stored(&begun("declined", "", 0))).unwrap();
    assert_eq!(record.state().unwrap_err().kind(), Kind::Corrupt);
}
