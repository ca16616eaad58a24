//! The API's own document: complete enough to generate a client from.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends with the reason")]

use serde_json::Value;
use std::collections::BTreeSet;

fn document() -> Value {
    serde_json::to_value(app::document()).unwrap()
}

/// Every operation with its path and method.
fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let mut operations = Vec::new();
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().unwrap() {
            operations.push((format!("{method} {path}"), operation));
        }
    }
    operations
}

#[test]
fn every_call_of_version_1_is_documented() {
    let document = document();
    let names: BTreeSet<_> = operations(&document).into_iter().map(|(name, _)| name).collect();
    let expected = [
        "delete /v1/users/{id}",
        "get /livez",
        "get /metrics",
        "get /readyz",
        "get /v1/breakers",
        "get /v1/breakers/{name}",
        "get /v1/notifications",
        "get /v1/orders",
        "get /v1/orders/{id}",
        "get /v1/orders/{id}/events",
        "get /v1/parked",
        "get /v1/parked/{id}",
        "get /v1/payments",
        "get /v1/products",
        "get /v1/products/{sku}",
        "get /v1/stock/{sku}",
        "get /v1/users",
        "get /v1/users/{id}",
        "post /v1/orders",
        "post /v1/orders/{id}/cancel",
        "post /v1/orders/{id}/resume",
        "post /v1/parked/{id}/resolve",
        "post /v1/users",
        "put /v1/breakers/{name}/mode",
        "put /v1/products/{sku}",
        "put /v1/stock/{sku}",
        "put /v1/users/{id}",
    ];
    assert_eq!(names, expected.map(str::to_owned).into());
}

#[test]
fn every_operation_has_its_own_name_and_says_what_it_answers() {
    let document = document();
    let mut names = BTreeSet::new();
    for (at, operation) in operations(&document) {
        let name = operation["operationId"].as_str().unwrap();
        assert!(names.insert(name.to_owned()), "{at}: {name} is used twice");
        for (status, response) in operation["responses"].as_object().unwrap() {
            let description = response["description"].as_str().unwrap_or_default();
            assert!(!description.is_empty(), "{at}: {status} has no description");
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let document = document();
    let mut open = vec![&document];
    while let Some(value) = open.pop() {
        if let Some(reference) = value["$ref"].as_str() {
            let target = document.pointer(reference.trim_start_matches('#'));
            assert!(target.is_some(), "{reference}");
        }
        open.extend(value.as_object().into_iter().flat_map(|object| object.values()));
        open.extend(value.as_array().into_iter().flatten());
    }
}

#[test]
fn each_list_shows_what_it_lists() {
    let document = document();
    let lists = [
        ("/v1/orders", "execution"),
        ("/v1/users", "email"),
        ("/v1/products", "unit_price"),
        ("/v1/payments", "captured_minor"),
        ("/v1/notifications", "subject"),
    ];
    for (path, field) in lists {
        let answer = &document["paths"][path]["get"]["responses"]["200"]["content"];
        let mut schema = &answer["application/json"]["schema"];
        if let Some(reference) = schema["$ref"].as_str() {
            schema = document.pointer(reference.trim_start_matches('#')).unwrap();
        }
        let mut entry = &schema["properties"]["items"]["items"];
        if let Some(reference) = entry["$ref"].as_str() {
            entry = document.pointer(reference.trim_start_matches('#')).unwrap();
        }
        assert!(entry["properties"][field].is_object(), "{path}: {entry}");
    }
}

#[test]
fn what_the_layers_of_the_edge_read_and_answer_is_documented() {
    let document = document();
    for (at, operation) in operations(&document) {
        let is_limited = at.contains(" /v1/");
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let mut names = parameters.filter_map(|parameter| parameter["name"].as_str());
        assert_eq!(names.any(|name| name == "Request-Timeout-Ms"), is_limited, "{at}");
        for (status, comes_back) in [("429", true), ("503", true), ("504", false)] {
            let headers = &operation["responses"][status]["headers"];
            if is_limited {
                assert!(headers["RateLimit"].is_object(), "{at}: {status}");
                assert_eq!(headers["Retry-After"].is_object(), comes_back, "{at}: {status}");
            }
        }
    }
}
