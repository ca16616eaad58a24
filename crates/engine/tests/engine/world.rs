//! A world for an engine: a directory that lasts, a clock that is moved by hand, tasks to call.

use adapter_local::LocalDb;
use asl::End;
use contracts::task::TaskCall;
use engine::{Engine, Ports};
use futures::FutureExt;
use futures::future::BoxFuture;
use ports::SagaEngine;
use ports::journal::ExecutionId;
use ports::saga_engine::{Refusal, Start};
use ports::task::{TaskError, TaskReply, TaskRequest};
use serde::Deserialize;
use serde_json::Value;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use tempfile::TempDir;
use testkit::{ManualClock, SeededIds};
use tokio::sync::watch;

/// One task, then its result is the output.
pub(crate) const ONE_TASK: &str = r#"{"QueryLanguage": "JSONata", "StartAt": "Ask", "States": {"Ask": {
    "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
    "Arguments": {"FunctionName": "echo", "Payload": {"task": "echo", "input": "{% $states.input %}"}},
    "Output": "{% $states.result.Payload %}", "End": true}}}"#;

/// Waits an hour, then ends.
pub(crate) const WAITS: &str = r#"{"StartAt": "Sleep", "States": {
    "Sleep": {"Type": "Wait", "Seconds": 3600, "Next": "Done"}, "Done": {"Type": "Succeed"}}}"#;

pub(crate) fn succeeded(output: Value) -> End {
    End::Succeeded { output: output.into() }
}

/// Tasks that echo, keep what they are told, or wait to be released.
#[derive(Clone)]
pub(crate) struct Steps {
    keys: Arc<Mutex<Vec<String>>>,
    tasks: Arc<Mutex<Vec<String>>>,
    failing: Arc<Mutex<Option<String>>>,
    kept: Arc<Mutex<Value>>,
    calls: watch::Sender<usize>,
    held: watch::Sender<bool>,
}

impl Steps {
    fn new() -> Self {
        let (calls, held) = (watch::Sender::new(0), watch::Sender::new(false));
        Self {
            keys: Arc::default(),
            tasks: Arc::default(),
            failing: Arc::default(),
            kept: Arc::default(),
            calls,
            held,
        }
    }

    /// Keeps every call from being answered.
    pub(crate) fn hold(&self) {
        self.held.send_replace(true);
    }

    /// Lets calls be answered.
    pub(crate) fn release(&self) {
        self.held.send_replace(false);
    }

    /// Makes every call of a task fail.
    pub(crate) fn fail(&self, task: &str) {
        *self.failing.lock().unwrap() = Some(task.to_owned());
    }

    /// Makes all calls work again.
    pub(crate) fn mend(&self) {
        *self.failing.lock().unwrap() = None;
    }

    /// The tasks that were called, in their order.
    pub(crate) fn tasks(&self) -> Vec<String> {
        self.tasks.lock().unwrap().clone()
    }

    /// Returns once there were `count` calls.
    pub(crate) async fn called(&self, count: usize) {
        self.calls.subscribe().wait_for(|calls| *calls >= count).await.unwrap();
    }

    /// The keys of all calls.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.keys.lock().unwrap().clone()
    }

    /// What the task `keep` was told last.
    pub(crate) fn kept(&self) -> Value {
        self.kept.lock().unwrap().clone()
    }
}

impl tower_service::Service<TaskRequest> for Steps {
    type Response = TaskReply;
    type Error = TaskError;
    type Future = BoxFuture<'static, Result<TaskReply, TaskError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TaskError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: TaskRequest) -> Self::Future {
        let steps = self.clone();
        Box::pin(async move {
            let call = TaskCall::deserialize(&*request.payload).unwrap();
            steps.keys.lock().unwrap().push(request.key);
            steps.tasks.lock().unwrap().push(call.task.clone());
            if call.task == "keep" {
                *steps.kept.lock().unwrap() = call.input.clone();
            }
            steps.calls.send_modify(|calls| *calls += 1);
            steps.held.subscribe().wait_for(|held| !held).await.unwrap();
            if steps.failing.lock().unwrap().as_ref() == Some(&call.task) {
                let (error, cause) = ("Declined".to_owned(), "as told".to_owned());
                return Err(TaskError::Failed { error, cause });
            }
            Ok(call.input)
        })
    }
}

/// Everything around an engine that outlives it.
pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) steps: Steps,
    dir: TempDir,
    db: Mutex<Option<Arc<LocalDb>>>,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self {
            clock: Arc::new(ManualClock::default()),
            steps: Steps::new(),
            dir: tempfile::tempdir().unwrap(),
            db: Mutex::default(),
        }
    }

    /// Opens the directory and runs an engine over it.
    pub(crate) async fn open(&self) -> Engine {
        let clock = Arc::clone(&self.clock);
        let db = Arc::new(LocalDb::open_with_clock(self.dir.path(), clock.clone()).unwrap());
        *self.db.lock().unwrap() = Some(Arc::clone(&db));
        let ports = Ports {
            journal: db.clone(),
            definitions: db.clone(),
            store: db.clone(),
            blobs: Arc::new(db.blobs()),
            clock,
            ids: Arc::new(SeededIds::new(1)),
        };
        let engine = Engine::new(ports, self.steps.clone());
        tokio::spawn({
            let engine = engine.clone();
            async move { engine.run().await }
        });
        engine
    }

    /// Stops an engine in the middle of whatever it does, and closes the directory.
    pub(crate) async fn close(&self, engine: Engine) {
        // One look, and what has not ended by then is cut.
        let _has_ended = engine.shutdown().now_or_never().is_some();
        drop(engine);
        let db = self.db.lock().unwrap().take().unwrap();
        db.close();
    }

    /// The journal of the engine that runs.
    pub(crate) fn journal(&self) -> Arc<LocalDb> {
        Arc::clone(self.db.lock().unwrap().as_ref().unwrap())
    }

    /// Spoils a text wherever the closed directory has it.
    pub(crate) fn damage(&self, text: &[u8]) {
        let file = self.dir.path().join("ordersaga.db");
        let mut bytes = std::fs::read(&file).unwrap();
        let places: Vec<_> =
            (0..bytes.len() - text.len()).filter(|at| bytes[*at..].starts_with(text)).collect();
        assert!(!places.is_empty(), "there is something to damage");
        for at in places {
            bytes[at] ^= 1;
        }
        std::fs::write(file, bytes).unwrap();
    }

    /// Returns once an execution is known.
    pub(crate) async fn until_running(&self, engine: &Engine, name: &str) {
        while let Err(Refusal::ExecutionDoesNotExist(_)) = engine.describe(&id(name)).await {
            tokio::task::yield_now().await;
        }
    }
}

pub(crate) fn id(name: &str) -> ExecutionId {
    ExecutionId { machine: "m".to_owned(), name: name.to_owned() }
}

pub(crate) fn start(name: &str, input: Value) -> Start {
    Start { id: id(name), input }
}
