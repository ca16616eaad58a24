//! What feeds functions: streams and queues that are polled for them, and schedules.
//!
//! Owns: batches on their way to a function, what comes again and when, and what goes wrong with
//! them. Does not own: what an answer means ([`batch`], pure), or which sources there are (the
//! template).

pub mod batch;
mod queue;
mod stream;

use super::faults::Faults;
use super::host::{Host, Outcome};
use super::template::{Schedule, Source};
use super::wire::Wire;
use batch::Verdict;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;

/// How long what failed waits before it is tried again; AWS lets it wait longer.
const REST: Duration = Duration::from_millis(50);
/// How many batches of one queue are under way at once.
const QUEUE_BATCHES: usize = 2;

/// What a source needs to feed its function.
#[derive(Clone)]
pub struct Delivery {
    /// The source.
    pub source: Source,
    /// Where functions are.
    pub host: Arc<Host>,
    /// Where streams are read.
    pub streams: Wire,
    /// Where queues are.
    pub queues: Wire,
    /// What goes wrong.
    pub faults: Arc<Faults>,
    /// A planted bug: whether what a function says of single records is ignored.
    pub is_deaf: Arc<AtomicBool>,
}

impl Delivery {
    async fn invoke(&self, event: &Value) -> Outcome {
        let invoked = self.host.invoke(&self.source.function, event.to_string()).await;
        invoked.unwrap_or_else(|error| Outcome::Failed(error.to_string().into()))
    }

    fn heeded(&self, verdict: Verdict) -> Verdict {
        match self.is_deaf.load(Ordering::Relaxed) {
            true => Verdict::Done,
            false => verdict,
        }
    }

    /// Tells the source's dead-letter queue of what was given up.
    async fn give_up(&self, what: &Value) {
        let Some(arn) = &self.source.on_failure else { return };
        let queue = arn.rsplit(':').next().unwrap();
        let message = json!({"QueueUrl": queue, "MessageBody": what.to_string()});
        self.queues.must("AmazonSQS.SendMessage", &message).await;
    }

    /// Polls the source until the task is ended.
    pub fn start(self) -> Vec<JoinHandle<()>> {
        let arn: Vec<String> = self.source.arn.split(':').map(str::to_owned).collect();
        let last = arn[5..].join(":");
        match arn[2].as_str() {
            "sqs" => (0..QUEUE_BATCHES)
                .map(|_| tokio::spawn(queue::poll(self.clone(), last.clone())))
                .collect(),
            "dynamodb" => {
                let table = last.split('/').nth(1).unwrap().to_owned();
                vec![tokio::spawn(stream::poll(self, table))]
            }
            other => panic!("{other} cannot be polled"),
        }
    }
}

/// What a schedule tells its function.
#[must_use]
pub fn tick(schedule: &Schedule) -> Value {
    json!({
        "version": "0",
        "id": uuid::Uuid::new_v4(),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "000000000000",
        "time": "2026-01-01T00:00:00Z",
        "region": "us-east-1",
        "resources": [format!(
            "arn:aws:events:us-east-1:000000000000:rule/{}{}", schedule.function, schedule.name
        )],
        "detail": {},
    })
}
