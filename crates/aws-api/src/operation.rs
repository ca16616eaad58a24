//! Operations by name, and the services they belong to.
//!
//! A service is a value with what its handlers reach, and a table of its operations:
//!
//! ```text
//! operations! { EventBridge; PutRule => rules::put_rule, DeleteRule => rules::delete_rule }
//! ```

use crate::fault::Fault;
use crate::members::Members;
use async_trait::async_trait;
use futures::future::BoxFuture;
use serde_json::Value;

/// Performs one operation.
pub type Handler<S> = for<'a> fn(&'a S, Members) -> BoxFuture<'a, Result<Value, Fault>>;

/// An operation of a service.
pub struct Operation<S: 'static> {
    /// Its name in the service's model.
    pub name: &'static str,
    /// What performs it.
    pub handler: Handler<S>,
}

/// A service with its table of operations.
pub struct Operations<S: 'static> {
    service: S,
    table: &'static [Operation<S>],
}

/// Lists the operations of a service and their handlers:
/// `async fn(&Service, Members) -> Result<impl Serialize, Fault>`.
macro_rules! operations {
    ($service:ty; $($name:ident => $handler:path),+ $(,)?) => {
        &[$($crate::operation::Operation {
            name: stringify!($name),
            handler: |service: &$service, members| {
                ::std::boxed::Box::pin(async move {
                    $crate::operation::said($handler(service, members).await?)
                })
            },
        }),+]
    };
}
pub(crate) use operations;

/// The members of an output.
pub(crate) fn said(output: impl serde::Serialize) -> Result<Value, Fault> {
    match serde_json::to_value(output) {
        Ok(Value::Null) => Ok(Value::Object(serde_json::Map::new())),
        Ok(output) => Ok(output),
        Err(error) => {
            tracing::error!(%error, "an output is not plain data");
            Err(Fault::Internal)
        }
    }
}

impl<S> Operations<S> {
    /// Puts a service together with its operations.
    pub const fn new(service: S, table: &'static [Operation<S>]) -> Self {
        Self { service, table }
    }

    /// The names of the operations.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<S> {
        self.table.iter().map(|operation| operation.name)
    }
}

/// A service whose operations can be called by name.
#[async_trait]
pub trait Service: Send + Sync {
    /// Calls an operation; `None`: there is none of that name.
    async fn call(&self, operation: &str, members: Members) -> Option<Result<Value, Fault>>;
}

#[async_trait]
impl<S: Send + Sync> Service for Operations<S> {
    async fn call(&self, operation: &str, members: Members) -> Option<Result<Value, Fault>> {
        let known = self.table.iter().find(|known| known.name == operation)?;
        Some((known.handler)(&self.service, members).await)
    }
}
