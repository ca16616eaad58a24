//! One order: its place-order saga, and the cancel-order saga that follows some of them.
//!
//! Owns: what everybody but the gateway answers, drawn by the order's number.
//! Does not own: when it is called; it says until when it waits.

use crate::gateway::{DECLINED, DECLINED_AT_CAPTURE, StormyGateway};
use asl::{Invoke, Program};
use contracts::task::TaskCall;
use contracts::{Currency, Money, OrderId, Timestamp};
use ports::Clock;
use ports::task::{TaskContext, Tasks as _};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use system_tests::saga::{Saga, asked, program};
use testkit::ManualClock;

/// Until when an order is to be decided, after it was placed.
const DECIDED_WITHIN: Duration = Duration::from_mins(15);
/// How long a suspended step waits the first time, and at most: the desk's own schedule.
const SUSPENDED_FIRST_S: u64 = 1;
const SUSPENDED_MAX_S: u64 = 60;

/// What all orders share.
pub(crate) struct World {
    pub(crate) payments: payment::Service,
    pub(crate) gateway: Arc<StormyGateway>,
    pub(crate) clock: Arc<ManualClock>,
    place: Arc<Program>,
    cancel: Arc<Program>,
}

impl World {
    pub(crate) fn new(
        payments: payment::Service,
        gateway: Arc<StormyGateway>,
        clock: Arc<ManualClock>,
    ) -> Self {
        let (place, cancel) = (program("place-order"), program("cancel-order"));
        Self { payments, gateway, clock, place, cancel }
    }
}

/// How an order ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    Confirmed,
    Rejected,
    Cancelled,
    Parked,
}

/// Which of its sagas an order is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Placing,
    Cancelling,
}

/// An order.
pub(crate) struct Order {
    number: u64,
    id: OrderId,
    placed_at: Timestamp,
    saga: Saga,
    part: Part,
    /// The calls that wait for a token and were made.
    submitted: BTreeSet<String>,
    /// The token that the desk answers, and when.
    suspended: Option<(asl::Token, Timestamp)>,
    wakes_at: Timestamp,
    end: Option<End>,
}

impl Order {
    pub(crate) fn place(world: &World, number: u64) -> Self {
        let id = OrderId::from_uuid(contracts::id::derived(&["order", &number.to_string()]));
        let now = world.clock.now();
        let input = details(number, &id, now);
        let saga = Saga::start(&world.place, &format!("place-order/{id}"), input, now, number);
        Self {
            number,
            id,
            placed_at: now,
            saga,
            part: Part::Placing,
            submitted: BTreeSet::new(),
            suspended: None,
            wakes_at: now,
            end: None,
        }
    }

    pub(crate) const fn id(&self) -> &OrderId {
        &self.id
    }

    pub(crate) fn total(&self) -> Money {
        total(self.number)
    }

    pub(crate) const fn wakes_at(&self) -> Timestamp {
        self.wakes_at
    }

    pub(crate) const fn end(&self) -> Option<End> {
        self.end
    }

    /// Goes on until the saga waits for a time, has ended or is parked.
    pub(crate) async fn go_on(mut self, world: &World) -> Self {
        let now = world.clock.now();
        if let Some((token, _)) = self.suspended.take_if(|(_, at)| *at <= now) {
            // It may have been given up meanwhile.
            let waits = self.saga.owed().callbacks;
            if waits.iter().any(|callback| callback.token == token) {
                self.saga.answered(now, &token, json!({}));
            }
        }
        while self.end.is_none() {
            let owed = self.saga.owed();
            if let Some(end) = owed.announce {
                self.ended(&end, world);
                continue;
            }
            let fresh = owed.tasks.iter().find(|call| !self.is_submitted(call));
            if let Some(call) = fresh {
                self.call(world, call).await;
                continue;
            }
            let answered_at = self.suspended.as_ref().map(|(_, at)| *at);
            let next = [answered_at, owed.wake_at].into_iter().flatten().min();
            let next = next.expect("a saga that runs waits for something");
            if next > now {
                self.wakes_at = next;
                break;
            }
            self.saga.tell(now, asl::What::TimerFired);
        }
        self
    }

    fn is_submitted(&self, call: &Invoke) -> bool {
        call.token.as_ref().is_some_and(|token| self.submitted.contains(token.as_str()))
    }

    fn ended(&mut self, end: &asl::End, world: &World) {
        let is_confirmed = matches!(end, asl::End::Succeeded { .. });
        match self.part {
            Part::Placing if is_confirmed && self.number % 5 < 2 => {
                let (now, machine) = (world.clock.now(), &world.cancel);
                let (id, input) =
                    (format!("cancel-order/{}", self.id), details(self.number, &self.id, now));
                self.saga = Saga::start(machine, &id, input, now, self.number);
                self.part = Part::Cancelling;
            }
            Part::Placing if is_confirmed => self.end = Some(End::Confirmed),
            Part::Placing => self.end = Some(End::Rejected),
            Part::Cancelling => self.end = Some(End::Cancelled),
        }
    }

    async fn call(&mut self, world: &World, call: &Invoke) {
        let now = world.clock.now();
        let (task, input) = asked(call);
        if let Some(token) = &call.token {
            self.submitted.insert(token.as_str().to_owned());
        }
        match task {
            "authorize_payment" | "capture_payment" | "refund_payment" | "void_payment" => {
                let asked = TaskCall { task: task.to_owned(), input: input.clone() };
                let key = call.key.to_string();
                let context = TaskContext { key, attempt: call.attempt, deadline: call.deadline };
                match world.payments.perform(asked, context).await {
                    Ok(reply) => self.saga.worked(now, call, &reply),
                    Err(error) => {
                        let (error, cause) = error.named();
                        self.saga.failed(now, call, error, cause);
                    }
                }
            }
            "suspend_step" => {
                let round = input["round"].as_u64().unwrap_or(0).clamp(1, 7);
                let wait_s = (SUSPENDED_FIRST_S << (round - 1)).min(SUSPENDED_MAX_S);
                let token = call.token.clone().expect("whoever suspends waits for a token");
                self.saga.worked(now, call, &Value::Null);
                self.suspended = Some((token, now.plus(Duration::from_secs(wait_s))));
            }
            "park_order" => self.end = Some(End::Parked),
            "commit_stock" if self.number % 10 == 3 => {
                self.saga.failed(now, call, "NotReserved".to_owned(), String::new());
            }
            "confirm_order" if self.number % 20 == 6 => {
                self.saga.failed(now, call, "CancelRequested".to_owned(), String::new());
            }
            "validate_order" => {
                let order = details(self.number, &self.id, self.placed_at);
                self.saga.worked(now, call, &order);
            }
            _ => self.saga.worked(now, call, &json!({"order_id": self.id})),
        }
    }
}

fn total(number: u64) -> Money {
    let currency = if number.is_multiple_of(2) { Currency::Eur } else { Currency::Usd };
    Money::new(500 + i64::try_from(number % 10_000).unwrap(), currency)
}

fn details(number: u64, id: &OrderId, placed_at: Timestamp) -> Value {
    let card_token = match number % 25 {
        11 => DECLINED,
        17 => DECLINED_AT_CAPTURE,
        _ => "tok_approve",
    };
    json!({
        "order_id": id,
        "user_id": "usr_1",
        "lines": [{"sku": "TEA", "quantity": 1}],
        "total": total(number),
        "card_token": card_token,
        "decide_by": placed_at.plus(DECIDED_WITHIN),
    })
}
