//! The world of this crate's tests: the embedded store, a clock that stands still, and a small
//! shop whose customers and prices are known.

use crate::api::PlaceOrder;
use crate::service::Service;
use adapter_local::LocalDb;
use async_trait::async_trait;
use contracts::http::IdempotencyKey;
use contracts::user::Contact;
use contracts::{Currency, Envelope, Fingerprint, Money, OrderId, Sku, UserId};
use ports::directory::{Catalogue, Customers};
use ports::{Aggregates, Outbox, Result};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use testkit::ManualClock;

/// What the user and inventory services would answer.
pub(crate) struct Shop {
    customers: Mutex<BTreeMap<UserId, Contact>>,
}

impl Shop {
    /// Forgets all customers.
    pub(crate) fn forget_customers(&self) {
        self.customers.lock().unwrap().clear();
    }
}

#[async_trait]
impl Customers for Shop {
    async fn contact(&self, user_id: &UserId) -> Result<Option<Contact>> {
        Ok(self.customers.lock().unwrap().get(user_id).cloned())
    }
}

#[async_trait]
impl Catalogue for Shop {
    async fn unit_prices(&self, skus: &[Sku]) -> Result<Vec<Option<Money>>> {
        let price = |sku: &Sku| match sku.as_str() {
            "TEA" => Some(Money::new(450, Currency::Eur)),
            "CUP" => Some(Money::new(1_999, Currency::Eur)),
            "TAMAGO" => Some(Money::new(500, Currency::Jpy)),
            _ => None,
        };
        Ok(skus.iter().map(price).collect())
    }
}

/// A service in its world.
pub(crate) struct World {
    pub(crate) service: Service,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) shop: Arc<Shop>,
    db: Arc<LocalDb>,
    _dir: TempDir,
}

/// The one customer of the shop.
pub(crate) fn ada() -> UserId {
    UserId::from_uuid(contracts::id::derived(&["ada"]))
}

/// Two teas and a cup, for Ada.
pub(crate) fn two_teas_and_a_cup() -> Value {
    json!({
        "user_id": ada(),
        "lines": [{"sku": "TEA", "quantity": 2}, {"sku": "CUP", "quantity": 1}],
        "payment_method": {"card_token": "tok_visa"},
    })
}

/// The key that a client sends with this body.
pub(crate) fn key(scope: &str, body: &Value) -> IdempotencyKey {
    IdempotencyKey { scope: scope.to_owned(), fingerprint: Fingerprint::of(body) }
}

impl World {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::default());
        let db = Arc::new(LocalDb::open_with_clock(dir.path(), clock.clone()).unwrap());
        let contact = Contact { email: "ada@example.com".to_owned(), name: "Ada".to_owned() };
        let customers = Mutex::new(BTreeMap::from([(ada(), contact)]));
        let shop = Arc::new(Shop { customers });
        let aggregates = Arc::new(Aggregates::new(db.clone(), clock.clone()));
        Self {
            service: Service::new(aggregates, shop.clone(), shop.clone()),
            clock,
            shop,
            db,
            _dir: dir,
        }
    }

    /// Places two teas and a cup, and says which order that is.
    pub(crate) async fn placed(&self) -> OrderId {
        let body = two_teas_and_a_cup();
        let request = PlaceOrder::read(&body).unwrap();
        let placed = self.service.place(request, &key("POST /v1/orders k1", &body)).await;
        let location = placed.unwrap().reply().location;
        location.trim_start_matches("/v1/orders/").parse().unwrap()
    }

    /// Takes the store away: from here on it neither reads nor writes.
    pub(crate) fn lose_store(&self) {
        self.db.close();
    }

    /// The kinds of all events told so far, in order.
    pub(crate) async fn told(&self) -> Vec<String> {
        self.events().await.into_iter().map(|event| event.detail_type).collect()
    }

    /// All events told so far, in order.
    pub(crate) async fn events(&self) -> Vec<Envelope> {
        let pending = self.db.pending(0, 100).await.unwrap();
        pending.into_iter().map(|pending| pending.envelope).collect()
    }
}
