//! The desk at work: takes waits in, and answers those that may go on.
//!
//! Owns: reading and writing them, and asking often enough. Does not own: how many may go on
//! (`lane.rs`) and when they are due (`record.rs`).

use super::lane::Lane;
use super::record::{self, Function, SuspendStep, Wait};
use crate::breaker::Room;
use crate::metric;
use contracts::Timestamp;
use contracts::task::TaskCall;
use futures::future::{BoxFuture, join_all, select};
use ports::saga_engine::{Callback, Refusal};
use ports::store::{Change, Cursor, Direction, Expect, Found, PAGE_MAX, Page, Query, Write};
use ports::task::{TaskContext, TaskError, TaskReply, Tasks, chain};
use ports::{Clock, Error, Ids, Kind, Result, SagaEngine, Store};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The function under which the desk is called.
pub const FUNCTION: &str = "desk";

/// How often the breakers are looked at: a step goes on a moment after its breaker lets it by.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How often the store is asked for what another desk may have taken in.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// How often the functions are read that another desk may have been the first to hear of.
const READ_FUNCTIONS_EVERY: Duration = Duration::from_secs(5);
/// The most waits that are counted for the metric: more is no news, and every one of
/// them is read for it.
const COUNTED_MAX: usize = 1_000;
/// How many waits are read beside those that may go on: some may be unreadable.
const SPARE: usize = 8;
/// How long a wait is kept whose caller did not say when it stops waiting: the longest that a task
/// may take on Step Functions, a year.
const KEPT_MAX: Duration = Duration::from_hours(24 * 366);
/// How many pages are read to find those that may go on: a store may need one for those that nobody
/// waits for any more, which it lists until it has removed them.
const PAGES_MAX: usize = 16;
/// The longest name of a function (an ARN with a qualifier), of a state, of an execution, and of an
/// error.
const NAME_BYTES_MAX: usize = 256;
/// The longest task token (Step Functions' limit).
const TOKEN_BYTES_MAX: usize = 2_048;

/// The steps that wait, and the way back for them. One store may have several desks.
pub struct Desk {
    pub(super) store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    /// Held for a look, never across a wait.
    functions: Mutex<BTreeMap<String, Waiting>>,
}

/// What this desk knows of a function that is waited for.
#[derive(Default)]
struct Waiting {
    lane: Lane,
    /// From when on the store may have a wait that is due.
    ask_at: Timestamp,
    /// Past this, the store's listing has somebody who waits: those before are gone for good.
    from: Option<Cursor>,
}

/// How far a desk at work is.
#[derive(Default)]
struct Round {
    /// When the functions are read next, and those who wait are counted.
    read_at: Timestamp,
    /// Whether somebody waited when they were counted last.
    is_waited_for: bool,
}

/// What came of an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Answered {
    /// The step goes on.
    WentOn,
    /// Nobody waited for it any more.
    Gone,
    /// The engine could not be told; the wait is kept.
    Kept,
}

impl Tasks for Desk {
    fn function(&self) -> &'static str {
        FUNCTION
    }

    fn perform<'a>(
        &'a self,
        call: TaskCall,
        context: TaskContext,
    ) -> BoxFuture<'a, Result<TaskReply, TaskError>> {
        Box::pin(async move {
            match call.task.as_str() {
                "suspend_step" => self.suspend_step(input(&call)?, context.deadline).await,
                unknown => {
                    let doing = format!("find the task `{unknown}` of `{FUNCTION}`");
                    Err(Error::new(Kind::Invalid, doing).into())
                }
            }
        })
    }
}

impl Desk {
    /// Makes a desk of the waits in `store`; `ids` seeds the jitter.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        Self { store, clock, ids, functions: Mutex::default() }
    }

    /// Takes a wait in, durably. Told twice of the same token, it has one wait.
    pub(super) async fn suspend_step(
        &self,
        step: SuspendStep,
        until: Option<Timestamp>,
    ) -> Result<TaskReply, TaskError> {
        self.know(&step.function).await?;
        let (now, function) = (self.clock.now(), step.function.clone());
        let due = step.due(now, self.ids.seed());
        // Whichever ends first, the call or the wait that it tells of.
        let until = until.into_iter().chain(step.until).min();
        let wait = Wait::new(step, now, due);
        let write = wait.write(until.unwrap_or_else(|| now.plus(KEPT_MAX)));
        self.put(wait.partition(), write).await?;
        metric::step_suspended(&function);
        let mut functions = self.functions();
        let waiting = functions.entry(function).or_default();
        waiting.ask_at = waiting.ask_at.min(due);
        Ok(json!({"due": due}))
    }

    /// Sees to it that every desk of this store will look after a function.
    async fn know(&self, function: &str) -> Result<()> {
        if self.functions().contains_key(function) {
            return Ok(());
        }
        let write = Function::new(function).write();
        self.put(record::function_partition(function), write).await?;
        self.functions().entry(function.to_owned()).or_default();
        Ok(())
    }

    /// Writes what was written already, or is now.
    async fn put(&self, partition: ports::store::Partition, write: Write) -> Result<()> {
        let change = Change { partition, writes: vec![write], outbox: vec![] };
        match self.store.commit(change).await {
            Err(error) if error.kind() == Kind::Conflict => Ok(()),
            done => done,
        }
    }

    /// Lets steps go on until `stop` resolves; `doors` says how a function's breaker stands.
    ///
    /// It may be stopped at any moment: what was not answered waits for the next run.
    pub async fn run(
        &self,
        sagas: &dyn SagaEngine,
        doors: impl Fn(&str) -> Room + Send + Sync,
        stop: impl Future<Output = ()> + Send,
    ) {
        let looking = async {
            let mut round = Round::default();
            loop {
                self.turn(sagas, &doors, &mut round).await;
            }
        };
        select(pin!(stop), pin!(looking)).await;
    }

    /// Lets steps go on while any wait, at most until `until`: what [`Self::run`] does all the time,
    /// for a process that is awake only now and then. Returns at once when nobody waits.
    ///
    /// Run by two processes at a time, a step may be told twice to go on; the engine refuses the
    /// second. Whoever cannot be counted is taken to wait.
    pub async fn run_while_waited_for(
        &self,
        sagas: &dyn SagaEngine,
        doors: impl Fn(&str) -> Room + Send + Sync,
        until: Timestamp,
    ) {
        let mut round = Round::default();
        while self.clock.now() < until {
            if !self.turn(sagas, &doors, &mut round).await {
                return;
            }
        }
    }

    /// Looks once, and rests until the next look; answers whether somebody waited when they were
    /// last counted.
    async fn turn(
        &self,
        sagas: &dyn SagaEngine,
        doors: &impl Fn(&str) -> Room,
        round: &mut Round,
    ) -> bool {
        if self.clock.now() >= round.read_at {
            self.read_functions().await;
            round.is_waited_for = self.tell_count().await != Some(0);
            round.read_at = self.clock.now().plus(READ_FUNCTIONS_EVERY);
        }
        self.look(sagas, doors).await;
        self.clock.sleep(LOOK_EVERY).await;
        round.is_waited_for
    }

    /// Reads which functions are waited for.
    pub(super) async fn read_functions(&self) {
        let mut after = None;
        loop {
            let page = match self.page(record::FUNCTIONS, record::ALL, PAGE_MAX, after).await {
                Ok(page) => page,
                Err(error) => return unread("the functions that are waited for", &error),
            };
            for found in &page.items {
                match Function::read(&found.item) {
                    Ok(read) => drop(self.functions().entry(read.function).or_default()),
                    Err(error) => unread(found.partition.as_str(), &error),
                }
            }
            after = page.next;
            if after.is_none() {
                return;
            }
        }
    }

    /// Tells whoever watches how many wait, and answers it, if they can be counted.
    async fn tell_count(&self) -> Option<usize> {
        match self.count().await {
            Ok(count) => {
                metric::steps_are_suspended(count);
                Some(count)
            }
            Err(error) => {
                unread("how many steps wait", &error);
                None
            }
        }
    }

    /// How many steps wait; at most [`COUNTED_MAX`] are counted, and the rest of that page.
    pub(super) async fn count(&self) -> Result<usize> {
        let (mut count, mut after) = (0, None);
        loop {
            let page = self.page(record::ALL_WAITS, record::ALL, PAGE_MAX, after).await?;
            count += page.items.len();
            after = page.next;
            if after.is_none() || count >= COUNTED_MAX {
                return Ok(count);
            }
        }
    }

    /// Lets go on whoever may at this moment.
    pub(super) async fn look(&self, sagas: &dyn SagaEngine, doors: &impl Fn(&str) -> Room) {
        let now = self.clock.now();
        let mut ready = Vec::new();
        for (function, waiting) in self.functions().iter_mut() {
            let door = doors(function);
            let room = waiting.lane.room(door, now);
            if room > 0 && waiting.ask_at <= now {
                // Before the store is asked: what is taken in meanwhile brings it forward again.
                waiting.ask_at = now.plus(ASK_EVERY);
                ready.push((function.clone(), door, room));
            }
        }
        join_all(ready.iter().map(async |(function, door, room)| {
            self.let_go_on(sagas, (function, *door), *room).await;
        }))
        .await;
    }

    /// Lets up to `room` steps of a function go on.
    async fn let_go_on(&self, sagas: &dyn SagaEngine, (function, door): (&str, Room), room: usize) {
        let now = self.clock.now();
        let limit = room.saturating_add(SPARE).min(PAGE_MAX);
        let (mut due, mut next) = (Vec::new(), None);
        let mut after = self.functions().get(function).and_then(|waiting| waiting.from.clone());
        for _ in 0..PAGES_MAX {
            let page = match self.page(record::WAITS, function, limit, after).await {
                Ok(page) => page,
                Err(error) => return unread(function, &error),
            };
            after = page.next;
            if page.items.is_empty() && after.is_some() {
                // Whoever comes is due later than whoever waits no more.
                self.functions().entry(function.to_owned()).or_default().from = after.clone();
            }
            next = after.as_ref().map(|_| now);
            for found in page.items {
                match Wait::read(&found.item) {
                    Ok(wait) if wait.due > now || due.len() >= room => {
                        (next, after) = (Some(wait.due), None);
                        break;
                    }
                    Ok(wait) => due.push((found, wait)),
                    Err(error) => unread(found.partition.as_str(), &error),
                }
            }
            if after.is_none() || due.len() >= room {
                break;
            }
        }
        let answers = due.into_iter().map(async |(found, wait)| {
            let answered = answer(sagas, &wait).await;
            if answered != Answered::Kept {
                self.remove(&found).await;
            }
            answered
        });
        let answered = join_all(answers).await;
        let went = answered.iter().filter(|answered| **answered == Answered::WentOn).count();
        let has_kept = answered.contains(&Answered::Kept);
        let mut functions = self.functions();
        let waiting = functions.entry(function.to_owned()).or_default();
        waiting.lane.went(door, went, now);
        // An engine that cannot be told is left alone until the store is asked anyway.
        if let Some(next) = next.filter(|_| !has_kept) {
            waiting.ask_at = waiting.ask_at.min(next);
        }
    }

    pub(super) async fn remove(&self, found: &Found) {
        let delete = Write::Delete {
            name: found.item.name.clone(),
            expect: Expect::Version(found.item.version),
        };
        let partition = found.partition.clone();
        // What is not removed is answered once more, refused, and removed then.
        if let Err(error) = self.put(partition, delete).await {
            let (wait, error) = (found.partition.as_str(), chain(&error));
            tracing::warn!(wait, error, "a step that went on cannot be removed from the desk");
        }
    }

    pub(super) async fn page(
        &self,
        index: &'static str,
        key: &str,
        limit: usize,
        after: Option<Cursor>,
    ) -> Result<Page<Found>> {
        let (key, direction) = (key.to_owned(), Direction::Ascending);
        self.store.query(Query { index, key, direction, limit, after }).await
    }

    fn functions(&self) -> MutexGuard<'_, BTreeMap<String, Waiting>> {
        self.functions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells a machine to go back to its step.
pub(super) async fn answer(sagas: &dyn SagaEngine, wait: &Wait) -> Answered {
    let (function, step) = (&*wait.step.function, &*wait.step.step);
    match sagas.answer(&wait.step.token, Callback::Success(json!({}))).await {
        Ok(()) => {
            tracing::debug!(function, step, since = %wait.since, "a suspended step goes on");
            metric::step_resumed(function);
            Answered::WentOn
        }
        Err(Refusal::World(error)) => {
            let error = chain(&error);
            tracing::warn!(function, step, error, "a suspended step cannot be told to go on");
            Answered::Kept
        }
        // It timed out, its execution ended, or another desk was first.
        Err(refusal) => {
            tracing::debug!(function, step, %refusal, "nobody waits for a suspended step");
            Answered::Gone
        }
    }
}

#[cold]
fn unread(what: &str, error: &Error) {
    tracing::warn!(what, error = chain(error), "the desk cannot read; trying again");
}

fn input(call: &TaskCall) -> Result<SuspendStep, TaskError> {
    let doing = || format!("read the input of the task `{}`", call.task);
    let step = SuspendStep::deserialize(&call.input)
        .map_err(|error| Error::new(Kind::Invalid, doing()).because(error))?;
    let execution = step.execution.as_ref().map(|name| ("execution", name, NAME_BYTES_MAX));
    for (field, text, bytes_max) in [
        ("function", &step.function, NAME_BYTES_MAX),
        ("step", &step.step, NAME_BYTES_MAX),
        ("error", &step.error, NAME_BYTES_MAX),
        ("token", &step.token, TOKEN_BYTES_MAX),
    ]
    .into_iter()
    .chain(execution)
    {
        if text.is_empty() || text.len() > bytes_max {
            let why = format!("`{field}` must have 1 to {bytes_max} bytes, has {}", text.len());
            return Err(Error::new(Kind::Invalid, doing()).because(why).into());
        }
    }
    Ok(step)
}
