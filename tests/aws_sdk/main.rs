//! AWS's Rust SDK drives a running system, unchanged.
//!
//! The same script as `tests/boto3/script.py`, in the same order: state machines and executions,
//! answers by token and by workers, versions and aliases, Express, tests of one state; queues with
//! dead letters and their way back; rules, targets, archive and replay.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod events;
mod queues;
mod states;

use app::System;
use app::config::Config;
use aws_smithy_http_client::Builder;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long something asked for may take to be seen.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long to wait between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// A running system and its clients.
pub(crate) struct Aws {
    pub(crate) sfn: aws_sdk_sfn::Client,
    pub(crate) sqs: aws_sdk_sqs::Client,
    pub(crate) events: aws_sdk_eventbridge::Client,
    system: System,
    _dir: TempDir,
}

impl Aws {
    pub(crate) async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let here = || "127.0.0.1:0".to_owned();
        let flags = [
            ("listen", here()),
            ("gateway_listen", here()),
            ("aws_listen", here()),
            ("data_dir", dir.path().display().to_string()),
            ("log", "error".to_owned()),
        ];
        Self::start_with(Config::load(&flags, None).unwrap(), dir).await
    }

    pub(crate) async fn start_with(config: Config, dir: TempDir) -> Self {
        let keys = config.aws_credentials.clone();
        let is_guarded = keys.is_some();
        let (id, secret) = keys.map_or(("any".to_owned(), "any".to_owned()), |keys| {
            (keys.access_key_id, keys.secret_access_key)
        });
        let system = System::start(config).await.unwrap();
        let at = system.aws_address().unwrap();
        let url = format!("http://{at}");
        // The user in the URL is what `sync-` is put before, instead of the address. This client
        // signs it as part of the host, which it does not send: no user where that is checked.
        let states_url = if is_guarded { url.clone() } else { format!("http://saga@{at}") };
        macro_rules! client {
            ($sdk:ident, $url:expr) => {
                $sdk::Client::from_conf(
                    $sdk::Config::builder()
                        .http_client(Builder::new().build_http())
                        .endpoint_url($url)
                        .region($sdk::config::Region::new("us-east-1"))
                        .credentials_provider($sdk::config::Credentials::new(
                            &id, &secret, None, None, "test",
                        ))
                        .build(),
                )
            };
        }
        Self {
            sfn: client!(aws_sdk_sfn, states_url),
            sqs: client!(aws_sdk_sqs, &url),
            events: client!(aws_sdk_eventbridge, &url),
            system,
            _dir: dir,
        }
    }

    pub(crate) async fn stop(self) {
        self.system.stop().await;
    }
}

/// Looks again and again until there is something to see.
pub(crate) async fn seen<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(since.elapsed() < PATIENCE, "not seen in time: {what}");
        tokio::time::sleep(LOOK).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_accepted_only_with_a_right_signature_where_one_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let flags = [
        ("listen", "127.0.0.1:0".to_owned()),
        ("gateway_listen", "127.0.0.1:0".to_owned()),
        ("aws_listen", "127.0.0.1:0".to_owned()),
        ("aws_access_key_id", "AKIDSAGA".to_owned()),
        ("aws_secret_access_key", "a secret/with+signs".to_owned()),
        ("data_dir", dir.path().display().to_string()),
        ("log", "error".to_owned()),
    ];
    let aws = Aws::start_with(Config::load(&flags, None).unwrap(), dir).await;
    aws.sfn.list_state_machines().send().await.unwrap();
    aws.sqs.create_queue().queue_name("orders").send().await.unwrap();
    aws.events.list_rules().send().await.unwrap();

    let forged = aws_sdk_sqs::config::Credentials::new("AKIDSAGA", "another", None, None, "test");
    let forged = aws.sqs.config().to_builder().credentials_provider(forged).build();
    let refused = aws_sdk_sqs::Client::from_conf(forged).list_queues().send().await;
    let refused = refused.unwrap_err().into_service_error();
    assert_eq!(refused.meta().code(), Some("InvalidSignatureException"));
    aws.stop().await;
}
