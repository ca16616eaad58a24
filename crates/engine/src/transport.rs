//! How tasks are reached: any tower service, with its type forgotten.

use futures::future::BoxFuture;
use ports::task::{TaskError, TaskReply, TaskRequest};
use std::future::poll_fn;
use tower_service::Service;

/// How tasks are reached.
pub(crate) trait Transport: Send + Sync {
    /// Makes one call.
    fn reach(&self, request: TaskRequest) -> BoxFuture<'static, Result<TaskReply, TaskError>>;
}

impl<S> Transport for S
where
    S: Service<TaskRequest, Response = TaskReply, Error = TaskError, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
{
    fn reach(&self, request: TaskRequest) -> BoxFuture<'static, Result<TaskReply, TaskError>> {
        let mut service = self.clone();
        Box::pin(async move {
            poll_fn(|cx| service.poll_ready(cx)).await?;
            service.call(request).await
        })
    }
}
