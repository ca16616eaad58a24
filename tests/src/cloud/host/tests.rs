//! The host alone, with this test's own program as a function.

use super::{Function, Host, Outcome};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// The test below that is a function when a host has started it.
const FUNCTION: &str = "cloud::host::tests::a_function_answers_what_it_is_asked";

/// One request to the Runtime API; answers the request's id and the body.
fn call(method: &str, path: &str, body: &str) -> (String, String) {
    let address = std::env::var("AWS_LAMBDA_RUNTIME_API").unwrap();
    let mut stream = TcpStream::connect(&address).unwrap();
    let length = body.len();
    write!(
        stream,
        "{method} /2018-06-01/runtime/{path} HTTP/1.1\r\nhost: {address}\r\n\
         connection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut reader = BufReader::new(stream);
    let (mut id, mut line) = (String::new(), String::new());
    while reader.read_line(&mut line).unwrap() > 2 {
        if let Some((name, value)) = line.split_once(": ")
            && name == "lambda-runtime-aws-request-id"
        {
            value.trim().clone_into(&mut id);
        }
        line.clear();
    }
    let mut body = String::new();
    reader.read_to_string(&mut body).unwrap();
    (id, body)
}

/// What the function does: it says who it is, fails, dies or sleeps, as it is told.
fn serve() {
    let environment = std::env::var("AWS_SESSION_TOKEN").unwrap();
    if std::env::var("BREAKS").is_ok() {
        let error = json!({"errorType": "Broken", "errorMessage": "by its variables"});
        call("POST", "init/error", &error.to_string());
        std::process::exit(1);
    }
    for count in 1.. {
        let (id, event) = call("GET", "invocation/next", "");
        let event: Value = serde_json::from_str(&event).unwrap();
        println!("{environment} serves {event}");
        match event["do"].as_str() {
            Some("die") => std::process::exit(3),
            Some("fail") => {
                let error = json!({"errorType": "Told", "errorMessage": "to fail"});
                call("POST", &format!("invocation/{id}/error"), &error.to_string());
            }
            Some("sleep") => std::thread::sleep(Duration::from_mins(1)),
            _ => {
                let answer = json!({"environment": environment, "count": count, "event": event});
                call("POST", &format!("invocation/{id}/response"), &answer.to_string());
            }
        }
    }
}

fn host(concurrency: usize, variables: &[(&str, &str)]) -> Host {
    Host::new([Function {
        name: "Echo".to_owned(),
        program: std::env::current_exe().unwrap(),
        arguments: ["--exact", FUNCTION, "--nocapture"].map(str::to_owned).into(),
        variables: variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        timeout: Duration::from_secs(2),
        memory_mb: 128,
        concurrency,
    }])
}

async fn invoke(host: &Host, what: Value) -> Outcome {
    host.invoke("Echo", what.to_string()).await.unwrap()
}

/// Which environment answered, and its how-manieth answer it was.
fn who(outcome: &Outcome) -> (String, u64) {
    let answer = outcome.done().unwrap();
    (answer["environment"].as_str().unwrap().to_owned(), answer["count"].as_u64().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_answers_what_it_is_asked() {
    if std::env::var("AWS_LAMBDA_RUNTIME_API").is_ok() {
        return serve();
    }
    let host = host(1, &[]);
    let outcome = invoke(&host, json!({"a": 1})).await;
    assert_eq!(outcome.done().unwrap()["event"], json!({"a": 1}));
    assert!(host.invoke("Nobody", "{}").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warm_environment_is_used_again_and_a_dead_one_is_replaced() {
    let host = host(1, &[]);
    assert_eq!(who(&invoke(&host, json!({})).await), ("Echo/1".to_owned(), 1));
    assert_eq!(who(&invoke(&host, json!({})).await), ("Echo/1".to_owned(), 2));
    let failed = invoke(&host, json!({"do": "fail"})).await;
    assert_eq!(failed.error_type().as_deref(), Some("Told"));
    assert_eq!(who(&invoke(&host, json!({})).await), ("Echo/1".to_owned(), 4));
    let died = invoke(&host, json!({"do": "die"})).await;
    assert_eq!(died.error_type().as_deref(), Some("Runtime.ExitError"));
    assert_eq!(who(&invoke(&host, json!({})).await), ("Echo/2".to_owned(), 1));
    host.cool("Echo").await;
    assert_eq!(who(&invoke(&host, json!({})).await).1, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_that_takes_too_long_is_killed() {
    let host = host(1, &[]);
    let late = invoke(&host, json!({"do": "sleep"})).await;
    assert_eq!(late.error_type().as_deref(), Some("Sandbox.Timedout"));
    assert_eq!(who(&invoke(&host, json!({})).await), ("Echo/2".to_owned(), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_environment_can_be_killed_and_others_go_on() {
    let host = host(2, &[]);
    let (slow, killed) = tokio::join!(invoke(&host, json!({"do": "sleep"})), async {
        while !host.output.of("Echo").iter().any(|line| line.contains("sleep")) {
            tokio::task::yield_now().await;
        }
        host.kill_while_busy("Echo").await
    });
    assert_eq!((slow.error_type().as_deref(), killed), (Some("Runtime.ExitError"), 1));
    assert_eq!(who(&invoke(&host, json!({})).await), ("Echo/2".to_owned(), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_cannot_be_initialized_says_why() {
    let host = host(1, &[("BREAKS", "yes")]);
    let broken = invoke(&host, json!({})).await;
    assert_eq!(broken.error_type().as_deref(), Some("Broken"));
}
