//! Plays one recorded execution: a clock that jumps, and tasks that answer as recorded.

use crate::{compare, map_run};
use asl::history::{HistoryEvent, render};
use asl::{
    Effects, End, Event, Execution, Identity, Input, Invoke, Pattern, Program, Resource, Start,
    What, apply, decide, outstanding,
};
use contracts::time::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The time at which every execution starts.
const START: Timestamp = Timestamp::from_millis(1_795_413_600_000);
/// Steps after which an execution counts as stuck.
const STEPS_MAX: usize = 100_000;

/// How playing ended.
pub(crate) enum Outcome {
    Ended(Run),
    Difference(String),
    /// The recording does not say what the tasks answered.
    Underivable,
}

/// An execution that ended.
pub(crate) struct Run {
    pub(crate) end: End,
    pub(crate) history: Vec<HistoryEvent>,
}

/// Plays one vector.
pub(crate) fn play(vector: &Value) -> Outcome {
    if vector["task_mocks"].is_string() {
        return Outcome::Underivable;
    }
    let definition = match vector["definition_text"].as_str() {
        Some(text) => text.to_owned(),
        None => vector["definition"].to_string(),
    };
    let program = match Program::compile(&definition) {
        Ok(program) => Arc::new(program),
        Err(problems) => {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            return Outcome::Difference(format!("does not compile: {}", problems.join("; ")));
        }
    };
    let mocks = vector["task_mocks"].as_array().cloned().unwrap_or_default();
    let mut cast = Cast {
        activities: activities(&mocks),
        mocks,
        worker: worker(vector),
        echoes: echoes(vector),
        objects: vector["s3_objects"].as_object().cloned().unwrap_or_default(),
    };
    let start = Start {
        input: Arc::new(vector["input"].clone()),
        identity: identity(vector["type"] == "EXPRESS"),
        entry: None,
    };
    let stop = vector["external_action"].is_string();
    let mut world = World::new(program, &mut cast, START);
    match world.run(start, stop.then_some(What::Stop { error: None, cause: None })) {
        Ok(end) => Outcome::Ended(Run { end, history: render(&world.events) }),
        Err(difference) => Outcome::Difference(difference),
    }
}

/// Everybody outside of the execution and its children.
pub(crate) struct Cast {
    /// The activities that there were: those of which something was recorded.
    activities: BTreeSet<String>,
    mocks: Vec<Value>,
    /// The name that the recorded worker gave.
    worker: Option<String>,
    /// The names of the functions that answer what they are asked.
    echoes: Vec<String>,
    /// Texts by bucket and key.
    pub(crate) objects: Map<String, Value>,
}

/// One execution, and its time.
pub(crate) struct World<'c> {
    program: Arc<Program>,
    execution: Execution,
    events: Vec<Event>,
    at: Timestamp,
    steps: usize,
    cast: &'c mut Cast,
    called: BTreeSet<(u32, u32)>,
}

impl<'c> World<'c> {
    pub(crate) fn new(program: Arc<Program>, cast: &'c mut Cast, at: Timestamp) -> Self {
        let (execution, events) = (Execution::default(), Vec::new());
        Self { program, execution, events, at, steps: 0, cast, called: BTreeSet::new() }
    }

    pub(crate) const fn now(&self) -> Timestamp {
        self.at
    }

    /// Plays the execution to its end; `then` happens once it has started.
    pub(crate) fn run(&mut self, start: Start, then: Option<What>) -> Result<End, String> {
        self.tell(What::Start(start))?;
        then.map_or(Ok(()), |then| self.tell(then))?;
        loop {
            let effects = outstanding(&self.program, &self.execution);
            if let Some(end) = effects.announce {
                return Ok(end);
            }
            self.serve(&effects)?;
        }
    }

    fn tell(&mut self, what: What) -> Result<(), String> {
        self.steps += 1;
        if self.steps > STEPS_MAX {
            return Err("the execution does not end".to_owned());
        }
        let seed = u64::try_from(self.steps).unwrap_or(0);
        let absent_activities = self.absent_activities();
        let input = Input { at: self.at, seed, absent_activities, what };
        let events = decide(&self.program, &self.execution, &input)
            .map_err(|misuse| format!("{misuse} ({:?})", input.what))?;
        for event in &events {
            apply(&mut self.execution, event);
        }
        self.events.extend(events);
        Ok(())
    }

    fn absent_activities(&self) -> Vec<Arc<str>> {
        let resources = self.program.resources();
        let activities = resources.filter(|one| matches!(one, Resource::Activity { .. }));
        let absent = activities.filter(|one| !self.cast.activities.contains(one.arn()));
        absent.map(|one| Arc::from(one.arn())).collect()
    }

    /// Makes one call that was not made yet, or lets time pass.
    fn serve(&mut self, effects: &Effects) -> Result<(), String> {
        let fresh = effects
            .tasks
            .iter()
            .find(|task| !self.called.contains(&(task.visit.get(), task.attempt)));
        if let Some(task) = fresh {
            self.called.insert((task.visit.get(), task.attempt));
            return self.call(task);
        }
        if let Some(run) = effects.map_runs.first() {
            let outcome = map_run::perform(run, &self.program, self.cast, self.at)?;
            let (visit, attempt) = (run.visit, run.attempt);
            return self.tell(What::MapRunEnded { visit, attempt, outcome });
        }
        let Some(at) = effects.wake_at else {
            return Err(format!("stuck: {effects:?}"));
        };
        self.at = self.at.max(at);
        self.tell(What::TimerFired)
    }

    fn call(&mut self, task: &Invoke) -> Result<(), String> {
        let mock = self.answer_to(task)?;
        if let Some(difference) = compare::values(&mock["request"], &task.arguments, "request") {
            return Err(format!("{}: {difference}", task.state));
        }
        let (visit, attempt) = (task.visit, task.attempt);
        let submitted = mock.get("submit_result").cloned().map(Arc::new);
        if let (Pattern::Sync, Some(output)) = (task.resource.pattern(), &submitted) {
            let output = Arc::clone(output);
            self.tell(What::TaskSubmitted { visit, attempt, output })?;
        }
        if let (Pattern::WaitForTaskToken, Some(output)) = (task.resource.pattern(), &submitted) {
            let output = Arc::clone(output);
            self.tell(What::TaskSucceeded { visit, attempt, output })?;
        }
        if let Resource::Activity { .. } = task.resource {
            let worker = self.cast.worker.clone();
            self.tell(What::TaskStarted { visit, attempt, worker })?;
        }
        let by_token = matches!(task.resource, Resource::Activity { .. }) || submitted.is_some();
        let token = task.token.clone().filter(|_| by_token);
        let text = |name: &str| match &mock[name] {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            // A recorded cause that is an object was a JSON text, of which a function's runtime and
            // the service integration write one each.
            other if mock["kind"] == "lambda" => Some(spaced(other)),
            other => Some(other.to_string()),
        };
        let output = Arc::new(mock["result"].clone());
        let (error, cause) = (text("error"), text("cause"));
        match (mock["outcome"].as_str(), token) {
            (Some("result"), Some(token)) => self.tell(What::CallbackSucceeded { token, output }),
            (Some("result"), None) => self.tell(What::TaskSucceeded { visit, attempt, output }),
            (Some("error"), Some(token)) => self.tell(What::CallbackFailed { token, error, cause }),
            (Some("error"), None) => self.tell(What::TaskFailed { visit, attempt, error, cause }),
            // A timeout: nothing is answered, and the clock goes on.
            _ => Ok(()),
        }
    }

    /// The recorded answer to a call: the first of its state, rather one that asked for the same.
    fn answer_to(&mut self, task: &Invoke) -> Result<Value, String> {
        let of_state = |mock: &&Value| mock["state"] == *task.state;
        let same = |mock: &Value| {
            of_state(&mock) && compare::values(&mock["request"], &task.arguments, "").is_none()
        };
        let found = self.cast.mocks.iter().position(same);
        let found = found.or_else(|| self.cast.mocks.iter().position(|mock| of_state(&mock)));
        match found {
            Some(found) => Ok(self.cast.mocks.remove(found)),
            None => self.echo(task).ok_or_else(|| format!("no recorded answer for {}", task.state)),
        }
    }

    /// The answer of a function that answers what it is asked.
    fn echo(&self, task: &Invoke) -> Option<Value> {
        let named = |name: &str| self.cast.echoes.iter().any(|echo| name.ends_with(echo.as_str()));
        let result = match &task.resource {
            Resource::Function { arn } if named(arn) => Value::clone(&task.arguments),
            Resource::Integration { .. } if named(task.arguments["FunctionName"].as_str()?) => {
                json!({"Payload": task.arguments["Payload"], "StatusCode": 200})
            }
            _ => return None,
        };
        Some(json!({"request": task.arguments, "outcome": "result", "result": result}))
    }
}

fn echoes(vector: &Value) -> Vec<String> {
    let functions = vector["lambda_functions"].as_array().into_iter().flatten();
    let echoes = functions.filter(|function| function["do"] == "echo");
    echoes.filter_map(|function| function["name"].as_str().map(str::to_owned)).collect()
}

fn activities(mocks: &[Value]) -> BTreeSet<String> {
    let of_activities = mocks.iter().filter(|mock| mock["kind"] == "activity");
    of_activities.filter_map(|mock| mock["resource"].as_str()).map(str::to_owned).collect()
}

fn worker(vector: &Value) -> Option<String> {
    let history = vector["expected"]["history"].as_array()?;
    let named = history.iter().find_map(|event| event["details"]["workerName"].as_str());
    named.map(str::to_owned)
}

/// JSON with a space after every comma and colon, as Python writes it.
fn spaced(value: &Value) -> String {
    let join = |parts: Vec<String>| parts.join(", ");
    match value {
        Value::Array(items) => format!("[{}]", join(items.iter().map(spaced).collect())),
        Value::Object(members) => {
            let member = |(name, member): (&String, &Value)| {
                format!("{}: {}", Value::from(name.as_str()), spaced(member))
            };
            format!("{{{}}}", join(members.iter().map(member).collect()))
        }
        scalar => scalar.to_string(),
    }
}

fn identity(express: bool) -> Identity {
    let id = if express {
        "arn:aws:states:us-east-1:111111111111:express:machine:name:run"
    } else {
        "arn:aws:states:us-east-1:111111111111:execution:machine:name"
    };
    Identity {
        id: id.into(),
        name: "name".into(),
        machine_id: "arn:aws:states:us-east-1:111111111111:stateMachine:machine".into(),
        machine_name: "machine".into(),
        role: "arn:aws:iam::111111111111:role/machine".into(),
        ..Identity::default()
    }
}
