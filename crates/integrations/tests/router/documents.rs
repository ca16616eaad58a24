//! Documents through the router, over the embedded store.

use crate::world::{Settings, World, request};
use serde_json::{Value, json};

const GET: &str = "aws-sdk:dynamodb:getItem";
const PUT: &str = "aws-sdk:dynamodb:putItem";
const UPDATE: &str = "aws-sdk:dynamodb:updateItem";
const DELETE: &str = "aws-sdk:dynamodb:deleteItem";

/// A call of another visit than the one that calls usually are of.
async fn visit(
    world: &World,
    number: u32,
    function: &str,
    payload: Value,
) -> Result<Value, String> {
    let mut call = request(function, payload);
    call.key = format!("e/{number}");
    world.send(call).await.map_err(|error| error.named().0)
}

fn key() -> Value {
    json!({"id": {"S": "one"}})
}

async fn stored(world: &World) -> Value {
    world.call(GET, json!({"TableName": "orders", "Key": key()})).await.unwrap()
}

#[tokio::test]
async fn an_item_is_put_read_changed_and_deleted() {
    let world = World::new(Settings::default());
    assert_eq!(stored(&world).await, json!({}));
    let item = json!({"id": {"S": "one"}, "n": {"N": "1"}});
    let put = json!({"TableName": "orders", "Item": item});
    assert_eq!(visit(&world, 1, PUT, put).await.unwrap(), json!({}));
    assert_eq!(stored(&world).await, json!({"Item": item}));
    let update = json!({
        "TableName": "orders", "Key": key(), "UpdateExpression": "SET n = n + :one",
        "ExpressionAttributeValues": {":one": {"N": "1"}}, "ReturnValues": "UPDATED_NEW",
    });
    let updated = visit(&world, 2, UPDATE, update).await.unwrap();
    assert_eq!(updated, json!({"Attributes": {"n": {"N": "2"}}}));
    let shown = json!({"TableName": "orders", "Key": key(), "ProjectionExpression": "n"});
    assert_eq!(world.call(GET, shown).await.unwrap(), json!({"Item": {"n": {"N": "2"}}}));
    let delete = json!({"TableName": "orders", "Key": key(), "ReturnValues": "ALL_OLD"});
    let deleted = visit(&world, 3, DELETE, delete.clone()).await.unwrap();
    assert_eq!(deleted["Attributes"]["n"], json!({"N": "2"}));
    assert_eq!(stored(&world).await, json!({}));
    assert_eq!(visit(&world, 4, DELETE, delete).await.unwrap(), json!({}));
}

#[tokio::test]
async fn an_attempt_that_is_made_again_takes_effect_once() {
    let world = World::new(Settings::default());
    let count = |by: &str| {
        json!({
            "TableName": "orders", "Key": key(), "UpdateExpression": "ADD n :by",
            "ExpressionAttributeValues": {":by": {"N": by}}, "ReturnValues": "ALL_NEW",
        })
    };
    for _ in 0..3 {
        let counted = visit(&world, 1, UPDATE, count("5")).await.unwrap();
        assert_eq!(counted["Attributes"]["n"], json!({"N": "5"}));
    }
    // Other arguments are other work, and so is another visit.
    visit(&world, 1, UPDATE, count("7")).await.unwrap();
    let counted = visit(&world, 2, UPDATE, count("5")).await.unwrap();
    assert_eq!(counted["Attributes"]["n"], json!({"N": "17"}));
}

#[tokio::test]
async fn a_condition_that_does_not_hold_changes_nothing_and_may_hold_later() {
    let world = World::new(Settings::default());
    let put = || {
        json!({
            "TableName": "orders", "Item": {"id": {"S": "one"}},
            "ConditionExpression": "attribute_not_exists(id)",
        })
    };
    visit(&world, 1, PUT, put()).await.unwrap();
    let refused = visit(&world, 2, "dynamodb:putItem", put()).await;
    assert_eq!(refused.unwrap_err(), "DynamoDB.ConditionalCheckFailedException");
    let refused = visit(&world, 2, PUT, put()).await;
    assert_eq!(refused.unwrap_err(), "DynamoDb.ConditionalCheckFailedException");
    visit(&world, 3, DELETE, json!({"TableName": "orders", "Key": key()})).await.unwrap();
    visit(&world, 2, PUT, put()).await.unwrap();
}

#[tokio::test]
async fn rivals_lose_no_update() {
    let world = World::new(Settings::default());
    let count = json!({
        "TableName": "orders", "Key": key(), "UpdateExpression": "ADD n :one",
        "ExpressionAttributeValues": {":one": {"N": "1"}},
    });
    let calls = (0..50).map(|number| visit(&world, number, UPDATE, count.clone()));
    for done in futures::future::join_all(calls).await {
        done.unwrap();
    }
    assert_eq!(stored(&world).await["Item"]["n"], json!({"N": "50"}));
}

#[tokio::test]
async fn items_of_a_table_with_a_range_key_stand_beside_each_other() {
    let world = World::new(Settings::default());
    for (number, line) in [(1, "1"), (2, "2")] {
        let item = json!({"order": {"S": "o"}, "line": {"N": line}, "sku": {"S": line}});
        visit(&world, number, PUT, json!({"TableName": "lines", "Item": item})).await.unwrap();
    }
    // 1.0 is 1.
    let key = json!({"order": {"S": "o"}, "line": {"N": "1.0"}});
    let got = world.call(GET, json!({"TableName": "lines", "Key": key})).await.unwrap();
    assert_eq!(got["Item"]["sku"], json!({"S": "1"}));
}

/// A call that makes no sense: the action, the arguments, the error's name, words of its cause.
type Senseless = (&'static str, Value, &'static str, &'static str);

/// Items and keys that are none.
fn no_items() -> Vec<Senseless> {
    let item = || json!({"id": {"S": "one"}});
    vec![
        (
            "putItem",
            json!({"TableName": "orders", "Item": null}),
            "DynamoDB.AmazonDynamoDBException",
            "1 validation error detected: Value null at 'item' failed to satisfy constraint: \
             Member must not be null (Service: AmazonDynamoDBv2; Status Code: 400; Error Code: \
             ValidationException; Request ID: ",
        ),
        (
            "putItem",
            json!({"TableName": "/orders", "Item": item()}),
            "DynamoDB.AmazonDynamoDBException",
            "Value '/orders' at 'tableName' failed to satisfy constraint: Member must satisfy \
             regular expression pattern: [a-zA-Z0-9_.-]+",
        ),
        (
            "putItem",
            json!({"TableName": "none", "Item": item()}),
            "DynamoDB.ResourceNotFoundException",
            "Requested resource not found (Service",
        ),
        (
            "putItem",
            json!({"TableName": "orders", "Item": {"n": {"N": "1"}}}),
            "DynamoDB.AmazonDynamoDBException",
            "Missing the key id in the item",
        ),
        (
            "putItem",
            json!({"TableName": "orders", "Item": {"id": {"N": "1"}}}),
            "DynamoDB.AmazonDynamoDBException",
            "Type mismatch for key id expected: S actual: N",
        ),
        (
            "putItem",
            json!({"TableName": "orders", "Item": {"id": {"S": ""}}}),
            "DynamoDB.AmazonDynamoDBException",
            "cannot contain an empty string value. Key: id",
        ),
    ]
}

/// Calls that say what they may not.
fn no_calls() -> Vec<Senseless> {
    let item = || json!({"id": {"S": "one"}});
    vec![
        (
            "getItem",
            json!({"TableName": "orders", "Key": {"x": {"S": "one"}}}),
            "DynamoDB.AmazonDynamoDBException",
            "provided key element does not match the schema",
        ),
        (
            "updateItem",
            json!({"TableName": "orders", "Key": item(),
            "UpdateExpression": "REMOVE id"}),
            "DynamoDB.AmazonDynamoDBException",
            "Cannot update attribute id. This attribute is",
        ),
        (
            "putItem",
            json!({"TableName": "orders", "Item": item(),
            "ExpressionAttributeNames": {"#n": "n"}}),
            "DynamoDB.AmazonDynamoDBException",
            "unused in expressions: keys: {#n}",
        ),
        (
            "putItem",
            json!({"TableName": "orders", "Item": item(), "ReturnValues": "ALL_NEW"}),
            "DynamoDB.AmazonDynamoDBException",
            "Return values set to invalid value",
        ),
        (
            "putItem",
            json!({"TableName": "orders", "Item": item(), "Expected": {}}),
            "DynamoDB.AmazonDynamoDBException",
            "use an expression instead",
        ),
        (
            "putItem",
            json!({"TableName": "orders", "Item": {"id": {"S": "x"}, "n": {"N": 1}}}),
            "States.Runtime",
            "The value for the field 'N' must be a STRING",
        ),
        (
            "putItem",
            json!({"TableName": "orders", "Item": item(), "Key": item()}),
            "States.Runtime",
            "The field \"Key\" is not supported by Step Functions",
        ),
    ]
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_in_amazons_words() {
    let world = World::new(Settings::default());
    for (call, arguments, error, words) in no_items().into_iter().chain(no_calls()) {
        let (name, cause) = world.failure(&format!("dynamodb:{call}"), arguments).await;
        assert_eq!(name, error, "{cause}");
        assert!(cause.contains(words), "{cause}");
    }
    let large = json!({"id": {"S": "one"}, "x": {"S": "x".repeat(400_000)}});
    let (_, cause) = world.failure(PUT, json!({"TableName": "orders", "Item": large})).await;
    assert!(cause.starts_with("Item size has exceeded the maximum allowed size"), "{cause}");
}
