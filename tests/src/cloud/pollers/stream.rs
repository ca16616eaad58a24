//! A table's stream → its function.
//!
//! One batch at a time for each shard; what fails comes again, in order, until it is done or given
//! up; then its function's dead-letter queue is told where in the stream it was.

use super::batch::{self, Piece, Verdict};
use super::{Delivery, REST};
use crate::cloud::faults::BatchFault;
use events::Pattern;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long to wait for more when there is nothing.
const IDLE: Duration = Duration::from_millis(15);

/// Polls the stream of `table` for ever.
pub(super) async fn poll(delivery: Delivery, table: String) {
    let streams = |operation: &str| format!("DynamoDBStreams_20120810.{operation}");
    let wire = &delivery.streams;
    let listed = wire.must(&streams("ListStreams"), &json!({"TableName": table})).await;
    let arn = listed["Streams"][0]["StreamArn"].clone();
    let source = &delivery.source;
    let filters: Vec<Pattern> =
        source.filters.iter().map(|filter| Pattern::parse(filter).unwrap()).collect();
    // Where each shard was read to.
    let mut iterators: BTreeMap<String, Value> = BTreeMap::new();
    loop {
        let described = wire.must(&streams("DescribeStream"), &json!({"StreamArn": arn})).await;
        let mut is_idle = true;
        for shard in described["StreamDescription"]["Shards"].as_array().into_iter().flatten() {
            let id = shard["ShardId"].as_str().unwrap().to_owned();
            if !iterators.contains_key(&id) {
                let from =
                    json!({"StreamArn": arn, "ShardId": id, "ShardIteratorType": "TRIM_HORIZON"});
                let answer = wire.must(&streams("GetShardIterator"), &from).await;
                iterators.insert(id.clone(), answer["ShardIterator"].clone());
            }
            let limit = source.batch_size.min(1_000);
            let asked = json!({"ShardIterator": iterators[&id], "Limit": limit});
            let read = wire.must(&streams("GetRecords"), &asked).await;
            iterators.insert(id, read["NextShardIterator"].clone());
            let mut records = read["Records"].as_array().cloned().unwrap_or_default();
            is_idle &= records.is_empty();
            records.retain(|one| filters.is_empty() || filters.iter().any(|f| f.matches(one)));
            if !records.is_empty() {
                deliver(&delivery, records).await;
            }
        }
        if is_idle {
            tokio::time::sleep(IDLE).await;
        }
    }
}

/// Brings records to the function until they are done.
async fn deliver(delivery: &Delivery, records: Vec<Value>) {
    let mut waiting = vec![Piece::new(records)];
    while !waiting.is_empty() {
        let piece = waiting.remove(0);
        let fault = delivery.faults.of_batch();
        if fault == BatchFault::Drop {
            waiting.splice(0..0, piece.after(&Verdict::AllFailed, false));
            continue;
        }
        let mut parts = piece.faulted(fault);
        let first = parts.remove(0);
        let again = bring(delivery, first).await;
        // A part follows only when what stands before it is done.
        waiting.splice(0..0, again.into_iter().chain(parts));
    }
}

/// Brings one piece to the function; answers what comes again.
async fn bring(delivery: &Delivery, piece: Piece) -> Vec<Piece> {
    let source = &delivery.source;
    let records: Vec<Value> = piece.records.iter().map(|one| addressed(one, &source.arn)).collect();
    let outcome = delivery.invoke(&json!({"Records": records})).await;
    let verdict = batch::verdict(&outcome, &piece.ids(), source.reports_failures);
    let verdict = delivery.heeded(verdict);
    let again = piece.after(&verdict, source.bisects);
    if again.is_empty() {
        return again;
    }
    tokio::time::sleep(REST).await;
    let (kept, given_up): (Vec<Piece>, Vec<Piece>) = again
        .into_iter()
        .partition(|piece| source.retries.is_none_or(|retries| piece.failures <= retries));
    for piece in given_up {
        delivery
            .give_up(&json!({"DDBStreamBatchInfo": {
                "batchSize": piece.records.len(),
                "startSequenceNumber": piece.ids().first(),
                "endSequenceNumber": piece.ids().last(),
            }}))
            .await;
    }
    kept
}

/// A record as an event source hands it over.
fn addressed(record: &Value, arn: &str) -> Value {
    let mut record = record.clone();
    record["eventSourceARN"] = json!(arn);
    record["awsRegion"] = json!("us-east-1");
    record
}
