//! The template of the repository, read.

use super::Template;
use crate::cloud::iam;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

fn template() -> Template {
    let parameters: BTreeMap<String, String> = [
        ("GatewayUrl", "http://127.0.0.1:1"),
        ("MailFrom", "orders@shop.example"),
        ("MailIdentity", "shop.example"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let path = xtask::root().join("infra/aws/template.yaml");
    Template::load(&path, &parameters, "http://127.0.0.1:2")
}

#[test]
fn every_function_has_a_binary_a_role_and_variables_without_placeholders() {
    let template = template();
    assert!(template.functions.len() >= 13, "{:?}", template.functions.keys());
    for (name, function) in &template.functions {
        assert!(!function.binary.contains('/'), "{name}: {}", function.binary);
        assert!(!function.statements.is_empty(), "{name} may do nothing");
        assert!(function.variables.contains_key("ORDERSAGA_ROLE"), "{name}");
        for (variable, value) in &function.variables {
            assert!(!value.contains("${") && !value.is_empty(), "{name}: {variable}={value}");
        }
    }
    let variables = &template.functions["OrderEventsFunction"].variables;
    assert_eq!(
        variables["ORDERSAGA_PLACE_ORDER_MACHINE"],
        "arn:aws:states:us-east-1:000000000000:stateMachine:ordersaga-place-order"
    );
}

#[test]
fn whatever_is_wired_leads_to_something_that_is_there() {
    let template = template();
    for route in &template.routes {
        assert!(template.functions.contains_key(&route.function), "{route:?}");
        assert!(route.scopes.as_ref().is_some_and(|scopes| !scopes.is_empty()), "{route:?}");
    }
    for source in &template.sources {
        assert!(template.functions.contains_key(&source.function), "{source:?}");
        assert!(source.reports_failures, "{source:?}");
    }
    let queue_of = |arn: &str| arn.rsplit(':').next().unwrap().to_owned();
    let polled: BTreeSet<String> = template.sources.iter().map(|s| queue_of(&s.arn)).collect();
    for rule in &template.rules {
        assert!(template.buses.contains(&rule.bus), "{rule:?}");
        for target in &rule.targets {
            let queue = queue_of(target["Arn"].as_str().unwrap());
            assert!(template.queues.contains_key(&queue), "{target}");
            assert!(polled.contains(&queue), "nobody takes from {queue}");
        }
    }
    for machine in &template.machines {
        let definition: Value = serde_json::from_str(&machine.definition).unwrap();
        let text = definition.to_string();
        assert!(text.contains("function:OrderTasksFunction:live"), "{}", machine.name);
    }
    assert_eq!((template.tables.len(), template.secrets.len(), template.machines.len()), (1, 1, 2));
    assert!(template.schedules.len() >= 2);
}

#[test]
fn lambda_itself_may_do_what_the_template_has_it_do_in_a_functions_name() {
    let template = template();
    let needs = crate::cloud::platform::needs(&template);
    assert!(!needs.is_empty());
    for (function, call) in needs {
        let role = &template.functions[&function].statements;
        let decided = iam::decide(role, &call);
        assert!(decided.is_ok(), "{function}: {}", decided.unwrap_err());
    }
}

/// The functions that a definition calls, by the ARN it calls them by.
fn called(definition: &Value, into: &mut BTreeSet<String>) {
    match definition {
        Value::Object(fields) => {
            let function = fields.get("FunctionName").and_then(Value::as_str);
            into.extend(function.map(str::to_owned));
            fields.values().for_each(|value| called(value, into));
        }
        Value::Array(items) => items.iter().for_each(|value| called(value, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn a_state_machine_may_call_the_functions_that_it_calls_and_no_other() {
    for machine in template().machines {
        let mut functions = BTreeSet::new();
        called(&serde_json::from_str(&machine.definition).unwrap(), &mut functions);
        let granted: BTreeSet<String> = machine
            .statements
            .iter()
            .filter(|statement| statement.actions == ["lambda:InvokeFunction"])
            .flat_map(|statement| statement.resources.clone())
            .collect();
        assert_eq!(functions, granted, "{}", machine.name);
    }
}
