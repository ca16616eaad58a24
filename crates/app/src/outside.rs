//! The task seam of this process: resilience around the router, around our own services.
//!
//! Owns: what of the settings becomes which integration. Does not own: what an integration does.

use crate::config::Integrations as Settings;
use adapter_local::LocalDb;
use events::EmbeddedBus;
use gateway::HttpGateway;
use integrations::{Documents, Functions, HttpApis, Integrations, Router};
use ports::task::Tasks;
use ports::{Aggregates, Clock, Ids, Result};
use resilience::backoff::Exponential;
use resilience::{InProcess, Seam, breaker};
use std::sync::Arc;
use std::time::Duration;

/// The fewest calls a breaker judges by: this process is the whole fleet.
const BREAKER_CALLS_MIN: u32 = 20;

/// The longest a breaker stays open: probing is cheap here, and what waits for a function is to be
/// through within 30 s of its return.
const BREAKER_OPEN_MAX: Duration = Duration::from_secs(15);

/// The functions that only our own state machines call, which suspend a step by themselves.
const PARKS_ITSELF: [&str; 3] = [inventory::FUNCTION, order::tasks::FUNCTION, payment::FUNCTION];

/// What services and state machines reach beside each other.
pub(crate) struct Outside {
    /// Where money is moved.
    pub(crate) gateway: Arc<HttpGateway>,
    /// What a Task state can call beside our services.
    pub(crate) integrations: Integrations,
}

/// Makes the integrations that the settings describe.
pub(crate) fn integrations(
    settings: &Settings,
    db: &Arc<LocalDb>,
    clock: &Arc<dyn Clock>,
) -> Result<Integrations> {
    let aggregates = Aggregates::new(Arc::clone(db) as _, Arc::clone(clock));
    Ok(Integrations {
        functions: Functions::new(settings.functions.clone(), settings.other_functions.clone())?,
        http: HttpApis::new(settings.connections.clone())?,
        documents: Documents::new(Arc::new(aggregates), settings.tables.clone()),
        queues: Arc::clone(db) as _,
        bus: Arc::new(EmbeddedBus::new(Arc::clone(db) as _)),
        clock: Arc::clone(clock),
    })
}

/// Makes the seam through which every task is called.
pub(crate) fn seam(
    tasks: Vec<Arc<dyn Tasks>>,
    integrations: Integrations,
    clock: &Arc<dyn Clock>,
    ids: &Arc<dyn Ids>,
) -> Seam<Router<InProcess>> {
    let open = Exponential { cap: BREAKER_OPEN_MAX, ..breaker::Config::default().open };
    let breaker = breaker::Config { calls_min: BREAKER_CALLS_MIN, open, ..Default::default() };
    let parks_itself = PARKS_ITSELF.map(str::to_owned).into();
    let names: Vec<&str> = tasks.iter().map(|tasks| tasks.function()).collect();
    let router = Router::new(InProcess::new(tasks.clone()), &names, integrations);
    Seam::around(
        router,
        clock,
        ids,
        resilience::Config { breaker, parks_itself, ..Default::default() },
    )
}
