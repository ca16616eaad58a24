//! The AWS API of a running system: what it fronts, and how clients are pointed at it.

use crate::config::Config;
use aws_api::{Api, EventBridge, Family, Guard};
use events::ControlPlane;
use ports::{Clock, Ids};
use std::net::SocketAddr;
use std::sync::Arc;

/// Puts the API together.
pub(crate) fn api(
    config: &Config,
    clock: &Arc<dyn Clock>,
    ids: &Arc<dyn Ids>,
    plane: &Arc<ControlPlane>,
) -> Arc<Api> {
    let guard = config.aws_credentials.clone().map_or(Guard::Anybody, Guard::Signed);
    let api = Api::new(guard, Arc::clone(clock), Arc::clone(ids));
    Arc::new(api.with(Family::EventBridge, EventBridge::operations(Arc::clone(plane))))
}

/// What a person pastes into a shell so that AWS's clients call this system.
///
/// Step Functions' URL has a user in it that means nothing: clients put `sync-` before the
/// authority to call StartSyncExecution and TestState, and so change the user, not the address.
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
         export AWS_REGION=us-east-1\n{credentials}"
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
