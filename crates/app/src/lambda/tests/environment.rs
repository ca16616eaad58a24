//! Each function starts with what the template gives it, and says all that is missing otherwise.

use crate::lambda::settings::Env;
use crate::lambda::{DESK, INVENTORY, NOTIFICATION, ORDER, PAYMENT, Parts, Role, Service, USER};
use crate::problems::Problems;
use adapter_aws::{Access, Keys};

const TABLE: &[&str] = &["ORDERSAGA_TABLE"];
const GATEWAY: &[&str] = &["ORDERSAGA_TABLE", "ORDERSAGA_GATEWAY_URL", "ORDERSAGA_GATEWAY_SECRET"];

/// The functions, and the variables that each needs beside its role.
const NEEDED: [(&Service, Role, &[&str]); 10] = [
    (&ORDER, Role::Api, TABLE),
    (&ORDER, Role::Tasks, TABLE),
    (&PAYMENT, Role::Api, TABLE),
    (&PAYMENT, Role::Tasks, GATEWAY),
    (&INVENTORY, Role::Api, TABLE),
    (&INVENTORY, Role::Tasks, TABLE),
    (&USER, Role::Api, TABLE),
    (&NOTIFICATION, Role::Api, TABLE),
    (&DESK, Role::Api, GATEWAY),
    (&DESK, Role::Tasks, TABLE),
];

fn value(name: &str) -> &'static str {
    match name {
        "ORDERSAGA_TABLE" => "ordersaga-test",
        "ORDERSAGA_GATEWAY_URL" => "https://pay.example.com",
        "ORDERSAGA_GATEWAY_SECRET" => "arn:aws:secretsmanager:eu-west-1:123456789012:secret:pay-Ab",
        unknown => panic!("{unknown}"),
    }
}

/// What is said of an environment; nothing when the function starts.
fn problems(service: &Service, role: &str, given: &[&str]) -> Vec<String> {
    let role = ("ORDERSAGA_ROLE".to_owned(), role.to_owned());
    let given = given.iter().map(|name| ((*name).to_owned(), value(name).to_owned()));
    let keys = Keys { id: "any".into(), secret: "any".into(), session_token: None };
    let endpoint = Some("http://127.0.0.1:9".into());
    let access = Access { region: "eu-west-1".into(), keys, endpoint };
    let mut env: Env = [role].into_iter().chain(given).collect();
    let handler = service.handler(&mut env, &Parts::new(access).unwrap());
    match env.finish(handler) {
        Ok(_) => Vec::new(),
        Err(Problems(problems)) => problems,
    }
}

#[test]
fn a_function_starts_with_what_it_needs_and_no_more() {
    for (service, role, needed) in NEEDED {
        let said = problems(service, role.as_str(), needed);
        assert_eq!(said, [""; 0], "{} {role}", service.name);
    }
}

#[test]
fn a_function_says_everything_that_it_lacks() {
    for (service, role, needed) in NEEDED {
        let said = problems(service, role.as_str(), &[]);
        let names: Vec<&str> = said.iter().filter_map(|said| said.split(' ').next()).collect();
        assert_eq!(names, needed, "{} {role}", service.name);
    }
}

#[test]
fn a_role_that_a_service_has_not_is_refused_with_those_it_has() {
    let said = problems(&USER, "tasks", TABLE);
    assert_eq!(said, ["ORDERSAGA_ROLE = `tasks` is no role of `user`: api"]);
}
