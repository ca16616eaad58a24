//! `/v1/breakers`, `/v1/parked` and `/v1/orders/{id}/resume`: what operators look at and decide.

use crate::http::edge::{Answered, Id, Json, Nothing, Pairs, Refusals, Refused, absent, listed};
use crate::http::layers::{self, Around};
use crate::http::orders::timeline;
use crate::parked::{self, Entry, EntryId, Kind, Resolve, Resolved, Wanted};
use axum::extract::{FromRef, Path, State};
use axum::response::{IntoResponse, Response};
use contracts::fields::Object;
use contracts::http::Listing;
use contracts::{OrderId, Problem, Timestamp};
use http::StatusCode;
use order::api::OrderView;
use ports::saga_engine::Callback;
use ports::{Clock, SagaEngine, Stories};
use resilience::breaker::{self, Breakers, NAME_BYTES_MAX, View};
use resilience::desk::Desk;
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What the handlers reach.
#[derive(Clone)]
pub(crate) struct Operations {
    pub(crate) orders: Arc<order::Service>,
    pub(crate) payments: Arc<payment::Service>,
    pub(crate) inventory: Arc<inventory::Service>,
    pub(crate) desk: Arc<Desk>,
    pub(crate) breakers: Arc<Breakers>,
    pub(crate) sagas: Arc<dyn SagaEngine>,
    pub(crate) stories: Arc<dyn Stories>,
    pub(crate) clock: Arc<dyn Clock>,
}

pub(crate) fn routes<S: layers::State>(around: &Around<'_>) -> OpenApiRouter<S>
where
    Operations: FromRef<S>,
{
    // A lost answer can be had again; the layer records, for the effect is in a saga's journal.
    let leased = OpenApiRouter::new().routes(routes!(resolve_parked)).routes(routes!(resume_order));
    let plain = OpenApiRouter::new()
        .routes(routes!(list_breakers))
        .routes(routes!(show_breaker))
        .routes(routes!(switch_breaker))
        .routes(routes!(list_parked))
        .routes(routes!(show_parked));
    around.leased(leased).merge(around.plain(plain))
}

/// Whether, and how, a breaker judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = BreakerMode)]
enum Mode {
    /// By its own judgement.
    Auto,
    /// It lets no call through, until it is switched back.
    Open,
    /// It lets every call through and judges nothing.
    Close,
    /// It lets every call through and shows what it would do.
    Shadow,
}

impl Mode {
    const ALL: [(&'static str, Self); 4] = [
        ("auto", Self::Auto),
        ("open", Self::Open),
        ("close", Self::Close),
        ("shadow", Self::Shadow),
    ];

    fn read(value: &Value) -> Result<Self, String> {
        let named = Self::ALL.into_iter().find(|(name, _)| value.as_str() == Some(name));
        named.map(|(_, mode)| mode).ok_or_else(|| {
            let names = Self::ALL.map(|(name, _)| name).join(", ");
            format!("must be one of {names}")
        })
    }
}

impl From<Mode> for breaker::Mode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Auto => Self::Judging,
            Mode::Open => Self::ForcedOpen,
            Mode::Close => Self::Disabled,
            Mode::Shadow => Self::Shadow,
        }
    }
}

impl From<breaker::Mode> for Mode {
    fn from(mode: breaker::Mode) -> Self {
        match mode {
            breaker::Mode::Judging => Self::Auto,
            breaker::Mode::ForcedOpen => Self::Open,
            breaker::Mode::Disabled => Self::Close,
            breaker::Mode::Shadow => Self::Shadow,
        }
    }
}

/// What a breaker believes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Belief {
    /// Calls work.
    Closed,
    /// They do not.
    Open,
    /// A few are made to see.
    HalfOpen,
}

impl From<breaker::State> for Belief {
    fn from(state: breaker::State) -> Self {
        match state {
            breaker::State::Closed => Self::Closed,
            breaker::State::Open { .. } => Self::Open,
            breaker::State::HalfOpen { .. } => Self::HalfOpen,
        }
    }
}

/// How a breaker is to judge.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "only its document is used")]
struct SwitchBreaker {
    /// The mode.
    mode: Mode,
}

/// A circuit breaker.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = Breaker)]
struct BreakerView {
    /// The name of what it guards: a function, or `service:action` of an integration.
    #[schema(example = "payment")]
    name: String,
    /// Whether, and how, it judges.
    mode: Mode,
    /// What a call meets here; in `shadow`, what it would meet.
    state: Belief,
    /// When the first call is made to see whether it works again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    open_until: Option<Timestamp>,
    /// What this process believes by its own calls.
    local: Belief,
    /// How often the fleet's belief or the mode has changed.
    generation: u64,
    /// When that was the last time, if it ever did.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    changed_at: Option<Timestamp>,
    /// The process that changed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    changed_by: Option<String>,
    /// Whether this process judges alone, because the store does not answer.
    is_alone: bool,
}

impl From<View> for BreakerView {
    fn from(view: View) -> Self {
        let (state, open_until) = match (view.mode, view.state) {
            // By hand, it is what the hand says.
            (breaker::Mode::ForcedOpen, _) => (Belief::Open, None),
            (breaker::Mode::Disabled, _) => (Belief::Closed, None),
            (
                breaker::Mode::Judging | breaker::Mode::Shadow,
                state @ breaker::State::Open { until },
            ) => (state.into(), Some(until)),
            (
                breaker::Mode::Judging | breaker::Mode::Shadow,
                state @ (breaker::State::Closed | breaker::State::HalfOpen { .. }),
            ) => (state.into(), None),
        };
        let fleet = view.fleet;
        let has_changed = fleet.generation > 0;
        Self {
            name: view.name,
            mode: view.mode.into(),
            state,
            open_until,
            local: view.local.into(),
            generation: fleet.generation,
            changed_at: has_changed.then_some(fleet.changed_at),
            changed_by: has_changed.then_some(fleet.by),
            is_alone: view.is_alone,
        }
    }
}

/// Lists the circuit breakers of this process; each is made when its function is first called.
#[utoipa::path(get, path = "/v1/breakers", operation_id = "list_breakers", tag = "operations",
    responses((status = 200, description = "What was asked for", body = Listing<BreakerView>),
        Refusals))]
async fn list_breakers(State(operations): State<Operations>) -> Answered<Response> {
    let items: Vec<_> = operations.breakers.views().into_iter().map(BreakerView::from).collect();
    Ok(axum::Json(Listing { items, next_cursor: None }).into_response())
}

/// Shows a circuit breaker.
#[utoipa::path(get, path = "/v1/breakers/{name}", operation_id = "show_breaker",
    tag = "operations", params(("name" = String, Path)),
    responses((status = 200, description = "What was asked for", body = BreakerView), Refusals))]
async fn show_breaker(
    State(operations): State<Operations>,
    Path(name): Path<String>,
) -> Answered<Response> {
    let view = operations.breakers.view(&name).ok_or_else(|| no_breaker(&operations, &name))?;
    Ok(axum::Json(BreakerView::from(view)).into_response())
}

/// Takes the judgement from a circuit breaker of the whole fleet, or gives it back (`auto`).
#[utoipa::path(put, path = "/v1/breakers/{name}/mode", operation_id = "switch_breaker",
    tag = "operations", params(("name" = String, Path)), request_body = SwitchBreaker,
    responses((status = 200, description = "It judges so from now on", body = BreakerView),
        Refusals))]
async fn switch_breaker(
    State(operations): State<Operations>,
    Path(name): Path<String>,
    Json(body): Json,
) -> Answered<Response> {
    let mut read = Object::read(&body);
    let mode = read.required("mode", Mode::read);
    let mode = read.finish_with(mode)?;
    // A name that nobody calls by is a typing error: it would switch nothing.
    if !is_called(&operations, &name) {
        return Err(no_breaker(&operations, &name));
    }
    operations.breakers.switch(&name, mode.into()).await?;
    let view = operations.breakers.view(&name).ok_or_else(|| no_breaker(&operations, &name))?;
    Ok(axum::Json(BreakerView::from(view)).into_response())
}

/// Whether a breaker has this name, or one will once the function is called.
fn is_called(operations: &Operations, name: &str) -> bool {
    let ours = [order::tasks::FUNCTION, inventory::FUNCTION, payment::FUNCTION];
    name.len() <= NAME_BYTES_MAX
        && (ours.contains(&name) || operations.breakers.view(name).is_some())
}

fn no_breaker(operations: &Operations, name: &str) -> Refused {
    let known: Vec<String> =
        operations.breakers.views().into_iter().map(|view| view.name).collect();
    let shown: String = name.chars().take(NAME_BYTES_MAX).collect();
    let there_are = if known.is_empty() { "none yet".to_owned() } else { known.join(", ") };
    absent(format_args!("breaker `{shown}`; there are: {there_are}"))
}

/// Lists what stands still, for operators: parked orders, payments of unknown outcome, and steps
/// that wait for an outage to end.
#[utoipa::path(get, path = "/v1/parked", operation_id = "list_parked", tag = "operations",
    params(("kind" = Option<Kind>, Query),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "What was asked for", body = Listing<Entry>), Refusals))]
async fn list_parked(
    State(operations): State<Operations>,
    Pairs(pairs): Pairs,
) -> Answered<Response> {
    let page = listed(parked::list(&operations, Wanted::read(&pairs)?).await)?;
    Ok(axum::Json(page).into_response())
}

/// Shows what stands still, with both ledgers where it is about money.
#[utoipa::path(get, path = "/v1/parked/{id}", operation_id = "show_parked", tag = "operations",
    params(("id" = String, Path)),
    responses((status = 200, description = "What was asked for", body = Entry), Refusals))]
async fn show_parked(
    State(operations): State<Operations>,
    Id(id): Id<EntryId>,
) -> Answered<Response> {
    let entry = parked::find(&operations, &id).await?;
    let entry = entry.ok_or_else(|| absent(format_args!("`{id}` that stands still")))?;
    Ok(axum::Json(entry).into_response())
}

/// Decides what becomes of it: `retry` goes on with the very step; `done` goes on with what follows
/// it, because somebody has finished it outside.
///
/// `done` needs a `note`. Where the gateway's books or our stock show that the step was not done, it
/// is refused.
#[utoipa::path(post, path = "/v1/parked/{id}/resolve", operation_id = "resolve_parked",
    tag = "operations",
    params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = Resolve,
    responses((status = 202, description = "Accepted: it goes on", body = Resolved), Refusals))]
async fn resolve_parked(
    State(operations): State<Operations>,
    Id(id): Id<EntryId>,
    Json(body): Json,
) -> Answered<Response> {
    let resolve = Resolve::read(&body)?;
    let resolved = parked::resolve(&operations, &id, resolve).await?;
    Ok((StatusCode::ACCEPTED, axum::Json(resolved)).into_response())
}

/// Lets a parked order go on with the step that could not be finished: for operators, once what
/// stood in the way is gone.
#[utoipa::path(post, path = "/v1/orders/{id}/resume", operation_id = "resume_order",
    tag = "operations",
    params(("id" = OrderId, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 202, description = "Accepted: a saga goes on with it", body = OrderView),
        Refusals))]
async fn resume_order(
    State(operations): State<Operations>,
    Id(id): Id<OrderId>,
    Nothing: Nothing,
) -> Answered<Response> {
    let stored = operations.orders.find(&id).await?;
    let stored = stored.ok_or_else(|| absent(format_args!("order {id}")))?;
    let obstacle = operations.orders.obstacle(&id).await?.ok_or_else(|| {
        let problem = Problem::new(409, "not_parked", "The order is not parked");
        problem.detail("only an order of status `parked` waits for an operator")
    })?;
    let go_on = Callback::Success(serde_json::json!({}));
    operations.sagas.answer(&obstacle.task_token, go_on).await?;
    let view = OrderView::of(&stored, timeline(&*operations.stories, &id).await?);
    Ok((StatusCode::ACCEPTED, axum::Json(view)).into_response())
}
