//! A batch of a queue's messages: each is handled for itself, and what was not is said by its id.
//!
//! ```text
//! {Records: [{messageId, body}, …]} ──▶ each: read ──▶ handle ──▶ {batchItemFailures: […]}
//! ```
//!
//! A message that is named comes again, and reaches the dead letters when it came too often; the
//! others are gone. So one that nobody can read fails alone, time after time, and holds nobody up.
//! Queues keep no order, so all of a batch are handled at the same time.
//!
//! Owns: reading a batch, and what becomes of each message. Does not own: what a message asks for.
//!
//! Spec: Lambda, "Using Lambda with Amazon SQS", partial batch responses.

use super::Failure;
use super::telemetry::count;
use crate::trace::{self, Work};
use async_trait::async_trait;
use contracts::{Envelope, Timestamp};
use futures::future::{self, Either};
use ports::Clock;
use serde::Deserialize;
use serde_json::{Value, json};

/// A message of a queue.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Message {
    /// Names it to whoever sent the batch.
    pub(super) message_id: String,
    /// What it says.
    pub(super) body: String,
}

#[derive(Deserialize)]
struct Batch {
    #[serde(rename = "Records")]
    records: Vec<Message>,
}

/// Reads a batch.
///
/// # Errors
/// It is none: then nobody can be told which of its messages failed, and all come again.
pub(super) fn read(payload: &Value) -> Result<Vec<Message>, Failure> {
    let batch = Batch::deserialize(payload).map_err(|error| Failure {
        error: "Ordersaga.Invalid".to_owned(),
        cause: format!("failed to read a batch of messages: {error}"),
    })?;
    Ok(batch.records)
}

/// Why a message was not handled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It says nothing that can be understood.
    Unreadable(String),
    /// It may work later, or an operator looks at it among the dead letters.
    Failed(String),
}

/// Whoever takes events out of messages.
#[async_trait]
pub(super) trait Takes: Send + Sync {
    /// Handles an event; the same one may come again.
    async fn take(&self, event: &Envelope) -> Result<(), Trouble>;
}

/// Reads the event of a message, or says why there is none.
pub(super) type Read = fn(&str) -> Result<Envelope, String>;

/// Who handles messages, until when.
pub(super) struct Consumer<'a> {
    /// What it is called in metrics.
    pub(super) name: &'static str,
    /// What time it is.
    pub(super) clock: &'a dyn Clock,
    /// Until when messages are handled; what is not done then comes again.
    pub(super) until: Timestamp,
}

impl Consumer<'_> {
    /// Handles a batch and answers which of it failed.
    pub(super) async fn handle(
        &self,
        messages: &[Message],
        read: Read,
        takes: &dyn Takes,
    ) -> Value {
        let outcomes = messages.iter().map(|message| self.message(message, read, takes));
        let outcomes = future::join_all(outcomes).await;
        let failed = messages.iter().zip(outcomes).filter(|(_, became)| !is_done(*became));
        failures(failed.map(|(message, _)| &*message.message_id))
    }

    async fn message(&self, message: &Message, read: Read, takes: &dyn Takes) -> count::Message {
        match read(&message.body) {
            Ok(event) => {
                let handled = async {
                    let became = self.one(&event, takes).await;
                    self.note(message, became)
                };
                trace::within(Work::of(&event), handled).await
            }
            Err(why) => self.note(message, Err(Some(Trouble::Unreadable(why)))),
        }
    }

    /// Handles one; no trouble but no success either means that there was no time.
    async fn one(&self, event: &Envelope, takes: &dyn Takes) -> Result<(), Option<Trouble>> {
        if self.clock.now() >= self.until {
            return Err(None);
        }
        let late = self.clock.sleep_until(self.until);
        match future::select(takes.take(event), late).await {
            Either::Left((handled, _)) => handled.map_err(Some),
            Either::Right(((), _)) => Err(None),
        }
    }

    fn note(&self, message: &Message, became: Result<(), Option<Trouble>>) -> count::Message {
        let (consumer, message) = (self.name, &*message.message_id);
        let became = match became {
            Ok(()) => count::Message::Handled,
            Err(None) => {
                tracing::warn!(consumer, message, "no time was left for a message; it comes again");
                count::Message::Left
            }
            Err(Some(Trouble::Failed(error))) => {
                tracing::error!(consumer, message, error, "failed to handle a message");
                count::Message::Failed
            }
            Err(Some(Trouble::Unreadable(error))) => {
                tracing::error!(consumer, message, error, "failed to read a message");
                count::Message::Unreadable
            }
        };
        count::message(consumer, became);
        became
    }
}

const fn is_done(became: count::Message) -> bool {
    match became {
        count::Message::Handled => true,
        count::Message::Failed | count::Message::Unreadable | count::Message::Left => false,
    }
}

/// What tells Lambda which of a batch failed; with none, all of it is done.
pub(super) fn failures<'a>(ids: impl IntoIterator<Item = &'a str>) -> Value {
    let failed: Vec<Value> = ids.into_iter().map(|id| json!({"itemIdentifier": id})).collect();
    json!({"batchItemFailures": failed})
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// A clock that stands, and that nobody wakes up by.
    struct Standing(Timestamp);

    #[async_trait]
    impl Clock for Standing {
        fn now(&self) -> Timestamp {
            self.0
        }

        async fn sleep_until(&self, until: Timestamp) {
            if until > self.0 {
                future::pending().await
            }
        }
    }

    /// How a message fares.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Fares {
        Well,
        Badly,
        Garbled,
    }

    /// Handles events as they say.
    struct AsTold;

    #[async_trait]
    impl Takes for AsTold {
        async fn take(&self, event: &Envelope) -> Result<(), Trouble> {
            match &*event.detail_type {
                "Well" => Ok(()),
                _badly => Err(Trouble::Failed("it is out".to_owned())),
            }
        }
    }

    /// Comes to no end.
    struct Never;

    #[async_trait]
    impl Takes for Never {
        async fn take(&self, _: &Envelope) -> Result<(), Trouble> {
            future::pending().await
        }
    }

    fn batch(fares: &[Fares]) -> Vec<Message> {
        let body = |fares: &Fares| format!("{fares:?}");
        let messages = fares.iter().enumerate();
        messages
            .map(|(n, fares)| Message { message_id: n.to_string(), body: body(fares) })
            .collect()
    }

    fn event(body: &str) -> Result<Envelope, String> {
        match body {
            "Garbled" => Err("no event".to_owned()),
            _readable => Ok(Envelope { detail_type: body.to_owned(), ..Envelope::default() }),
        }
    }

    /// The ids that are said to have failed, with so much time left.
    fn failed(fares: &[Fares], left_ms: i64) -> BTreeSet<String> {
        let clock = Standing(Timestamp::from_millis(1_000));
        let until = Timestamp::from_millis(1_000 + left_ms);
        let consumer = Consumer { name: "tests", clock: &clock, until };
        let messages = batch(fares);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let answer = runtime.block_on(consumer.handle(&messages, event, &AsTold));
        let failures = answer["batchItemFailures"].as_array().unwrap().iter();
        failures.map(|failure| failure["itemIdentifier"].as_str().unwrap().to_owned()).collect()
    }

    proptest! {
        #[test]
        fn exactly_those_are_named_that_are_to_come_again(
            fares in prop::collection::vec(
                prop_oneof![Just(Fares::Well), Just(Fares::Badly), Just(Fares::Garbled)], 0..12),
        ) {
            let expected = (0..).zip(&fares).filter(|(_, fares)| **fares != Fares::Well);
            let expected: BTreeSet<String> = expected.map(|(n, _): (usize, _)| n.to_string()).collect();
            prop_assert_eq!(failed(&fares, 1), expected);
            let all: BTreeSet<String> = (0..fares.len()).map(|n| n.to_string()).collect();
            prop_assert_eq!(failed(&fares, 0), all, "there was no time for any");
        }

        #[test]
        fn whatever_comes_is_a_batch_or_is_refused(payload in any::<String>()) {
            let payload: Value = serde_json::from_str(&payload).unwrap_or(Value::String(payload));
            if let Ok(messages) = read(&payload) {
                prop_assert!(payload["Records"].as_array().is_some_and(|all| all.len() == messages.len()));
            }
        }
    }

    #[test]
    fn a_message_that_takes_longer_than_there_is_time_comes_again() {
        let clock = Standing(Timestamp::from_millis(1_000));
        let until = Timestamp::from_millis(1_001);
        let consumer = Consumer { name: "tests", clock: &clock, until };
        let messages = batch(&[Fares::Well]);
        let mut handling = Box::pin(consumer.handle(&messages, event, &Never));
        assert!(future::FutureExt::now_or_never(&mut handling).is_none());
    }

    #[test]
    fn a_batch_is_read_as_lambda_hands_it_over() {
        let payload = json!({"Records": [{
            "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
            "receiptHandle": "AQEB",
            "body": "{}",
            "attributes": {"ApproximateReceiveCount": "1"},
            "messageAttributes": {},
            "eventSource": "aws:sqs",
        }]});
        let message = &read(&payload).unwrap()[0];
        assert_eq!(message.message_id, "059f36b4-87a3-44ab-83d2-661975830a7d");
        assert!(read(&json!({"Records": [{"body": "{}"}]})).is_err(), "nobody can be named");
    }
}
