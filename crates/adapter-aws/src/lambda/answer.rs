//! What a function's answer means, and what none means.
//!
//! A function of ours tells the names of [`error_name`] for what failed in the world; a state
//! machine sees them as in one process. Every other name is a business no.

use crate::error::{Codes, Effect, Symptom};
use contracts::task::error_name;
use ports::task::{Mode, TaskError, TaskReply};
use ports::{Error, Kind};
use serde_json::Value;
use std::time::Duration;

/// The error of a function that does not say what its error is, as Step Functions names it.
const NAMELESS: &str = "Lambda.Unknown";
/// What the names begin with under which Lambda tells the end of a function that could not tell it
/// itself: it ran out of time or memory, or its process ended.
const CUT_SHORT: [&str; 3] = ["Sandbox.", "Runtime.", "Extension."];
/// When to try again after a breaker that does not say when it closes.
const BREAKER_WAIT: Duration = Duration::from_secs(1);

/// Lambda's codes whose kind their status does not tell. All that go before a function's code: it
/// did not run.
const CODES: Codes = &[
    ("EC2AccessDeniedException", Kind::Unavailable),
    ("EC2UnexpectedException", Kind::Unavailable),
    ("EFSIOException", Kind::Unavailable),
    ("EFSMountConnectivityException", Kind::Unavailable),
    ("EFSMountFailureException", Kind::Unavailable),
    ("EFSMountTimeoutException", Kind::Unavailable),
    ("ENILimitReachedException", Kind::Unavailable),
    ("ENINotReadyException", Kind::Unavailable),
    ("KMSAccessDeniedException", Kind::Denied),
    ("KMSDisabledException", Kind::Denied),
    ("KMSInvalidStateException", Kind::Denied),
    ("KMSNotFoundException", Kind::Denied),
    ("ResourceConflictException", Kind::Unavailable),
    ("ResourceNotReadyException", Kind::Unavailable),
    ("SnapStartException", Kind::Unavailable),
    ("SnapStartNotReadyException", Kind::Unavailable),
    ("SnapStartTimeoutException", Kind::Unavailable),
    ("SubnetIPAddressLimitReachedException", Kind::Unavailable),
];

/// An answer as it came.
pub(super) struct Answer<'a> {
    /// Who was called.
    pub(super) function: &'a str,
    /// Whether the answer was waited for.
    pub(super) mode: Mode,
    /// Whether Lambda says that the function failed.
    pub(super) has_failed: bool,
    /// What the function said.
    pub(super) body: &'a [u8],
}

/// What an answer means.
pub(super) fn judge(answer: Answer<'_>) -> Result<TaskReply, TaskError> {
    match answer.mode {
        Mode::Detached | Mode::DryRun => return Ok(Value::Null),
        Mode::Waits => {}
    }
    let body = String::from_utf8_lossy(answer.body);
    if answer.has_failed {
        return Err(told(answer.function, &body));
    }
    if body.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(&body).map_err(|error| TaskError::Failed {
        error: NAMELESS.to_owned(),
        cause: format!("the function's answer is not JSON ({error}): {body}"),
    })
}

/// What a function's error document means: the inverse of [`TaskError::named`].
fn told(function: &str, body: &str) -> TaskError {
    let document: Value = serde_json::from_str(body).unwrap_or_default();
    let field = |name: &str| document.get(name).and_then(Value::as_str).filter(|s| !s.is_empty());
    let message = field("errorMessage").unwrap_or(body);
    let world = |kind| {
        let error = Error::new(kind, format!("perform a task of {function}"));
        TaskError::World(error.because(message.to_owned()))
    };
    let cut_short = |error: &str| TaskError::Outage {
        error: error.to_owned(),
        cause: body.to_owned(),
        kind: Kind::Timeout,
    };
    match field("errorType") {
        Some(error_name::THROTTLED) => world(Kind::Throttled),
        Some(error_name::UNAVAILABLE) => world(Kind::Unavailable),
        Some(error_name::TIMEOUT) => world(Kind::Timeout),
        Some(error_name::CONFLICT) => world(Kind::Conflict),
        Some(error_name::INVALID) => world(Kind::Invalid),
        Some(error_name::BUG) => world(Kind::Corrupt),
        Some(error_name::OUTCOME_UNKNOWN) => TaskError::Unknown(message.to_owned()),
        Some(error_name::BREAKER_OPEN) => TaskError::Rejected { retry_after: BREAKER_WAIT },
        Some(name) if CUT_SHORT.iter().any(|cut| name.starts_with(cut)) => cut_short(name),
        Some(name) => TaskError::Failed { error: name.to_owned(), cause: body.to_owned() },
        // It ended before it could say anything: what it did by then nobody knows.
        None => cut_short(NAMELESS),
    }
}

/// What it means that there is no answer of the function, by the name that Step Functions gives it.
pub(super) fn unanswered(symptom: &Symptom, is_late: bool, cause: String) -> TaskError {
    let kind = symptom.kind(Effect::Writes, CODES);
    let error = match symptom {
        Symptom::Refused { code: Some(code), .. } => {
            format!("Lambda.{}", code.rsplit('#').next().unwrap_or(code))
        }
        Symptom::Refused { code: None, .. } => "Lambda.AWSLambdaException".to_owned(),
        Symptom::Unmakeable | Symptom::Unsigned | Symptom::Unsent | Symptom::Unanswered => {
            let late = "Lambda.ClientExecutionTimeoutException";
            if is_late { late } else { "Lambda.SdkClientException" }.to_owned()
        }
    };
    TaskError::Outage { error, cause, kind }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ports::task::function_cause;

    fn judged(has_failed: bool, body: &str) -> Result<TaskReply, TaskError> {
        judge(Answer { function: "f", mode: Mode::Waits, has_failed, body: body.as_bytes() })
    }

    #[test]
    fn what_a_function_of_ours_tells_is_what_it_was_told() {
        let names = error_name::RETRYABLE.into_iter().chain([
            error_name::BREAKER_OPEN,
            error_name::INVALID,
            error_name::BUG,
            "OutOfStock",
        ]);
        for name in names {
            let error = judged(true, &function_cause(name, "why")).unwrap_err();
            let (error, cause) = error.named();
            assert_eq!(error, name);
            assert!(cause.contains("why") || name == error_name::BREAKER_OPEN, "{cause}");
        }
    }

    #[test]
    fn a_business_no_keeps_the_document_that_state_machines_take_apart() {
        let document = function_cause("OutOfStock", "none left");
        match judged(true, &document) {
            Err(TaskError::Failed { error, cause }) => {
                assert_eq!((error.as_str(), cause), ("OutOfStock", document));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_function_that_was_cut_short_may_have_done_it() {
        let timed_out = r#"{"errorType": "Sandbox.Timedout", "errorMessage": "after 3.00 s"}"#;
        let ended = r#"{"errorType": "Runtime.ExitError", "errorMessage": "exit status 137"}"#;
        let old = r#"{"errorMessage": "Task timed out after 3.00 seconds"}"#;
        for (body, name) in [
            (timed_out, "Sandbox.Timedout"),
            (ended, "Runtime.ExitError"),
            (old, NAMELESS),
            ("gone", NAMELESS),
            ("", NAMELESS),
        ] {
            match judged(true, body) {
                Err(TaskError::Outage { error, kind, .. }) => {
                    assert_eq!((error.as_str(), kind), (name, Kind::Timeout), "{body}");
                }
                other => panic!("{body}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_result_may_look_like_an_error_and_be_none() {
        let document = function_cause("OutOfStock", "none left");
        let read = serde_json::from_str::<Value>(&document).unwrap();
        assert_eq!(judged(false, &document).unwrap(), read);
        assert_eq!(judged(false, "").unwrap(), Value::Null);
        assert_eq!(judged(false, "<html>").unwrap_err().named().0, NAMELESS);
    }

    #[test]
    fn what_becomes_of_a_call_that_is_not_waited_for_is_not_the_callers() {
        for mode in [Mode::Detached, Mode::DryRun] {
            let answer = Answer { function: "f", mode, has_failed: false, body: b"<html>" };
            assert_eq!(judge(answer).unwrap(), Value::Null);
        }
    }

    #[test]
    fn without_an_answer_a_call_is_named_as_step_functions_names_it() {
        let refused = |status, code: &str| Symptom::Refused {
            status,
            code: Some(code.to_owned()),
            retry_after: None,
        };
        let cases = [
            (Symptom::Unsent, false, "Lambda.SdkClientException", Kind::Unavailable),
            (Symptom::Unanswered, false, "Lambda.SdkClientException", Kind::Timeout),
            (Symptom::Unanswered, true, "Lambda.ClientExecutionTimeoutException", Kind::Timeout),
            (
                refused(429, "TooManyRequestsException"),
                false,
                "Lambda.TooManyRequestsException",
                Kind::Throttled,
            ),
            (refused(500, "ServiceException"), false, "Lambda.ServiceException", Kind::Timeout),
            (
                refused(502, "EC2UnexpectedException"),
                false,
                "Lambda.EC2UnexpectedException",
                Kind::Unavailable,
            ),
            (
                refused(404, "ResourceNotFoundException"),
                false,
                "Lambda.ResourceNotFoundException",
                Kind::NotFound,
            ),
            (
                refused(413, "RequestTooLargeException"),
                false,
                "Lambda.RequestTooLargeException",
                Kind::Invalid,
            ),
        ];
        for (symptom, is_late, name, expected) in cases {
            match unanswered(&symptom, is_late, "why".to_owned()) {
                TaskError::Outage { error, kind, .. } => {
                    assert_eq!((error.as_str(), kind), (name, expected), "{symptom:?}");
                }
                other => panic!("{other:?}"),
            }
        }
    }
}
