//! The HTTP edge of orders, free of any HTTP framework: requests in, views and problems out.
//!
//! | request | read by | answered by |
//! |---|---|---|
//! | `POST /v1/orders` | [`PlaceOrder::read`] | [`accepted`]: 202 and the [`OrderView`] |
//! | `GET /v1/orders` | [`ListOrders::read`] | [`listing`] |
//! | `GET /v1/orders/{id}` | – | [`OrderView::of`], with its timeline |
//! | `POST /v1/orders/{id}/cancel` | – | [`accepted`]: 202 and the [`OrderView`] |
//!
//! Owns: field rules, field names, problem codes. Does not own: rules that need to know more than
//! the request ([`crate::order`]).

use crate::order::{LINES_MAX, Line, QUANTITY_MAX, Rejection, Saga, State, Status};
use crate::record::Stored;
use contracts::fields::{self, Object};
use contracts::http::{Listing, PageRequest, StoredAnswer};
use contracts::order::Quantity;
use contracts::problem::FieldError;
use contracts::query::{self, Query};
use contracts::{Envelope, Money, OrderId, Problem, Sku, Timestamp, UserId};
use ports::store::Page;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The longest card token, in bytes: gateways' tokens are far shorter.
pub const CARD_TOKEN_BYTES_MAX: usize = 128;

/// An order as a customer asks for it.
#[derive(Clone, Debug, PartialEq, Eq, ToSchema)]
pub struct PlaceOrder {
    /// Whose order it will be.
    pub user_id: UserId,
    /// What is wanted, each product once.
    #[schema(min_items = 1, max_items = 100)]
    pub lines: Vec<WantedLine>,
    /// How it is paid.
    pub payment_method: PaymentMethod,
}

/// How an order is paid.
#[derive(Clone, Debug, PartialEq, Eq, ToSchema)]
pub struct PaymentMethod {
    /// The card to charge, as the gateway names it.
    #[schema(example = "tok_approve", pattern = "^[A-Za-z0-9_+.-]{1,128}$")]
    pub card_token: String,
}

/// So many of one product.
#[derive(Clone, Debug, PartialEq, Eq, ToSchema)]
pub struct WantedLine {
    /// What.
    pub sku: Sku,
    /// How many.
    #[schema(minimum = 1, maximum = 1000)]
    pub quantity: u32,
}

impl From<WantedLine> for Quantity {
    fn from(line: WantedLine) -> Self {
        Self { sku: line.sku, quantity: line.quantity }
    }
}

impl PlaceOrder {
    /// Reads a request's body.
    ///
    /// # Errors
    /// Every wrong field: [`Problem::validation`].
    pub fn read(body: &Value) -> Result<Self, Vec<FieldError>> {
        let mut body = Object::read(body);
        let user_id = body.required("user_id", fields::parsed);
        let mut first_line = BTreeMap::new();
        let mut lines_read = 0;
        let lines = body.list("lines", (1, LINES_MAX), |line| {
            let here: usize = lines_read;
            lines_read += 1;
            let sku: Option<Sku> = line.required("sku", fields::parsed);
            let first = |sku| *first_line.entry(sku).or_insert(here);
            let first = sku.clone().map_or(here, first);
            if first != here {
                let detail = format!("duplicate: the product stands at /lines/{first} already");
                line.wrong("sku", detail);
            }
            let quantity = line.required("quantity", quantity);
            Some(WantedLine { sku: sku?, quantity: quantity? })
        });
        let payment_method = body.object("payment_method", |method| {
            let card_token = method.required("card_token", card_token)?;
            Some(PaymentMethod { card_token })
        });
        let wanted =
            || Some(Self { user_id: user_id?, lines: lines?, payment_method: payment_method? });
        body.finish_with(wanted())
    }
}

fn quantity(value: &Value) -> Result<u32, String> {
    let quantity = fields::whole(1, i64::from(QUANTITY_MAX))(value)?;
    u32::try_from(quantity).map_err(|_| format!("must be a whole number up to {QUANTITY_MAX}"))
}

fn card_token(value: &Value) -> Result<String, String> {
    let token = fields::text(1, CARD_TOKEN_BYTES_MAX)(value)?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'+' | b'.' | b'-');
    if token.bytes().all(plain) {
        Ok(token)
    } else {
        Err("must have only letters, digits, `_`, `+`, `.` and `-`".to_owned())
    }
}

/// Which orders to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListOrders {
    /// Only those of this user.
    pub user_id: Option<UserId>,
    /// Only those of this status.
    pub status: Option<Status>,
    /// Which page.
    pub page: PageRequest,
}

impl ListOrders {
    /// Reads a request's query parameters: `user_id`, `status`, `limit`, `cursor`.
    ///
    /// # Errors
    /// Every wrong parameter: [`Problem::validation`].
    pub fn read(pairs: &[(String, String)]) -> Result<Self, Vec<FieldError>> {
        let mut query = Query::read(pairs);
        let wanted = Self {
            user_id: query.optional("user_id", query::parsed),
            status: query.optional("status", query::parsed),
            page: query.page(),
        };
        query.finish().map(|()| wanted)
    }
}

/// An order as a customer sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct OrderView {
    /// Which order.
    pub id: OrderId,
    /// Whose.
    pub user_id: UserId,
    /// How far it is.
    pub status: Status,
    /// Why it was rejected or parked, as a stable code.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "payment_declined")]
    pub reason: Option<String>,
    /// Where its saga stands still, while it is parked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parked: Option<ParkedView>,
    /// What it costs in all.
    pub total: Money,
    /// What is wanted.
    pub lines: Vec<LineView>,
    /// The saga that works on it, or did so last: machine and execution.
    #[schema(example = "place-order/ord_0123456789abcdef0123456789abcdef")]
    pub execution: String,
    /// When it was placed.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// Until when it is to be confirmed or rejected; until then its saga waits for an outage to
    /// pass, and what it has reserved is held.
    #[schema(value_type = String, format = DateTime)]
    pub decide_by: Timestamp,
    /// When it changed last.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// How often it was written; also its entity tag.
    pub version: u64,
    /// What happened to it so far, the oldest first; only where one order is looked at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub timeline: Vec<TimelineEntry>,
}

/// So many of one product, at the price when the order was placed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LineView {
    /// What.
    pub sku: Sku,
    /// How many.
    pub quantity: u32,
    /// What one of them costs.
    pub unit_price: Money,
}

impl From<&Line> for LineView {
    fn from(line: &Line) -> Self {
        Self { sku: line.sku.clone(), quantity: line.quantity, unit_price: line.unit_price }
    }
}

/// Where a saga stands still.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ParkedView {
    /// The state of the saga that could not be finished.
    pub step: String,
    /// What it failed with.
    pub error: String,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
}

/// Something that happened to an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct TimelineEntry {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// What: the event's `detail-type` in snake case.
    #[schema(example = "stock_reserved")]
    pub event: String,
    /// The event's `reason` or an operator's `note`, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl From<&Envelope> for TimelineEntry {
    fn from(envelope: &Envelope) -> Self {
        let said = |name| envelope.data().and_then(|data| data.get(name)).and_then(Value::as_str);
        let reason = said("reason").or_else(|| said("note")).filter(|said| !said.is_empty());
        Self {
            at: envelope.time,
            event: snake_case(&envelope.detail_type),
            detail: reason.map(str::to_owned),
        }
    }
}

fn snake_case(pascal: &str) -> String {
    let mut snake = String::with_capacity(pascal.len() + 4);
    for letter in pascal.chars() {
        if letter.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

impl OrderView {
    /// Shows an order, and what happened to it so far.
    #[must_use]
    pub fn of(stored: &Stored, timeline: Vec<TimelineEntry>) -> Self {
        let (details, state) = (&stored.order.details, &stored.order.state);
        let machine = match state.saga() {
            Saga::PlaceOrder => "place-order",
            Saga::CancelOrder => "cancel-order",
        };
        let (reason, parked) = match state {
            State::Pending
            | State::PendingCancel
            | State::Confirmed
            | State::Cancelling
            | State::Cancelled { .. } => (None, None),
            State::Rejected { reason } => (Some(reason.clone()), None),
            State::Parked(parking) => {
                let parked = ParkedView {
                    step: parking.obstacle.step.clone(),
                    error: parking.obstacle.error.clone(),
                    since: parking.since,
                };
                (Some(parking.obstacle.reason.clone()), Some(parked))
            }
        };
        Self {
            id: details.id.clone(),
            user_id: details.user_id.clone(),
            status: state.status(),
            reason,
            parked,
            total: details.total,
            lines: details.lines.iter().map(LineView::from).collect(),
            execution: format!("{machine}/{}", details.id),
            created_at: details.placed_at,
            decide_by: details.decide_by(),
            updated_at: stored.updated_at,
            version: stored.version,
            timeline,
        }
    }
}

/// The answer to a request that a saga goes on with: 202, where to look, and the order as it is.
#[must_use]
pub fn accepted(stored: &Stored) -> StoredAnswer {
    let view = OrderView::of(stored, Vec::new());
    StoredAnswer {
        status: 202,
        location: format!("/v1/orders/{}", view.id),
        body: serde_json::to_string(&view).expect("a view is plain data"),
    }
}

/// Shows a page of orders, without their timelines.
#[must_use]
pub fn listing(page: &Page<Stored>) -> Listing<OrderView> {
    let view = |stored| OrderView::of(stored, Vec::new());
    Listing {
        items: page.items.iter().map(view).collect(),
        next_cursor: page.next.as_ref().map(|cursor| cursor.0.clone()),
    }
}

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::UnknownUser => Self::new(422, "unknown_user", "There is no such user")
                .errors(vec![FieldError::new("/user_id", "names nobody")]),
            Rejection::UnknownSkus(lines) => {
                let at = |line| FieldError::new(format!("/lines/{line}/sku"), "is not sold here");
                Self::new(422, "unknown_sku", "There is no such product")
                    .errors(lines.into_iter().map(at).collect())
            }
            Rejection::CurrencyMix => Self::new(422, "currency_mix", "Currencies do not mix")
                .detail("order products of different currencies separately"),
            Rejection::TotalOutOfRange => {
                Self::new(422, "total_out_of_range", "The total is zero or too large")
            }
            Rejection::PlacedBefore => Self::new(409, "key_used_before", "The key was used before")
                .detail("its order exists and its answer is no longer kept; take a fresh key"),
            Rejection::NoSuchOrder => Self::new(404, "not_found", "There is no such order"),
            Rejection::NotCancellable(status) => {
                Self::new(409, "not_cancellable", "The order cannot be cancelled")
                    .detail(format!("it is {status}"))
            }
            Rejection::NotPending(status) => {
                Self::new(409, "order_not_pending", "The order is not pending any more")
                    .detail(format!("it is {status}"))
            }
            Rejection::CancelRequested => {
                Self::new(409, "cancel_requested", "The customer wants to cancel")
            }
            Rejection::NotCancelling(status) => {
                Self::new(409, "order_not_cancelling", "Nobody asked to cancel the order")
                    .detail(format!("it is {status}"))
            }
            Rejection::Ended(status) => Self::new(409, "order_ended", "The order has ended")
                .detail(format!("it is {status}")),
        }
    }
}

#[cfg(test)]
mod tests;
