//! A breaker and retries around any tower service: here one that meets a short trouble and then an
//! outage.
//!
//! `cargo run -p resilience --example breaker_and_retry`

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use adapter_local::{SystemClock, SystemIds};
use contracts::Timestamp;
use ports::{Clock, Ids, Kind};
use resilience::breaker::{self, BreakerLayer, Breakers, Outcome};
use resilience::retry::{self, Failure, RetryLayer};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tower::{ServiceBuilder, ServiceExt, service_fn};

/// What a forecast may fail with.
#[derive(Clone, Debug)]
enum NoForecast {
    /// Nobody answers.
    Unreachable,
    /// The breaker is open: nobody was asked.
    NotAsked(Duration),
}

/// A question: of which town.
#[derive(Clone, Debug)]
struct Town(&'static str, Retried);

/// Whether somebody further out asks again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Retried {
    No,
    Yes,
}

/// What questions and answers mean to the layers.
#[derive(Clone, Copy, Debug)]
struct Forecasts;

impl breaker::Policy<Town, String, NoForecast> for Forecasts {
    fn name<'a>(&self, _: &'a Town) -> &'a str {
        "forecasts"
    }

    fn outcome(&self, answer: &Result<String, NoForecast>) -> Outcome {
        match answer {
            Ok(_) => Outcome::Success,
            Err(NoForecast::Unreachable) => Outcome::Failure,
            Err(NoForecast::NotAsked(_)) => Outcome::Ignored,
        }
    }

    fn rejection(&self, _: &str, retry_after: Duration) -> Result<String, NoForecast> {
        Err(NoForecast::NotAsked(retry_after))
    }
}

impl retry::Policy<Town, String, NoForecast> for Forecasts {
    fn name<'a>(&self, _: &'a Town) -> &'a str {
        "forecasts"
    }

    fn again(&self, town: &Town) -> Option<Town> {
        Some(town.clone())
    }

    fn deadline(&self, _: &Town) -> Option<Timestamp> {
        None
    }

    fn mark(&self, town: &mut Town) -> bool {
        std::mem::replace(&mut town.1, Retried::Yes) == Retried::Yes
    }

    fn failure(&self, answer: &Result<String, NoForecast>) -> Option<Failure> {
        match answer {
            Err(NoForecast::Unreachable) => {
                Some(Failure { kind: Kind::Unavailable, retry_after: None })
            }
            Ok(_) | Err(NoForecast::NotAsked(_)) => None,
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let ids: Arc<dyn Ids> = Arc::new(SystemIds);
    let config = breaker::Config::default();
    let breakers = Arc::new(Breakers::new(config, Arc::clone(&clock), Arc::clone(&ids)));
    let asked = Arc::new(AtomicU32::new(0));
    let station = service_fn({
        let asked = Arc::clone(&asked);
        move |Town(name, _)| {
            let n = asked.fetch_add(1, Ordering::Relaxed);
            // The first question works at its second try, the later ones meet an outage.
            let answer = match n {
                1 => Ok(format!("{name}: rain")),
                _ => Err(NoForecast::Unreachable),
            };
            std::future::ready(answer)
        }
    });
    // Retries are outside: each try is judged by the breaker, and a rejection is not tried again.
    let forecasts = ServiceBuilder::new()
        .layer(RetryLayer::new(Forecasts, retry::Config::default(), clock, ids))
        .layer(BreakerLayer::new(Arc::clone(&breakers), Forecasts))
        .service(station);
    for _ in 0..8 {
        let answer = match forecasts.clone().oneshot(Town("Bergen", Retried::No)).await {
            Ok(forecast) => forecast,
            Err(NoForecast::Unreachable) => "nobody answers".to_owned(),
            Err(NoForecast::NotAsked(wait)) => format!("not asked, come back in {wait:?}"),
        };
        println!("{answer} (after {} calls)", asked.load(Ordering::Relaxed));
    }
    println!("{:?}", breakers.views());
}
