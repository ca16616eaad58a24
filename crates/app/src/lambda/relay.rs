//! The outbox relay: what services have committed goes to the bus.
//!
//! ```text
//! stream of the table ──▶ batch ──┐
//! every five minutes ──▶ sweep ───┴──▶ Post (order, tries) ──▶ EventBridge
//!                                        └──▶ marks in the table ──▶ where to start again
//! ```
//!
//! Owns: which events are published now, and what is answered. Does not own: their order and their
//! tries (`events`), and how they are marked (`adapter-aws`).

use super::records::{self, Record};
use super::telemetry::count;
use super::{Failure, Handler, invocation};
use adapter_aws::DynamoOutbox;
use adapter_aws::store::{Entry, EntryKey};
use async_trait::async_trait;
use contracts::{Envelope, Timestamp};
use events::batch::{Became, Committed, Marks, Post};
use lambda_runtime::LambdaEvent;
use ports::Result;
use ports::task::chain;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// How long some events may take: the longest wait between two tries, and as much again. A stream
/// brings back what is left, and meanwhile the function costs nothing.
const PATIENCE: Duration = Duration::from_secs(10);
/// What is kept of the function's time for marking and answering: one call of the table at most.
const RESERVE: Duration = Duration::from_secs(6);
/// How long an event may be on its way in the stream before it is looked for.
const OVERDUE: Duration = Duration::from_mins(1);
/// The most events that a sweep holds at once.
const SWEEP_MAX: usize = 400;

/// Publishes what the outbox holds.
pub(super) struct Relay {
    pub(super) post: Post,
    pub(super) outbox: DynamoOutbox,
}

#[async_trait]
impl Handler for Relay {
    async fn handle(&self, event: LambdaEvent<Value>) -> Result<Value, Failure> {
        let until = invocation::until(&event.context, RESERVE);
        match event.payload.get("Records") {
            Some(_) => self.batch(&event.payload, self.soon(until)).await,
            // A schedule brings nothing that is of interest.
            None => self.sweep(until).await,
        }
    }
}

impl Relay {
    /// Publishes a batch of the stream.
    async fn batch(&self, payload: &Value, until: Timestamp) -> Result<Value, Failure> {
        let records = records::read(payload)?;
        let became = self.publish(&records, until).await;
        let (answer, repeated) = records::answer(&records, &became);
        count_all(&became, repeated);
        Ok(answer)
    }

    /// When a batch is given back, at `until` at the latest.
    fn soon(&self, until: Timestamp) -> Timestamp {
        until.min(self.post.clock.now().plus(PATIENCE))
    }

    /// Publishes what has waited too long: the stream has lost it, or is late. Goes on while there is
    /// more, and the bus takes it, and there is time.
    async fn sweep(&self, until: Timestamp) -> Result<Value, Failure> {
        let (mut found, mut published) = (0, 0);
        loop {
            let now = self.post.clock.now();
            let waiting = self.outbox.unpublished(now.minus(OVERDUE), SWEEP_MAX).await;
            let waiting = waiting.map_err(|error| Failure {
                error: "Ordersaga.Unavailable".to_owned(),
                cause: format!("failed to {}", chain(&error)),
            })?;
            if found == 0 {
                let oldest = waiting.iter().filter_map(time).min();
                let age = oldest.map_or(Duration::ZERO, |oldest| now.since(oldest));
                count::swept(waiting.len(), age);
            }
            let named = |Entry { key, event }| Record { number: String::new(), key, event };
            let records: Vec<Record> = waiting.into_iter().map(named).collect();
            let became = self.publish(&records, self.soon(until)).await;
            count_all(&became, 0);
            found += records.len();
            published += number(&became, |one| *one == Became::Published);
            let is_stuck = became.iter().any(|one| !one.is_settled());
            if records.is_empty() || is_stuck || self.post.clock.now() >= until {
                break;
            }
        }
        tracing::info!(found, published, "the outbox was swept");
        Ok(json!({"found": found, "published": published}))
    }

    /// Publishes what can be read; the answers are index-aligned with `records`.
    async fn publish(&self, records: &[Record], until: Timestamp) -> Vec<Became> {
        let mut became = vec![Became::Unsettled; records.len()];
        let (mut indexes, mut keys, mut events) = (Vec::new(), Vec::new(), Vec::new());
        for (index, Record { key, event, .. }) in records.iter().enumerate() {
            match event {
                Ok(envelope) => {
                    indexes.push(index);
                    keys.push(key.clone());
                    let envelope = traced(envelope.clone());
                    events.push(Committed { place: key.name.clone(), envelope });
                }
                // Nobody will ever be able to publish it.
                Err(why) if refuse(&self.outbox, key, why).await.is_ok() => {
                    became[index] = Became::Refused(why.clone());
                }
                Err(_) => {}
            }
        }
        let marks = Arc::new(OutboxMarks { outbox: self.outbox.clone(), keys });
        let ended = self.post.publish(events, marks, until).await;
        for (index, one) in indexes.into_iter().zip(ended) {
            became[index] = one;
        }
        became
    }
}

/// The trace of a fact, as EventBridge passes it on.
fn traced(event: Envelope) -> Envelope {
    let trace = event.trace().map(|trace| trace.to_x_ray());
    Envelope { trace_header: event.trace_header.or(trace), ..event }
}

/// When an event happened, if it can be read.
fn time(entry: &Entry) -> Option<Timestamp> {
    entry.event.as_ref().ok().map(|event| event.time)
}

fn number(became: &[Became], which: impl Fn(&Became) -> bool) -> usize {
    became.iter().filter(|one| which(one)).count()
}

fn count_all(became: &[Became], repeated: usize) {
    let unsettled = number(became, |one| !one.is_settled());
    count::relayed(count::Relayed {
        published: number(became, |one| *one == Became::Published),
        refused: number(became, |one| matches!(one, Became::Refused(_))),
        unsettled,
        repeated,
    });
    if unsettled > 0 {
        tracing::warn!(unsettled, repeated, "events could not be published; they come again");
    }
}

/// Keeps an event aside that the bus will never take.
async fn refuse(outbox: &DynamoOutbox, key: &EntryKey, why: &str) -> Result<()> {
    let (aggregate, event) = (key.partition.as_str(), &*key.name);
    tracing::error!(aggregate, event, why, "an event will never be published");
    outbox.refused(key, why).await
}

/// The marks in the table of the events of a batch.
struct OutboxMarks {
    outbox: DynamoOutbox,
    keys: Vec<EntryKey>,
}

#[async_trait]
impl Marks for OutboxMarks {
    async fn mark(&self, settled: &[(usize, Became)]) -> Result<()> {
        let mut published = Vec::new();
        for (index, became) in settled {
            let Some(key) = self.keys.get(*index) else { continue };
            match became {
                Became::Published => published.push(key.clone()),
                Became::Refused(why) => refuse(&self.outbox, key, why).await?,
                Became::Unsettled => {}
            }
        }
        self.outbox.published(&published).await
    }
}
