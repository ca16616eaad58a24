//! A running system: adapters, services, seam, engine, bus and listeners, and how they end.

use crate::config::Config;
use crate::http::{self, Services};
use crate::stories::Stories;
use crate::{demo, machines, targets};
use adapter_local::{LocalDb, OpenError, SystemClock, SystemIds};
use contracts::UserId;
use engine::{Engine, Unpublishable};
use events::{Dispatcher, EmbeddedBus, Relay, RetryPolicy};
use gateway::{GatewayConfig, HttpGateway, Sandbox};
use ports::task::{Tasks, chain};
use ports::{Aggregates, Clock, Ids, SagaEngine};
use resilience::{InProcess, Seam, breaker};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long requests and calls in flight may take to end when the system stops.
const DRAIN: Duration = Duration::from_secs(2);
/// The fewest calls a breaker judges by: this process is the whole fleet.
const BREAKER_CALLS_MIN: u32 = 20;

type SagaEngineHere = Engine<Seam<InProcess>>;

/// Why a system does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory cannot be used.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// A state machine cannot be run.
    #[error(transparent)]
    Machine(#[from] Unpublishable),
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
    engine: SagaEngineHere,
    services: Arc<Services>,
    tasks: TaskTracker,
    stopping: CancellationToken,
    address: SocketAddr,
    gateway_address: SocketAddr,
    data_dir: PathBuf,
    first_user: Option<UserId>,
}

impl System {
    /// Puts a system together and starts it; when this returns it can be called.
    ///
    /// # Errors
    /// See [`StartError`]; nothing keeps running.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let db = Arc::new(LocalDb::open(&config.data_dir)?);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let ids: Arc<dyn Ids> = Arc::new(SystemIds);
        let sandbox = Sandbox::open(&config.data_dir.join("gateway"))?;
        let gateway_listener =
            listen("the payment gateway", config.gateway_listen, "--gateway-listen").await?;
        let listener = listen("the HTTP API", config.listen, "--listen").await?;
        let address = local(&listener, config.listen);
        let gateway_address = local(&gateway_listener, config.gateway_listen);

        let gateway = Arc::new(HttpGateway::new(&GatewayConfig {
            base_url: format!("http://{gateway_address}"),
            timeout: config.gateway_timeout,
        })?);
        let stopping = CancellationToken::new();
        let services = Arc::new(services(&db, &clock, &ids, gateway, &stopping));
        let engine = engine(&db, &clock, &ids, &services);
        for machine in [machines::PLACE_ORDER, machines::CANCEL_ORDER] {
            engine.publish(machine.name, &machine.definition()).await?;
        }
        let first_user = match config.demo {
            true => demo::load(&services).await,
            false => demo::first_user(&services).await,
        };
        let first_user = first_user.map_err(StartError::Demo)?;

        let tasks = TaskTracker::new();
        let stop = || stopping.clone().cancelled_owned();
        tasks.spawn(
            Relay::new(
                Arc::clone(&db) as _,
                Arc::new(EmbeddedBus::new(Arc::clone(&db) as _)),
                Arc::clone(&clock),
                ids.seed(),
            )
            .run(stop()),
        );
        let routes = targets::routes(
            &(Arc::new(engine.clone()) as Arc<dyn SagaEngine>),
            Arc::clone(&services.notifications),
            Arc::clone(&services.stories),
        );
        let log = Arc::clone(&db) as _;
        let policy = RetryPolicy::default();
        tasks.spawn(Dispatcher::new(log, clock, routes, policy, ids.seed()).run(stop()));
        tasks.spawn({
            let engine = engine.clone();
            async move { report("keep the sagas going", engine.run().await) }
        });
        let stop_gateway = stop();
        tasks.spawn(async move {
            report("serve the gateway", sandbox.serve(gateway_listener, stop_gateway).await);
        });
        let served = http::serve(listener, Arc::clone(&services), stop());
        tasks.spawn(async move { report("serve the HTTP API", served.await) });
        tasks.close();
        Ok(Self {
            db,
            engine,
            services,
            tasks,
            stopping,
            address,
            gateway_address,
            data_dir: config.data_dir,
            first_user,
        })
    }

    /// Where the HTTP API listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the payment gateway listens.
    #[must_use]
    pub const fn gateway_address(&self) -> SocketAddr {
        self.gateway_address
    }

    /// What a person wants to know once it runs: the addresses, and a first order to paste.
    #[must_use]
    pub fn greeting(&self) -> String {
        let (api, gateway) = (self.address, self.gateway_address);
        let data = self.data_dir.display();
        let first = demo::first_order(api, self.first_user.as_ref());
        format!(
            "Ordersaga is up. Ctrl-C stops it; what is placed stays placed.\n\
             HTTP API  http://{api}   (documentation: http://{api}/docs)\n\
             Gateway   http://{gateway}\n\
             Data      {data}\n\n{first}"
        )
    }

    /// Stops: takes no more requests, lets what is in flight end, closes the store. Takes less
    /// than five seconds, and loses nothing however it goes.
    pub async fn stop(self) {
        self.stopping.cancel();
        self.engine.shutdown(DRAIN).await;
        if tokio::time::timeout(DRAIN, self.tasks.wait()).await.is_err() {
            tracing::warn!("some connections did not end in time and were cut");
        }
        drop(self.services);
        let db = self.db;
        // Closing writes the log back into the file; that blocks.
        if let Err(error) = tokio::task::spawn_blocking(move || db.close()).await {
            tracing::error!(%error, "failed to close the store");
        }
    }
}

async fn listen(
    what: &'static str,
    address: SocketAddr,
    flag: &'static str,
) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| StartError::Listen {
        what,
        address,
        flag,
        source,
    })
}

/// The address that was given, with the port that was taken.
fn local(listener: &TcpListener, asked: SocketAddr) -> SocketAddr {
    listener.local_addr().unwrap_or(asked)
}

fn report<E: std::error::Error>(doing: &str, done: Result<(), E>) {
    if let Err(error) = done {
        tracing::error!(error = chain(&error), "failed to {doing}");
    }
}

fn services(
    db: &Arc<LocalDb>,
    clock: &Arc<dyn Clock>,
    ids: &Arc<dyn Ids>,
    gateway: Arc<HttpGateway>,
    stopping: &CancellationToken,
) -> Services {
    let aggregates = Arc::new(Aggregates::new(Arc::clone(db) as _, Arc::clone(clock)));
    let aggregates = || Arc::clone(&aggregates);
    let users = Arc::new(user::Service::new(aggregates(), Arc::clone(ids)));
    let inventory = Arc::new(inventory::Service::new(aggregates()));
    let orders =
        order::Service::new(aggregates(), Arc::clone(&users) as _, Arc::clone(&inventory) as _);
    Services {
        users,
        inventory,
        orders: Arc::new(orders),
        payments: Arc::new(payment::Service::new(aggregates(), gateway)),
        notifications: Arc::new(notification::Service::new(aggregates(), Arc::clone(db) as _)),
        log: Arc::clone(db) as _,
        stories: Arc::new(Stories::default()),
        clock: Arc::clone(clock),
        stopping: stopping.clone(),
    }
}

fn engine(
    db: &Arc<LocalDb>,
    clock: &Arc<dyn Clock>,
    ids: &Arc<dyn Ids>,
    services: &Services,
) -> SagaEngineHere {
    let tasks: Vec<Arc<dyn Tasks>> = vec![
        Arc::clone(&services.orders) as _,
        Arc::clone(&services.inventory) as _,
        Arc::clone(&services.payments) as _,
    ];
    let breaker = breaker::Config { calls_min: BREAKER_CALLS_MIN, ..Default::default() };
    let seam = resilience::seam(tasks, clock, ids, resilience::Config { breaker });
    let ports = engine::Ports {
        journal: Arc::clone(db) as _,
        definitions: Arc::clone(db) as _,
        clock: Arc::clone(clock),
        ids: Arc::clone(ids),
    };
    Engine::new(ports, seam)
}
