//! What a request to AWS asks for: the service, the operation, and the actions that IAM looks at.
//!
//! Pure. An operation that is not known here is an error and not a call: nothing that a function
//! does goes by unseen.
//!
//! Spec: "Actions, resources, and condition keys" of each service in the service authorization
//! reference. A transaction needs the action of each of its parts; a batch of events asks once for
//! each bus.

use crate::cloud::iam::Call;
use serde_json::Value;
use std::collections::BTreeMap;

/// The account and the region of every ARN here.
const PLACE: &str = "us-east-1:000000000000";

/// A service of AWS's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// DynamoDB.
    DynamoDb,
    /// Step Functions.
    States,
    /// EventBridge.
    Events,
    /// SQS.
    Sqs,
    /// Lambda.
    Lambda,
    /// Secrets Manager.
    Secrets,
    /// SES.
    Mail,
}

impl Service {
    /// The service that a request was signed for.
    #[must_use]
    pub fn signed_for(name: &str) -> Option<Self> {
        Some(match name {
            "dynamodb" => Self::DynamoDb,
            "states" => Self::States,
            "events" => Self::Events,
            "sqs" => Self::Sqs,
            "lambda" => Self::Lambda,
            "secretsmanager" => Self::Secrets,
            "ses" => Self::Mail,
            _ => return None,
        })
    }
}

/// Who calls, from where, and for which service: what a signature says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The access key: here, the function's name.
    pub key: String,
    /// The service.
    pub service: String,
}

impl Signed {
    /// Reads an `Authorization` header; the signature itself is not checked.
    #[must_use]
    pub fn read(authorization: &str) -> Option<Self> {
        let (_, scope) = authorization.split_once("Credential=")?;
        let scope = scope.split([',', ' ']).next()?;
        let parts: Vec<&str> = scope.split('/').collect();
        match parts.as_slice() {
            [key, _date, _region, service, "aws4_request"] => {
                Some(Self { key: (*key).to_owned(), service: (*service).to_owned() })
            }
            _ => None,
        }
    }
}

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The service.
    pub service: Service,
    /// The operation: `TransactWriteItems`.
    pub operation: String,
    /// Every action that must be allowed.
    pub calls: Vec<Call>,
}

/// What the stack is made of, as far as an action's resource follows from it.
#[derive(Clone, Debug, Default)]
pub struct Stack {
    /// The partition key of each table (`Table`) and of each index (`Table/index`).
    pub keys: BTreeMap<String, String>,
    /// The ARNs of all state machines: a task's token does not say which is meant.
    pub machines: Vec<String>,
    /// The verified identity of mails.
    pub identity: String,
}

impl Stack {
    /// Reads what `CreateTable` is told of its keys.
    pub fn learn(&mut self, table: &Value) {
        let hash = |schema: &Value| {
            let mut keys = schema.as_array().into_iter().flatten();
            let key = keys.find(|key| key["KeyType"] == "HASH");
            text(key.map_or(&Value::Null, |key| &key["AttributeName"]))
        };
        let name = text(&table["TableName"]);
        self.keys.insert(name.clone(), hash(&table["KeySchema"]));
        for index in table["GlobalSecondaryIndexes"].as_array().into_iter().flatten() {
            let index_name = text(&index["IndexName"]);
            self.keys.insert(format!("{name}/{index_name}"), hash(&index["KeySchema"]));
        }
    }

    /// Reads a request: `target` is the header `X-Amz-Target`, of services that have one.
    ///
    /// # Errors
    /// It asks for something that is not known here.
    pub fn read(
        &self,
        service: Service,
        target: Option<&str>,
        path: &str,
        body: &Value,
    ) -> Result<Asked, String> {
        let operation = match target {
            Some(target) => target.rsplit('.').next().unwrap_or_default().to_owned(),
            None => operation_at(service, path)?.to_owned(),
        };
        let calls = match service {
            Service::DynamoDb => self.dynamodb(&operation, body),
            Service::States => self.states(&operation, body),
            Service::Events => events(&operation, body),
            Service::Sqs => sqs(&operation, body),
            Service::Lambda => Some(vec![Call::new("lambda:InvokeFunction", function_at(path))]),
            Service::Secrets => match &*operation {
                "GetSecretValue" | "DescribeSecret" => {
                    let action = format!("secretsmanager:{operation}");
                    Some(vec![Call::new(&action, text(&body["SecretId"]))])
                }
                _ => None,
            },
            Service::Mail => Some(vec![self.mail(body)]),
        };
        let calls = calls.ok_or_else(|| format!("{service:?}'s {operation} is not known here"))?;
        Ok(Asked { service, operation, calls })
    }

    fn dynamodb(&self, operation: &str, body: &Value) -> Option<Vec<Call>> {
        let table = text(&body["TableName"]);
        let action = format!("dynamodb:{operation}");
        Some(match operation {
            "GetItem" | "DeleteItem" | "UpdateItem" => {
                vec![self.on_item(&action, &table, &[&body["Key"]])]
            }
            "PutItem" => vec![self.on_item(&action, &table, &[&body["Item"]])],
            "Query" => vec![self.query(&table, body)],
            "Scan" | "DescribeTable" => vec![Call::new(&action, table_arn(&table))],
            "BatchGetItem" => {
                let asked = body["RequestItems"].as_object()?.iter();
                let each = asked.map(|(table, asked)| {
                    let keys: Vec<&Value> =
                        asked["Keys"].as_array().into_iter().flatten().collect();
                    self.on_item(&action, table, &keys)
                });
                each.collect()
            }
            "TransactWriteItems" | "TransactGetItems" => {
                let parts = body["TransactItems"].as_array()?.iter();
                parts.map(|part| self.part(part)).collect::<Option<Vec<_>>>()?
            }
            _ => return None,
        })
    }

    /// One part of a transaction.
    fn part(&self, part: &Value) -> Option<Call> {
        let (kind, given) = part.as_object()?.iter().next()?;
        let (action, item) = match kind.as_str() {
            "Put" => ("dynamodb:PutItem", &given["Item"]),
            "Delete" => ("dynamodb:DeleteItem", &given["Key"]),
            "Update" => ("dynamodb:UpdateItem", &given["Key"]),
            "ConditionCheck" => ("dynamodb:ConditionCheckItem", &given["Key"]),
            "Get" => ("dynamodb:GetItem", &given["Key"]),
            _ => return None,
        };
        Some(self.on_item(action, &text(&given["TableName"]), &[item]))
    }

    fn on_item(&self, action: &str, table: &str, items: &[&Value]) -> Call {
        let key = self.keys.get(table).map_or("", String::as_str);
        let leading = items.iter().map(|item| attribute(&item[key])).collect();
        Call::new(action, table_arn(table)).with("dynamodb:LeadingKeys", leading)
    }

    fn query(&self, table: &str, body: &Value) -> Call {
        let (resource, key) = match body["IndexName"].as_str() {
            Some(index) => {
                (format!("{}/index/{index}", table_arn(table)), format!("{table}/{index}"))
            }
            None => (table_arn(table), table.to_owned()),
        };
        let key = self.keys.get(&key).map_or("", String::as_str);
        let leading = leading_key(key, body).into_iter().collect();
        Call::new("dynamodb:Query", resource).with("dynamodb:LeadingKeys", leading)
    }

    fn states(&self, operation: &str, body: &Value) -> Option<Vec<Call>> {
        let action = format!("states:{operation}");
        Some(match operation {
            "StartExecution" | "ListExecutions" | "DescribeStateMachine" => {
                vec![Call::new(&action, text(&body["stateMachineArn"]))]
            }
            "DescribeExecution" | "GetExecutionHistory" | "StopExecution" | "RedriveExecution" => {
                vec![Call::new(&action, text(&body["executionArn"]))]
            }
            // A token is opaque: whoever may answer it must be allowed to for every machine.
            "SendTaskSuccess" | "SendTaskFailure" | "SendTaskHeartbeat" => {
                self.machines.iter().map(|machine| Call::new(&action, machine)).collect()
            }
            _ => return None,
        })
    }

    fn mail(&self, body: &Value) -> Call {
        let from = text(&body["FromEmailAddress"]);
        let address = from.rsplit('<').next().unwrap_or_default().trim_end_matches('>').to_owned();
        let is_of_it =
            address == self.identity || address.ends_with(&format!("@{}", self.identity));
        let identity = if is_of_it { &self.identity } else { &address };
        Call::new("ses:SendEmail", format!("arn:aws:ses:{PLACE}:identity/{identity}"))
            .with("ses:FromAddress", vec![address.clone()])
    }
}

/// The operation of services whose requests have a path and no target.
fn operation_at(service: Service, path: &str) -> Result<&'static str, String> {
    match (service, path) {
        (Service::Lambda, path) if path.ends_with("/invocations") => Ok("Invoke"),
        (Service::Mail, "/v2/email/outbound-emails") => Ok("SendEmail"),
        _ => Err(format!("{service:?} has nothing at {path}")),
    }
}

/// The function that a path of Lambda's names, by its ARN or its name.
fn function_at(path: &str) -> String {
    let name = path.split('/').nth(3).unwrap_or_default().replace("%3A", ":");
    if name.starts_with("arn:") { name } else { format!("arn:aws:lambda:{PLACE}:function:{name}") }
}

fn events(operation: &str, body: &Value) -> Option<Vec<Call>> {
    let "PutEvents" = operation else { return None };
    let entries = body["Entries"].as_array()?.iter();
    let bus = |entry: &Value| match entry["EventBusName"].as_str().unwrap_or("default") {
        arn if arn.starts_with("arn:") => arn.to_owned(),
        name => format!("arn:aws:events:{PLACE}:event-bus/{name}"),
    };
    let mut buses: Vec<String> = entries.map(bus).collect();
    buses.sort_unstable();
    buses.dedup();
    Some(buses.into_iter().map(|bus| Call::new("events:PutEvents", bus)).collect())
}

fn sqs(operation: &str, body: &Value) -> Option<Vec<Call>> {
    let action = match operation {
        "SendMessage" | "SendMessageBatch" => "sqs:SendMessage",
        "ReceiveMessage" => "sqs:ReceiveMessage",
        "DeleteMessage" | "DeleteMessageBatch" => "sqs:DeleteMessage",
        "ChangeMessageVisibility" | "ChangeMessageVisibilityBatch" => "sqs:ChangeMessageVisibility",
        "GetQueueUrl" => "sqs:GetQueueUrl",
        "GetQueueAttributes" => "sqs:GetQueueAttributes",
        _ => return None,
    };
    let named = body["QueueUrl"].as_str().or(body["QueueName"].as_str()).unwrap_or_default();
    let name = named.rsplit('/').next().unwrap_or_default();
    Some(vec![Call::new(action, format!("arn:aws:sqs:{PLACE}:{name}"))])
}

fn table_arn(table: &str) -> String {
    if table.starts_with("arn:") {
        return table.to_owned();
    }
    format!("arn:aws:dynamodb:{PLACE}:table/{table}")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The text of an attribute's value: `{"S": "order#1"}`.
fn attribute(value: &Value) -> String {
    let fields = value.as_object().and_then(|fields| fields.values().next());
    text(fields.unwrap_or(&Value::Null))
}

/// What a query's condition says the partition key `key` is.
fn leading_key(key: &str, body: &Value) -> Option<String> {
    let names = &body["ExpressionAttributeNames"];
    let tokens = tokens(body["KeyConditionExpression"].as_str()?);
    let is_key = |token: &str| token == key || names[token].as_str() == Some(key);
    let value = tokens.windows(3).find_map(|window| match window {
        [left, equals, right] if equals == "=" && is_key(left) => Some(right),
        [left, equals, right] if equals == "=" && is_key(right) => Some(left),
        _ => None,
    })?;
    Some(attribute(&body["ExpressionAttributeValues"][value.as_str()]))
}

/// Names, placeholders and signs of an expression.
fn tokens(expression: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut is_in_word = false;
    for one in expression.chars() {
        let is_of_word = one.is_alphanumeric() || "_#:.-".contains(one);
        match tokens.last_mut() {
            Some(word) if is_in_word && is_of_word => word.push(one),
            _ if one.is_whitespace() => {}
            _ => tokens.push(one.to_string()),
        }
        is_in_word = is_of_word;
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn stack() -> Stack {
        let mut stack = Stack {
            machines: vec!["arn:m1".to_owned(), "arn:m2".to_owned()],
            identity: "shop.example".to_owned(),
            ..Stack::default()
        };
        stack.learn(&json!({
            "TableName": "T",
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"}],
            "GlobalSecondaryIndexes": [{"IndexName": "g1",
                "KeySchema": [{"AttributeName": "g1pk", "KeyType": "HASH"}]}],
        }));
        stack
    }

    /// Each call as `action resource leading-keys-or-whatever-a-condition-sees`.
    fn check(service: Service, at: &str, body: Value, expected: &[&str]) {
        let (target, path) = if at.starts_with('/') { (None, at) } else { (Some(at), "/") };
        let asked = stack().read(service, target, path, &body).unwrap();
        let calls: Vec<String> = asked
            .calls
            .iter()
            .map(|call| {
                let context = call.context.values().flatten().cloned().collect::<Vec<_>>();
                let resource = call.resource.rsplit([':']).next().unwrap();
                format!("{} {resource} {}", call.action, context.join(",")).trim_end().to_owned()
            })
            .collect();
        assert_eq!(calls, expected, "{body}");
    }

    #[test]
    fn a_document_request_asks_for_the_items_that_it_names() {
        let key = |pk: &str| json!({"pk": {"S": pk}, "sk": {"S": "state"}});
        let dynamodb = |operation: &str, body, expected: &[&str]| {
            check(Service::DynamoDb, &format!("DynamoDB_20120810.{operation}"), body, expected);
        };
        dynamodb(
            "GetItem",
            json!({"TableName": "T", "Key": key("a#1")}),
            &["dynamodb:GetItem table/T a#1"],
        );
        dynamodb(
            "PutItem",
            json!({"TableName": "T", "Item": key("a#1")}),
            &["dynamodb:PutItem table/T a#1"],
        );
        dynamodb(
            "BatchGetItem",
            json!({"RequestItems": {"T": {"Keys": [key("a"), key("b")]}}}),
            &["dynamodb:BatchGetItem table/T a,b"],
        );
        let transaction = json!({"TransactItems": [
            {"Put": {"TableName": "T", "Item": key("a")}},
            {"Delete": {"TableName": "T", "Key": key("b")}},
            {"Update": {"TableName": "T", "Key": key("c")}},
            {"ConditionCheck": {"TableName": "T", "Key": key("d")}},
        ]});
        dynamodb(
            "TransactWriteItems",
            transaction,
            &[
                "dynamodb:PutItem table/T a",
                "dynamodb:DeleteItem table/T b",
                "dynamodb:UpdateItem table/T c",
                "dynamodb:ConditionCheckItem table/T d",
            ],
        );
        let query = json!({"TableName": "T", "KeyConditionExpression": "#p=:p AND sk > :s",
            "ExpressionAttributeNames": {"#p": "pk"},
            "ExpressionAttributeValues": {":p": {"S": "a#1"}, ":s": {"S": "x"}}});
        dynamodb("Query", query, &["dynamodb:Query table/T a#1"]);
        let query = json!({"TableName": "T", "IndexName": "g1",
            "KeyConditionExpression": ":p = g1pk",
            "ExpressionAttributeValues": {":p": {"S": "all"}}});
        dynamodb("Query", query, &["dynamodb:Query table/T/index/g1 all"]);
        dynamodb("Scan", json!({"TableName": "T"}), &["dynamodb:Scan table/T"]);
    }

    #[test]
    fn every_other_service_is_asked_for_what_it_names() {
        let entries = json!({"Entries": [{"EventBusName": "b"}, {"EventBusName": "b"}, {}]});
        check(
            Service::Events,
            "AWSEvents.PutEvents",
            entries,
            &["events:PutEvents event-bus/b", "events:PutEvents event-bus/default"],
        );
        let start = json!({"stateMachineArn": "arn:aws:states:x:y:stateMachine:m"});
        check(
            Service::States,
            "AWSStepFunctions.StartExecution",
            start,
            &["states:StartExecution m"],
        );
        check(
            Service::States,
            "AWSStepFunctions.SendTaskSuccess",
            json!({"taskToken": "t"}),
            &["states:SendTaskSuccess m1", "states:SendTaskSuccess m2"],
        );
        check(
            Service::Sqs,
            "AmazonSQS.SendMessageBatch",
            json!({"QueueUrl": "http://h/1/q"}),
            &["sqs:SendMessage q"],
        );
        check(
            Service::Lambda,
            "/2015-03-31/functions/F/invocations",
            json!({}),
            &["lambda:InvokeFunction F"],
        );
        check(
            Service::Secrets,
            "secretsmanager.GetSecretValue",
            json!({"SecretId": "s"}),
            &["secretsmanager:GetSecretValue s"],
        );
        let mail = json!({"FromEmailAddress": "Shop <orders@shop.example>"});
        check(
            Service::Mail,
            "/v2/email/outbound-emails",
            mail,
            &["ses:SendEmail identity/shop.example orders@shop.example"],
        );
    }

    #[test]
    fn what_is_not_known_is_an_error() {
        let stack = stack();
        let read = |service, target, path| stack.read(service, target, path, &json!({}));
        assert!(read(Service::DynamoDb, Some("DynamoDB_20120810.DeleteTable"), "/").is_err());
        assert!(read(Service::Mail, None, "/v2/email/identities").is_err());
    }

    #[test]
    fn a_signature_says_who_calls_and_what() {
        let read = Signed::read(
            "AWS4-HMAC-SHA256 Credential=F/20260101/us-east-1/dynamodb/aws4_request, \
             SignedHeaders=host, Signature=00",
        );
        assert_eq!(read, Some(Signed { key: "F".to_owned(), service: "dynamodb".to_owned() }));
        assert_eq!(Signed::read("Bearer x"), None);
    }

    proptest! {
        #[test]
        fn no_request_makes_it_panic(target in ".{0,20}", path in "(/.{0,8}){0,4}", body in ".{0,40}") {
            let body = serde_json::from_str(&body).unwrap_or_else(|_| json!({"TransactItems": [body]}));
            for service in ["dynamodb", "states", "events", "sqs", "lambda", "secretsmanager", "ses"] {
                let service = Service::signed_for(service).unwrap();
                let asked = stack().read(service, Some(&target), &path, &body);
                prop_assert!(asked.is_err() || !asked.unwrap().operation.is_empty() || target.is_empty()
                    || target.ends_with('.'));
            }
        }
    }
}
