//! What a Task state calls, and how its answer comes back to the machine.
//!
//! Spec: "Invoke an AWS Lambda function with Step Functions". A task of ours is a Lambda function;
//! so are its answers: the same state machine sees the same shapes here and on AWS.

use asl::{Invoke, Resource, What};
use ports::task::{TaskError, TaskReply, TaskRequest};
use serde_json::{Value, json};
use std::sync::Arc;

/// The integrations that a call can be made of, for the error that names them.
pub(crate) const CALLABLE: &str = "arn:aws:states:::lambda:invoke, \
    arn:aws:states:::lambda:invoke.waitForTaskToken and the ARN of a Lambda function";

/// How a resource is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// The arguments are the payload, the answer is the result.
    Plain,
    /// `lambda:invoke`: the arguments name function and payload, the answer is wrapped.
    Invoke,
}

/// How `resource` is reached; `None` when this engine cannot reach it.
pub(crate) fn shape(resource: &Resource) -> Option<Shape> {
    match resource {
        Resource::Function { .. } => Some(Shape::Plain),
        Resource::Activity { .. } => None,
        Resource::Integration { .. } => {
            let callable = matches!(resource.action(), "invoke" | "invoke.waitForTaskToken");
            (resource.service() == "lambda" && callable).then_some(Shape::Invoke)
        }
    }
}

/// The call that `invoke` asks for.
///
/// # Errors
/// The error with which the task fails when it cannot be called like this.
pub(crate) fn request(invoke: &Invoke) -> Result<TaskRequest, TaskError> {
    let invalid = |cause: &str| TaskError::Failed {
        error: "States.Runtime".to_owned(),
        cause: format!("state {}: {cause}", invoke.state),
    };
    let (function, payload) = match shape(&invoke.resource) {
        Some(Shape::Plain) => (invoke.resource.arn(), Arc::clone(&invoke.arguments)),
        Some(Shape::Invoke) => {
            let function = invoke.arguments.get("FunctionName").and_then(Value::as_str);
            let function = function.ok_or_else(|| invalid("FunctionName is missing"))?;
            let payload = invoke.arguments.get("Payload").cloned().unwrap_or_else(|| json!({}));
            (function, Arc::new(payload))
        }
        None => return Err(invalid(&format!("{} cannot be called", invoke.resource))),
    };
    Ok(TaskRequest {
        function: function_name(function).to_owned(),
        payload,
        key: invoke.key.to_string(),
        attempt: invoke.attempt,
        deadline: invoke.deadline,
    })
}

/// The name in a function's ARN, with or without a qualifier, or the name itself.
fn function_name(function: &str) -> &str {
    let after = function.split_once(":function:").map_or(function, |(_, name)| name);
    after.split_once(':').map_or(after, |(name, _)| name)
}

/// What the machine is told of an answer.
pub(crate) fn answered(invoke: &Invoke, answer: Result<TaskReply, TaskError>) -> What {
    let (visit, attempt) = (invoke.visit, invoke.attempt);
    match answer {
        Ok(reply) => {
            let output = match shape(&invoke.resource) {
                Some(Shape::Invoke) => {
                    json!({"ExecutedVersion": "$LATEST", "Payload": reply, "StatusCode": 200})
                }
                Some(Shape::Plain) | None => reply,
            };
            What::TaskSucceeded { visit, attempt, output: Arc::new(output) }
        }
        Err(error) => {
            let (error, message) = error.named();
            // A failed function's cause is JSON, so that a state machine can take it apart.
            let cause = json!({"errorMessage": message, "errorType": error}).to_string();
            What::TaskFailed { visit, attempt, error: Some(error), cause: Some(cause) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_named_by_its_arn_or_its_name() {
        for text in
            ["payment", "payment:1", "arn:aws:lambda:eu-west-1:123456789012:function:payment:live"]
        {
            assert_eq!(function_name(text), "payment");
        }
    }

    #[test]
    fn only_functions_can_be_called() {
        let reach = |arn: &str| shape(&Resource::parse(arn).unwrap());
        assert_eq!(reach("arn:aws:states:::lambda:invoke"), Some(Shape::Invoke));
        assert_eq!(reach("arn:aws:states:::lambda:invoke.waitForTaskToken"), Some(Shape::Invoke));
        assert_eq!(reach("arn:aws:lambda:eu-west-1:123456789012:function:f"), Some(Shape::Plain));
        assert_eq!(reach("arn:aws:states:::sns:publish"), None);
        assert_eq!(reach("arn:aws:states:eu-west-1:123456789012:activity:a"), None);
    }
}
