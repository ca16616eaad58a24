//! What a function weighs and how fast it starts, beside a handler for Node in the same run.
//!
//! ```text
//! sizes of the binaries · spawn → first poll, in turn with Node's · memory after one order
//! ```
//!
//! Prints JSON lines. Ends with 1 when a binary or its memory is too large, or the ratio to Node too
//! small; how many milliseconds a start may take is printed beside the figure, because machines
//! differ.
//!
//! Owns: the measurement. Does not own: building the binaries (`just bench-lambda` does), and how a
//! function is run ([`system_tests::cloud::host`]).

mod node;
mod numbers;

use numbers::{Row, median, percentile};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use system_tests::cloud::host::{Environment, Function, Output};
use system_tests::cloud::template::Template;
use system_tests::cloud::{Cloud, parameters};
use system_tests::orders;

/// The most bytes of a binary.
const SIZE_MAX: u64 = 9_000_000;
/// Spawn to first poll, in the median, on two cores.
const START_GOAL: Duration = Duration::from_millis(15);
/// The most memory that a process holds once an order is done, in bytes.
const MEMORY_MAX: u64 = 30 << 20;
/// How many times longer Node's handler takes to start.
const RATIO_MIN: f64 = 6.0;
/// How often each is started; the second is for a look.
const STARTS: [usize; 2] = [20, 5];
/// The functions that are started, by logical id: the largest ones, and the relay.
const STARTED: [&str; 5] = [
    "OrderApiFunction",
    "OrderTasksFunction",
    "PaymentTasksFunction",
    "DeskApiFunction",
    "OutboxRelayFunction",
];

#[expect(clippy::print_stdout, reason = "it is what the benchmark is for")]
fn tell(row: &Row) {
    println!("{}", row.line());
}

#[tokio::main(flavor = "multi_thread")]
async fn main() -> ExitCode {
    let is_quick = std::env::args().any(|argument| argument == "--quick");
    let template = template();
    let are_small = weigh(&template);
    let are_fast = start(&template, STARTS[usize::from(is_quick)]).await;
    let are_modest = order().await;
    match are_small && are_fast && are_modest {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Tells how large binaries are, and whether that is small enough.
fn weigh(template: &Template) -> bool {
    let mut are_small = true;
    for binary in binaries(template) {
        let size = std::fs::metadata(folder().join(&binary)).map_or(0, |file| file.len());
        let is_small = size > 0 && size <= SIZE_MAX;
        are_small &= is_small;
        tell(&Row::of("size", &binary, json!({"bytes": size, "max": SIZE_MAX, "ok": is_small})));
    }
    are_small
}

/// Tells how fast functions start, and whether that is fast enough beside Node's.
async fn start(template: &Template, starts: usize) -> bool {
    let node = node::function();
    let mut functions: Vec<Function> = STARTED.map(|id| function(template, id)).into();
    functions.extend(node.clone());
    let started = started(&functions, starts).await;
    let node_p50 = node.map(|node| median(&started[&node.name].init));
    let mut are_fast = true;
    for function in &functions {
        let Started { init, rss } = &started[&function.name];
        let p50 = median(init);
        let mut figures = json!({
            "starts": init.len(),
            "p50_ms": numbers::millis(p50),
            "p90_ms": numbers::millis(percentile(init, 90)),
            "rss_mib": numbers::mib(*rss),
        });
        if let Some(node) = node_p50.filter(|_| function.name != node::NAME) {
            let ratio = node.as_secs_f64() / p50.as_secs_f64();
            are_fast &= ratio >= RATIO_MIN;
            figures["goal_p50_ms"] = json!(numbers::millis(START_GOAL));
            figures["node_ratio"] = json!((ratio * 10.0).round() / 10.0);
            figures["min_ratio"] = json!(RATIO_MIN);
        }
        tell(&Row::of("start", &function.name, figures));
    }
    are_fast
}

/// How a function started.
#[derive(Default)]
struct Started {
    init: Vec<Duration>,
    /// The most that it held at its first poll, in bytes.
    rss: u64,
}

/// Starts all functions in turn, so that what disturbs one disturbs its neighbours.
async fn started(functions: &[Function], starts: usize) -> BTreeMap<String, Started> {
    let mut started: BTreeMap<String, Started> = BTreeMap::new();
    let output = Output::default();
    // The first of each reads the program from the disk, and is not counted.
    for number in 0..=u32::try_from(starts).expect("a few") {
        for function in functions {
            let environment = Environment::start(function, number, &output).await;
            let environment = environment.expect("the program starts");
            let mut environment = match environment {
                Ok(environment) => environment,
                Err(why) => panic!("{} did not poll: {why:?}\n{:?}", function.name, output.tail(9)),
            };
            if number > 0 {
                let one = started.entry(function.name.clone()).or_default();
                one.init.push(environment.init());
                let held = environment.pid().map_or(0, |pid| numbers::memory(pid, "VmRSS"));
                one.rss = one.rss.max(held);
            }
            environment.kill().await;
        }
    }
    started
}

/// Lets the local cloud take one order with these binaries; tells how much memory each function that
/// had to do with it then holds, and whether that is little enough.
async fn order() -> bool {
    let Some(cloud) = Cloud::start_with(&folder(), "memory after one order").await else {
        return true;
    };
    orders::approved(&cloud, "TEA").await;
    let mut held: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for (function, pid) in cloud.host.at_rest() {
        let (now, peak) = held.entry(function).or_default();
        *now = numbers::memory(pid, "VmRSS").max(*now);
        *peak = numbers::memory(pid, "VmHWM").max(*peak);
    }
    let mut are_modest = !held.is_empty();
    for (function, (now, peak)) in held {
        let is_modest = now > 0 && now <= MEMORY_MAX;
        are_modest &= is_modest;
        let figures = json!({
            "rss_mib": numbers::mib(now),
            "peak_rss_mib": numbers::mib(peak),
            "max_mib": numbers::mib(MEMORY_MAX),
            "ok": is_modest,
        });
        tell(&Row::of("after one order", &function, figures));
    }
    cloud.stop().await;
    are_modest
}

fn template() -> Template {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/aws/template.yaml");
    let parameters = parameters("https://gateway.invalid");
    Template::load(&path, &parameters, "https://aws.invalid")
}

fn binaries(template: &Template) -> Vec<String> {
    let mut binaries: Vec<String> =
        template.functions.values().map(|function| function.binary.clone()).collect();
    binaries.sort();
    binaries.dedup();
    binaries
}

/// Where `--profile lambda` puts what it builds.
fn folder() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"));
    target.join("lambda")
}

fn function(template: &Template, id: &str) -> Function {
    let deployed = &template.functions[id];
    Function {
        name: id.to_owned(),
        program: folder().join(&deployed.binary),
        arguments: Vec::new(),
        variables: deployed.variables.clone(),
        timeout: deployed.timeout,
        memory_mb: deployed.memory_mb,
        concurrency: 1,
    }
}
