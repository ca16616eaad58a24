//! A saga's machine run to its end against a world that answers as a test says: no engine, no
//! services, a clock that jumps.
//!
//! Owns: the clock, the desk of suspended steps, the operator, and what is noted of a run.
//! Does not own: any answer to a call.

use asl::{Effects, End, Execution, Identity, Input, Invoke, Program, Start, Token, What};
use contracts::Timestamp;
use contracts::task::error_name;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// How many steps of a machine are followed before it is called endless.
const STEPS_MAX: u32 = 60_000;
/// When every run starts.
const START: Timestamp = Timestamp::from_millis(1_795_413_600_000);
/// Until when an order that is placed at the start is to be decided.
pub const DECIDE_WITHIN: Duration = Duration::from_mins(15);
/// The first and the longest wait of a suspended step that was rejected.
const REJECTION: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));
/// The first and the longest wait of a suspended step that met an outage.
const ROUND: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// What the world answers to a call.
#[derive(Clone, Debug)]
pub enum Answer {
    /// It worked.
    Done,
    /// It failed with this error.
    Fails(&'static str),
    /// Nobody answers.
    Silence,
}

/// A call of a state.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Which state calls.
    pub state: &'a str,
    /// How often it has called by now, this call included.
    pub count: u32,
    /// Which attempt of its visit this is, from zero.
    pub attempt: u32,
    /// How long after the start.
    pub after: Duration,
}

/// What a run of a machine did.
#[derive(Debug, Default)]
pub struct Run {
    /// The states that called, repeats of one and the desk left out.
    pub called: Vec<String>,
    /// When each state called first.
    pub first: BTreeMap<String, Duration>,
    /// What `park_order` was told, each time.
    pub parked: Vec<Value>,
    /// How long it took until it was parked the first time.
    pub parked_after: Option<Duration>,
    /// What the desk was told, each time.
    pub suspended: Vec<Value>,
    /// When the desk's tokens time out, after the start.
    pub suspended_until: Vec<Duration>,
    /// How it ended.
    pub end: Option<End>,
    /// How long it took.
    pub took: Duration,
    /// How many events its history has.
    pub events: usize,
}

/// Runs a machine to its end; `answer` is asked for each call.
///
/// The desk answers its tokens when they are due and the operator answers at once.
pub fn run(machine: &str, answer: impl Fn(Asked<'_>) -> Answer) -> Run {
    let mut rehearsal = Rehearsal::start(machine);
    for _ in 0..STEPS_MAX {
        let owed = asl::outstanding(&rehearsal.program, &rehearsal.execution);
        rehearsal.run.took = rehearsal.after();
        if let Some(end) = owed.announce {
            return Run { end: Some(end), ..rehearsal.run };
        }
        let silent = &rehearsal.silent;
        let fresh = owed.tasks.iter().find(|call| !silent.contains(&(call.visit, call.attempt)));
        match fresh {
            Some(call) => rehearsal.called(call, &answer),
            None => rehearsal.waits(&owed),
        }
    }
    panic!("{machine} does not end: {:#?}", rehearsal.run);
}

struct Rehearsal {
    program: Arc<Program>,
    execution: Execution,
    now: Timestamp,
    counts: BTreeMap<String, u32>,
    /// The calls that nobody answers.
    silent: BTreeSet<(asl::VisitId, u32)>,
    /// The tokens at the desk, and when each is due.
    desk: Vec<(Token, Timestamp)>,
    run: Run,
}

impl Rehearsal {
    fn start(machine: &str) -> Self {
        let mut rehearsal = Self {
            program: crate::saga::program(machine),
            execution: Execution::default(),
            now: START,
            counts: BTreeMap::new(),
            silent: BTreeSet::new(),
            desk: Vec::new(),
            run: Run::default(),
        };
        let identity = Identity { id: "execution".into(), ..Identity::default() };
        let start = Start { input: order().into(), identity, entry: None };
        rehearsal.tell(What::Start(start));
        rehearsal
    }

    fn after(&self) -> Duration {
        self.now.since(START)
    }

    fn tell(&mut self, what: What) {
        let input = Input::new(self.now, 7, what);
        for event in asl::decide(&self.program, &self.execution, &input).unwrap() {
            self.run.events += 1;
            asl::apply(&mut self.execution, &event);
        }
    }

    /// The world is called, and answers.
    fn called(&mut self, call: &Invoke, answer: &impl Fn(Asked<'_>) -> Answer) {
        let (state, after) = (call.state.to_string(), self.after());
        let count = self.counts.entry(state.clone()).or_default();
        *count += 1;
        let answer = answer(Asked { state: &state, count: *count, attempt: call.attempt, after });
        let input = call.arguments["Payload"]["input"].clone();
        if state == "SuspendStep" {
            self.run.suspended_until.push(call.deadline.expect("it times out").since(START));
            if let (Answer::Done, Some(token)) = (&answer, &call.token) {
                self.desk.push((token.clone(), self.now.plus(back_after(&input))));
            }
            self.run.suspended.push(input);
        } else {
            if self.run.called.last() != Some(&state) {
                self.run.called.push(state.clone());
            }
            self.run.first.entry(state).or_insert(after);
            if call.token.is_some() {
                self.run.parked_after.get_or_insert(after);
                self.run.parked.push(input);
            }
        }
        match told(call, &answer) {
            Some(what) => self.tell(what),
            None => drop(self.silent.insert((call.visit, call.attempt))),
        }
    }

    /// Nothing is called: the operator looks, a suspended step is due, or time passes.
    fn waits(&mut self, owed: &Effects) {
        let waiting = |token: &Token| owed.callbacks.iter().any(|waits| waits.token == *token);
        self.desk.retain(|(token, _)| waiting(token));
        let due = self.desk.iter().min_by_key(|(_, due)| *due).cloned();
        let is_at_desk = |token: &Token| self.desk.iter().any(|(held, _)| held == token);
        let at_operator = owed.callbacks.iter().find(|waits| !is_at_desk(&waits.token));
        let wake_at = owed.wake_at.unwrap_or(Timestamp::MAX);
        let (token, at) = match (at_operator, due) {
            (Some(waits), _) => (Some(waits.token.clone()), self.now),
            (None, Some((token, due))) if due < wake_at => (Some(token), due),
            (None, _) => (None, wake_at),
        };
        assert!(at < Timestamp::MAX, "a running execution owes something: {:#?}", self.run);
        self.now = at.max(self.now);
        match token {
            Some(token) => {
                self.tell(What::CallbackSucceeded { token, output: json!({}).into() });
            }
            None => self.tell(What::TimerFired),
        }
    }
}

/// When the desk lets a step go on at the earliest: that is when a run has most events.
fn back_after(input: &Value) -> Duration {
    let is_rejection = input["error"] == error_name::BREAKER_OPEN;
    let (first, longest) = if is_rejection { REJECTION } else { ROUND };
    let round = u32::try_from(input["round"].as_u64().unwrap()).unwrap();
    let doubled = first.saturating_mul(1 << round.saturating_sub(1).min(10));
    // Spread by a fifth; the breaker that it is held back by is never seen open.
    doubled.min(longest) * 4 / 5
}

fn order() -> Value {
    json!({
        "order_id": "ord_1", "user_id": "usr_1", "card_token": "tok_approve",
        "lines": [{"sku": "TEA", "quantity": 2}],
        "total": {"amount_minor": 2000, "currency": "EUR"},
    })
}

/// What the machine is told of an answer; nothing for silence.
fn told(call: &Invoke, answer: &Answer) -> Option<What> {
    let (visit, attempt) = (call.visit, call.attempt);
    match answer {
        Answer::Done if call.token.is_some() => {
            Some(What::TaskSucceeded { visit, attempt, output: json!({}).into() })
        }
        Answer::Done => {
            // `validate_order` answers the order; nobody reads what the others answer.
            let mut reply = order();
            reply["decide_by"] = json!(START.plus(DECIDE_WITHIN));
            let output = json!({"Payload": reply}).into();
            Some(What::TaskSucceeded { visit, attempt, output })
        }
        Answer::Fails(error) => {
            let (error, cause) = (Some((*error).to_owned()), Some(String::new()));
            Some(What::TaskFailed { visit, attempt, error, cause })
        }
        Answer::Silence => None,
    }
}
