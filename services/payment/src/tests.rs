//! The payment service as a whole: the real tasks over the real embedded store.
//!
//! Owns: what both the laws and the named cases need.

mod cases;
mod laws;
mod model_gateway;
mod sandbox;
mod unknown;

use crate::Service;
use crate::api::PaymentView;
use crate::ledger::{Account, Entry, balance};
use adapter_local::{LocalDb, SystemClock};
use contracts::http::PageRequest;
use contracts::payment::PaymentReply;
use contracts::task::TaskCall;
use contracts::{Currency, Money, OrderId};
use ports::gateway::Books;
use ports::task::{TaskContext, TaskError, Tasks as _};
use ports::{Aggregates, Clock, PaymentGateway};
use serde_json::json;
use std::sync::Arc;
use tempfile::TempDir;

/// What every order of these tests costs.
const PRICE: Money = Money::new(500, Currency::Eur);

/// The service over a database of its own.
struct House {
    service: Service,
    store: Arc<LocalDb>,
    _dir: TempDir,
}

impl House {
    fn build(gateway: Arc<dyn PaymentGateway>) -> Self {
        Self::build_at(gateway, Arc::new(SystemClock::new()))
    }

    fn build_at(gateway: Arc<dyn PaymentGateway>, clock: Arc<dyn Clock>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(LocalDb::open(dir.path()).unwrap());
        let aggregates = Aggregates::new(store.clone(), clock);
        Self { service: Service::new(Arc::new(aggregates), gateway), store, _dir: dir }
    }

    async fn call(&self, task: Task, order_id: &OrderId) -> Result<PaymentReply, TaskError> {
        let reply = self
            .service
            .perform(task.call(order_id, "tok_approve"), TaskContext::default())
            .await?;
        Ok(serde_json::from_value(reply).unwrap())
    }

    async fn view(&self, order_id: &OrderId) -> Option<PaymentView> {
        let payments = self.service.payments(order_id).await.unwrap();
        payments.items.into_iter().next()
    }

    async fn is_listed_as_unsettled(&self, order_id: &OrderId) -> bool {
        let mut page = PageRequest::default();
        loop {
            let listed = self.service.unsettled(page).await.unwrap();
            if listed.items.iter().any(|found| found.payment.order_id == *order_id) {
                return true;
            }
            match listed.next_cursor {
                None => return false,
                cursor => page = PageRequest { limit: 100, cursor },
            }
        }
    }
}

/// The tasks of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    Authorize,
    Capture,
    Refund,
    Void,
}

impl Task {
    fn call(self, order_id: &OrderId, card_token: &str) -> TaskCall {
        let (task, input) = match self {
            Self::Authorize => {
                let input =
                    json!({"order_id": order_id, "amount": PRICE, "card_token": card_token});
                ("authorize_payment", input)
            }
            Self::Capture => ("capture_payment", json!({"order_id": order_id})),
            Self::Refund => ("refund_payment", json!({"order_id": order_id})),
            Self::Void => ("void_payment", json!({"order_id": order_id})),
        };
        let task = task.to_owned();
        TaskCall { task, input }
    }
}

fn order(name: &str) -> OrderId {
    OrderId::from_uuid(contracts::id::derived(&["order", name]))
}

const fn books_of(view: &PaymentView) -> Books {
    Books {
        authorized_minor: view.authorized_minor,
        captured_minor: view.captured_minor,
        voided_minor: view.voided_minor,
        refunded_minor: view.refunded_minor,
    }
}

/// Every entry and the whole ledger sum to zero, and the accounts say what the sums say.
fn invariant_the_ledger_balances(view: &PaymentView) {
    let entry = |entry: &crate::api::EntryView| Entry {
        movement: entry.movement,
        currency: entry.currency,
        postings: entry.postings.clone(),
    };
    let entries: Vec<Entry> = view.entries.iter().map(entry).collect();
    for entry in &entries {
        let sum: i64 = entry.postings.iter().map(|side| side.amount_minor).sum();
        assert_eq!(sum, 0, "{entry:?}");
    }
    let held = view.authorized_minor - view.captured_minor - view.voided_minor;
    let owed = view.captured_minor - view.refunded_minor;
    assert_eq!(balance(&entries, Account::CardHolds), held, "{view:?}");
    assert_eq!(balance(&entries, Account::PendingSales), -held, "{view:?}");
    assert_eq!(balance(&entries, Account::GatewayReceivable), owed, "{view:?}");
    assert_eq!(balance(&entries, Account::Sales), -view.captured_minor);
    assert_eq!(balance(&entries, Account::Refunds), view.refunded_minor);
}
