//! Every index that a service uses has its place in the table.

use super::{World, get, shop};
use crate::lambda::layout::{PLACES, layout};
use crate::lambda::nobody::Nobody;
use crate::lambda::services::{desk, inventory, notification, order, payment, user};
use crate::lambda::tests::Asked;
use async_trait::async_trait;
use contracts::task::error_name;
use ports::store::{Change, Found, Item, Page, Partition, Query, Write};
use ports::{Result, Store};
use resilience::breaker::Mode;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// A store that takes note of which indexes are used, and of which together by one item.
struct Watched {
    store: Arc<dyn Store>,
    items: Mutex<BTreeSet<Vec<&'static str>>>,
    asked: Mutex<BTreeSet<&'static str>>,
}

#[async_trait]
impl Store for Watched {
    async fn items(&self, partition: &Partition, names: &[&str]) -> Result<Vec<Option<Item>>> {
        self.store.items(partition, names).await
    }

    async fn commit(&self, change: Change) -> Result<()> {
        for write in &change.writes {
            if let Write::Put { indexes, .. } = write {
                let names = indexes.iter().map(|place| place.index).collect();
                self.items.lock().unwrap().insert(names);
            }
        }
        self.store.commit(change).await
    }

    async fn query(&self, query: Query) -> Result<Page<Found>> {
        self.asked.lock().unwrap().insert(query.index);
        self.store.query(query).await
    }
}

/// Does something with every kind of item that stands in an index.
async fn live(world: &World) {
    let wanted = shop(world).await;
    let orders = order::api_over(&world.base, None);
    let place = get("/v1/orders").by("POST").keyed("an-order-of-tea-1").saying(wanted);
    let (_, _, order) = world.ask(&orders, place).await;
    let id = order["id"].as_str().unwrap();
    let user = order["user_id"].as_str().unwrap();
    let both = format!("/v1/orders?user_id={user}&status=pending");
    let lists: [Asked; 4] = [
        get("/v1/orders"),
        get(format!("/v1/orders?user_id={user}")),
        get("/v1/orders?status=pending"),
        get(both),
    ];
    for list in lists {
        let listed = world.ask(&orders, list).await.2;
        assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed}");
    }
    // Nobody answers, so the payment's outcome is unknown.
    let pays = payment::tasks_over(&world.base, Arc::new(Nobody));
    let authorize = json!({
        "order_id": id, "amount": {"amount_minor": 900, "currency": "EUR"},
        "card_token": "tok_approve",
    });
    assert!(world.task(&pays, "authorize_payment", authorize).await.is_err());
    let tasks = order::tasks_over(&world.base);
    world.task(&tasks, "confirm_order", json!({"order_id": id})).await.unwrap();
    let mails = ::notification::Service::new(world.base.aggregates(), Arc::clone(&world.db) as _);
    for event in world.committed().await {
        mails.consume(&event).await.unwrap();
    }
    let mails = notification::api_over(&world.base);
    let listed = world.ask(&mails, get(format!("/v1/notifications?order_id={id}"))).await.2;
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed}");
    world.ask(&inventory::api_over(&world.base), get("/v1/products")).await;
    world.ask(&user::api_over(&world.base, None), get("/v1/users")).await;
    let step = json!({
        "function": "payment", "step": "S", "error": error_name::TIMEOUT, "token": "t", "round": 1,
    });
    world.task(&desk::tasks_over(&world.base), "suspend_step", step).await.unwrap();
    let base = &world.base;
    let breakers = crate::breakers::in_fleet(Arc::clone(&base.store), &base.clock, &base.ids);
    breakers.switch("payment", Mode::ForcedOpen).await.unwrap();
    breakers.load().await.unwrap();
}

#[tokio::test]
async fn every_index_has_its_place_and_no_item_needs_one_place_twice() {
    let mut world = World::new();
    let watched = Arc::new(Watched {
        store: Arc::clone(&world.base.store),
        items: Mutex::default(),
        asked: Mutex::default(),
    });
    world.base.store = Arc::clone(&watched) as _;
    live(&world).await;

    let (layout, items) = (layout(), watched.items.lock().unwrap().clone());
    for names in &items {
        let slots: BTreeSet<_> = names.iter().map(|name| layout.slot(name)).collect();
        assert!(!slots.contains(&None), "an index without a place: {names:?}");
        assert_eq!(slots.len(), names.len(), "two indexes in one place: {names:?}");
    }
    let used: BTreeSet<&str> = items.into_iter().flatten().collect();
    let placed: BTreeSet<&str> = PLACES.iter().map(|(name, _)| *name).collect();
    assert_eq!(used, placed, "a place that nobody uses, or an item that was not looked at");
    assert!(watched.asked.lock().unwrap().is_subset(&placed));
}
