//! Secrets Manager: what is remembered, for how long, and what happens while it is out of order.

use crate::double::{Asked, Double, Said};
use adapter_aws::SecretsManager;
use contracts::Timestamp;
use futures::future::join_all;
use ports::conformance::{self, HandClock, PutSecret};
use ports::secrets::Secret;
use ports::{Clock, Kind, Secrets};
use serde_json::json;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const MINUTE: Duration = Duration::from_mins(1);

fn secret(text: &str) -> Said {
    Said::with(200, json!({"Name": "key", "SecretString": text}))
}

/// A double, a clock that stands still, and the adapter between them.
async fn house(
    script: impl Fn(&Asked) -> Said + Send + Sync + 'static,
) -> (Double, Arc<HandClock>, SecretsManager) {
    let double = Double::saying(script).await;
    let clock = Arc::new(HandClock::at(Timestamp::from_millis(1_795_413_600_000)));
    let secrets = SecretsManager::new(&double.clients, Arc::clone(&clock) as Arc<dyn Clock>);
    (double, clock, secrets)
}

async fn got(secrets: &SecretsManager) -> Result<String, Kind> {
    let got = secrets.get("key").await;
    got.map(|secret| secret.expose().to_owned()).map_err(|error| error.kind())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_manager_passes_the_suite_of_secrets() {
    let doubles = RefCell::new(Vec::new());
    conformance::secrets(async |clock: Arc<dyn Clock>| {
        let kept: Arc<Mutex<HashMap<String, String>>> = Arc::default();
        let there = Arc::clone(&kept);
        let double = Double::saying(move |asked| {
            let name = asked.body["SecretId"].as_str().unwrap_or_default();
            match there.lock().unwrap().get(name) {
                Some(text) => secret(text),
                None => Said::error(400, "ResourceNotFoundException"),
            }
        })
        .await;
        let secrets = SecretsManager::new(&double.clients, clock);
        let put: PutSecret = Box::new(move |name, value| {
            kept.lock().unwrap().insert(name.to_owned(), value.to_owned());
            Box::pin(std::future::ready(()))
        });
        doubles.borrow_mut().push(double);
        (Arc::new(secrets) as Arc<dyn Secrets>, put)
    })
    .await;
}

#[tokio::test]
async fn a_secret_is_read_once_in_five_minutes() {
    let (double, clock, secrets) = house(|_| secret("one")).await;
    for _ in 0..3 {
        assert_eq!(got(&secrets).await.unwrap(), "one");
        clock.advance(MINUTE);
    }
    assert_eq!(double.times(), 1);
    clock.advance(2 * MINUTE);
    assert_eq!(got(&secrets).await.unwrap(), "one");
    assert_eq!(double.times(), 2);
    let asked = double.asked().remove(0);
    assert_eq!(asked.header("x-amz-target"), Some("secretsmanager.GetSecretValue"));
    assert_eq!(asked.body, json!({"SecretId": "key"}), "the current version is asked for");
}

#[tokio::test]
async fn who_comes_at_the_same_time_shares_one_read() {
    let (double, _, secrets) = house(|_| secret("one")).await;
    double.hold();
    let asks = join_all((0..8).map(|_| got(&secrets)));
    let release = async {
        while double.times() == 0 {
            tokio::task::yield_now().await;
        }
        double.release();
    };
    let (answers, ()) = futures::future::join(asks, release).await;
    assert!(answers.into_iter().all(|answer| answer == Ok("one".to_owned())));
    assert_eq!(double.times(), 1);
}

#[tokio::test]
async fn who_is_refused_at_the_same_time_shares_one_read() {
    let (double, clock, secrets) = house(|_| secret("old")).await;
    got(&secrets).await.unwrap();
    double.say(|_| secret("new"));
    clock.advance(MINUTE);
    let old = Secret::new("old".to_owned());
    let refreshed = join_all((0..8).map(|_| secrets.refresh("key", &old))).await;
    for secret in refreshed {
        assert_eq!(secret.unwrap().expose(), "new");
    }
    assert_eq!(double.times(), 2);
}

#[tokio::test]
async fn who_is_refused_again_and_again_does_not_ask_each_time() {
    let (double, clock, secrets) = house(|_| secret("wrong")).await;
    got(&secrets).await.unwrap();
    clock.advance(MINUTE);
    let wrong = Secret::new("wrong".to_owned());
    for _ in 0..10 {
        assert_eq!(secrets.refresh("key", &wrong).await.unwrap(), wrong);
    }
    assert_eq!(double.times(), 2);
}

#[tokio::test]
async fn an_old_secret_goes_on_during_an_outage_and_not_for_ever() {
    let (double, clock, secrets) = house(|_| secret("old")).await;
    got(&secrets).await.unwrap();
    double.say(|_| Said::error(500, "InternalServiceError"));
    clock.advance(5 * MINUTE);
    for _ in 0..10 {
        assert_eq!(got(&secrets).await.unwrap(), "old");
    }
    assert_eq!(double.times(), 2, "who is out of order is left alone for a while");
    clock.advance(10 * MINUTE);
    assert_eq!(got(&secrets).await.unwrap(), "old");
    assert_eq!(double.times(), 3);
    let old = Secret::new("old".to_owned());
    let refused = secrets.refresh("key", &old).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Unavailable, "what was refused is no answer");
    clock.advance(45 * MINUTE);
    assert_eq!(got(&secrets).await, Err(Kind::Unavailable));
    double.say(|_| secret("new"));
    assert_eq!(got(&secrets).await.unwrap(), "new");
}

#[tokio::test]
async fn a_secret_that_was_taken_away_is_no_longer_served() {
    let (double, clock, secrets) = house(|_| secret("old")).await;
    got(&secrets).await.unwrap();
    clock.advance(5 * MINUTE);
    for (status, code, kind) in [
        (400, "ResourceNotFoundException", Kind::NotFound),
        (400, "InvalidRequestException", Kind::NotFound),
        (400, "AccessDeniedException", Kind::Denied),
        (400, "DecryptionFailure", Kind::Denied),
    ] {
        double.say(move |_| Said::error(status, code));
        assert_eq!(got(&secrets).await, Err(kind), "{code}");
    }
}

#[tokio::test]
async fn what_is_no_text_is_said() {
    let (double, _, secrets) = house(|_| Said::with(200, json!({"SecretBinary": "AAE="}))).await;
    assert_eq!(got(&secrets).await, Err(Kind::Corrupt));
    double.say(|_| secret(""));
    assert_eq!(got(&secrets).await, Err(Kind::NotFound));
}
