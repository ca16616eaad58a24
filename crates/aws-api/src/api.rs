//! One request in, one answer out: target, guard, members, operation, answer.

use crate::family::Family;
use crate::fault::Fault;
use crate::guard::Guard;
use crate::members::Members;
use crate::operation::Service;
use bytes::Bytes;
use futures::FutureExt as _;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, header};
use ports::{Clock, Ids};
use serde_json::Value;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

/// The services that are offered, and who may call them.
pub struct Api {
    guard: Guard,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    services: Vec<(Family, Arc<dyn Service>)>,
}

impl Api {
    /// Makes an API that offers nothing yet.
    #[must_use]
    pub const fn new(guard: Guard, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        Self { guard, clock, ids, services: Vec::new() }
    }

    /// Offers a service as this family's.
    #[must_use]
    pub fn with(mut self, family: Family, service: impl Service + 'static) -> Self {
        self.services.push((family, Arc::new(service)));
        self
    }

    /// Answers a request whose body has arrived.
    pub async fn answer(&self, request: &Parts, body: Bytes) -> Response<Bytes> {
        let target = target(&request.headers);
        let family = target.map_or(Family::StepFunctions, |(family, _)| family);
        let answered = match target {
            Some((family, operation)) => self.call(request, body, family, operation).await,
            None => Err(unknown_target(request)),
        };
        self.said(answered, request, family)
    }

    /// Answers a request whose body did not arrive.
    pub fn refuse(&self, request: &Parts, fault: Fault) -> Response<Bytes> {
        let family = target(&request.headers).map_or(Family::StepFunctions, |(family, _)| family);
        self.said(Err(fault), request, family)
    }

    async fn call(
        &self,
        request: &Parts,
        body: Bytes,
        family: Family,
        operation: &str,
    ) -> Result<Value, Fault> {
        check_protocol(request)?;
        self.guard.admit(request, &body, family, self.clock.now())?;
        let service = self.services.iter().find(|(offered, _)| *offered == family);
        let Some((_, service)) = service else {
            return Err(Fault::Unsupported(format!("{family:?} is not offered here")));
        };
        let members = Members::of_body(&body)?;
        drop(body);
        match AssertUnwindSafe(service.call(operation, members)).catch_unwind().await {
            Ok(Some(answered)) => answered,
            Ok(None) => Err(Fault::UnknownOperation(format!(
                "{}.{operation} is no operation that is offered here",
                family.target_prefix()
            ))),
            Err(_) => {
                tracing::error!(operation, "a bug: an operation panicked");
                Err(Fault::Internal)
            }
        }
    }

    fn said(
        &self,
        answered: Result<Value, Fault>,
        request: &Parts,
        family: Family,
    ) -> Response<Bytes> {
        let id = self.ids.fresh().to_string();
        let mut response = match &answered {
            Ok(output) => {
                let mut response = Response::new(Bytes::from(output.to_string()));
                let media_type = HeaderValue::from_static(family.media_type());
                response.headers_mut().insert(header::CONTENT_TYPE, media_type);
                response
            }
            Err(fault) => fault.answer(family),
        };
        let fault = answered.as_ref().err().map(Fault::code);
        let target = request.headers.get(TARGET).and_then(|target| target.to_str().ok());
        tracing::debug!(target, fault, id, status = response.status().as_u16(), "answered");
        let id = HeaderValue::try_from(id).expect("an id is visible ASCII");
        response.headers_mut().insert("x-amzn-requestid", id);
        response
    }
}

/// The header that names the operation.
const TARGET: &str = "x-amz-target";

fn target(headers: &HeaderMap) -> Option<(Family, &str)> {
    Family::of_target(headers.get(TARGET)?.to_str().ok()?)
}

/// Refuses what is not sent as AWS's JSON protocols send it.
///
/// A page of another site cannot send such a request without asking first, and nobody answers
/// when it asks.
fn check_protocol(request: &Parts) -> Result<(), Fault> {
    if request.method != Method::POST {
        let said = format!("operations are called with POST, not {}", request.method);
        return Err(Fault::UnknownOperation(said));
    }
    let media_type = request.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let essence = media_type.and_then(|v| v.split(';').next()).map(str::trim);
    if !matches!(essence, Some("application/x-amz-json-1.0" | "application/x-amz-json-1.1")) {
        let said = "send the header `Content-Type: application/x-amz-json-1.0`";
        return Err(Fault::UnknownOperation(said.to_owned()));
    }
    Ok(())
}

fn unknown_target(request: &Parts) -> Fault {
    let offered = Family::ALL.map(Family::target_prefix).join(".*, ");
    let said = match request.headers.get(TARGET) {
        None => format!("send the header `X-Amz-Target`; targets are {offered}.*"),
        Some(_) => format!("the header `X-Amz-Target` names none of {offered}.*"),
    };
    Fault::UnknownOperation(said)
}

#[cfg(test)]
mod tests;
