//! The in-process transport: a call of a task becomes a call of the service that performs it.
//!
//! Owns: finding the service by its function's name, reading the call, catching panics, and the
//! one log line of a call that did not work.
//! Does not own: any task, deadline or breaker.

use contracts::task::TaskCall;
use futures::FutureExt;
use futures::future::BoxFuture;
use ports::task::{TaskContext, TaskError, TaskReply, TaskRequest, Tasks, chain, function_cause};
use ports::{Error, Kind};
use serde::Deserialize;
use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_service::Service;

/// The services of this process, by their functions' names.
#[derive(Clone)]
pub struct InProcess {
    functions: Arc<BTreeMap<&'static str, Arc<dyn Tasks>>>,
    is_inside: bool,
}

impl InProcess {
    /// Makes a transport to `tasks`; of two with the same name the later one is called.
    #[must_use]
    pub fn new(tasks: Vec<Arc<dyn Tasks>>) -> Self {
        let named = tasks.into_iter().map(|tasks| (tasks.function(), tasks));
        Self { functions: Arc::new(named.collect()), is_inside: false }
    }

    /// The same inside a Lambda function, which says a no in its own words: Lambda puts them into
    /// the cause that a state machine sees.
    #[must_use]
    pub fn inside_function(self) -> Self {
        Self { is_inside: true, ..self }
    }

    /// Finds who is called and reads what is said.
    fn address(&self, request: &TaskRequest) -> Result<(Arc<dyn Tasks>, TaskCall), Error> {
        let function = &*request.function;
        let Some(tasks) = self.functions.get(function) else {
            let known: Vec<&str> = self.functions.keys().copied().collect();
            let known = known.join(", ");
            let doing = format!("find the function `{function}`; there are: {known}");
            return Err(Error::new(Kind::NotFound, doing));
        };
        let call = TaskCall::deserialize(&*request.payload).map_err(|e| {
            let doing = format!("read the call of `{function}` as {{task, input}}");
            Error::new(Kind::Invalid, doing).because(e)
        })?;
        Ok((Arc::clone(tasks), call))
    }
}

impl fmt::Debug for InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.functions.keys()).finish()
    }
}

impl Service<TaskRequest> for InProcess {
    type Response = TaskReply;
    type Error = TaskError;
    type Future = BoxFuture<'static, Result<TaskReply, TaskError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TaskError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: TaskRequest) -> Self::Future {
        let addressed = self.address(&request);
        let is_inside = self.is_inside;
        Box::pin(async move {
            let answer = match addressed {
                Ok((tasks, call)) => perform(&*tasks, call, TaskContext::from(&request)).await,
                Err(error) => Err(TaskError::World(error)),
            };
            if let Err(error) = &answer {
                log(&request, error);
            }
            if is_inside { answer } else { answer.map_err(as_function) }
        })
    }
}

/// A service's no, as a Lambda function says it.
fn as_function(error: TaskError) -> TaskError {
    match error {
        TaskError::Failed { error, cause } => {
            TaskError::Failed { cause: function_cause(&error, &cause), error }
        }
        other @ (TaskError::World(_)
        | TaskError::Outage { .. }
        | TaskError::Unknown(_)
        | TaskError::Rejected { .. }) => other,
    }
}

/// Performs a task; a panic becomes an answer, for the execution that called it to be parked.
async fn perform(
    tasks: &dyn Tasks,
    call: TaskCall,
    context: TaskContext,
) -> Result<TaskReply, TaskError> {
    let task = call.task.clone();
    // A task keeps no state of its own between calls that a panic could leave half made.
    let begun = catch_unwind(AssertUnwindSafe(|| tasks.perform(call, context)));
    let ended = match begun {
        Ok(performing) => AssertUnwindSafe(performing).catch_unwind().await,
        Err(panic) => Err(panic),
    };
    ended.unwrap_or_else(|panic| {
        let doing = format!("perform `{task}`: it panicked");
        let error = Error::new(Kind::Corrupt, doing).because(said(&*panic));
        Err(TaskError::World(error))
    })
}

/// What a panic said.
fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("it did not say why").to_owned()
}

/// The one log line of a call that did not work: a business no is no fault, the world's is.
#[cold]
fn log(request: &TaskRequest, error: &TaskError) {
    let (function, key, attempt) = (&*request.function, &*request.key, request.attempt);
    match error {
        TaskError::Failed { error, cause } => {
            tracing::debug!(function, key, attempt, error, cause, "task said no");
        }
        TaskError::World(error) => {
            let (kind, error) = (error.kind(), chain(error));
            tracing::warn!(function, key, attempt, ?kind, error, "task failed");
        }
        TaskError::Outage { error, cause, kind } => {
            tracing::warn!(function, key, attempt, ?kind, error, cause, "task failed");
        }
        TaskError::Unknown(cause) => {
            tracing::warn!(function, key, attempt, cause, "task's outcome is unknown");
        }
        TaskError::Rejected { retry_after } => {
            tracing::debug!(function, key, attempt, ?retry_after, "task rejected");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scripted::{request, request_until};
    use futures::executor::block_on;
    use serde_json::{Value, json};

    /// A service whose tasks are named after what they do.
    struct Lookup;

    impl Tasks for Lookup {
        fn function(&self) -> &'static str {
            "lookup"
        }

        fn perform<'a>(
            &'a self,
            call: TaskCall,
            context: TaskContext,
        ) -> BoxFuture<'a, Result<TaskReply, TaskError>> {
            assert_ne!(call.task, "panic_at_once", "the ledger does not balance");
            Box::pin(async move {
                match &*call.task {
                    "echo" => Ok(call.input),
                    "context" => Ok(json!([context.key, context.attempt, context.deadline])),
                    "decline" => Err(TaskError::Failed {
                        error: "NothingFound".into(),
                        cause: "there is no such thing".into(),
                    }),
                    task => panic!("no such task: {task}"),
                }
            })
        }
    }

    fn call(function: &str, payload: Value) -> Result<TaskReply, TaskError> {
        block_on(InProcess::new(vec![Arc::new(Lookup)]).call(TaskRequest {
            function: function.into(),
            payload: Arc::new(payload),
            ..request()
        }))
    }

    fn check_world(answer: Result<TaskReply, TaskError>, kind: Kind, says: &str) {
        let Err(TaskError::World(error)) = answer else {
            panic!("{answer:?}");
        };
        assert_eq!(error.kind(), kind);
        assert!(chain(&error).contains(says), "{}", chain(&error));
    }

    #[test]
    fn a_call_reaches_the_task_it_names() {
        let answer = call("lookup", json!({"task": "echo", "input": [1, 2]}));
        assert_eq!(answer.unwrap(), json!([1, 2]));
    }

    #[test]
    fn a_task_is_told_the_visit_the_attempt_and_the_deadline_of_its_call() {
        let answer = block_on(InProcess::new(vec![Arc::new(Lookup)]).call(TaskRequest {
            payload: Arc::new(json!({"task": "context", "input": {}})),
            attempt: 2,
            ..request_until(1_000)
        }));
        let deadline = json!(contracts::Timestamp::from_millis(1_000));
        assert_eq!(answer.unwrap(), json!(["machine/1/find", 2, deadline]));
    }

    #[test]
    fn a_business_no_keeps_its_name() {
        let answer = call("lookup", json!({"task": "decline", "input": {}}));
        let (error, cause) = answer.unwrap_err().named();
        assert_eq!(error, "NothingFound");
        let said = json!({"errorMessage": "there is no such thing", "errorType": "NothingFound"});
        assert_eq!(serde_json::from_str::<Value>(&cause).unwrap(), said);
    }

    #[test]
    fn inside_a_function_a_business_no_is_said_as_it_is() {
        let inside = InProcess::new(vec![Arc::new(Lookup)]).inside_function();
        let answer = block_on(inside.clone().call(TaskRequest {
            function: "lookup".into(),
            payload: Arc::new(json!({"task": "decline", "input": {}})),
            ..request()
        }));
        let named = ("NothingFound".to_owned(), "there is no such thing".to_owned());
        assert_eq!(answer.unwrap_err().named(), named);
    }

    #[test]
    fn an_unknown_function_is_not_found_and_the_known_ones_are_named() {
        let answer = call("lokup", json!({"task": "echo", "input": 1}));
        check_world(answer, Kind::NotFound, "`lokup`; there are: lookup");
    }

    #[test]
    fn a_payload_that_is_no_call_is_invalid_and_says_why() {
        for payload in [json!(null), json!({"task": 1, "input": 1}), json!({"task": "echo"})] {
            check_world(call("lookup", payload), Kind::Invalid, "{task, input}: ");
        }
    }

    #[test]
    fn a_panic_becomes_a_bug_with_its_words() {
        let answer = call("lookup", json!({"task": "oops", "input": 1}));
        check_world(answer, Kind::Corrupt, "perform `oops`: it panicked: no such task: oops");
        let answer = call("lookup", json!({"task": "panic_at_once", "input": 1}));
        check_world(answer, Kind::Corrupt, "the ledger does not balance");
    }

    #[test]
    fn a_panic_carries_the_name_that_parks_an_execution() {
        let answer = call("lookup", json!({"task": "oops", "input": 1}));
        assert_eq!(answer.unwrap_err().named().0, contracts::task::error_name::BUG);
    }
}
