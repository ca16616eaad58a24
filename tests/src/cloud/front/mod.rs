//! API Gateway's HTTP API in front of the functions: routes, tokens, events of format 2.0.
//!
//! ```text
//! request ──▶ route (of the template) ──▶ token: a client and its scopes ──▶ event ──▶ function
//! ```
//!
//! Owns: who is let through to which function, and the shape of its event and of its answer.
//! Does not own: any answer of a service. What a JSON Web Token proves, a test's token just says.

mod event;
mod routing;

use super::host::{Host, Outcome};
use super::template::Route;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use event::Client;

/// How long API Gateway waits for a function.
const INTEGRATION_MAX: Duration = Duration::from_secs(30);
/// The largest body that API Gateway takes.
const BODY_BYTES_MAX: usize = 10 * 1024 * 1024;

/// What stands behind the API.
pub struct Front {
    /// The routes.
    pub routes: Vec<Route>,
    /// Who has a token.
    pub clients: Vec<Client>,
    /// Where functions are.
    pub host: Arc<Host>,
}

/// Serves the API.
pub fn serve(listener: TcpListener, front: Front) -> JoinHandle<()> {
    let routes = Router::new()
        .fallback(take)
        .layer(axum::extract::DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(Arc::new(front));
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() })
}

async fn take(
    State(front): State<Arc<Front>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some((route, parameters)) = routing::find(&front.routes, method.as_str(), uri.path())
    else {
        return said(StatusCode::NOT_FOUND, "Not Found");
    };
    let client = headers.get("authorization").and_then(|value| value.to_str().ok());
    let client = client.and_then(|value| value.strip_prefix("Bearer "));
    let client = client.and_then(|token| front.clients.iter().find(|c| c.token == token));
    if let Some(scopes) = &route.scopes {
        let Some(client) = client else {
            return said(StatusCode::UNAUTHORIZED, "Unauthorized");
        };
        if !scopes.is_empty() && !scopes.iter().any(|scope| client.scopes.contains(scope)) {
            return said(StatusCode::FORBIDDEN, "Forbidden");
        }
    }
    let client = client.filter(|_| route.scopes.is_some());
    let asked = event::Asked { method, uri, headers, body };
    let event = event::of(&asked, route, parameters, client);
    let invoked = front.host.invoke(&route.function, event.to_string());
    match tokio::time::timeout(INTEGRATION_MAX, invoked).await {
        Ok(Ok(outcome @ Outcome::Done(_))) => event::response(&outcome.done().unwrap_or_default())
            .unwrap_or_else(|| said(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")),
        Ok(Ok(Outcome::Failed(_)) | Err(_)) => {
            said(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
        }
        Err(_) => said(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"),
    }
}

/// What API Gateway itself says.
fn said(status: StatusCode, message: &str) -> Response {
    (status, axum::Json(json!({"message": message}))).into_response()
}
