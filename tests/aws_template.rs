//! The template says what the code says: the table, the routes, and who is told of what.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends with the reason")]

use adapter_aws::store::table::{self, GlobalIndex, KeyType, Projection};
use contracts::Fact;
use contracts::order::{OrderCancelRequested, OrderPlaced};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use system_tests::cloud::template::{Rule, Template};

fn template() -> Template {
    let parameters: BTreeMap<String, String> = [
        ("GatewayUrl", "https://gateway.example"),
        ("MailFrom", "orders@shop.example"),
        ("MailIdentity", "shop.example"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let path = xtask::root().join("infra/aws/template.yaml");
    Template::load(&path, &parameters, "http://127.0.0.1:1")
}

fn keys(pk: &str, sk: &str) -> Value {
    json!([{"AttributeName": pk, "KeyType": "HASH"}, {"AttributeName": sk, "KeyType": "RANGE"}])
}

fn index(index: &GlobalIndex) -> Value {
    let projection = match index.projection {
        Projection::KeysOnly => json!({"ProjectionType": "KEYS_ONLY"}),
        Projection::Include(names) => {
            json!({"ProjectionType": "INCLUDE", "NonKeyAttributes": names})
        }
    };
    json!({"IndexName": index.name, "KeySchema": keys(index.pk, index.sk), "Projection": projection})
}

#[test]
fn the_table_has_the_keys_and_indexes_that_the_store_reads() {
    let template = template();
    let [made] = &*template.tables else { panic!("{} tables", template.tables.len()) };
    assert_eq!(made["KeySchema"], keys(table::PK, table::SK));
    let indexes: Vec<Value> = table::INDEXES.iter().map(index).collect();
    assert_eq!(made["GlobalSecondaryIndexes"], json!(indexes));
    let mut types: BTreeMap<&str, &str> = [(table::PK, "S"), (table::SK, "S")].into();
    for index in &table::INDEXES {
        let sort = match index.sk_type {
            KeyType::Text => "S",
            KeyType::Bytes => "B",
        };
        types.extend([(index.pk, "S"), (index.sk, sort)]);
    }
    let defined = made["AttributeDefinitions"].as_array().unwrap().iter();
    let text = |value: &'static str, of: &Value| of[value].as_str().unwrap().to_owned();
    let defined: BTreeMap<String, String> =
        defined.map(|of| (text("AttributeName", of), text("AttributeType", of))).collect();
    let types = types.into_iter().map(|(name, kind)| (name.to_owned(), kind.to_owned()));
    assert_eq!(defined, types.collect());
    assert_eq!(made["StreamSpecification"]["StreamViewType"], "NEW_IMAGE");
}

#[test]
fn the_relay_is_called_for_what_is_put_into_an_outbox_and_for_nothing_else() {
    let template = template();
    let mut of_relay = template.sources.iter().filter(|s| s.function == "OutboxRelayFunction");
    let source = of_relay.next().unwrap();
    let pattern = events::Pattern::parse(&source.filters[0]).unwrap();
    let record = |event: &str, sk: &str| {
        let keys = json!({"pk": {"S": "order#1"}, "sk": {"S": sk}});
        json!({"eventName": event, "eventSource": "aws:dynamodb", "dynamodb": {"Keys": keys}})
    };
    let outbox = format!("{}{:020}#000#evt", table::OUTBOX_PREFIX, 1);
    assert!(pattern.matches(&record("INSERT", &outbox)));
    for (event, sk) in [("MODIFY", &*outbox), ("REMOVE", &outbox), ("INSERT", "state")] {
        assert!(!pattern.matches(&record(event, sk)), "{event} of {sk}");
    }
    assert_eq!((of_relay.count(), source.filters.len()), (0, 1));
}

#[test]
fn every_call_of_version_1_has_one_route_with_a_scope() {
    let document = serde_json::to_value(app::document()).unwrap();
    let mut documented = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let methods = methods.as_object().unwrap().keys().filter(|_| path.starts_with("/v1/"));
        documented.extend(methods.map(|method| format!("{} {path}", method.to_uppercase())));
    }
    let template = template();
    let mut routed = BTreeSet::new();
    for route in &template.routes {
        let name = format!("{} {}", route.method, route.path);
        assert!(routed.insert(name.clone()), "{name} is there twice");
        let scopes = route.scopes.as_deref().unwrap_or_default();
        assert!(!scopes.is_empty(), "{name} asks for no scope");
        let changes = route.method != "GET";
        let may_read = scopes.iter().any(|scope| scope == "ordersaga/read");
        assert_eq!(may_read, !changes, "{name}: whoever may only read {scopes:?}");
    }
    assert_eq!(routed, documented);
}

/// The rule that puts events into this queue.
fn rule_to<'a>(template: &'a Template, queue: &str) -> &'a Rule {
    let leads_there = |rule: &&Rule| {
        let mut targets = rule.targets.iter();
        targets.any(|target| target["Arn"].as_str().is_some_and(|arn| arn.ends_with(queue)))
    };
    template.rules.iter().find(leads_there).unwrap()
}

#[test]
fn who_is_told_of_what_is_as_on_a_laptop() {
    let template = template();
    let mailed: Value = serde_json::from_str(notification::PATTERN).unwrap();
    assert_eq!(rule_to(&template, "NotificationEventsQueue").pattern, mailed);
    let starts = json!({
        "source": [OrderPlaced::SOURCE],
        "detail-type": [OrderPlaced::DETAIL_TYPE, OrderCancelRequested::DETAIL_TYPE],
    });
    assert_eq!(rule_to(&template, "OrderEventsQueue").pattern, starts);
}
