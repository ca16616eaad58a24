//! A customer: who orders, wherever the shop runs.
//!
//! Owns: what was ordered and stocked through it, which is what the invariants are checked against.
//! Does not own: the shop.

use crate::invariants::{self, Acknowledged, Tally};
use crate::{Client, client::Answer};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Mutex;

/// A user of a shop.
pub struct Customer {
    /// How to reach the shop.
    pub client: Client,
    /// Who orders.
    pub user_id: String,
    acknowledged: Mutex<Vec<Acknowledged>>,
    stocked: Mutex<BTreeMap<String, i64>>,
}

impl Customer {
    /// Becomes a user.
    pub async fn join(client: Client) -> Self {
        let user_id = client.create_user("customer@example.com").await;
        Self { client, user_id, acknowledged: Mutex::default(), stocked: Mutex::default() }
    }

    /// The same customer at another address of the same shop.
    #[must_use]
    pub fn at(self, client: Client) -> Self {
        Self { client, ..self }
    }

    /// Lists a product for 10.00 EUR and puts so many of it on hand, once.
    pub async fn stock_up(&self, sku: &str, on_hand: u32) {
        self.client.put_product(sku, u64::from(on_hand)).await;
        self.stocked.lock().unwrap().insert(sku.to_owned(), i64::from(on_hand));
    }

    /// An order of `quantity` of one product with a card.
    #[must_use]
    pub fn order(&self, sku: &str, quantity: i64, card: &str) -> Value {
        json!({
            "user_id": self.user_id,
            "lines": [{"sku": sku, "quantity": quantity}],
            "payment_method": {"card_token": card},
        })
    }

    /// Places an order under a fresh key; answers its id.
    pub async fn place(&self, sku: &str, quantity: i64, card: &str) -> String {
        let (key, request) = (uuid::Uuid::new_v4().to_string(), self.order(sku, quantity, card));
        let answer = self.client.place(&key, &request).await.unwrap();
        assert_eq!(answer.status, 202, "{}", answer.body);
        self.remember(&key, &request, &answer)
    }

    /// Places an order as often as it takes to be told what became of it; answers its id.
    ///
    /// Its key is the same each time, so that it is placed once.
    pub async fn insist(&self, sku: &str, quantity: i64, card: &str) -> String {
        const TRIES_MAX: u32 = 60;
        let (key, request) = (uuid::Uuid::new_v4().to_string(), self.order(sku, quantity, card));
        let mut last = String::new();
        for _ in 0..TRIES_MAX {
            match self.client.place(&key, &request).await {
                Ok(answer) if answer.status == 202 => {
                    return self.remember(&key, &request, &answer);
                }
                Ok(answer) => last = format!("{} {}", answer.status, answer.body),
                Err(error) => last = error.to_string(),
            }
            self.client.rest().await;
        }
        panic!("an order under {key} is never taken: {last}");
    }

    /// Remembers that an order was acknowledged; answers its id.
    pub fn remember(&self, key: &str, request: &Value, answer: &Answer) -> String {
        let id = answer.json()["id"].as_str().unwrap().to_owned();
        self.acknowledged.lock().unwrap().push(Acknowledged {
            id: id.clone(),
            key: key.to_owned(),
            request: request.clone(),
            body: answer.body.clone(),
        });
        id
    }

    /// Checks every invariant; answers how the orders ended.
    pub async fn check_invariants(&self) -> Tally {
        let acknowledged = self.acknowledged.lock().unwrap().clone();
        let stocked = self.stocked.lock().unwrap().clone();
        invariants::check(&self.client, &acknowledged, &stocked).await
    }
}
