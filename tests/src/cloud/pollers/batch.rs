//! What becomes of a batch: which records are done, which come again, and how.
//!
//! Pure. Spec: "Process DynamoDB records with Lambda" and "Handling errors for an SQS event source
//! in Lambda": of a stream everything comes again from the lowest failed record on, of a queue only
//! what failed; an answer that names what is not in the batch fails all of it.

use crate::cloud::faults::BatchFault;
use crate::cloud::host::Outcome;
use serde_json::Value;
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// What a function said of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All of it is done.
    Done,
    /// These failed.
    Failed(BTreeSet<String>),
    /// All of it failed.
    AllFailed,
}

/// Reads what a function said of a batch of records with these ids.
#[must_use]
pub fn verdict(outcome: &Outcome, ids: &[String], reports_failures: bool) -> Verdict {
    let Outcome::Done(body) = outcome else { return Verdict::AllFailed };
    if !reports_failures {
        return Verdict::Done;
    }
    let answer: Value = match serde_json::from_slice(body) {
        Ok(answer) => answer,
        Err(_) => return Verdict::AllFailed,
    };
    let failures = match &answer["batchItemFailures"] {
        Value::Null => return Verdict::Done,
        Value::Array(failures) => failures,
        _ => return Verdict::AllFailed,
    };
    let named: Option<BTreeSet<String>> = failures
        .iter()
        .map(|failure| {
            let id = failure["itemIdentifier"].as_str()?;
            ids.iter().any(|known| known == id).then(|| id.to_owned())
        })
        .collect();
    match named {
        None => Verdict::AllFailed,
        Some(failed) if failed.is_empty() => Verdict::Done,
        Some(failed) => Verdict::Failed(failed),
    }
}

/// A part of a stream on its way to a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The records, in order.
    pub records: Vec<Value>,
    /// How often it has failed.
    pub failures: u32,
}

impl Piece {
    /// A piece that was not tried yet.
    #[must_use]
    pub const fn new(records: Vec<Value>) -> Self {
        Self { records, failures: 0 }
    }

    /// The records' sequence numbers.
    #[must_use]
    pub fn ids(&self) -> Vec<String> {
        self.records.iter().map(sequence_number).collect()
    }

    /// What of it comes again, in order; empty when it is done.
    #[must_use]
    pub fn after(self, verdict: &Verdict, bisects: bool) -> Vec<Self> {
        let failures = self.failures + 1;
        match verdict {
            Verdict::Done => Vec::new(),
            Verdict::Failed(failed) => {
                let first =
                    self.records.iter().position(|one| failed.contains(&sequence_number(one)));
                let mut records = self.records;
                let rest = records.split_off(first.unwrap_or(0));
                // What was done is progress: the rest has not failed more often than before.
                let failures = if records.is_empty() { failures } else { self.failures };
                vec![Self { records: rest, failures }]
            }
            Verdict::AllFailed if bisects && self.records.len() > 1 => {
                let (left, right) = self.halves();
                vec![Self { failures, ..left }, Self { failures, ..right }]
            }
            Verdict::AllFailed => vec![Self { failures, ..self }],
        }
    }

    /// The two halves of it.
    #[must_use]
    pub fn halves(mut self) -> (Self, Self) {
        let right = self.records.split_off(self.records.len() / 2);
        let failures = self.failures;
        (self, Self { records: right, failures })
    }

    /// The same with its lanes in another order; each lane keeps its own.
    #[must_use]
    pub fn shuffled(mut self, by: u64) -> Self {
        self.records.sort_by_key(|record| place(&lane(record), by));
        self
    }

    /// What a fault makes of it: the pieces to deliver one after the other.
    #[must_use]
    pub fn faulted(self, fault: BatchFault) -> Vec<Self> {
        match fault {
            BatchFault::None | BatchFault::Drop => vec![self],
            BatchFault::Duplicate => vec![self.clone(), self],
            BatchFault::Split if self.records.len() > 1 => {
                let (left, right) = self.halves();
                vec![left, right]
            }
            BatchFault::Split => vec![self],
            BatchFault::Shuffle(by) => vec![self.shuffled(by)],
        }
    }
}

/// A record's sequence number.
#[must_use]
pub fn sequence_number(record: &Value) -> String {
    record["dynamodb"]["SequenceNumber"].as_str().unwrap_or_default().to_owned()
}

/// What a record's order is kept within: its partition.
fn lane(record: &Value) -> String {
    record["dynamodb"]["Keys"]["pk"].to_string()
}

/// Where something stands in an order that a draw has chosen.
#[must_use]
pub fn place(what: &str, by: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    (by, what).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn record(number: usize, lane: usize) -> Value {
        json!({"dynamodb": {
            "SequenceNumber": format!("{number:03}"),
            "Keys": {"pk": {"S": format!("a#{lane}")}},
        }})
    }

    fn said(body: &str) -> Outcome {
        Outcome::Done(body.to_owned().into())
    }

    #[test]
    fn an_answer_means_what_lambda_makes_of_it() {
        let ids = ["1".to_owned(), "2".to_owned()];
        let check = |body: &str, expected: Verdict| {
            assert_eq!(verdict(&said(body), &ids, true), expected, "{body}");
        };
        check("null", Verdict::Done);
        check("{}", Verdict::Done);
        check(r#"{"batchItemFailures": []}"#, Verdict::Done);
        check(r#"{"batchItemFailures": null}"#, Verdict::Done);
        let two = Verdict::Failed(["2".to_owned()].into());
        check(r#"{"batchItemFailures": [{"itemIdentifier": "2"}]}"#, two);
        check(r#"{"batchItemFailures": [{"itemIdentifier": "3"}]}"#, Verdict::AllFailed);
        check(r#"{"batchItemFailures": [{"itemIdentifier": ""}]}"#, Verdict::AllFailed);
        check(r#"{"batchItemFailures": [{"id": "2"}]}"#, Verdict::AllFailed);
        check("oops", Verdict::AllFailed);
        let failed = Outcome::Failed("{}".into());
        assert_eq!(verdict(&failed, &ids, true), Verdict::AllFailed);
        let partly = said(r#"{"batchItemFailures": [{"itemIdentifier": "2"}]}"#);
        assert_eq!(verdict(&partly, &ids, false), Verdict::Done);
    }

    #[test]
    fn what_was_done_before_the_first_failure_does_not_come_again() {
        let piece = Piece::new((0..4).map(|at| record(at, 0)).collect());
        let failed = Verdict::Failed(["002".to_owned(), "003".to_owned()].into());
        let again = piece.after(&failed, true);
        assert_eq!(again, [Piece::new(vec![record(2, 0), record(3, 0)])]);
    }

    proptest! {
        /// Whatever fails how often, each record is delivered in its lane's order and at least once.
        #[test]
        fn every_record_is_done_in_the_order_of_its_lane(
            lanes in prop::collection::vec(0_usize..3, 1..12),
            failures in prop::collection::vec(0_usize..12, 0..20),
            by in any::<u64>(),
        ) {
            let records: Vec<Value> =
                lanes.iter().enumerate().map(|(at, lane)| record(at, *lane)).collect();
            let mut waiting = vec![Piece::new(records.clone()).shuffled(by)];
            let (mut done, mut failures) = (Vec::new(), failures.into_iter());
            while !waiting.is_empty() {
                let piece = waiting.remove(0);
                let verdict = match failures.next() {
                    Some(at) if at < piece.records.len() => {
                        Verdict::Failed([sequence_number(&piece.records[at])].into())
                    }
                    Some(_) => Verdict::AllFailed,
                    None => Verdict::Done,
                };
                let again = piece.clone().after(&verdict, true);
                let left: usize = again.iter().map(|piece| piece.records.len()).sum();
                done.extend(piece.records[..piece.records.len() - left].iter().cloned());
                waiting.splice(0..0, again);
            }
            for lane in 0..3 {
                let of = |records: &[Value]| -> Vec<Value> {
                    let key = json!(format!("a#{lane}"));
                    records.iter().filter(|r| r["dynamodb"]["Keys"]["pk"]["S"] == key).cloned().collect()
                };
                prop_assert_eq!(of(&done), of(&records));
            }
        }
    }
}
