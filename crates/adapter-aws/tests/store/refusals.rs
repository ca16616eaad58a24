//! What DynamoDB's refusals, and its silence, become.

use crate::table::layout;
use adapter_aws::Clients;
use adapter_aws::store::{DynamoOutbox, DynamoStore};
use aws_smithy_types::timeout::TimeoutConfig;
use contracts::Timestamp;
use ports::conformance::{HandClock, envelope};
use ports::store::{Change, Direction, Expect, Partition, Query, Write};
use ports::{Kind, Result, Store};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// How long a call may take here.
const CALL_TIMEOUT: Duration = Duration::from_millis(300);

/// What is said to an operation: a status and a document, or nothing.
type Script = Arc<dyn Fn(&str, usize) -> Option<(u16, Value)> + Send + Sync>;

/// A DynamoDB that says what it is told to.
struct Double {
    clients: Clients,
    /// What was asked, in order.
    asked: Arc<Mutex<Vec<Value>>>,
}

impl Double {
    async fn saying(
        script: impl Fn(&str, usize) -> Option<(u16, Value)> + Send + Sync + 'static,
    ) -> Self {
        let script: Script = Arc::new(script);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&asked);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(answer(stream, Arc::clone(&script), Arc::clone(&noted)));
            }
        });
        Self { clients: impatient(&url).await, asked }
    }

    fn store(&self) -> DynamoStore {
        let clock = HandClock::at(Timestamp::EPOCH);
        DynamoStore::new(&self.clients, "table", layout(), Arc::new(clock))
    }

    fn calls(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

/// Clients that wait less long than they would.
async fn impatient(url: &str) -> Clients {
    let clients = Clients::at(url, ("any", "any")).unwrap();
    let timeouts = TimeoutConfig::builder().operation_timeout(CALL_TIMEOUT).build();
    Clients::of(&clients.config().to_builder().timeout_config(timeouts).build())
}

async fn answer(
    mut stream: TcpStream,
    script: Script,
    asked: Arc<Mutex<Vec<Value>>>,
) -> Option<()> {
    let mut request = Vec::new();
    let (target, start, end) = loop {
        let mut some = [0; 4_096];
        let read = stream.read(&mut some).await.ok().filter(|read| *read > 0)?;
        request.extend_from_slice(&some[..read]);
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            let head = head.to_lowercase();
            let header = |name: &str| {
                let line = head.lines().find_map(|line| line.strip_prefix(name))?;
                Some(line.trim().to_owned())
            };
            let length: usize = header("content-length:")?.parse().ok()?;
            let start = head.len() + 4;
            break (header("x-amz-target:")?, start, start + length);
        }
    };
    while request.len() < end {
        let mut some = [0; 4_096];
        let read = stream.read(&mut some).await.ok().filter(|read| *read > 0)?;
        request.extend_from_slice(&some[..read]);
    }
    let operation = target.split('.').next_back()?.to_owned();
    let nth = {
        let mut asked = asked.lock().unwrap();
        asked.push(serde_json::from_slice(&request[start..end]).unwrap());
        asked.len() - 1
    };
    let Some((status, body)) = script(&operation, nth) else {
        // Kept open, and silent.
        std::future::pending::<()>().await;
        return None;
    };
    let body = body.to_string();
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status} Said\r\ncontent-type: application/x-amz-json-1.0\r\n\
         content-length: {length}\r\nconnection: close\r\nretry-after: 2\r\n\r\n{body}"
    );
    stream.write_all(answer.as_bytes()).await.ok()
}

fn refusal(code: &str) -> Value {
    json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": "no"})
}

fn cancellation(reasons: &[&str]) -> Value {
    let reasons: Vec<_> = reasons.iter().map(|code| json!({"Code": code})).collect();
    json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "message": "Transaction cancelled",
        "CancellationReasons": reasons,
    })
}

fn put(name: &str) -> Write {
    Write::Put {
        name: name.to_owned(),
        expect: Expect::Absent,
        body: "{}".to_owned(),
        indexes: Vec::new(),
        expires_at: None,
    }
}

fn single() -> Change {
    Change { partition: Partition::of("sample", "a"), writes: vec![put("a")], outbox: Vec::new() }
}

fn transaction() -> Change {
    Change { outbox: vec![envelope("a", 1)], ..single() }
}

fn kind<T: std::fmt::Debug>(answer: Result<T>) -> Kind {
    answer.unwrap_err().kind()
}

/// What a refusal becomes for a single write, a transaction, a read and a snapshot.
async fn check(
    script: impl Fn(&str, usize) -> Option<(u16, Value)> + Send + Sync + 'static,
    [single_write, transacted, read, snapshot]: [Kind; 4],
) {
    let double = Double::saying(script).await;
    let store = double.store();
    let partition = Partition::of("sample", "a");
    assert_eq!(kind(store.commit(single()).await), single_write);
    assert_eq!(kind(store.commit(transaction()).await), transacted);
    assert_eq!(kind(store.items(&partition, &["a"]).await), read);
    assert_eq!(kind(store.items(&partition, &["a", "b"]).await), snapshot);
    assert_eq!(double.calls(), 4, "a call is made once");
}

#[tokio::test]
async fn too_much_is_throttled_and_says_when_to_come_again() {
    check(
        |_, _| Some((400, refusal("ProvisionedThroughputExceededException"))),
        [Kind::Throttled; 4],
    )
    .await;
    check(|_, _| Some((400, refusal("ThrottlingException"))), [Kind::Throttled; 4]).await;
    check(|_, _| Some((400, refusal("RequestLimitExceeded"))), [Kind::Throttled; 4]).await;
    let double =
        Double::saying(|_, _| Some((400, cancellation(&["ThrottlingError", "None"])))).await;
    let error = double.store().commit(transaction()).await.unwrap_err();
    assert_eq!((error.kind(), error.wait()), (Kind::Throttled, Some(Duration::from_secs(2))));
}

#[tokio::test]
async fn what_may_not_be_done_and_what_makes_no_sense_is_not_tried_again() {
    check(|_, _| Some((400, refusal("AccessDeniedException"))), [Kind::Denied; 4]).await;
    check(|_, _| Some((400, refusal("UnrecognizedClientException"))), [Kind::Denied; 4]).await;
    check(|_, _| Some((400, refusal("ValidationException"))), [Kind::Invalid; 4]).await;
}

#[tokio::test]
async fn a_table_that_is_not_there_is_a_store_that_is_not_there() {
    check(|_, _| Some((400, refusal("ResourceNotFoundException"))), [Kind::Unavailable; 4]).await;
}

#[tokio::test]
async fn a_write_that_broke_or_was_not_answered_may_have_happened_and_a_read_has_not() {
    let in_doubt = [Kind::Timeout, Kind::Timeout, Kind::Unavailable, Kind::Unavailable];
    check(|_, _| Some((500, refusal("InternalServerError"))), in_doubt).await;
    check(|_, _| Some((503, json!({}))), in_doubt).await;
    check(|_, _| None, in_doubt).await;
}

#[tokio::test]
async fn where_nobody_listens_nothing_happened() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let clock = HandClock::at(Timestamp::EPOCH);
    let store = DynamoStore::new(&impatient(&url).await, "table", layout(), Arc::new(clock));
    assert_eq!(kind(store.commit(single()).await), Kind::Unavailable);
    assert_eq!(kind(store.commit(transaction()).await), Kind::Unavailable);
    let partition = Partition::of("sample", "a");
    assert_eq!(kind(store.items(&partition, &["a"]).await), Kind::Unavailable);
}

#[tokio::test]
async fn a_condition_that_does_not_hold_and_a_rival_are_conflicts() {
    let double =
        Double::saying(|_, _| Some((400, refusal("ConditionalCheckFailedException")))).await;
    assert_eq!(kind(double.store().commit(single()).await), Kind::Conflict);
    let double = Double::saying(|_, _| Some((400, refusal("TransactionConflictException")))).await;
    assert_eq!(kind(double.store().commit(single()).await), Kind::Conflict);
    for (reasons, expected) in [
        (["None", "ConditionalCheckFailed"], Kind::Conflict),
        (["TransactionConflict", "None"], Kind::Conflict),
        (["None", "ItemSizeLimitExceeded"], Kind::Invalid),
    ] {
        let double = Double::saying(move |_, _| Some((400, cancellation(&reasons)))).await;
        assert_eq!(kind(double.store().commit(transaction()).await), expected);
    }
}

#[tokio::test]
async fn a_snapshot_that_met_a_write_is_taken_again_a_few_times() {
    let partition = Partition::of("sample", "a");
    let double = Double::saying(|_, nth| {
        Some(match nth {
            0 | 1 => (400, cancellation(&["TransactionConflict", "None"])),
            _ => (200, json!({"Responses": [{}, {}]})),
        })
    })
    .await;
    assert_eq!(double.store().items(&partition, &["a", "b"]).await.unwrap(), [None, None]);
    assert_eq!(double.calls(), 3);
    let double =
        Double::saying(|_, _| Some((400, cancellation(&["TransactionConflict", "None"])))).await;
    assert_eq!(kind(double.store().items(&partition, &["a", "b"]).await), Kind::Throttled);
    assert_eq!(double.calls(), 6, "the number of times is bounded");
}

fn listing() -> Query {
    Query {
        index: "by-key",
        key: "group".to_owned(),
        direction: Direction::Ascending,
        limit: 10,
        after: None,
    }
}

/// The entry of item `a`, by sort key `1`, and the item.
fn listed(operation: &str) -> Value {
    let key = json!({"pk": {"S": "sample#a"}, "sk": {"S": "a"}});
    let mut item = key;
    item["gsi1pk"] = json!({"S": "by-key#group"});
    // "1", "sample#a" and "a", each with its end.
    item["gsi1sk"] = json!({"B": "MQABc2FtcGxlI2EAAWEAAQ=="});
    if operation != "query" {
        item["version"] = json!({"N": "3"});
        item["body"] = json!({"S": "{}"});
    }
    item
}

#[tokio::test]
async fn what_a_batch_leaves_unread_is_asked_for_again_a_few_times() {
    fn unread() -> Value {
        let keys = json!([{"pk": {"S": "sample#a"}, "sk": {"S": "a"}}]);
        json!({"Responses": {}, "UnprocessedKeys": {"table": {"Keys": keys, "ConsistentRead": true}}})
    }
    let double = Double::saying(|operation, nth| {
        Some((
            200,
            match (operation, nth) {
                ("query", _) => json!({"Items": [listed("query")]}),
                (_, 1 | 2) => unread(),
                (_, _) => {
                    json!({"Responses": {"table": [listed("batchgetitem")]}, "UnprocessedKeys": {}})
                }
            },
        ))
    })
    .await;
    let page = double.store().query(listing()).await.unwrap();
    assert_eq!(page.items.iter().map(|found| found.item.version).collect::<Vec<_>>(), [3]);
    assert_eq!(double.calls(), 4);
    let double = Double::saying(|operation, _| {
        Some((
            200,
            match operation {
                "query" => json!({"Items": [listed("query")]}),
                _ => unread(),
            },
        ))
    })
    .await;
    assert_eq!(kind(double.store().query(listing()).await), Kind::Throttled);
    assert_eq!(double.calls(), 7, "the number of times is bounded");
}

#[tokio::test]
async fn an_entry_that_an_item_has_left_lists_nothing() {
    // The index lags behind: the item stands elsewhere by now.
    let double = Double::saying(|operation, _| {
        let mut item = listed(operation);
        if operation != "query" {
            item["gsi1sk"] = json!({"B": "MgABc2FtcGxlI2EAAWEAAQ=="});
        }
        Some((
            200,
            match operation {
                "query" => json!({"Items": [item]}),
                _ => json!({"Responses": {"table": [item]}, "UnprocessedKeys": {}}),
            },
        ))
    })
    .await;
    let page = double.store().query(listing()).await.unwrap();
    assert_eq!((page.items.len(), page.next), (0, None));
}

#[tokio::test]
async fn an_item_that_the_index_shows_in_two_places_is_listed_once() {
    let double = Double::saying(|operation, _| {
        let mut before = listed(operation);
        before["gsi1sk"] = json!({"B": "MgABc2FtcGxlI2EAAWEAAQ=="});
        Some((
            200,
            match operation {
                "query" => json!({"Items": [listed(operation), before]}),
                _ => json!({"Responses": {"table": [listed(operation)]}, "UnprocessedKeys": {}}),
            },
        ))
    })
    .await;
    let page = double.store().query(listing()).await.unwrap();
    assert_eq!(page.items.len(), 1);
    let asked = double.asked.lock().unwrap().last().cloned().unwrap();
    let keys = &asked["RequestItems"]["table"]["Keys"];
    assert_eq!(keys.as_array().map(Vec::len), Some(1), "DynamoDB refuses the same key twice");
}

#[tokio::test]
async fn what_cannot_be_read_is_corrupt() {
    let partition = Partition::of("sample", "a");
    for item in [
        json!({"pk": {"S": "sample#a"}, "sk": {"S": "a"}}),
        json!({"pk": {"S": "sample#a"}, "sk": {"S": "a"}, "version": {"N": "1"}, "body": {"N": "1"}}),
        json!({"sk": {"S": "a"}, "version": {"N": "1"}, "body": {"S": "{}"}}),
    ] {
        let double = Double::saying(move |_, _| Some((200, json!({"Item": item})))).await;
        assert_eq!(kind(double.store().items(&partition, &["a"]).await), Kind::Corrupt);
    }
}

#[tokio::test]
async fn an_event_is_marked_once_and_its_refusal_is_told() {
    let double = Double::saying(|_, _| Some((500, refusal("InternalServerError")))).await;
    let outbox = DynamoOutbox::new(&double.clients, "table");
    let key = adapter_aws::store::EntryKey {
        partition: Partition::of("sample", "a"),
        name: "outbox#1".to_owned(),
    };
    assert_eq!(kind(outbox.published(std::slice::from_ref(&key)).await), Kind::Timeout);
    assert_eq!(double.calls(), 1);
    let double =
        Double::saying(|_, _| Some((400, refusal("ConditionalCheckFailedException")))).await;
    let outbox = DynamoOutbox::new(&double.clients, "table");
    outbox.published(&[key]).await.unwrap();
}
