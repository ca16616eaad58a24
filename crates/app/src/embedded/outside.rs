//! The task seam of this process: resilience around the router, around our own services.
//!
//! Owns: what of the settings becomes which integration and which gateway. Does not own: what an integration does.

use crate::breakers;
use crate::embedded::config::{Config, Integrations as Settings};
use adapter_local::{FileSecrets, LocalDb};
use events::EmbeddedBus;
use gateway::{GatewayConfig, HttpGateway};
use integrations::{Documents, Functions, HttpApis, Integrations, Router};
use ports::secrets::Secret;
use ports::task::Tasks;
use ports::{Aggregates, Clock, Ids, Result, Secrets as _};
use resilience::breaker::Breakers;
use resilience::bulkhead::{self, Bulkheads};
use resilience::stack::TaskParts;
use resilience::{InProcess, Seam};
use std::path::Path;
use std::sync::Arc;

/// The functions that only our own state machines call, which suspend a step by themselves.
const PARKS_ITSELF: [&str; 3] = [inventory::FUNCTION, order::tasks::FUNCTION, payment::FUNCTION];

/// Whether a system has the layers of `resilience` around its tasks and its HTTP API.
///
/// Not a setting: the benchmark takes them away to see what they cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layers {
    /// It has.
    #[default]
    All,
    /// It has none but the one that reads idempotency keys, from which orders have their ids.
    Bare,
}

/// What services and state machines reach beside each other.
pub(crate) struct Outside {
    /// Where money is moved.
    pub(crate) gateway: Arc<HttpGateway>,
    /// What a Task state can call beside our services.
    pub(crate) integrations: Integrations,
    /// Whether there is resilience around them.
    pub(crate) layers: Layers,
    /// What stands before all calls.
    pub(crate) breakers: Arc<Breakers>,
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

/// Makes this process's breakers, and learns what was agreed on before it started.
pub(crate) async fn breakers(
    db: &Arc<LocalDb>,
    clock: &Arc<dyn Clock>,
    ids: &Arc<dyn Ids>,
) -> Result<Arc<Breakers>> {
    let breakers = breakers::in_fleet(Arc::clone(db) as _, clock, ids);
    breakers.load().await?;
    Ok(Arc::new(breakers))
}

/// Makes the way to every task, without anything around it.
pub(crate) fn router(tasks: Vec<Arc<dyn Tasks>>, integrations: Integrations) -> Router<InProcess> {
    let names: Vec<&str> = tasks.iter().map(|tasks| tasks.function()).collect();
    Router::new(InProcess::new(tasks.clone()), &names, integrations)
}

/// Makes the seam through which every task is called.
pub(crate) fn seam(
    router: Router<InProcess>,
    breakers: Arc<Breakers>,
    clock: &Arc<dyn Clock>,
    ids: &Arc<dyn Ids>,
) -> Seam<Router<InProcess>> {
    let parts = TaskParts {
        clock: Arc::clone(clock),
        ids: Arc::clone(ids),
        breakers,
        bulkheads: Bulkheads::new(bulkhead::Config::default()),
        parks_itself: PARKS_ITSELF.map(str::to_owned).into(),
    };
    Seam::of(router, parts)
}

/// The payment gateway at an address, with the key that is configured.
pub(crate) async fn gateway(
    config: &Config,
    url: &str,
    clock: &Arc<dyn Clock>,
) -> Result<HttpGateway> {
    let at = GatewayConfig { base_url: url.to_owned(), timeout: config.gateway_timeout };
    let gateway = HttpGateway::new(&at, Arc::clone(clock))?;
    let Some(file) = &config.gateway_key_file else { return Ok(gateway) };
    // Said at the start, and not when the first order is paid.
    drop(key_at(file).await?);
    let (secrets, name) = place_of(file);
    Ok(gateway.with_key(Arc::new(secrets), name))
}

/// Reads the key in a file.
pub(crate) async fn key_at(file: &Path) -> Result<Secret> {
    let (secrets, name) = place_of(file);
    secrets.get(&name).await
}

/// The folder of a file as a place of secrets, and the file's name there.
fn place_of(file: &Path) -> (FileSecrets, String) {
    let folder = file.parent().unwrap_or(Path::new(""));
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    (FileSecrets::new(folder), name.into_owned())
}
