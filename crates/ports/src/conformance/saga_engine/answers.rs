//! Answers to tasks that wait for a token.

use super::{Subject, assert_refused, went};
use crate::journal::{ExecutionId, Status};
use crate::saga_engine::Callback;
use serde_json::{Value, json};
use std::time::Duration;

crate::conformance::cases!(Subject;
    an_answer_is_the_tasks_output,
    a_failed_answer_fails_the_task,
    a_task_is_answered_once,
    a_heartbeat_keeps_a_task_alive,
    a_task_without_a_heartbeat_times_out,
    a_token_that_was_never_given_out_is_refused,
    tasks_of_several_executions_are_told_apart,
    what_was_stopped_takes_no_answer,
);

impl Subject {
    /// The token that an execution of `asks` gave out with its `count`th task.
    pub(super) async fn token(&self, id: &ExecutionId, count: usize) -> String {
        let history = self.reached(id, "TaskSubmitted", count).await;
        let asked = history.iter().filter(|event| event.kind == "TaskScheduled").nth(count - 1);
        let asked = asked.and_then(|event| event.details["parameters"].as_str());
        let asked = asked.and_then(|text| serde_json::from_str::<Value>(text).ok());
        let token = asked.as_ref().and_then(|asked| asked["Payload"]["token"].as_str());
        token.expect("a task that was scheduled says with what").to_owned()
    }

    async fn asked(&self, name: &str) -> (ExecutionId, String) {
        let id = self.started("asks", name, json!({})).await;
        let token = self.token(&id, 1).await;
        (id, token)
    }
}

fn failure(error: &str) -> Callback {
    Callback::Failure { error: Some(error.to_owned()), cause: Some("as told".to_owned()) }
}

async fn an_answer_is_the_tasks_output(subject: Subject) {
    let (id, token) = subject.asked("one").await;
    assert_eq!(subject.describe(&id).await.status, Status::Running);
    let answer = json!({"text": "naïve \"quoted\" 文"});
    went(subject.engine.answer(&token, Callback::Success(answer.clone())).await);
    let ended = subject.ended(&id).await;
    assert_eq!((ended.status, ended.output), (Status::Succeeded, Some(answer)));
}

async fn a_failed_answer_fails_the_task(subject: Subject) {
    let (id, token) = subject.asked("one").await;
    went(subject.engine.answer(&token, failure("Declined")).await);
    let ended = subject.ended(&id).await;
    assert_eq!(ended.status, Status::Failed);
    let why = (ended.error.as_deref(), ended.cause.as_deref());
    assert_eq!(why, (Some("Declined"), Some("as told")));
}

async fn a_task_is_answered_once(subject: Subject) {
    let (id, token) = subject.asked("one").await;
    went(subject.engine.answer(&token, Callback::Success(json!(1))).await);
    subject.ended(&id).await;
    for late in [Callback::Success(json!(2)), failure("Late"), Callback::Heartbeat] {
        assert_refused(subject.engine.answer(&token, late).await, "TaskTimedOut");
    }
    assert_eq!(subject.describe(&id).await.output, Some(json!(1)));
}

async fn a_heartbeat_keeps_a_task_alive(subject: Subject) {
    let (id, token) = subject.asked("one").await;
    for _ in 0..3 {
        subject.clock.advance(Duration::from_secs(59));
        went(subject.engine.answer(&token, Callback::Heartbeat).await);
    }
    subject.clock.advance(Duration::from_secs(59));
    assert_eq!(subject.describe(&id).await.status, Status::Running);
    went(subject.engine.answer(&token, Callback::Success(json!(1))).await);
    assert_eq!(subject.ended(&id).await.status, Status::Succeeded);
}

async fn a_task_without_a_heartbeat_times_out(subject: Subject) {
    let (id, token) = subject.asked("one").await;
    subject.clock.advance(Duration::from_secs(60));
    let ended = subject.ended(&id).await;
    // A state that times out fails its machine; the machine itself was in time.
    assert_eq!(ended.status, Status::Failed);
    let error = ended.error.unwrap_or_default();
    assert!(["States.Timeout", "States.HeartbeatTimeout"].contains(&error.as_str()), "{error}");
    let late = subject.engine.answer(&token, Callback::Success(json!(1))).await;
    assert_refused(late, "TaskTimedOut");
}

async fn a_token_that_was_never_given_out_is_refused(subject: Subject) {
    let (_, token) = subject.asked("one").await;
    let longer = format!("{token}x");
    for invented in ["", "x", &longer] {
        let answer = subject.engine.answer(invented, Callback::Heartbeat).await;
        assert_refused(answer, "InvalidToken");
    }
    went(subject.engine.answer(&token, Callback::Heartbeat).await);
}

async fn tasks_of_several_executions_are_told_apart(subject: Subject) {
    let (one, first) = subject.asked("one").await;
    let (two, second) = subject.asked("two").await;
    assert_ne!(first, second);
    went(subject.engine.answer(&second, Callback::Success(json!(2))).await);
    assert_eq!(subject.ended(&two).await.output, Some(json!(2)));
    assert_eq!(subject.describe(&one).await.status, Status::Running);
}

async fn what_was_stopped_takes_no_answer(subject: Subject) {
    let (id, token) = subject.asked("one").await;
    went(subject.engine.stop(&id, None, None).await);
    let late = subject.engine.answer(&token, Callback::Success(json!(1))).await;
    assert_refused(late, "TaskTimedOut");
    assert_eq!(subject.describe(&id).await.status, Status::Aborted);
}
