//! An AWS API on a port of its own, over a database of its own, and clients that call it.

use adapter_aws::Clients;
use adapter_local::{LocalDb, SystemIds};
use async_trait::async_trait;
use aws_api::{Api, EventBridge, Family, Guard, Sqs, StepFunctions};
use engine::{Engine, Ports};
use events::ControlPlane;
use events::arn::Place;
use events::control::{self, BuiltIn};
use events::reach::{Parcel, Reach};
use events::retry::DeliveryError;
use futures::future::{BoxFuture, ready};
use ports::queues::Outgoing;
use ports::task::{TaskError, TaskReply, TaskRequest};
use ports::{Clock, Ids};
use serde_json::Value;
use std::sync::Arc;
use std::task::{Context, Poll};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

/// A function that answers whatever it is told.
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

/// Nobody is reached: no rule stands here.
struct Nowhere;

#[async_trait]
impl Reach for Nowhere {
    async fn bring(&self, _: &Place, _: Parcel) -> Result<(), DeliveryError> {
        Ok(())
    }

    async fn bury(&self, _: &str, _: Outgoing) -> Result<(), DeliveryError> {
        Ok(())
    }
}

/// What is served, what it is served from, and clients that call it.
pub(crate) struct World {
    pub(crate) clients: Clients,
    pub(crate) engine: Engine,
    pub(crate) db: Arc<LocalDb>,
    _stops: DropGuard,
    _dir: TempDir,
}

impl World {
    pub(crate) async fn open(clock: Arc<dyn Clock>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let db = LocalDb::open_with_clock(dir.path(), Arc::clone(&clock)).unwrap();
        let (db, ids) = (Arc::new(db), Arc::new(SystemIds) as Arc<dyn Ids>);
        let stopping = CancellationToken::new();
        let engine = engine(&db, &clock, &ids);
        let running = engine.clone();
        tokio::spawn(async move { running.run().await });

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let queues = Sqs {
            queues: db.clone(),
            registry: db.clone(),
            moves: db.clone(),
            base_url: url.clone(),
            stopping: stopping.clone(),
        };
        let states = StepFunctions { engine: engine.clone(), stopping: stopping.clone() };
        let plane = plane(&db, &clock, &ids).await;
        let api = Api::new(Guard::Anybody, clock, ids)
            .with(Family::StepFunctions, states.operations())
            .with(Family::EventBridge, EventBridge::operations(plane))
            .with(Family::Sqs, queues.operations());
        let stop = stopping.clone().cancelled_owned();
        tokio::spawn(aws_api::serve(listener, Arc::new(api), stop));
        let clients = Clients::at(&url, ("any", "any")).unwrap();
        Self { clients, engine, db, _stops: stopping.drop_guard(), _dir: dir }
    }
}

fn engine(db: &Arc<LocalDb>, clock: &Arc<dyn Clock>, ids: &Arc<dyn Ids>) -> Engine {
    let ports = Ports {
        journal: db.clone(),
        definitions: db.clone(),
        store: db.clone(),
        blobs: Arc::new(db.blobs()),
        clock: Arc::clone(clock),
        ids: Arc::clone(ids),
    };
    Engine::new(ports, Listens)
}

async fn plane(db: &Arc<LocalDb>, clock: &Arc<dyn Clock>, ids: &Arc<dyn Ids>) -> Arc<ControlPlane> {
    let ports = control::Ports {
        store: db.clone(),
        log: db.clone(),
        clock: Arc::clone(clock),
        ids: Arc::clone(ids),
    };
    let built_in = BuiltIn { rules: Vec::new(), targets: Vec::new() };
    Arc::new(ControlPlane::open(ports, Arc::new(Nowhere), built_in).await.unwrap())
}
