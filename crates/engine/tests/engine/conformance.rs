//! The embedded engine passes the suite of engines.

use adapter_local::LocalDb;
use engine::{Engine, Ports};
use futures::future::{BoxFuture, ready};
use ports::conformance::{self, MACHINES};
use ports::task::{TaskError, TaskReply, TaskRequest};
use ports::{Clock, SagaEngine};
use serde_json::Value;
use std::cell::RefCell;
use std::sync::Arc;
use std::task::{Context, Poll};
use testkit::SeededIds;

/// Answers whatever it is told.
#[derive(Clone)]
struct Listens;

impl tower_service::Service<TaskRequest> for Listens {
    type Response = TaskReply;
    type Error = TaskError;
    type Future = BoxFuture<'static, Result<TaskReply, TaskError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TaskError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: TaskRequest) -> Self::Future {
        Box::pin(ready(Ok(Value::Null)))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_engine_passes_its_suite() {
    let dirs = RefCell::new(Vec::new());
    conformance::saga_engine(async |clock: Arc<dyn Clock>| {
        let dir = tempfile::tempdir().unwrap();
        let db = Arc::new(LocalDb::open_with_clock(dir.path(), Arc::clone(&clock)).unwrap());
        dirs.borrow_mut().push(dir);
        let ports = Ports {
            journal: db.clone(),
            definitions: db.clone(),
            store: db.clone(),
            blobs: Arc::new(db.blobs()),
            clock,
            ids: Arc::new(SeededIds::new(1)),
        };
        let engine = Engine::new(ports, Listens);
        for machine in MACHINES {
            engine.publish(machine.name, machine.definition).await.unwrap();
        }
        let running = engine.clone();
        tokio::spawn(async move { running.run().await });
        Arc::new(engine) as Arc<dyn SagaEngine>
    })
    .await;
}
