//! A small shop to play with, and the first order to paste.

use crate::embedded::services::Services;
use contracts::http::{IfMatch, PageRequest};
use contracts::{Currency, Money, Sku, UserId};
use inventory::api::{PutProduct, SetStock};
use ports::task::chain;
use std::net::SocketAddr;
use user::api::PutUser;

/// SKU, name, price in cents, stock.
const PRODUCTS: [(&str, &str, i64, u32); 6] = [
    ("TEA-EARL-GREY", "Earl Grey, 100 g", 1290, 500),
    ("TEA-SENCHA", "Sencha, 100 g", 1690, 200),
    ("POT-CAST-IRON", "Cast-iron teapot, 0.8 l", 6900, 40),
    ("CUP-PORCELAIN", "Porcelain cup", 1450, 120),
    ("TIN-TEA", "Tea tin", 890, 60),
    ("CAKE-LEMON", "The last lemon cake", 2400, 1),
];
/// Address and name.
const USERS: [(&str, &str); 2] =
    [("ada@example.com", "Ada Lovelace"), ("grace@example.com", "Grace Hopper")];

/// Loads the shop if there is no user yet; answers who orders first.
pub(crate) async fn load(services: &Services) -> Result<Option<UserId>, String> {
    let first = first_user(services).await?;
    if first.is_some() {
        return Ok(first);
    }
    for (sku, name, amount_minor, on_hand) in PRODUCTS {
        let sku: Sku = sku.parse().map_err(|error| format!("{sku}: {error}"))?;
        let unit_price = Money::new(amount_minor, Currency::Eur);
        let product = PutProduct { name: name.to_owned(), unit_price };
        services.inventory.put_product(&sku, product, IfMatch::Any).await.map_err(failed)?;
        services.inventory.set_stock(&sku, SetStock { on_hand }).await.map_err(failed)?;
    }
    for (email, name) in USERS {
        let email = email.parse().map_err(|error| format!("{email}: {error}"))?;
        let wanted = PutUser { email, name: name.to_owned() };
        services.users.create(wanted, None).await.map_err(failed)?;
    }
    first_user(services).await
}

fn failed<X: std::fmt::Debug>(failure: X) -> String {
    format!("{failure:?}")
}

/// Who orders first: the first user there is.
pub(crate) async fn first_user(services: &Services) -> Result<Option<UserId>, String> {
    let page = PageRequest { limit: 1, cursor: None };
    let users = services.users.list(page).await.map_err(|error| chain(&error))?;
    Ok(users.items.first().map(|stored| stored.user.id.clone()))
}

/// The commands that place a first order.
pub(crate) fn first_order(api: SocketAddr, user: Option<&UserId>) -> String {
    let sku = PRODUCTS[0].0;
    let (shop, user) = match user {
        Some(user) => (String::new(), user.to_string()),
        None => (new_shop(api, sku), "'$USER_ID'".to_owned()),
    };
    format!(
        "Place a first order:\n\n{shop}\
         curl -si http://{api}/v1/orders -H 'Content-Type: application/json' \\\n  \
         -H \"Idempotency-Key: first-order-$(date +%s)\" -d '{{\n    \
         \"user_id\": \"{user}\",\n    \
         \"lines\": [{{\"sku\": \"{sku}\", \"quantity\": 2}}],\n    \
         \"payment_method\": {{\"card_token\": \"tok_approve\"}}}}'\n\n\
         Then look at it: curl -s http://{api}/v1/orders\n"
    )
}

/// The commands that make a shop with one product and one user, whose id is kept in `USER_ID`.
fn new_shop(api: SocketAddr, sku: &str) -> String {
    let json = "-H 'Content-Type: application/json'";
    format!(
        "curl -s -X PUT http://{api}/v1/products/{sku} {json} \\\n  \
         -d '{{\"name\": \"Earl Grey, 100 g\", \"unit_price\": {{\"amount_minor\": 1290, \
         \"currency\": \"EUR\"}}}}'\n\
         curl -s -X PUT http://{api}/v1/stock/{sku} {json} -d '{{\"on_hand\": 500}}'\n\
         USER_ID=$(curl -s http://{api}/v1/users {json} \\\n  \
         -d \"{{\\\"email\\\": \\\"ada-$(date +%s)@example.com\\\", \\\"name\\\": \\\"Ada\\\"}}\" \\\n  \
         | grep -o 'usr_[0-9a-f]*')\n"
    )
}
