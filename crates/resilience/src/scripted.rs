//! A transport that answers what a test says, for the tests of this crate.

use contracts::Timestamp;
use futures::channel::oneshot;
use futures::future::BoxFuture;
use ports::task::{Invocation, TaskError, TaskReply, TaskRequest};
use ports::{Error, Kind};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use tower_service::Service;

type Answer = Result<TaskReply, TaskError>;

/// Answers in the order that was said; a call for which nothing was said never ends.
#[derive(Clone, Default)]
pub(crate) struct Scripted(Arc<Mutex<Script>>);

#[derive(Default)]
struct Script {
    always: Option<Value>,
    answers: VecDeque<Answer>,
    calls: usize,
    /// Kept, so that calls without an answer stay pending.
    unanswered: Vec<oneshot::Sender<Answer>>,
}

impl Scripted {
    /// Makes one that gives the same answer for ever.
    pub(crate) fn always(answer: Value) -> Self {
        let scripted = Self::default();
        scripted.0.lock().unwrap().always = Some(answer);
        scripted
    }

    /// Says what the next call without an answer gets.
    pub(crate) fn will_answer(&self, answer: Answer) {
        self.0.lock().unwrap().answers.push_back(answer);
    }

    /// How many calls were made.
    pub(crate) fn calls(&self) -> usize {
        self.0.lock().unwrap().calls
    }
}

impl Service<TaskRequest> for Scripted {
    type Response = TaskReply;
    type Error = TaskError;
    type Future = BoxFuture<'static, Answer>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TaskError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: TaskRequest) -> Self::Future {
        let mut script = self.0.lock().unwrap();
        script.calls += 1;
        let said = script.always.clone().map(Ok);
        if let Some(answer) = said.or_else(|| script.answers.pop_front()) {
            return Box::pin(std::future::ready(answer));
        }
        let (sender, receiver) = oneshot::channel();
        script.unanswered.push(sender);
        Box::pin(async move { receiver.await.expect("the script keeps its senders") })
    }
}

/// A call of a service, without a deadline.
pub(crate) fn request() -> TaskRequest {
    TaskRequest {
        function: "lookup".into(),
        invocation: Invocation::default(),
        payload: Arc::new(json!({"task": "find", "input": {}})),
        key: "machine/1/find".into(),
        attempt: 0,
        deadline: None,
    }
}

/// The same call with a deadline, in milliseconds since the epoch.
pub(crate) fn request_until(ms: i64) -> TaskRequest {
    TaskRequest { deadline: Some(Timestamp::from_millis(ms)), ..request() }
}

/// A failure of the world.
pub(crate) fn world(kind: Kind) -> TaskError {
    TaskError::World(Error::new(kind, "reach the other side"))
}
