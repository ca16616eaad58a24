//! A saga driven by hand: its machine alone, without engine, services or a clock of its own.
//!
//! Owns: how a machine of `state-machines/` is started and told. Does not own: any answer; the test
//! is the world.

use asl::{Effects, Execution, Identity, Input, Invoke, Program, Start, Token, What};
use contracts::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;

/// Compiles a machine as it is written: its functions keep the names of their placeholders.
#[must_use]
pub fn program(machine: &str) -> Arc<Program> {
    let path = xtask::root().join(format!("state-machines/{machine}.asl.json"));
    Arc::new(Program::compile(&std::fs::read_to_string(path).unwrap()).unwrap())
}

/// One execution.
pub struct Saga {
    program: Arc<Program>,
    execution: Execution,
    seed: u64,
}

impl Saga {
    /// Starts an execution; all its jitter follows from the seed.
    #[must_use]
    pub fn start(program: &Arc<Program>, id: &str, input: Value, at: Timestamp, seed: u64) -> Self {
        let identity = Identity { id: id.into(), ..Identity::default() };
        let start = What::Start(Start { input: input.into(), identity, entry: None });
        let (program, execution) = (Arc::clone(program), Execution::default());
        let mut saga = Self { program, execution, seed };
        saga.tell(at, start);
        saga
    }

    /// What the saga waits for.
    #[must_use]
    pub fn owed(&self) -> Effects {
        asl::outstanding(&self.program, &self.execution)
    }

    /// Tells the saga what happened.
    pub fn tell(&mut self, at: Timestamp, what: What) {
        let input = Input::new(at, self.seed, what);
        self.seed = self.seed.wrapping_add(1);
        for event in asl::decide(&self.program, &self.execution, &input).unwrap() {
            asl::apply(&mut self.execution, &event);
        }
    }

    /// Tells it that a call worked and what a function answered.
    pub fn worked(&mut self, at: Timestamp, call: &Invoke, reply: &Value) {
        let (visit, attempt) = (call.visit, call.attempt);
        let output = json!({"Payload": reply}).into();
        self.tell(at, What::TaskSucceeded { visit, attempt, output });
    }

    /// Tells it that a call failed.
    pub fn failed(&mut self, at: Timestamp, call: &Invoke, error: String, cause: String) {
        let (visit, attempt) = (call.visit, call.attempt);
        let (error, cause) = (Some(error), Some(cause));
        self.tell(at, What::TaskFailed { visit, attempt, error, cause });
    }

    /// Answers a token that it waits for.
    pub fn answered(&mut self, at: Timestamp, token: &Token, output: Value) {
        let token = token.clone();
        self.tell(at, What::CallbackSucceeded { token, output: output.into() });
    }
}

/// What a call asks of its function: the task and its input.
#[must_use]
pub fn asked(call: &Invoke) -> (&str, &Value) {
    let payload = &call.arguments["Payload"];
    (payload["task"].as_str().unwrap(), &payload["input"])
}
