//! The AWS API of a running system: what it fronts, and how clients are pointed at it.

use crate::embedded::config::Config;
use adapter_local::LocalDb;
use aws_api::{Api, EventBridge, Family, Guard, Sqs, StepFunctions};
use engine::Engine;
use events::ControlPlane;
use ports::{Clock, Ids};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What the API fronts.
pub(crate) struct Fronts<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) plane: &'a Arc<ControlPlane>,
    pub(crate) db: &'a Arc<LocalDb>,
    pub(crate) clock: &'a Arc<dyn Clock>,
    pub(crate) ids: &'a Arc<dyn Ids>,
    pub(crate) stopping: &'a CancellationToken,
}

/// Puts the API together; `at` is where it listens.
pub(crate) fn api(config: &Config, at: SocketAddr, fronts: &Fronts<'_>) -> Arc<Api> {
    let Fronts { engine, plane, db, clock, ids, stopping } = *fronts;
    let guard = config.aws_credentials.clone().map_or(Guard::Anybody, Guard::Signed);
    let states = StepFunctions { engine: engine.clone(), stopping: stopping.clone() };
    let queues = Sqs {
        queues: Arc::clone(db) as _,
        registry: Arc::clone(db) as _,
        moves: Arc::clone(db) as _,
        base_url: format!("http://{at}"),
        stopping: stopping.clone(),
    };
    let api = Api::new(guard, Arc::clone(clock), Arc::clone(ids))
        .with(Family::StepFunctions, states.operations())
        .with(Family::EventBridge, EventBridge::operations(Arc::clone(plane)))
        .with(Family::Sqs, queues.operations());
    Arc::new(api)
}

/// What a person pastes into a shell so that AWS's clients call this system.
///
/// Step Functions' URL has a user in it that means nothing: clients put `sync-` before the
/// authority to call StartSyncExecution and TestState, and so change the user, not the address.
/// The region is named twice, because Python's clients read another name than the SDKs do.
pub(crate) fn exports(at: SocketAddr, is_guarded: bool) -> String {
    let credentials = if is_guarded {
        String::new()
    } else {
        "export AWS_ACCESS_KEY_ID=saga AWS_SECRET_ACCESS_KEY=saga\n".to_owned()
    };
    format!(
        "AWS's clients (aws, boto3, SDKs) call it after:\n\
         export AWS_ENDPOINT_URL_SFN=http://saga@{at}\n\
         export AWS_ENDPOINT_URL_EVENTBRIDGE=http://{at}\n\
         export AWS_ENDPOINT_URL_SQS=http://{at}\n\
         export AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1\n{credentials}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dummy_credentials_are_named_only_where_any_will_do() {
        let at = "127.0.0.1:4566".parse().unwrap();
        assert!(exports(at, false).contains("AWS_SECRET_ACCESS_KEY=saga"));
        assert!(!exports(at, true).contains("AWS_SECRET_ACCESS_KEY"));
    }
}
