//! A gateway in memory that obeys the port's contract and fails by a script.
//!
//! Owns: the contract's rules in their plainest form, and every way an answer can get lost,
//! a call that lands late among them.

use async_trait::async_trait;
use contracts::{OrderId, Timestamp};
use ports::gateway::{Books, Operation, Outcome};
use ports::{Error, Kind, PaymentGateway, Result};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard};
use tokio::sync::Notify;

/// What becomes of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is done and answered.
    Works,
    /// Authorizations and captures are refused for good; anything else works.
    Declines,
    /// It is done, and the answer is lost.
    AppliedUnanswered,
    /// It is lost.
    LostUnanswered,
    /// It is not answered, and lands this many calls later.
    LandsLate(u8),
    /// The gateway is not there: certainly nothing happened.
    Unavailable,
    /// It is done, and the caller dies before it hears of it.
    AppliedThenCrash,
    /// The caller dies, and nothing happened.
    Crash,
}

/// What the gateway is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Authorize,
    Capture,
    Void,
    Refund,
    Find,
}

#[derive(Clone, Debug)]
struct Sent {
    asked: Asked,
    operation: Operation,
    is_declined: bool,
}

/// One reference of the gateway.
#[derive(Debug, Default)]
struct Account {
    books: Books,
    is_closed: bool,
    captures: u32,
    answers: BTreeMap<String, Outcome>,
}

impl Account {
    fn perform(&mut self, sent: &Sent) -> Outcome {
        if let Some(outcome) = self.answers.get(&sent.operation.key) {
            return outcome.clone();
        }
        let outcome = self.decide(sent);
        self.answers.insert(sent.operation.key.clone(), outcome.clone());
        outcome
    }

    fn decide(&mut self, sent: &Sent) -> Outcome {
        let amount = sent.operation.amount.amount_minor;
        let books = &mut self.books;
        let held = books.authorized_minor - books.captured_minor - books.voided_minor;
        let declined = |reason: &str| Outcome::Declined { reason: reason.to_owned() };
        match sent.asked {
            Asked::Authorize | Asked::Capture if self.is_closed => return declined("closed"),
            Asked::Authorize | Asked::Capture if sent.is_declined => return declined("declined"),
            Asked::Authorize => books.authorized_minor += amount,
            Asked::Capture if held < amount => return declined("not_held"),
            Asked::Capture => {
                books.captured_minor += amount;
                self.captures += 1;
            }
            Asked::Void => {
                books.voided_minor += held;
                self.is_closed = true;
            }
            Asked::Refund if books.captured_minor - books.refunded_minor < amount => {
                return declined("not_captured");
            }
            Asked::Refund => books.refunded_minor += amount,
            Asked::Find => {}
        }
        Outcome::Done
    }
}

#[derive(Debug, Default)]
struct World {
    accounts: BTreeMap<String, Account>,
    script: VecDeque<(Fate, u8)>,
    /// Calls that land when the counter gets there.
    on_their_way: Vec<(u32, Sent)>,
    calls: u32,
    log: Vec<Asked>,
    deadlines: Vec<Option<Timestamp>>,
}

impl World {
    fn tick(&mut self) {
        self.calls += 1;
        let (due, still): (Vec<_>, Vec<_>) = std::mem::take(&mut self.on_their_way)
            .into_iter()
            .partition(|(at, _)| *at <= self.calls);
        self.on_their_way = still;
        for (_, sent) in due {
            self.account(&sent.operation.reference).perform(&sent);
        }
    }

    fn account(&mut self, reference: &str) -> &mut Account {
        self.accounts.entry(reference.to_owned()).or_default()
    }
}

/// The gateway.
#[derive(Debug, Default)]
pub(super) struct ModelGateway {
    world: Mutex<World>,
    /// Told when a caller is to die.
    pub(super) crash: Notify,
}

impl ModelGateway {
    /// Says what becomes of the next calls, and how often each lets others go first; when the
    /// script is over, everything works.
    pub(super) fn follow(&self, script: impl IntoIterator<Item = (Fate, u8)>) {
        self.world().script = script.into_iter().collect();
    }

    /// Lets everything land that is still on its way.
    pub(super) fn settle(&self) {
        let mut world = self.world();
        world.calls = u32::MAX - 1;
        world.tick();
        world.calls = 0;
    }

    /// The gateway's books, and how often it captured.
    pub(super) fn books(&self, order_id: &OrderId) -> (Books, u32) {
        let mut world = self.world();
        let account = world.account(order_id.as_str());
        (account.books, account.captures)
    }

    /// Somebody changes the books at the gateway itself, without us.
    pub(super) fn by_hand(&self, order_id: &OrderId, change: impl FnOnce(&mut Books)) {
        change(&mut self.world().account(order_id.as_str()).books);
    }

    /// What was asked since the last time, in order.
    pub(super) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.world().log)
    }

    /// By when each call since the last time was to be answered.
    pub(super) fn deadlines(&self) -> Vec<Option<Timestamp>> {
        std::mem::take(&mut self.world().deadlines)
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    async fn next_fate(&self, asked: Asked) -> Fate {
        self.world().log.push(asked);
        let (fate, yields) = self.world().script.pop_front().unwrap_or((Fate::Works, 0));
        for _ in 0..yields {
            tokio::task::yield_now().await;
        }
        self.world().tick();
        fate
    }

    async fn die(&self) -> ! {
        self.crash.notify_one();
        std::future::pending().await
    }

    async fn perform(&self, asked: Asked, operation: &Operation) -> Result<Outcome> {
        self.world().deadlines.push(operation.deadline);
        let fate = self.next_fate(asked).await;
        let sent =
            Sent { asked, operation: operation.clone(), is_declined: fate == Fate::Declines };
        let reference = &operation.reference;
        let unknown = Outcome::Unknown { why: "no answer in time".to_owned() };
        match fate {
            Fate::Works | Fate::Declines => Ok(self.world().account(reference).perform(&sent)),
            Fate::AppliedUnanswered => {
                self.world().account(reference).perform(&sent);
                Ok(unknown)
            }
            Fate::LostUnanswered => Ok(unknown),
            Fate::LandsLate(calls) => {
                let mut world = self.world();
                let at = world.calls + u32::from(calls);
                world.on_their_way.push((at, sent));
                Ok(unknown)
            }
            Fate::Unavailable => Err(Error::new(Kind::Unavailable, "reach the gateway")),
            Fate::AppliedThenCrash => {
                self.world().account(reference).perform(&sent);
                self.die().await
            }
            Fate::Crash => self.die().await,
        }
    }
}

#[async_trait]
impl PaymentGateway for ModelGateway {
    async fn authorize(&self, operation: &Operation, _card_token: &str) -> Result<Outcome> {
        self.perform(Asked::Authorize, operation).await
    }

    async fn capture(&self, operation: &Operation) -> Result<Outcome> {
        self.perform(Asked::Capture, operation).await
    }

    async fn void(&self, operation: &Operation) -> Result<Outcome> {
        self.perform(Asked::Void, operation).await
    }

    async fn refund(&self, operation: &Operation) -> Result<Outcome> {
        self.perform(Asked::Refund, operation).await
    }

    async fn find(&self, reference: &str, deadline: Option<Timestamp>) -> Result<Books> {
        self.world().deadlines.push(deadline);
        match self.next_fate(Asked::Find).await {
            Fate::Unavailable | Fate::LostUnanswered => {
                Err(Error::new(Kind::Unavailable, "reach the gateway"))
            }
            Fate::Crash | Fate::AppliedThenCrash => self.die().await,
            Fate::Works | Fate::Declines | Fate::AppliedUnanswered | Fate::LandsLate(_) => {
                Ok(self.world().account(reference).books)
            }
        }
    }
}
