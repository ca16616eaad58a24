//! How executions end, and how one that ended without success goes on.

use super::{SECOND, START, Subject, assert_refused, went};
use crate::clock::Clock as _;
use crate::journal::{ExecutionId, Status};
use crate::saga_engine::Callback;
use serde_json::json;
use std::time::Duration;

crate::conformance::cases!(Subject;
    a_failure_says_its_error_and_its_cause,
    a_wait_ends_once_its_time_has_come_and_not_before,
    a_stopped_execution_is_aborted_for_good,
    stopping_what_has_ended_changes_nothing,
    a_redrive_goes_on_where_it_failed,
    a_redrive_with_the_token_of_an_earlier_one_is_the_earlier_one,
    what_runs_or_succeeded_is_not_redriven,
    a_redrive_comes_within_fourteen_days,
);

const DAY: Duration = Duration::from_hours(24);

impl Subject {
    /// Lets an execution of `asks` fail at its task.
    async fn failed(&self) -> ExecutionId {
        let id = self.started("asks", "one", json!({"a": 1})).await;
        let token = self.token(&id, 1).await;
        let error = Some("Declined".to_owned());
        went(self.engine.answer(&token, Callback::Failure { error, cause: None }).await);
        assert_eq!(self.ended(&id).await.status, Status::Failed);
        id
    }
}

async fn a_failure_says_its_error_and_its_cause(subject: Subject) {
    let id = subject.started("fails", "one", json!({})).await;
    let ended = subject.ended(&id).await;
    assert_eq!((ended.status, ended.output), (Status::Failed, None));
    let why = (ended.error.as_deref(), ended.cause.as_deref());
    assert_eq!(why, (Some("Declined"), Some("no cover")));
}

async fn a_wait_ends_once_its_time_has_come_and_not_before(subject: Subject) {
    let id = subject.started("waits", "one", json!({})).await;
    subject.reached(&id, "WaitStateEntered", 1).await;
    subject.clock.advance(Duration::from_secs(3_599));
    assert_eq!(subject.describe(&id).await.status, Status::Running);
    subject.clock.advance(SECOND);
    let ended = subject.ended(&id).await;
    assert_eq!(ended.status, Status::Succeeded);
    assert_eq!(ended.stopped_at, Some(START.plus(Duration::from_secs(3_600))));
}

async fn a_stopped_execution_is_aborted_for_good(subject: Subject) {
    let id = subject.started("waits", "one", json!({})).await;
    subject.reached(&id, "WaitStateEntered", 1).await;
    subject.clock.advance(SECOND);
    let (error, cause) = (Some("Operator".to_owned()), Some("because".to_owned()));
    let at = went(subject.engine.stop(&id, error, cause).await);
    assert_eq!(at, START.plus(SECOND));
    let stopped = subject.describe(&id).await;
    assert_eq!((stopped.status, stopped.stopped_at), (Status::Aborted, Some(at)));
    let why = (stopped.error.as_deref(), stopped.cause.as_deref());
    assert_eq!(why, (Some("Operator"), Some("because")));
    subject.clock.advance(DAY);
    assert_eq!(subject.describe(&id).await.status, Status::Aborted);
}

async fn stopping_what_has_ended_changes_nothing(subject: Subject) {
    let id = subject.started("passes", "one", json!({})).await;
    let before = subject.ended(&id).await;
    subject.clock.advance(SECOND);
    for _ in 0..2 {
        let at = went(subject.engine.stop(&id, Some("Late".to_owned()), None).await);
        assert_eq!(Some(at), before.stopped_at);
    }
    assert_eq!(subject.describe(&id).await, before);
}

async fn a_redrive_goes_on_where_it_failed(subject: Subject) {
    let id = subject.failed().await;
    subject.clock.advance(SECOND);
    let at = went(subject.engine.redrive(&id, None).await);
    assert_eq!(at, START.plus(SECOND));
    let again = subject.token(&id, 2).await;
    assert_eq!(subject.describe(&id).await.status, Status::Running);
    went(subject.engine.answer(&again, Callback::Success(json!("paid"))).await);
    let ended = subject.ended(&id).await;
    assert_eq!((ended.status, ended.output), (Status::Succeeded, Some(json!("paid"))));
    assert_eq!((ended.started_at, ended.input), (START, json!({"a": 1})));
    let history = went(subject.engine.history(&id).await);
    let times = |kind: &str| history.iter().filter(|event| event.kind == kind).count();
    assert_eq!((times("ExecutionRedriven"), times("PassStateEntered")), (1, 1));
}

async fn a_redrive_with_the_token_of_an_earlier_one_is_the_earlier_one(subject: Subject) {
    let id = subject.failed().await;
    let first = went(subject.engine.redrive(&id, Some("once")).await);
    let token = subject.token(&id, 2).await;
    subject.clock.advance(SECOND);
    assert_eq!(went(subject.engine.redrive(&id, Some("once")).await), first);
    let failure = Callback::Failure { error: None, cause: None };
    went(subject.engine.answer(&token, failure).await);
    subject.ended(&id).await;
    assert_eq!(went(subject.engine.redrive(&id, Some("once")).await), first);
    assert_eq!(subject.describe(&id).await.status, Status::Failed);
    assert_ne!(went(subject.engine.redrive(&id, Some("twice")).await), first);
    subject.token(&id, 3).await;
}

async fn what_runs_or_succeeded_is_not_redriven(subject: Subject) {
    let runs = subject.started("waits", "one", json!({})).await;
    assert_refused(subject.engine.redrive(&runs, None).await, "ExecutionNotRedrivable");
    let well = subject.started("passes", "one", json!({})).await;
    subject.ended(&well).await;
    assert_refused(subject.engine.redrive(&well, Some("once")).await, "ExecutionNotRedrivable");
}

async fn a_redrive_comes_within_fourteen_days(subject: Subject) {
    let id = subject.failed().await;
    subject.clock.advance(14 * DAY + Duration::from_millis(1));
    assert_refused(subject.engine.redrive(&id, None).await, "ExecutionNotRedrivable");
    assert_eq!(subject.describe(&id).await.status, Status::Failed);
    assert!(subject.clock.now() > START);
}
