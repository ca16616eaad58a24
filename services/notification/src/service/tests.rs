//! The service over the real embedded store and mailbox.

use super::*;
use crate::PATTERN;
use crate::api::ListNotifications;
use crate::notification::Kind as Told;
use adapter_local::LocalDb;
use async_trait::async_trait;
use contracts::envelope::{Detail, Origin};
use contracts::http::PageRequest;
use contracts::order::{OrderCancelled, OrderConfirmed, OrderPlaced, OrderRejected};
use contracts::user::Contact;
use contracts::{Currency, Fact, Money, OrderId, Timestamp, UserId};
use ports::Clock;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicI64, Ordering};
use tempfile::TempDir;

/// A clock that goes on by a millisecond whenever it is looked at, so that no two mails tie.
#[derive(Default)]
struct Ticking(AtomicI64);

#[async_trait]
impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.fetch_add(1, Ordering::Relaxed))
    }

    async fn sleep_until(&self, _until: Timestamp) {}
}

struct House {
    service: Service,
    db: Arc<LocalDb>,
    _dir: TempDir,
}

fn house() -> House {
    let dir = tempfile::tempdir().unwrap();
    let db = Arc::new(LocalDb::open(dir.path()).unwrap());
    let aggregates = Arc::new(Aggregates::new(db.clone(), Arc::new(Ticking::default())));
    let service = Service::new(aggregates, db.clone());
    House { service, db, _dir: dir }
}

const TOTAL: Money = Money::new(1_999, Currency::Eur);

fn ids() -> (OrderId, UserId) {
    let uuid = contracts::id::derived(&["1"]);
    (OrderId::from_uuid(uuid), UserId::from_uuid(uuid))
}

fn contact() -> Contact {
    Contact { email: "ada@example.org".to_owned(), name: "Ada".to_owned() }
}

fn envelope<F: Fact>(fact: &F, sequence: u64) -> Envelope {
    let (order_id, _) = ids();
    let aggregate = format!("order#{order_id}");
    Envelope::of(
        fact,
        &Origin {
            at: Timestamp::EPOCH,
            aggregate: &aggregate,
            sequence,
            correlation_id: order_id.as_str(),
            causation_id: None,
        },
    )
}

fn confirmed() -> Envelope {
    let (order_id, user_id) = ids();
    envelope(&OrderConfirmed { order_id, user_id, total: TOTAL, contact: contact() }, 2)
}

fn rejected() -> Envelope {
    let (order_id, user_id) = ids();
    let reason = "payment_declined".to_owned();
    let fact = OrderRejected { order_id, user_id, total: TOTAL, contact: contact(), reason };
    envelope(&fact, 2)
}

fn cancelled() -> Envelope {
    let (order_id, user_id) = ids();
    envelope(&OrderCancelled { order_id, user_id, total: TOTAL, contact: contact() }, 4)
}

async fn recorded(house: &House, page: PageRequest) -> NotificationList {
    let (order_id, _) = ids();
    house.service.list(ListNotifications { order_id, page }).await.unwrap()
}

/// What is in the mailbox and on record after these events, by kind.
async fn check(when: &[Envelope], then: &[Told]) {
    let house = house();
    for event in when {
        house.service.consume(event).await.unwrap();
    }
    let list = recorded(&house, PageRequest::default()).await;
    let kinds: Vec<Told> = list.items.iter().map(|view| view.kind).collect();
    assert_eq!(kinds, then);
    let mails = house.db.mails_to("ada@example.org", 100).unwrap();
    assert_eq!(mails.len(), then.len());
    for view in list.items {
        assert!(mails.iter().any(|mail| mail.id.to_string() == view.id && mail.body == view.body));
    }
}

#[tokio::test]
async fn every_end_of_an_order_is_told() {
    check(&[confirmed()], &[Told::Confirmed]).await;
    check(&[rejected()], &[Told::Rejected]).await;
    check(&[confirmed(), cancelled()], &[Told::Confirmed, Told::Cancelled]).await;
}

#[tokio::test]
async fn the_same_event_again_is_told_once() {
    check(&[confirmed(), confirmed(), confirmed()], &[Told::Confirmed]).await;
}

#[tokio::test]
async fn events_that_overtake_each_other_are_all_told_once() {
    let (first, second) = (confirmed(), cancelled());
    check(&[second.clone(), first.clone(), second, first], &[Told::Cancelled, Told::Confirmed])
        .await;
}

#[tokio::test]
async fn a_crash_between_mail_and_record_is_made_good_without_a_second_mail() {
    let house = house();
    let event = confirmed();
    // As the first attempt left it: the mail is out, and nothing is on record.
    let id = contracts::id::derived(&["mail", &event.id.to_string()]);
    let asked = Event::Confirmed(event.fact::<OrderConfirmed>().unwrap().unwrap());
    let mail = notification::compose(&asked).unwrap();
    let (to, subject, body) = (mail.to, mail.subject, mail.body);
    house.db.send(Mail { id, to, subject, body }).await.unwrap();

    house.service.consume(&event).await.unwrap();

    assert_eq!(house.db.mails(100).unwrap().len(), 1);
    assert_eq!(recorded(&house, PageRequest::default()).await.items.len(), 1);
}

#[tokio::test]
async fn an_event_delivered_twice_at_once_is_told_once() {
    let house = house();
    let event = confirmed();
    let deliveries = (house.service.consume(&event), house.service.consume(&event));
    let (one, other) = tokio::join!(deliveries.0, deliveries.1);
    one.and(other).unwrap();
    assert_eq!(house.db.mails(100).unwrap().len(), 1);
    assert_eq!(recorded(&house, PageRequest::default()).await.items.len(), 1);
}

#[tokio::test]
async fn an_event_of_another_kind_is_left_alone() {
    let (order_id, user_id) = ids();
    let placed = OrderPlaced { order_id, user_id, lines: vec![], total: TOTAL };
    let foreign = Envelope { source: "somebody.else".to_owned(), ..confirmed() };
    check(&[envelope(&placed, 1), foreign], &[]).await;
}

#[tokio::test]
async fn an_event_that_does_not_say_what_it_promises_is_not_tried_again() {
    let house = house();
    let mut event = confirmed();
    let metadata = event.metadata().cloned().unwrap();
    event.detail = Detail::Fact { metadata, data: json!({"order_id": "x"}) };
    let error = house.service.consume(&event).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    assert!(!error.kind().is_retryable());
}

#[tokio::test]
async fn notifications_come_in_pages_oldest_first() {
    let house = house();
    for event in [confirmed(), cancelled()] {
        house.service.consume(&event).await.unwrap();
    }
    let first = recorded(&house, PageRequest { limit: 1, cursor: None }).await;
    assert_eq!(first.items[0].kind, Told::Confirmed);
    let rest = PageRequest { limit: 1, cursor: first.next_cursor };
    assert_eq!(recorded(&house, rest).await.items[0].kind, Told::Cancelled);
}

#[test]
fn the_pattern_names_every_event_that_is_consumed() {
    let pattern: Value = serde_json::from_str(PATTERN).unwrap();
    let kinds =
        [OrderConfirmed::DETAIL_TYPE, OrderRejected::DETAIL_TYPE, OrderCancelled::DETAIL_TYPE];
    assert_eq!(pattern, json!({"source": [OrderConfirmed::SOURCE], "detail-type": kinds}));
}
