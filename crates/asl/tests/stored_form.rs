//! What the journal holds: the stored form of events, word for word. A change here breaks journals
//! that exist.

use asl::map_run::Outcome;
use asl::{
    Event, Execution, Identity, Input, Program, Start, VisitId, What, apply, decide, outstanding,
};
use contracts::time::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;

struct Story {
    program: Program,
    execution: Execution,
    events: Vec<Event>,
}

impl Story {
    fn of(definition: &Value, input: Value) -> Self {
        let program = Program::compile(&definition.to_string()).expect("it is correct");
        let (execution, events) = (Execution::default(), Vec::new());
        let mut story = Self { program, execution, events };
        story.tell(
            0,
            What::Start(Start {
                input: Arc::new(input),
                identity: Identity {
                    id: "run".into(),
                    name: "n".into(),
                    machine_id: "m".into(),
                    machine_name: "m".into(),
                    role: "".into(),
                    ..Identity::default()
                },
                entry: None,
            }),
        );
        story
    }

    fn tell(&mut self, at: i64, what: What) {
        let input = Input::new(Timestamp::from_millis(at), 7, what);
        let events = decide(&self.program, &self.execution, &input).expect("it is asked for");
        for event in &events {
            apply(&mut self.execution, event);
        }
        self.events.extend(events);
    }

    /// The stored events, with the hash of the definition cut short.
    fn stored(&self) -> Vec<String> {
        let text = |event: &Event| serde_json::to_string(event).expect("it is stored");
        let hash = self.program.hash();
        self.events.iter().map(|event| text(event).replace(hash, "hash")).collect()
    }
}

#[test]
fn events_are_stored_in_this_form() {
    let definition = json!({"StartAt": "T", "TimeoutSeconds": 60, "States": {
        "T": {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Parameters": {"n.$": "$.n"},
            "TimeoutSeconds": 9,
            "Retry": [{"ErrorEquals": ["Busy"]}],
            "Assign": {"v.$": "$"},
            "Next": "W",
        },
        "W": {"Type": "Wait", "Seconds": 3, "Next": "M"},
        "M": {"Type": "Map", "ItemsPath": "$.items", "MaxConcurrency": 2, "End": true,
            "ItemProcessor": {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}}},
    }});
    let mut story = Story::of(&definition, json!({"n": 1}));
    let visit = VisitId::new(2);
    let (error, cause) = (Some("Busy".to_owned()), Some("later".to_owned()));
    story.tell(10, What::TaskFailed { visit, attempt: 0, error, cause });
    story.tell(1_010, What::TimerFired);
    let output = Arc::new(json!({"items": [null]}));
    story.tell(1_020, What::TaskSucceeded { visit, attempt: 1, output });
    story.tell(4_020, What::TimerFired);
    let expected = [
        r#"{"id":1,"prev":0,"at":0,"what":{"started":{"start":{"input":{"n":1},"identity":{"id":"run","name":"n","machine_id":"m","machine_name":"m"}},"program":"hash","seed":7,"deadline":60000}}}"#,
        r#"{"id":2,"prev":0,"at":0,"what":{"entered":{"state":0,"kind":"task","name":"T"}}}"#,
        r#"{"id":3,"prev":2,"at":0,"what":{"scheduled":{"resource":"arn:aws:states:::lambda:invoke","arguments":{"n":1},"timeout_seconds":9}}}"#,
        r#"{"id":4,"prev":3,"at":0,"what":{"invoked":{}}}"#,
        r#"{"id":5,"prev":4,"at":10,"what":{"failed":{"error":"Busy","cause":"later"}}}"#,
        r#"{"id":5,"prev":5,"at":10,"what":{"retry_scheduled":{"until":1010,"retrier":0}}}"#,
        r#"{"id":6,"prev":5,"at":1010,"what":{"scheduled":{"resource":"arn:aws:states:::lambda:invoke","arguments":{"n":1},"timeout_seconds":9}}}"#,
        r#"{"id":7,"prev":6,"at":1010,"what":{"invoked":{}}}"#,
        r#"{"id":8,"prev":7,"at":1020,"what":{"succeeded":{"output":{"items":[null]}}}}"#,
        r#"{"id":9,"prev":8,"at":1020,"what":{"exited":{"assigned":{"v":{"items":[null]}}}}}"#,
        r#"{"id":10,"prev":9,"at":1020,"what":{"entered":{"state":1,"kind":"wait","name":"W"}}}"#,
        r#"{"id":10,"prev":10,"at":1020,"what":{"waits":{"until":4020}}}"#,
        r#"{"id":11,"prev":10,"at":4020,"what":{"exited":{}}}"#,
        r#"{"id":12,"prev":11,"at":4020,"what":{"entered":{"state":2,"kind":"map","name":"M"}}}"#,
        r#"{"id":13,"prev":12,"at":4020,"what":{"map_started":{"items":[null],"concurrency":2}}}"#,
        r#"{"id":14,"prev":13,"at":4020,"what":{"iteration_started":{"index":0}}}"#,
        r#"{"id":15,"prev":14,"at":4020,"frame":1,"what":{"entered":{"state":3,"kind":"pass","name":"P","branch":{"parent":0,"index":0}}}}"#,
        r#"{"id":16,"prev":15,"at":4020,"frame":1,"what":{"exited":{"end":true}}}"#,
        r#"{"id":17,"prev":16,"at":4020,"frame":1,"what":{"iteration_succeeded":{"index":0}}}"#,
        r#"{"id":18,"prev":17,"at":4020,"what":"joined"}"#,
        r#"{"id":19,"prev":17,"at":4020,"what":{"exited":{"end":true}}}"#,
        r#"{"id":20,"prev":19,"at":4020,"what":{"execution_succeeded":{}}}"#,
    ];
    for (stored, expected) in story.stored().iter().zip(expected) {
        assert_eq!(stored, expected);
    }
    assert_eq!(story.stored().len(), expected.len());
}

#[test]
fn a_map_run_is_stored_in_this_form() {
    let definition = json!({"StartAt": "M", "States": {"M": {
        "Type": "Map", "Label": "rows", "MaxConcurrency": 5, "ToleratedFailurePercentage": 2.5,
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "Parameters": {"Bucket": "b", "Key.$": "$.key"},
            "ReaderConfig": {
                "InputType": "CSV", "CSVHeaderLocation": "GIVEN", "CSVHeaders": ["a"],
                "CSVDelimiter": "TAB", "MaxItems": 9,
            },
        },
        "ItemBatcher": {"MaxItemsPerBatch": 3, "BatchInput": {"n": 1}},
        "ResultWriter": {
            "Resource": "arn:aws:states:::s3:putObject",
            "Parameters": {"Bucket": "b", "Prefix": "out"},
            "WriterConfig": {"Transformation": "FLATTEN", "OutputType": "JSONL"},
        },
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
            "StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}},
        },
        "End": true,
    }}});
    let mut story = Story::of(&definition, json!({"key": "k"}));
    let run = outstanding(&story.program, &story.execution).map_runs.remove(0);
    assert_eq!(run.child_name(7), "abb450b5-4844-8f00-cb54-f5f3f46796b0");
    let outcome = Outcome::Succeeded { output: Arc::new(json!([])) };
    story.tell(20, What::MapRunEnded { visit: run.visit, attempt: run.attempt, outcome });
    let expected = [
        r#"{"id":3,"prev":2,"at":0,"what":{"map_started":{"items":[],"concurrency":5}}}"#,
        r#"{"id":4,"prev":3,"at":0,"what":{"map_run_started":{"arn":"arn:aws:states:::mapRun:m/rows:1e72440e-4ec8-d44e-82d8-1e72465129f2","settings":{"label":"rows","express":true,"concurrency":5,"tolerance":{"percentage":2.5},"reader":{"dataset":{"object":{"csv":{"delimiter":"\t","header":{"given":["a"]}}}},"bucket":"b","key":"k","items_max":9},"batching":{"items_max":3,"input":{"n":1}},"writer":{"place":["b","out"],"transformation":"FLATTEN","lines":true}}}}}"#,
        r#"{"id":5,"prev":4,"at":20,"what":{"map_run_succeeded":{"output":[]}}}"#,
    ];
    for (stored, expected) in story.stored().iter().skip(2).zip(expected) {
        assert_eq!(stored, expected);
    }
}

#[test]
fn a_stored_event_is_read_back_as_it_was() {
    let definition = json!({"StartAt": "P", "States": {"P": {
        "Type": "Pass", "QueryLanguage": "JSONata", "Output": null, "End": true,
    }}});
    let story = Story::of(&definition, json!({"big": 0.1}));
    for event in &story.events {
        let text = serde_json::to_string(event).unwrap();
        assert_eq!(&serde_json::from_str::<Event>(&text).unwrap(), event, "{text}");
    }
}

#[test]
fn an_event_of_a_newer_version_is_refused() {
    let read = |text: &str| serde_json::from_str::<Event>(text);
    assert!(read(r#"{"v":1,"id":1,"prev":0,"at":0,"what":"joined"}"#).is_ok());
    let refused = read(r#"{"v":2,"id":1,"prev":0,"at":0,"what":"joined"}"#).unwrap_err();
    assert!(refused.to_string().contains("version 2"), "{refused}");
}
