//! Rules of the distributed Map that a product owner could confirm, one by one.

use asl::map_run::{Batcher, Child, ITEM_READER_FAILED, Outcome, RunMap, Shaper};
use asl::{
    End, Event, Execution, Identity, Input, Misuse, Program, Start, What, apply, decide,
    outstanding,
};
use contracts::time::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;

const PARENT: &str = "arn:aws:states:eu-west-1:123456789012:execution:shop:one";

struct Run {
    program: Program,
    execution: Execution,
    events: Vec<Event>,
    at: i64,
}

impl Run {
    fn start(definition: &Value, input: Value) -> Self {
        let program = Program::compile(&definition.to_string()).expect("it is correct");
        let identity = Identity {
            id: PARENT.into(),
            name: "one".into(),
            machine_id: "arn:aws:states:eu-west-1:123456789012:stateMachine:shop".into(),
            machine_name: "shop".into(),
            ..Identity::default()
        };
        Self::begin(program, Start { input: Arc::new(input), identity, entry: None })
    }

    fn begin(program: Program, start: Start) -> Self {
        let (execution, events) = (Execution::default(), Vec::new());
        let mut run = Self { program, execution, events, at: 0 };
        run.tell(What::Start(start)).expect("it is asked for");
        run
    }

    fn tell(&mut self, what: What) -> Result<(), Misuse> {
        let at = Timestamp::from_millis(self.at);
        let events = decide(&self.program, &self.execution, &Input::new(at, 7, what))?;
        for event in &events {
            apply(&mut self.execution, event);
        }
        self.events.extend(events);
        Ok(())
    }

    fn owed(&self) -> RunMap {
        outstanding(&self.program, &self.execution).map_runs.remove(0)
    }

    fn end(&mut self, run: &RunMap, outcome: Outcome) -> Result<(), Misuse> {
        self.tell(What::MapRunEnded { visit: run.visit, attempt: run.attempt, outcome })
    }

    /// What the children of the map run that is owed begin with.
    fn inputs(&self) -> Vec<Value> {
        let run = self.owed();
        let mut shaper = Shaper::new(&self.program, &run).expect("it can be shaped");
        let mut batcher = Batcher::new(run.settings.batching.clone());
        let mut children = Vec::new();
        for (index, item) in run.items().iter().enumerate() {
            let input = shaper.shape(index as u64, Value::clone(item), false, None);
            batcher.push(input.expect("it can be shaped"), &mut children);
        }
        batcher.flush(&mut children);
        children.iter().map(|child| Value::clone(&child.input)).collect()
    }

    fn kinds(&self) -> Vec<String> {
        asl::history::render(&self.events).into_iter().map(|event| event.kind).collect()
    }
}

fn succeeded(output: Value) -> Outcome {
    Outcome::Succeeded { output: Arc::new(output) }
}

/// A machine of one distributed Map with these fields.
fn map(fields: Value) -> Value {
    let mut map = json!({
        "Type": "Map", "Label": "rows", "End": true,
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}},
        },
    });
    for (name, value) in fields.as_object().expect("fields") {
        map[name] = value.clone();
    }
    json!({"StartAt": "M", "TimeoutSeconds": 60, "States": {"M": map}})
}

/// What is wrong with a distributed Map that has these fields, by pointer.
fn problems(fields: Value) -> Vec<String> {
    let problems = Program::compile(&map(fields).to_string()).err().unwrap_or_default();
    problems.into_iter().map(|problem| problem.pointer).collect()
}

#[test]
fn the_result_of_the_map_run_is_the_states() {
    let mut run = Run::start(&map(json!({})), json!([1, 2]));
    let owed = run.owed();
    run.end(&owed, succeeded(json!([10, 20]))).unwrap();
    let Some(End::Succeeded { output }) = run.execution.end() else { panic!("it succeeds") };
    assert_eq!(**output, json!([10, 20]));
    let expected = [
        "ExecutionStarted",
        "MapStateEntered",
        "MapStateStarted",
        "MapRunStarted",
        "MapRunSucceeded",
        "MapStateSucceeded",
        "MapStateExited",
        "ExecutionSucceeded",
    ];
    assert_eq!(run.kinds(), expected);
    assert_eq!(run.end(&owed, Outcome::exceeded()), Err(Misuse::Ended));
}

#[test]
fn the_end_of_a_map_run_is_taken_once() {
    let mut definition = map(json!({"Next": "W"}));
    definition["States"]["M"].as_object_mut().unwrap().remove("End");
    definition["States"]["W"] = json!({"Type": "Wait", "Seconds": 9, "End": true});
    let mut run = Run::start(&definition, json!([]));
    let owed = run.owed();
    run.end(&owed, succeeded(json!([]))).unwrap();
    assert_eq!(run.end(&owed, succeeded(json!([1]))), Err(Misuse::TaskNotActive));
}

#[test]
fn a_failed_map_run_is_retried_as_another_one_and_then_caught() {
    let mut definition = map(json!({
        "Retry": [{"ErrorEquals": ["States.ItemReaderFailed"], "MaxAttempts": 1}],
        "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "C"}],
    }));
    definition["States"]["C"] = json!({"Type": "Pass", "End": true});
    let mut run = Run::start(&definition, json!([1]));
    let first = run.owed();
    run.end(&first, Outcome::failed(ITEM_READER_FAILED, "gone")).unwrap();
    run.at = 1_000;
    run.tell(What::TimerFired).unwrap();
    let second = run.owed();
    assert_ne!(first.arn, second.arn);
    assert_eq!(run.end(&first, succeeded(json!([]))), Err(Misuse::TaskNotActive));
    run.end(&second, Outcome::exceeded()).unwrap();
    let Some(End::Succeeded { output }) = run.execution.end() else { panic!("it succeeds") };
    assert_eq!(output["Error"], "States.ExceedToleratedFailureThreshold");
}

#[test]
fn a_map_run_beside_a_failed_branch_is_aborted() {
    let task = json!({"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": true});
    let definition = json!({"StartAt": "B", "States": {"B": {"Type": "Parallel", "End": true,
        "Branches": [map(json!({})), {"StartAt": "T", "States": {"T": task}}],
    }}});
    let mut definition = definition;
    let branch = &mut definition["States"]["B"]["Branches"][0];
    branch.as_object_mut().unwrap().remove("TimeoutSeconds");
    let mut run = Run::start(&definition, json!([1]));
    let task = outstanding(&run.program, &run.execution).tasks.remove(0);
    let (visit, attempt) = (task.visit, task.attempt);
    run.tell(What::TaskFailed { visit, attempt, error: None, cause: None }).unwrap();
    let kinds = run.kinds();
    assert!(
        kinds.ends_with(&[
            "TaskStateAborted".to_owned(),
            "MapRunAborted".to_owned(),
            "MapStateAborted".to_owned(),
            "ParallelStateFailed".to_owned(),
            "ExecutionFailed".to_owned(),
        ]),
        "{kinds:?}"
    );
}

#[test]
fn the_selector_sees_the_item_and_what_is_around() {
    let fields = json!({
        "ItemsPath": "$.rows",
        "ItemSelector": {
            "n.$": "$$.Map.Item.Index", "row.$": "$$.Map.Item.Value", "all.$": "$.rows",
            "from.$": "$$.Map.Item.Source", "who.$": "$$.Execution.Id",
        },
    });
    let run = Run::start(&map(fields), json!({"rows": ["a"]}));
    let expected = json!({"n": 0, "row": "a", "all": ["a"], "from": "STATE_DATA", "who": PARENT});
    assert_eq!(run.inputs(), [expected]);
}

#[test]
fn the_members_of_an_object_are_items_with_a_key() {
    let input = json!({"b": 2, "a": {"x": 1}});
    let run = Run::start(&map(json!({})), input.clone());
    let members = [json!({"Key": "a", "Value": {"x": 1}}), json!({"Key": "b", "Value": 2})];
    let mut inputs = run.inputs();
    inputs.sort_by_key(|input| input["Key"].to_string());
    assert_eq!(inputs, members);
    let fields = json!({"QueryLanguage": "JSONata", "ItemSelector": {
        "k": "{% $states.context.Map.Item.Key %}", "v": "{% $states.context.Map.Item.Value %}",
    }});
    let run = Run::start(&map(fields), input);
    assert!(run.inputs().contains(&json!({"k": "b", "v": 2})));
}

#[test]
fn an_items_chance_is_its_own_and_the_same_after_a_restart() {
    let fields = json!({"QueryLanguage": "JSONata", "ItemSelector": {"id": "{% $uuid() %}"}});
    let run = Run::start(&map(fields), json!([1, 2]));
    let inputs = run.inputs();
    assert_ne!(inputs[0], inputs[1]);
    assert_eq!(run.inputs(), inputs);
}

#[test]
fn a_batch_carries_what_is_fixed_beside_its_items() {
    let fields = json!({"ItemsPath": "$.rows", "ItemBatcher": {
        "MaxItemsPerBatchPath": "$.most", "BatchInput": {"day.$": "$.day"},
    }});
    let run = Run::start(&map(fields), json!({"rows": [1, 2, 3], "most": "2", "day": "Monday"}));
    let batch = |items: Value| json!({"BatchInput": {"day": "Monday"}, "Items": items});
    assert_eq!(run.inputs(), [batch(json!([1, 2])), batch(json!([3]))]);
}

#[test]
fn a_child_is_an_execution_of_its_own_that_begins_inside_the_map() {
    let definition = map(json!({}));
    let run = Run::start(&definition, json!([{"n": 1}]));
    let owed = run.owed();
    let child = Child { index: 0, items: 1, input: Arc::new(json!({"n": 1})) };
    let start = owed.start(&run.program, &child).expect("it is the same program");
    let place = "arn:aws:states:eu-west-1:123456789012";
    let name = owed.child_name(0);
    assert_eq!(*start.identity.id, format!("{place}:execution:shop/rows:{name}"));
    assert_eq!(*start.identity.machine_id, format!("{place}:stateMachine:shop/rows"));
    assert!(owed.arn.starts_with(&format!("{place}:mapRun:shop/rows:")), "{}", owed.arn);
    assert_ne!(name, owed.child_name(1));
    let program = Program::compile(&definition.to_string()).unwrap();
    let child = Run::begin(program, start);
    let Some(End::Succeeded { output }) = child.execution.end() else { panic!("it succeeds") };
    assert_eq!(**output, json!({"n": 1}));
    assert_eq!(child.execution.map_run(), Some(&owed.arn));
    assert_eq!(child.kinds()[1], "PassStateEntered");
}

#[test]
fn a_child_sees_no_variables_of_its_parent() {
    let mut definition = map(json!({"ItemSelector": {"seen.$": "$outer"}}));
    definition["StartAt"] = json!("A");
    definition["States"]["A"] = json!({"Type": "Pass", "Assign": {"outer": 5}, "Next": "M"});
    let inner = &mut definition["States"]["M"]["ItemProcessor"]["States"]["P"];
    inner["Parameters"] = json!({"inner.$": "$outer"});
    let run = Run::start(&definition, json!([1]));
    assert_eq!(run.inputs(), [json!({"seen": 5})]);
    let owed = run.owed();
    let child = Child { index: 0, items: 1, input: Arc::new(json!({})) };
    let start = owed.start(&run.program, &child).unwrap();
    let child = Run::begin(Program::compile(&definition.to_string()).unwrap(), start);
    assert!(matches!(child.execution.end(), Some(End::Failed(_))));
}

#[test]
fn the_machines_timeout_is_not_the_childrens() {
    let definition = map(json!({}));
    let run = Run::start(&definition, json!([1]));
    assert!(outstanding(&run.program, &run.execution).wake_at.is_some());
    let mut waiting = definition;
    waiting["States"]["M"]["ItemProcessor"]["States"]["P"] =
        json!({"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": true});
    let run = Run::start(&waiting, json!([1]));
    let child = Child { index: 0, items: 1, input: Arc::new(json!({})) };
    let start = run.owed().start(&run.program, &child).unwrap();
    let child = Run::begin(Program::compile(&waiting.to_string()).unwrap(), start);
    assert_eq!(outstanding(&child.program, &child.execution).wake_at, None);
}

#[test]
fn a_result_that_is_too_large_fails_the_map_run() {
    let mut run = Run::start(&map(json!({})), json!([1]));
    let owed = run.owed();
    run.end(&owed, succeeded(json!("x".repeat(300_000)))).unwrap();
    let Some(End::Failed(fault)) = run.execution.end() else { panic!("it fails") };
    assert_eq!(fault.error.as_deref(), Some("States.DataLimitExceeded"));
    assert!(run.kinds().contains(&"MapRunFailed".to_owned()));
}

#[test]
fn a_distributed_map_is_checked_before_it_runs() {
    let reader = |config: Value| {
        json!({"ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "Parameters": {"Bucket": "b", "Key": "k"},
            "ReaderConfig": config,
        }})
    };
    for (fields, pointers) in [
        (json!({}), &[][..]),
        (json!({"Label": "has space"}), &["/Label"]),
        (json!({"Label": "x".repeat(41)}), &["/Label"]),
        (json!({"ToleratedFailurePercentage": 101}), &["/ToleratedFailurePercentage"]),
        (json!({"ToleratedFailureCount": -1}), &["/ToleratedFailureCount"]),
        (json!({"ItemBatcher": {}}), &["/ItemBatcher"]),
        (json!({"ResultWriter": {}}), &["/ResultWriter"]),
        (json!({"ItemReader": {}}), &["/ItemReader"]),
        (reader(json!({"InputType": "JSON", "ItemsPointer": "/a/0"})), &[]),
        (
            reader(json!({"InputType": "JSON", "ItemsPointer": "a"})),
            &["/ItemReader/ReaderConfig/ItemsPointer"],
        ),
        (reader(json!({"InputType": "PARQUET"})), &["/ItemReader/ReaderConfig/InputType"]),
        (reader(json!({"InputType": "CSV"})), &["/ItemReader/ReaderConfig"]),
        (
            reader(json!({"InputType": "JSONL", "CSVDelimiter": "TAB"})),
            &["/ItemReader/ReaderConfig/CSVDelimiter"],
        ),
        (json!({"Unheard": 1}), &["/Unheard"]),
    ] {
        let expected: Vec<String> =
            pointers.iter().map(|pointer| format!("/States/M{pointer}")).collect();
        assert_eq!(problems(fields.clone()), expected, "{fields}");
    }
}

#[test]
fn an_inline_map_has_no_field_of_a_distributed_one() {
    let mut definition = map(json!({"ToleratedFailureCount": 1}));
    definition["States"]["M"]["ItemProcessor"]["ProcessorConfig"] = json!({"Mode": "INLINE"});
    let problems = Program::compile(&definition.to_string()).unwrap_err();
    let pointers: Vec<&str> = problems.iter().map(|problem| &*problem.pointer).collect();
    assert_eq!(pointers, ["/States/M/Label", "/States/M/ToleratedFailureCount"]);
}
