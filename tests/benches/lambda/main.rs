//! What a function weighs and how fast it starts, beside a handler for Node in the same run.
//!
//! ```text
//! sizes of the binaries · spawn → first poll, in turn with Node's · memory at the first poll
//! ```
//!
//! Prints JSON lines. Ends with 1 when a binary is too large or the ratio to Node is a disaster; the
//! other limits are goals that are printed beside the figures, because machines differ.
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

/// The most bytes of a binary.
const SIZE_MAX: u64 = 9_000_000;
/// Spawn to first poll, in the median, on two cores.
const START_GOAL: Duration = Duration::from_millis(15);
/// The most memory that a process holds, in bytes.
const MEMORY_GOAL: u64 = 30 << 20;
/// How many times longer Node's handler takes to start.
const RATIO_GOAL: f64 = 6.0;
/// Less than that is no noise.
const RATIO_MIN: f64 = 3.0;
/// How often each is started; the second is for a look.
const STARTS: [usize; 2] = [20, 5];
/// The functions that are started, by logical id: the largest ones, and the relay.
const STARTED: [&str; 4] =
    ["OrderApiFunction", "OrderTasksFunction", "PaymentTasksFunction", "OutboxRelayFunction"];

#[expect(clippy::print_stdout, reason = "it is what the benchmark is for")]
fn tell(row: &Row) {
    println!("{}", row.line());
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let is_quick = std::env::args().any(|argument| argument == "--quick");
    let starts = STARTS[usize::from(is_quick)];
    let template = template();
    let mut is_good = true;
    for binary in binaries(&template) {
        let size = std::fs::metadata(at(&binary)).map(|file| file.len()).unwrap_or_default();
        let is_small = size > 0 && size <= SIZE_MAX;
        is_good &= is_small;
        tell(&Row::of("size", &binary, json!({"bytes": size, "max": SIZE_MAX, "ok": is_small})));
    }
    let node = node::function();
    let mut functions: Vec<Function> = STARTED.map(|id| function(&template, id)).into();
    functions.extend(node.clone());
    let started = started(&functions, starts).await;
    let node_p50 = node.map(|node| median(&started[&node.name].init));
    for function in &functions {
        let Started { init, memory } = &started[&function.name];
        let p50 = median(init);
        let mut figures = json!({
            "starts": init.len(),
            "p50_ms": numbers::millis(p50),
            "p90_ms": numbers::millis(percentile(init, 90)),
            "goal_p50_ms": numbers::millis(START_GOAL),
            "memory_mib": numbers::mib(*memory),
            "goal_memory_mib": numbers::mib(MEMORY_GOAL),
        });
        if let Some(node) = node_p50.filter(|_| function.name != node::NAME) {
            let ratio = node.as_secs_f64() / p50.as_secs_f64();
            is_good &= ratio >= RATIO_MIN;
            figures["node_ratio"] = json!((ratio * 10.0).round() / 10.0);
            figures["goal_ratio"] = json!(RATIO_GOAL);
        }
        tell(&Row::of("start", &function.name, figures));
    }
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// How a function started.
#[derive(Default)]
struct Started {
    init: Vec<Duration>,
    /// The most that it held at its first poll, in bytes.
    memory: u64,
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
                let memory = environment.pid().map_or(0, numbers::memory_of);
                one.memory = one.memory.max(memory);
            }
            environment.kill().await;
        }
    }
    started
}

fn template() -> Template {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/aws/template.yaml");
    Template::load(&path, &BTreeMap::new(), "http://127.0.0.1:9")
}

fn binaries(template: &Template) -> Vec<String> {
    let mut binaries: Vec<String> =
        template.functions.values().map(|function| function.binary.clone()).collect();
    binaries.sort();
    binaries.dedup();
    binaries
}

fn at(binary: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"));
    target.join("lambda").join(binary)
}

fn function(template: &Template, id: &str) -> Function {
    let deployed = &template.functions[id];
    Function {
        name: id.to_owned(),
        program: at(&deployed.binary),
        arguments: Vec::new(),
        variables: deployed.variables.clone(),
        timeout: deployed.timeout,
        memory_mb: deployed.memory_mb,
        concurrency: 1,
    }
}
