//! A running system: adapters, services, seam, engine, bus and listeners, and how they end.

use crate::embedded::config::Config;
use crate::embedded::functions::ThroughSeam;
use crate::embedded::outside::{self, Layers, Outside};
use crate::embedded::sandbox::SandboxServer;
use crate::embedded::services::Services;
use crate::embedded::watchers::{Told, Watchers};
use crate::embedded::{aws, demo, http, machines, targets};
use crate::http::layers;
use crate::http::operations::Operations;
use crate::http::orders::Orders;
use crate::trace::Traced;
use adapter_local::{LocalDb, OpenError};
use adapter_os::{SystemClock, SystemIds};
use contracts::UserId;
use engine::{Engine, MachineRefusal};
use events::arn::Home;
use events::{
    ControlPlane, Dispatcher, EmbeddedBus, Functions, Places, Relay, Replayer, Scheduler, control,
};
use futures::FutureExt;
use ports::task::{TaskError, TaskReply, TaskRequest, Tasks};
use ports::{Aggregates, Clock, Ids, SagaEngine};
use resilience::breaker::Breakers;
use resilience::desk::Desk;
use std::convert::Infallible;
use std::fmt::Display;
use std::future::Future;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::TaskTracker;
use tower::Service;

/// How long requests and calls in flight may take to end when the system stops.
const DRAIN: Duration = Duration::from_secs(3);
/// How long the store may take to write its log back when the system stops; it is safe without.
const CLOSE: Duration = Duration::from_secs(1);

/// Why a system does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory cannot be used.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// A state machine cannot be run.
    #[error(transparent)]
    Machine(#[from] MachineRefusal),
    /// A port is taken or may not be used.
    #[error("{what} cannot listen on {address} (choose another with {flag})")]
    Listen {
        /// Who.
        what: &'static str,
        /// Where.
        address: SocketAddr,
        /// How to choose another place.
        flag: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// The world failed.
    #[error("the system cannot be put together")]
    World(#[from] ports::Error),
    /// The demo's shop could not be loaded.
    #[error("the demo's shop cannot be loaded: {0}")]
    Demo(String),
}

/// A running system.
pub struct System {
    db: Arc<LocalDb>,
    engine: Engine,
    parts: Parts,
    stop_gateway: CancellationToken,
    address: SocketAddr,
    gateway_address: Option<SocketAddr>,
    gateway_url: String,
    aws_address: Option<SocketAddr>,
    is_aws_guarded: bool,
    data_dir: PathBuf,
    first_user: Option<UserId>,
}

impl System {
    /// Puts a system together and starts it; when this returns it can be called.
    ///
    /// # Errors
    /// See [`StartError`]; nothing keeps running.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        Self::start_with(config, Layers::All).await
    }

    /// The same with these layers.
    ///
    /// # Errors
    /// See [`StartError`]; nothing keeps running.
    pub async fn start_with(config: Config, layers: Layers) -> Result<Self, StartError> {
        // Before anything that counts: what is counted earlier is lost.
        http::metrics::recorder();
        let db = Arc::new(LocalDb::open(&config.data_dir)?);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let ids: Arc<dyn Ids> = Arc::new(SystemIds);
        let sandbox = match config.gateway_url {
            Some(_) => None,
            None => Some(SandboxServer::open(&config).await?),
        };
        let listeners = Listeners::open(&config).await?;
        let gateway_address = sandbox.as_ref().map(SandboxServer::address);
        let own = gateway_address.map(|address| format!("http://{address}"));
        let gateway_url = config.gateway_url.clone().or(own).unwrap_or_default();

        let gateway = Arc::new(outside::gateway(&config, &gateway_url, &clock).await?);
        let parts = Parts::default();
        let integrations = outside::integrations(&config.integrations, &db, &clock)?;
        let breakers = outside::breakers(&db, &clock, &ids).await?;
        let outside = Outside { gateway, integrations, breakers, layers };
        let connected = connect(&db, &clock, &ids, outside, &parts.stopping);
        let Connected { services, engine, functions, desk, breakers } = connected;
        for machine in [machines::PLACE_ORDER, machines::CANCEL_ORDER] {
            engine.publish(machine.name, &machine.definition()).await?;
        }
        let first_user = match config.demo {
            true => demo::load(&services).await,
            false => demo::first_user(&services).await,
        };
        let first_user = first_user.map_err(StartError::Demo)?;

        let stop_gateway = CancellationToken::new();
        if let Some(sandbox) = sandbox {
            let gateway_stops = stop_gateway.clone().cancelled_owned();
            parts.run("the payment gateway", sandbox.serve(gateway_stops));
        }
        run_sagas(&parts, &engine, desk, breakers);
        parts.run_infallible("the metrics", http::metrics::keep(Arc::clone(&clock), parts.stop()));
        let plane = control_plane(&db, &clock, &ids, &services, functions).await?;
        deliver(&parts, &db, &clock, &ids, &plane);
        let edge = (layers == Layers::All)
            .then(|| http::Edge::new(&config.limits, &clock, Arc::clone(&db) as _));
        parts.run("the HTTP API", http::serve(listeners.http.0, services, edge, parts.stop()));
        let aws_address = listeners.aws.as_ref().map(|(_, address)| *address);
        if let Some((listener, at)) = listeners.aws {
            let stopping = &parts.stopping;
            let (engine, plane, db) = (&engine, &plane, &db);
            let fronts = aws::Fronts { engine, plane, db, clock: &clock, ids: &ids, stopping };
            let api = aws::api(&config, at, &fronts);
            parts.run("the AWS API", aws_api::serve(listener, api, parts.stop()));
        }
        Ok(Self {
            db,
            engine,
            parts,
            stop_gateway,
            address: listeners.http.1,
            gateway_address,
            gateway_url,
            aws_address,
            is_aws_guarded: config.aws_credentials.is_some(),
            data_dir: config.data_dir,
            first_user,
        })
    }

    /// Where the HTTP API listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the sandbox payment gateway listens, if this system runs one.
    #[must_use]
    pub const fn gateway_address(&self) -> Option<SocketAddr> {
        self.gateway_address
    }

    /// Where the AWS API listens, if it does.
    #[must_use]
    pub const fn aws_address(&self) -> Option<SocketAddr> {
        self.aws_address
    }

    /// What a person wants to know once it runs: the addresses, and a first order to paste.
    #[must_use]
    pub fn greeting(&self) -> String {
        let (api, gateway) = (self.address, &self.gateway_url);
        let data = self.data_dir.display();
        let first = demo::first_order(api, self.first_user.as_ref());
        let aws = self.aws_address.map(|at| aws::exports(at, self.is_aws_guarded) + "\n");
        let aws = aws.unwrap_or_default();
        format!(
            "Ordersaga is up. Ctrl-C stops it; what is placed stays placed.\n\
             HTTP API  http://{api}   (documentation: http://{api}/docs)\n\
             Gateway   {gateway}\n\
             Data      {data}\n\n{aws}{first}"
        )
    }

    /// Returns when a part of the system has ended that should not have; it was logged.
    pub async fn broken(&self) {
        self.parts.broken.cancelled().await;
    }

    /// Stops: takes no more requests, lets what is in flight end, closes the store. Takes less
    /// than five seconds, and loses nothing however it goes.
    pub async fn stop(self) {
        self.parts.stopping.cancel();
        let drained = tokio::time::timeout(DRAIN, async {
            // The gateway goes last: calls in flight still need it.
            self.engine.shutdown().await;
            self.stop_gateway.cancel();
            self.parts.tasks.close();
            self.parts.tasks.wait().await;
        });
        if drained.await.is_err() {
            tracing::warn!("what did not end in time was cut; it goes on at the next start");
        }
        let db = self.db;
        // Closing writes the log back into the file, which blocks; being cut there is safe, too.
        let closed = tokio::task::spawn_blocking(move || db.close());
        if tokio::time::timeout(CLOSE, closed).await.is_err() {
            tracing::warn!("the store was not closed in time; the next start takes up its log");
        }
    }
}

/// What runs in the background until the system stops.
#[derive(Default)]
struct Parts {
    tasks: TaskTracker,
    stopping: CancellationToken,
    broken: CancellationToken,
}

impl Parts {
    fn stop(&self) -> WaitForCancellationFutureOwned {
        self.stopping.clone().cancelled_owned()
    }

    /// Runs a part; one that ends while the system does not stop breaks it.
    fn run<E: Display>(
        &self,
        name: &'static str,
        part: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        let (stopping, broken) = (self.stopping.clone(), self.broken.clone());
        self.tasks.spawn(async move {
            let why = match AssertUnwindSafe(part).catch_unwind().await {
                Ok(Ok(())) if stopping.is_cancelled() => return,
                Ok(Ok(())) => "it came to an end".to_owned(),
                Ok(Err(error)) => error.to_string(),
                Err(_) => "a bug: it panicked".to_owned(),
            };
            tracing::error!(part = name, why, "a part of the system has ended");
            broken.cancel();
        });
    }

    fn run_infallible(&self, name: &'static str, part: impl Future<Output = ()> + Send + 'static) {
        self.run(name, part.map(Ok::<(), Infallible>));
    }
}

/// What the system listens on, each with the address it has.
struct Listeners {
    http: (TcpListener, SocketAddr),
    aws: Option<(TcpListener, SocketAddr)>,
}

impl Listeners {
    async fn open(config: &Config) -> Result<Self, StartError> {
        let http = listen("the HTTP API", config.listen, "--listen").await?;
        let aws = match config.aws_listen {
            Some(address) => Some(listen("the AWS API", address, "--aws-listen").await?),
            None => None,
        };
        Ok(Self { http, aws })
    }
}

/// Listens; the address has the port that was taken.
pub(crate) async fn listen(
    what: &'static str,
    address: SocketAddr,
    flag: &'static str,
) -> Result<(TcpListener, SocketAddr), StartError> {
    let listener = TcpListener::bind(address).await;
    let listener = listener.map_err(|source| StartError::Listen { what, address, flag, source })?;
    let address = listener.local_addr().unwrap_or(address);
    Ok((listener, address))
}

/// Runs what carries sagas: the engine, its breakers, and the desk where steps wait for them.
fn run_sagas(parts: &Parts, engine: &Engine, desk: Arc<Desk>, breakers: Arc<Breakers>) {
    parts.run_infallible("the sagas", {
        let engine = engine.clone();
        async move { engine.run().await }
    });
    parts.run_infallible("the breakers", {
        let (breakers, stop) = (Arc::clone(&breakers), parts.stop());
        async move { breakers.keep_in_step(stop).await }
    });
    let (sagas, stop) = (engine.clone(), parts.stop());
    parts.run_infallible("the desk", async move {
        desk.run(&sagas, |function| breakers.room(function), stop).await;
    });
}

/// Runs what carries events: outbox → bus → targets.
fn deliver(
    parts: &Parts,
    db: &Arc<LocalDb>,
    clock: &Arc<dyn Clock>,
    ids: &Arc<dyn Ids>,
    plane: &Arc<ControlPlane>,
) {
    parts.run_infallible("the moves between queues", {
        let (db, stop) = (Arc::clone(db), parts.stop());
        async move { db.keep_moving(stop).await }
    });
    let bus = Arc::new(EmbeddedBus::new(Arc::clone(db) as _));
    let relay = Relay::new(Arc::clone(db) as _, bus, Arc::clone(clock), ids.seed());
    parts.run_infallible("the outbox relay", relay.run(parts.stop()));
    let switchboard = Arc::clone(plane.switchboard());
    let log = || Arc::clone(db) as _;
    let dispatcher = Dispatcher::new(log(), Arc::clone(clock), switchboard, ids.seed());
    parts.run_infallible("the dispatcher", dispatcher.run(parts.stop()).map(drop));
    let replayer = Replayer::new(Arc::clone(plane), log(), Arc::clone(clock), ids.seed());
    parts.run_infallible("the replays", replayer.run(parts.stop()));
    let scheduler = Scheduler::new(Arc::clone(plane), Arc::clone(clock));
    parts.run_infallible("the schedules", scheduler.run(parts.stop()));
}

/// Opens the control plane of events, with the shop's own rules built in.
async fn control_plane(
    db: &Arc<LocalDb>,
    clock: &Arc<dyn Clock>,
    ids: &Arc<dyn Ids>,
    services: &Services,
    functions: Arc<dyn Functions>,
) -> ports::Result<Arc<ControlPlane>> {
    let places = Places {
        functions,
        machines: Arc::clone(&services.sagas),
        queues: Some(Arc::clone(db) as _),
        log: Arc::clone(db) as _,
    };
    let ports = control::Ports {
        store: Arc::clone(db) as _,
        log: Arc::clone(db) as _,
        clock: Arc::clone(clock),
        ids: Arc::clone(ids),
    };
    let built_in = targets::built_in(services, &Home::default());
    Ok(Arc::new(ControlPlane::open(ports, Arc::new(places), built_in).await?))
}

/// What works together once it is connected.
struct Connected {
    services: Arc<Services>,
    engine: Engine,
    functions: Arc<dyn Functions>,
    desk: Arc<Desk>,
    breakers: Arc<Breakers>,
}

/// Connects the services with their store, and the engine with the services' tasks.
fn connect(
    db: &Arc<LocalDb>,
    clock: &Arc<dyn Clock>,
    ids: &Arc<dyn Ids>,
    outside: Outside,
    stopping: &CancellationToken,
) -> Connected {
    let store = Arc::new(Traced(Arc::clone(db) as _));
    let aggregates = Arc::new(Aggregates::new(store, Arc::clone(clock)));
    let aggregates = || Arc::clone(&aggregates);
    let users = Arc::new(user::Service::new(aggregates(), Arc::clone(ids)));
    let inventory = Arc::new(inventory::Service::new(aggregates()));
    let orders = Arc::new(order::Service::new(
        aggregates(),
        Arc::clone(&users) as _,
        Arc::clone(&inventory) as _,
    ));
    let payments = Arc::new(payment::Service::new(aggregates(), outside.gateway));
    let desk = Arc::new(Desk::new(Arc::clone(db) as _, Arc::clone(clock), Arc::clone(ids)));
    let tasks: Vec<Arc<dyn Tasks>> = vec![
        Arc::clone(&orders) as _,
        Arc::clone(&inventory) as _,
        Arc::clone(&payments) as _,
        Arc::clone(&desk) as _,
    ];
    let breakers = Arc::clone(&outside.breakers);
    let router = outside::router(tasks, outside.integrations);
    let (engine, functions) = match outside.layers {
        Layers::All => {
            let seam = outside::seam(router, outside.breakers, clock, ids);
            callers(db, clock, ids, seam)
        }
        Layers::Bare => callers(db, clock, ids, router),
    };
    let sagas: Arc<dyn SagaEngine> = Arc::new(engine.clone());
    let watchers = Arc::new(Watchers::default());
    let told = Told { watchers: Arc::clone(&watchers), stopping: stopping.clone() };
    let services = Services {
        operations: Operations {
            orders: Arc::clone(&orders),
            payments: Arc::clone(&payments),
            inventory: Arc::clone(&inventory),
            desk: Arc::clone(&desk),
            breakers: Arc::clone(&breakers),
            sagas: Arc::clone(&sagas),
            stories: Arc::clone(db) as _,
            clock: Arc::clone(clock),
        },
        orders: Orders { orders, stories: Arc::clone(db) as _, news: Arc::new(told) },
        users,
        inventory,
        payments,
        notifications: Arc::new(notification::Service::new(aggregates(), Arc::clone(db) as _)),
        leases: layers::leases(Arc::clone(db) as _, clock, ids),
        sagas,
        store: Arc::clone(db) as _,
        watchers,
        clock: Arc::clone(clock),
        stopping: stopping.clone(),
    };
    Connected { services: Arc::new(services), engine, functions, desk, breakers }
}

/// Makes what calls tasks: the engine, and the bus's targets.
fn callers<S>(
    db: &Arc<LocalDb>,
    clock: &Arc<dyn Clock>,
    ids: &Arc<dyn Ids>,
    seam: S,
) -> (Engine, Arc<dyn Functions>)
where
    S: Service<TaskRequest, Response = TaskReply, Error = TaskError, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
{
    let functions = ThroughSeam { seam: seam.clone(), clock: Arc::clone(clock) };
    let ports = engine::Ports {
        journal: Arc::clone(db) as _,
        definitions: Arc::clone(db) as _,
        store: Arc::clone(db) as _,
        blobs: Arc::new(db.blobs()),
        clock: Arc::clone(clock),
        ids: Arc::clone(ids),
    };
    (Engine::new(ports, seam), Arc::new(functions))
}
