//! `/livez` and `/readyz`.

use crate::embedded::services::Reach;
use crate::http::edge::Answered;
use axum::extract::State;
use contracts::Problem;
use ports::store::Partition;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Reach> {
    OpenApiRouter::new().routes(routes!(livez)).routes(routes!(readyz))
}

/// Says that the process runs.
#[utoipa::path(get, path = "/livez", operation_id = "livez",
    tag = "health", responses((status = 200, description = "What was asked for", body = String)))]
async fn livez() -> &'static str {
    "ok"
}

/// Says whether requests can be served: the store answers and nothing is being stopped.
#[utoipa::path(get, path = "/readyz", operation_id = "readyz", tag = "health",
    responses((status = 200, description = "What was asked for", body = String),
        (status = 503, description = "Not ready",
            body = Problem, content_type = "application/problem+json")))]
async fn readyz(State(Reach(services)): State<Reach>) -> Answered<&'static str> {
    if services.stopping.is_cancelled() {
        return Err(Problem::new(503, "stopping", "The system is being stopped").into());
    }
    // Nothing is kept there: an answer is all that is asked for.
    services.store.items(&Partition::of("probe", "readiness"), &["probe"]).await?;
    Ok("ok")
}
