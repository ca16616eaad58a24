//! The inventory service as a whole: the real use cases and tasks over the real embedded store.

use crate::Service;
use crate::api::{PutProduct, SetStock, StockView};
use crate::product;
use crate::stock::Rejection;
use adapter_local::{LocalDb, SystemClock};
use contracts::http::{IfMatch, PageRequest};
use contracts::task::{TaskCall, error_name};
use contracts::{Currency, Money, OrderId, Sku};
use futures::FutureExt as _;
use futures::future::join_all;
use ports::aggregate::Failure;
use ports::directory::Catalogue as _;
use ports::task::{TaskContext, TaskError, Tasks as _};
use ports::{Aggregates, Outbox as _};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use tempfile::TempDir;

const PRICE: Money = Money::new(250, Currency::Eur);

/// A shop that sells TEA and JAM, ten of each on hand.
struct House {
    service: Service,
    db: Arc<LocalDb>,
    _dir: TempDir,
}

impl House {
    async fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let db = Arc::new(LocalDb::open(dir.path()).unwrap());
        let aggregates = Arc::new(Aggregates::new(db.clone(), Arc::new(SystemClock::new())));
        let service = Service::new(aggregates);
        let house = Self { service, db, _dir: dir };
        for text in ["TEA", "JAM"] {
            house.put(text, "Good", IfMatch::Any).await.unwrap();
            house.service.set_stock(&sku(text), SetStock { on_hand: 10 }).await.unwrap();
        }
        house
    }

    async fn put(
        &self,
        text: &str,
        name: &str,
        condition: IfMatch,
    ) -> Result<crate::service::Put, Failure<product::Rejection>> {
        let body = PutProduct { name: name.to_owned(), unit_price: PRICE };
        self.service.put_product(&sku(text), body, condition).await
    }

    async fn call(&self, task: &str, name: &str, lines: &[(&str, u32)]) -> Result<(), TaskError> {
        let line = |(sku, quantity): &(&str, u32)| json!({"sku": sku, "quantity": quantity});
        let lines: Vec<_> = lines.iter().map(line).collect();
        let input = json!({"order_id": order(name), "lines": lines});
        let task = task.to_owned();
        let call = TaskCall { task, input: input.clone() };
        let reply = self.service.perform(call, TaskContext::default()).await?;
        assert_eq!(reply, input);
        Ok(())
    }

    /// On hand, reserved and sold.
    async fn stock(&self, text: &str) -> [u64; 3] {
        let StockView { on_hand, reserved, sold, .. } =
            self.service.stock(&sku(text)).await.unwrap();
        [on_hand, reserved, sold]
    }

    async fn told(&self) -> Vec<String> {
        let pending = self.db.pending(0, 1_000).await.unwrap();
        pending.into_iter().map(|event| event.envelope.detail_type).collect()
    }
}

fn sku(text: &str) -> Sku {
    text.parse().unwrap()
}

fn order(name: &str) -> OrderId {
    OrderId::from_uuid(contracts::id::derived(&["order", name]))
}

#[track_caller]
fn failed(answer: Result<(), TaskError>) -> (String, String) {
    match answer {
        Err(TaskError::Failed { error, cause }) => (error, cause),
        other => panic!("no business no: {other:?}"),
    }
}

const BOTH: &[(&str, u32)] = &[("TEA", 2), ("JAM", 3)];

#[tokio::test]
async fn a_product_is_created_replaced_and_listed() {
    let house = House::open().await;
    assert!(house.put("ZEST", "Lemon", IfMatch::Any).await.unwrap().is_new);
    let put = house.put("ZEST", "Orange", IfMatch::OneOf(vec![1])).await.unwrap();
    assert_eq!((put.is_new, put.product.version), (false, 2));
    let again = house.put("ZEST", "Orange", IfMatch::Any).await.unwrap();
    assert_eq!(again, put);
    assert_eq!(house.service.product(&sku("ZEST")).await.unwrap(), Some(put.product));

    let first = PageRequest { limit: 2, cursor: None };
    let page = house.service.products(first).await.unwrap();
    let rest = PageRequest { limit: 2, cursor: page.next_cursor };
    let rest = house.service.products(rest).await.unwrap();
    let skus: Vec<&str> = page.items.iter().chain(&rest.items).map(|p| p.sku.as_str()).collect();
    assert_eq!((skus, rest.next_cursor), (vec!["JAM", "TEA", "ZEST"], None));
}

#[tokio::test]
async fn a_product_that_changed_meanwhile_is_not_replaced() {
    let house = House::open().await;
    let stale = house.put("TEA", "Green", IfMatch::OneOf(vec![7])).await;
    let conflict = product::Rejection::VersionConflict;
    assert!(matches!(stale, Err(Failure::Rejected(rejection)) if rejection == conflict));
}

#[tokio::test]
async fn the_catalogue_knows_what_is_sold_and_for_how_much() {
    let house = House::open().await;
    let asked = [sku("JAM"), sku("NONE"), sku("TEA")];
    let prices = house.service.unit_prices(&asked).await.unwrap();
    assert_eq!(prices, [Some(PRICE), None, Some(PRICE)]);
}

#[tokio::test]
async fn stock_without_a_product_is_unknown() {
    let house = House::open().await;
    let none = sku("NONE");
    let set = house.service.set_stock(&none, SetStock { on_hand: 1 }).await;
    assert!(matches!(set, Err(Failure::Rejected(Rejection::UnknownSku))), "{set:?}");
    let read = house.service.stock(&none).await;
    assert!(matches!(read, Err(Failure::Rejected(Rejection::UnknownSku))), "{read:?}");
}

#[tokio::test]
async fn a_product_that_was_never_counted_has_nothing_in_stock() {
    let house = House::open().await;
    house.put("ZEST", "Lemon", IfMatch::Any).await.unwrap();
    assert_eq!(house.stock("ZEST").await, [0, 0, 0]);
    let (error, cause) = failed(house.call("reserve_stock", "1", &[("ZEST", 1)]).await);
    assert_eq!((error.as_str(), cause.as_str()), ("OutOfStock", "ZEST: 1 wanted, only 0 on hand"));
}

#[tokio::test]
async fn an_order_takes_its_stock_step_by_step_and_once() {
    let house = House::open().await;
    for _ in 0..2 {
        house.call("reserve_stock", "1", BOTH).await.unwrap();
    }
    assert_eq!((house.stock("TEA").await, house.stock("JAM").await), ([8, 2, 0], [7, 3, 0]));
    for _ in 0..2 {
        house.call("commit_stock", "1", BOTH).await.unwrap();
    }
    assert_eq!((house.stock("TEA").await, house.stock("JAM").await), ([8, 0, 2], [7, 0, 3]));
    for task in ["return_stock", "release_stock", "release_stock", "return_stock"] {
        house.call(task, "1", BOTH).await.unwrap();
    }
    assert_eq!((house.stock("TEA").await, house.stock("JAM").await), ([10, 0, 0], [10, 0, 0]));
}

#[tokio::test]
async fn every_movement_is_told_once() {
    let house = House::open().await;
    let before = house.told().await.len();
    for task in ["reserve_stock", "reserve_stock", "commit_stock", "return_stock", "release_stock"]
    {
        house.call(task, "1", &[("TEA", 1)]).await.unwrap();
    }
    let told = house.told().await;
    assert_eq!(told[before..], ["StockReserved", "StockCommitted", "StockReturned"]);
}

#[tokio::test]
async fn what_is_reserved_of_an_order_that_fails_is_released_by_the_compensation() {
    let house = House::open().await;
    let lines = [("TEA", 2), ("JAM", 11)];
    let (error, cause) = failed(house.call("reserve_stock", "1", &lines).await);
    assert_eq!((error.as_str(), cause.as_str()), ("OutOfStock", "JAM: 11 wanted, only 10 on hand"));
    assert_eq!(house.stock("TEA").await, [8, 2, 0]);
    house.call("release_stock", "1", &lines).await.unwrap();
    assert_eq!(house.stock("TEA").await, [10, 0, 0]);
    let (error, _) = failed(house.call("reserve_stock", "1", &[("JAM", 1)]).await);
    assert_eq!(error, "ReservationReleased");
}

#[tokio::test]
async fn a_product_that_is_not_sold_is_named() {
    let house = House::open().await;
    let lines = [("NONE", 1), ("TEA", 1)];
    let (error, cause) = failed(house.call("reserve_stock", "1", &lines).await);
    assert_eq!((error.as_str(), cause.as_str()), ("UnknownSku", "NONE: 1 wanted, no such product"));
    house.call("release_stock", "1", &lines).await.unwrap();
    assert_eq!(house.stock("TEA").await, [10, 0, 0]);
}

#[tokio::test]
async fn the_last_piece_is_sold_once_however_many_want_it() {
    let house = House::open().await;
    let names: Vec<String> = (0..25).map(|n| n.to_string()).collect();
    let answers =
        join_all(names.iter().map(|name| house.call("reserve_stock", name, &[("TEA", 1)]))).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 10);
    assert_eq!(house.stock("TEA").await, [0, 10, 0]);
    let commits = names.iter().map(|name| house.call("commit_stock", name, &[("TEA", 1)]));
    assert_eq!(join_all(commits).await.iter().filter(|answer| answer.is_ok()).count(), 10);
    assert_eq!(house.stock("TEA").await, [0, 0, 10]);
}

#[tokio::test]
async fn orders_that_share_a_write_are_told_apart() {
    let house = House::open().await;
    let before = house.db.pending(0, 100).await.unwrap().len();
    let writes = house.db.commits();
    let names: Vec<String> = (0..10).map(|n| n.to_string()).collect();
    join_all(names.iter().map(|name| house.call("reserve_stock", name, &[("TEA", 1)]))).await;
    assert!(house.db.commits().requests - writes.requests < 10, "nothing was shared");
    let told = house.db.pending(0, 100).await.unwrap();
    let metadata: Vec<_> = told[before..].iter().filter_map(|e| e.envelope.metadata()).collect();
    let ids: BTreeSet<_> = metadata.iter().map(|metadata| metadata.event_id).collect();
    assert_eq!(ids.len(), 10);
    // One count came before them.
    assert!(metadata.iter().map(|metadata| metadata.sequence).eq(2..12));
}

#[tokio::test]
async fn a_caller_that_goes_away_takes_nobody_with_it() {
    let house = House::open().await;
    let names: Vec<String> = (0..10).map(|n| n.to_string()).collect();
    let mut calls: Vec<_> = names
        .iter()
        .map(|name| Box::pin(house.call("reserve_stock", name, &[("TEA", 1)])))
        .collect();
    // All have begun when the one that serves, and one that waits, are dropped.
    for call in &mut calls {
        assert!(call.now_or_never().is_none());
    }
    drop(calls.remove(5));
    drop(calls.remove(0));
    for answer in join_all(calls).await {
        answer.unwrap();
    }
    // Those two may have come to pass: asked again, they are certain.
    for gone in ["0", "5"] {
        house.call("reserve_stock", gone, &[("TEA", 1)]).await.unwrap();
    }
    assert_eq!(house.stock("TEA").await, [0, 10, 0]);
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let house = House::open().await;
    house.call("reserve_stock", "1", BOTH).await.unwrap();
    house.db.close();
    let House { service, db, _dir: dir } = house;
    drop((service, db));
    let db = Arc::new(LocalDb::open(dir.path()).unwrap());
    let aggregates = Arc::new(Aggregates::new(db.clone(), Arc::new(SystemClock::new())));
    let house = House { service: Service::new(aggregates), db, _dir: dir };
    house.call("reserve_stock", "1", BOTH).await.unwrap();
    assert_eq!(house.stock("TEA").await, [8, 2, 0]);
}

#[tokio::test]
async fn a_task_that_makes_no_sense_is_refused_by_name() {
    let house = House::open().await;
    let too_many: Vec<String> = (0..101).map(|n| format!("S{n}")).collect();
    let too_many: Vec<(&str, u32)> = too_many.iter().map(|sku| (sku.as_str(), 1)).collect();
    let twice = [("TEA", 1), ("TEA", 2)];
    for (task, lines, expected) in [
        ("burn_stock", BOTH, "burn_stock"),
        ("reserve_stock", &[], "1 to 100"),
        ("reserve_stock", &too_many, "1 to 100"),
        ("reserve_stock", &[("TEA", 0)], "at least 1"),
        ("reserve_stock", &twice, "TEA twice"),
        ("reserve_stock", &[("a b", 1)], "SKU"),
    ] {
        let error = house.call(task, "1", lines).await.unwrap_err();
        let (name, cause) = error.named();
        assert_eq!(name, error_name::INVALID);
        assert!(cause.contains(expected), "{cause}");
    }
    assert_eq!(house.stock("TEA").await, [10, 0, 0]);
}

#[tokio::test]
async fn an_operator_learns_what_an_order_still_has_of_each_product() {
    use crate::Holding::{Held, Nothing, Sold};
    let house = House::open().await;
    let holds = async |then: [crate::Holding; 2]| {
        let skus = [sku("TEA"), sku("JAM")];
        assert_eq!(house.service.holdings(&order("1"), &skus).await.unwrap(), then);
    };
    holds([Nothing, Nothing]).await;
    house.call("reserve_stock", "1", BOTH).await.unwrap();
    holds([Held, Held]).await;
    house.call("commit_stock", "1", &BOTH[..1]).await.unwrap();
    holds([Sold, Held]).await;
    house.call("return_stock", "1", BOTH).await.unwrap();
    holds([Nothing, Held]).await;
    house.call("release_stock", "1", BOTH).await.unwrap();
    holds([Nothing, Nothing]).await;
}

#[tokio::test]
async fn every_task_at_once_late_and_after_a_crash_takes_effect_once() {
    let tasks = [
        ("reserve_stock", &[][..], [9, 1, 0]),
        ("commit_stock", &["reserve_stock"], [9, 0, 1]),
        ("release_stock", &["reserve_stock"], [10, 0, 0]),
        ("return_stock", &["reserve_stock", "commit_stock"], [10, 0, 0]),
    ];
    for (task, before, expected) in tasks {
        let house = House::open().await;
        for step in before {
            house.call(step, "1", &[("TEA", 1)]).await.unwrap();
        }
        let ask = || house.call(task, "1", &[("TEA", 1)]);
        // The first caller dies between the effect and the answer, or before the effect.
        let mut first = Box::pin(ask());
        assert!(first.as_mut().now_or_never().is_none(), "{task} waits for its commit");
        drop(first);
        for answer in join_all((0..20).map(|_| ask())).await {
            answer.unwrap();
        }
        assert_eq!(house.stock("TEA").await, expected, "{task}");
        // Late, it answers the same and moves nothing.
        let told = house.told().await;
        ask().await.unwrap();
        assert_eq!((house.stock("TEA").await, house.told().await), (expected, told), "{task}");
    }
}

#[tokio::test]
async fn a_reservation_that_comes_after_its_release_is_refused_and_moves_nothing() {
    let house = House::open().await;
    house.call("reserve_stock", "1", &[("TEA", 1)]).await.unwrap();
    house.call("release_stock", "1", &[("TEA", 1)]).await.unwrap();
    let late = failed(house.call("reserve_stock", "1", &[("TEA", 1)]).await);
    assert_eq!(late.0, "ReservationReleased");
    assert_eq!(house.stock("TEA").await, [10, 0, 0]);
}
