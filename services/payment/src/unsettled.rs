//! Payments of unknown outcome: listed for as long as they are, and settled by the gateway's books.
//!
//! Owns: what is kept of the tries, and what an operator may do about a payment.
//! Does not own: the schedule by which sagas come back to it, and how the gateway is asked
//! ([`crate::calls`]).

use crate::api::PaymentView;
use crate::payment::{self, Call, Command, Finding, Rejection, Stage, State};
use crate::record::PaymentRecord;
use crate::service::{ALL, STATE, Service, UNSETTLED, partition, put};
use crate::tasks::{Until, as_task_error};
use contracts::http::{Listing, PageRequest};
use contracts::order::OrderTask;
use contracts::{OrderId, Timestamp};
use ports::aggregate::{Decision, Failure};
use ports::gateway::Books;
use ports::store::{Cursor, Direction, Expect, Item, Query};
use ports::task::{TaskError, chain};
use ports::{Error, Result, record};
use serde::{Deserialize, Serialize};

/// The item that keeps the tries, beside the payment's own.
const TRIES: &str = "tries";
const TRIES_VERSION: u32 = 1;
/// How much is kept of what a try failed with, in characters: enough to see why.
const ERROR_CHARS_MAX: usize = 500;

/// A payment of which the gateway may know more than we do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsettled {
    /// What we know.
    pub payment: PaymentView,
    /// Since when the outcome is not known.
    pub since: Timestamp,
    /// How many attempts have found nothing out since then.
    pub tries: u32,
    /// What the last of them failed with.
    pub last_error: Option<String>,
}

/// What an operator says was undone outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undoing {
    /// What was taken was given back.
    Refund,
    /// What was held was let go, and what was taken was given back.
    Void,
}

impl Undoing {
    const fn command(self) -> Command {
        match self {
            Self::Refund => Command::Refund,
            Self::Void => Command::Void,
        }
    }

    /// Whether these books are those of a payment that was undone.
    const fn agrees_with(self, books: &Books) -> bool {
        let is_given_back = books.captured_minor == books.refunded_minor;
        let is_let_go = books.authorized_minor == books.captured_minor + books.voided_minor;
        match self {
            Self::Refund => is_given_back,
            Self::Void => is_given_back && is_let_go,
        }
    }
}

/// On what an undoing outside is taken for done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// The gateway's books show it.
    ByTheBooks,
    /// The gateway's books cannot be had: it stays listed until they agree.
    OnTheirWord {
        /// Why they cannot be had.
        why: String,
    },
}

/// The tries as they are stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Tries {
    v: u32,
    /// Since when: tries of an earlier call of the gateway do not count for this one.
    since: Timestamp,
    tries: u32,
    last_error: String,
}

impl Service {
    /// Lists payments of unknown outcome, the oldest first: also those at work right now.
    ///
    /// # Errors
    /// `Invalid` for a cursor that the store did not make. `Unavailable`, `Corrupt`.
    pub async fn unsettled(&self, page: PageRequest) -> Result<Listing<Unsettled>> {
        let query = Query {
            index: UNSETTLED,
            key: ALL.to_owned(),
            direction: Direction::Ascending,
            limit: page.limit,
            after: page.cursor.map(Cursor),
        };
        let page = self.aggregates.store().query(query).await?;
        let mut items = Vec::with_capacity(page.items.len());
        for found in &page.items {
            let order_id = PaymentRecord::read(&found.item)?.order_id;
            items.extend(self.unsettled_of(&order_id).await?);
        }
        let next_cursor = page.next.map(|cursor| cursor.0);
        Ok(Listing { items, next_cursor })
    }

    /// Reads an order's payment if its outcome is unknown.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    pub async fn unsettled_of(&self, order_id: &OrderId) -> Result<Option<Unsettled>> {
        let store = self.aggregates.store();
        let items = store.items(&partition(order_id), &[STATE, TRIES]).await?;
        let (state, tries) = pair(&items);
        let Some(since) = state.map(unsettled_since).transpose()?.flatten() else {
            return Ok(None);
        };
        let tries = tries.map(read_tries).transpose()?.filter(|tries| tries.since == since);
        let Some(item) = state else { return Ok(None) };
        Ok(Some(Unsettled {
            payment: self.view(item).await?,
            since,
            tries: tries.as_ref().map_or(0, |tries| tries.tries),
            last_error: tries.map(|tries| tries.last_error),
        }))
    }

    /// What the gateway has on its books for an order.
    ///
    /// # Errors
    /// The gateway's.
    pub async fn books(&self, order_id: &OrderId, until: Option<Timestamp>) -> Result<Books> {
        self.gateway.find(order_id.as_str(), until).await
    }

    /// Finds out what came of a payment: an undoing is brought to its end; a step forward is looked
    /// for, and never sent, for only its saga knows whether it is still wanted.
    ///
    /// Answers what is still unknown. Doing it twice, or while a saga does it, is doing it once.
    ///
    /// # Errors
    /// As the tasks'.
    pub async fn settle(
        &self,
        order_id: &OrderId,
        until: Until,
    ) -> Result<Option<Unsettled>, TaskError> {
        let state = self.find(order_id).await?;
        let task = || OrderTask { order_id: order_id.clone() };
        match stage(state.as_ref()) {
            Some(Stage::Refunding) => drop(self.refund_payment(task(), until).await?),
            Some(Stage::Voiding | Stage::RefundingAfterVoid) => {
                drop(self.void_payment(task(), until).await?);
            }
            Some(Stage::Authorizing { .. } | Stage::Capturing) => {
                let books = self.books(order_id, until).await?;
                let found = self.found(order_id, state.as_ref(), &books).await;
                found.map_err(|failure| as_task_error(order_id, failure))?;
            }
            Some(
                Stage::Authorized
                | Stage::Declined { .. }
                | Stage::Captured
                | Stage::CaptureDeclined { .. }
                | Stage::Refunded
                | Stage::Voided,
            )
            | None => {}
        }
        Ok(self.unsettled_of(order_id).await?)
    }

    /// Takes note that an operator has undone a payment outside; sends nothing.
    ///
    /// Where the gateway's books can be read, they decide. What they show is booked; what they do
    /// not show yet stays an intent, and is listed until it is settled.
    ///
    /// # Errors
    /// `BooksDisagree` when the gateway's books say otherwise: nothing changes. The world's.
    pub async fn attest(
        &self,
        order_id: &OrderId,
        undoing: Undoing,
        until: Option<Timestamp>,
    ) -> Result<Settlement, Failure<Rejection>> {
        let books = match self.books(order_id, until).await {
            Ok(books) => books,
            Err(error) => {
                self.execute(order_id, &undoing.command()).await?;
                return Ok(Settlement::OnTheirWord { why: chain(&error) });
            }
        };
        if !undoing.agrees_with(&books) {
            return Err(Failure::Rejected(Rejection::BooksDisagree { books }));
        }
        // First what went before, so that its undoing finds it on our books.
        let state = self.find(order_id).await?;
        self.found(order_id, state.as_ref(), &books).await?;
        let step = self.execute(order_id, &undoing.command()).await?;
        self.found(order_id, step.state.as_ref(), &books).await?;
        Ok(Settlement::ByTheBooks)
    }

    /// Takes note of what the books show of the call that is outstanding.
    async fn found(
        &self,
        order_id: &OrderId,
        state: Option<&State>,
        books: &Books,
    ) -> Result<(), Failure<Rejection>> {
        let call = payment::outstanding(state).filter(Call::is_on_the_books);
        let shown = call.map(|call| Finding::shown(&call, books)).transpose();
        if let Some(finding) = shown.map_err(Failure::Rejected)?.flatten() {
            self.execute(order_id, &Command::Note(finding)).await?;
        }
        Ok(())
    }

    /// Keeps what an attempt failed with, while the payment is unsettled.
    pub(crate) async fn note_try(&self, order_id: &OrderId, why: &str) -> Result<()> {
        let last_error: String = why.chars().take(ERROR_CHARS_MAX).collect();
        let partition = partition(order_id);
        let decided = self.aggregates.decide(&partition, &[STATE, TRIES], None, |items| {
            let (state, tries) = pair(items);
            let Some(since) = state.map(unsettled_since).transpose()?.flatten() else {
                return Ok::<_, Error>(Decision::nothing(()));
            };
            // What cannot be read of earlier tries is not worth a payment.
            let before = tries.and_then(|item| read_tries(item).ok());
            let before = before.filter(|before| before.since == since);
            let tries = Tries {
                v: TRIES_VERSION,
                since,
                tries: before.map_or(0, |before| before.tries).saturating_add(1),
                last_error: last_error.clone(),
            };
            let expect = Expect::unchanged(items.get(1).and_then(Option::as_ref));
            let write = put(TRIES.to_owned(), expect, record::text(&tries), Vec::new());
            Ok(Decision { writes: vec![write], outbox: Vec::new(), reply: () })
        });
        match decided.await {
            Ok(_) | Err(Failure::KeyReused) => Ok(()),
            Err(Failure::Rejected(error) | Failure::World(error)) => Err(error),
        }
    }
}

fn pair(items: &[Option<Item>]) -> (Option<&Item>, Option<&Item>) {
    let item = |at: usize| items.get(at).and_then(Option::as_ref);
    (item(0), item(1))
}

/// Since when a payment's outcome is unknown; `None` when it is known.
fn unsettled_since(item: &Item) -> Result<Option<Timestamp>> {
    let record = PaymentRecord::read(item)?;
    let is_unsettled = stage(Some(&record.state()?)).is_some_and(Stage::is_unsettled);
    // Nothing but the next stage writes a payment, so this is when its intent was written.
    Ok(is_unsettled.then_some(record.updated_at))
}

const fn stage(state: Option<&State>) -> Option<&Stage> {
    match state {
        Some(State::Begun(payment)) => Some(&payment.stage),
        Some(State::Forestalled) | None => None,
    }
}

fn read_tries(item: &Item) -> Result<Tries> {
    record::read(item, "the tries of a payment", TRIES_VERSION)
}
