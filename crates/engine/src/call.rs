//! What a Task state calls, and how its answer comes back to the machine.
//!
//! Spec: "Invoke an AWS Lambda function with Step Functions", "Integrating services with Step
//! Functions". A task of ours is a Lambda function; so are its answers: the same state machine
//! sees the same shapes here and on AWS.
//!
//! Owns: which resources can be called, and how their calls and answers read on either side.
//! Does not own: what a call does; whoever stands behind the task seam knows that.

use asl::{Invoke, Pattern, Resource, What};
use ports::task::{Invocation, Mode, TaskError, TaskReply, TaskRequest, function_cause};
use serde_json::{Value, json};
use std::sync::Arc;

/// The integrations that a call can be made of, for the error that names them.
pub(crate) const CALLABLE: &str = "the ARN of a Lambda function, and of arn:aws:states:::… \
    lambda:invoke, events:putEvents, sns:publish, sqs:sendMessage (each of them also with \
    .waitForTaskToken), dynamodb:getItem, dynamodb:putItem, dynamodb:updateItem, \
    dynamodb:deleteItem, http:invoke, and aws-sdk: with dynamodb, eventbridge, sns and sqs for \
    the same actions (each of them also with .waitForTaskToken)";

/// The integrations that are called by their own names.
const INTEGRATIONS: [Integration; 15] = [
    Integration::new("dynamodb", "getItem"),
    Integration::new("dynamodb", "putItem"),
    Integration::new("dynamodb", "updateItem"),
    Integration::new("dynamodb", "deleteItem"),
    Integration::new("http", "invoke"),
    Integration::new("events", "putEvents").with_token(),
    Integration::new("sns", "publish").with_token(),
    Integration::new("sqs", "sendMessage").with_token(),
    Integration::new("aws-sdk:dynamodb", "getItem").with_token(),
    Integration::new("aws-sdk:dynamodb", "putItem").with_token(),
    Integration::new("aws-sdk:dynamodb", "updateItem").with_token(),
    Integration::new("aws-sdk:dynamodb", "deleteItem").with_token(),
    Integration::new("aws-sdk:eventbridge", "putEvents").with_token(),
    Integration::new("aws-sdk:sns", "publish").with_token(),
    Integration::new("aws-sdk:sqs", "sendMessage").with_token(),
];

/// A call of a service as Step Functions offers it.
struct Integration {
    service: &'static str,
    action: &'static str,
    /// Whether a task token may answer it.
    token: bool,
}

impl Integration {
    const fn new(service: &'static str, action: &'static str) -> Self {
        Self { service, action, token: false }
    }

    const fn with_token(self) -> Self {
        Self { token: true, ..self }
    }

    fn offers(&self, pattern: Pattern) -> bool {
        match pattern {
            Pattern::RequestResponse => true,
            Pattern::WaitForTaskToken => self.token,
            Pattern::Sync => false,
        }
    }
}

/// How a resource is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A function: the arguments are the payload, the answer is the result.
    Plain,
    /// `lambda:invoke`: the arguments name function and payload, the answer is wrapped.
    Invoke,
    /// Another service: it is called by its own name, its answer is the result.
    Service,
}

/// How `resource` is reached; `None` when this engine cannot reach it.
pub(crate) fn shape(resource: &Resource) -> Option<Shape> {
    match resource {
        Resource::Function { .. } => Some(Shape::Plain),
        Resource::Activity { .. } => None,
        Resource::Integration { pattern, .. } => {
            let (service, action) = integration(resource);
            if (service, action) == ("lambda", "invoke") {
                return (*pattern != Pattern::Sync).then_some(Shape::Invoke);
            }
            INTEGRATIONS
                .iter()
                .any(|known| {
                    (known.service, known.action) == (service, action) && known.offers(*pattern)
                })
                .then_some(Shape::Service)
        }
    }
}

/// Service and action, without the pattern.
fn integration(resource: &Resource) -> (&str, &str) {
    let (service, action) = resource.parts();
    (service, action.split('.').next().unwrap_or_default())
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
    let arguments = &invoke.arguments;
    let (function, invocation, payload) = match shape(&invoke.resource) {
        Some(Shape::Plain) => {
            let (name, invocation) = addressed(invoke.resource.arn());
            (name.to_owned(), invocation, Arc::clone(arguments))
        }
        Some(Shape::Invoke) => {
            let function = arguments.get("FunctionName").and_then(Value::as_str);
            let function = function.ok_or_else(|| invalid("FunctionName is missing"))?;
            let (name, invocation) = addressed(function);
            let invocation = invoked(invocation, arguments).map_err(|cause| invalid(&cause))?;
            let payload = arguments.get("Payload").cloned().unwrap_or_else(|| json!({}));
            (name.to_owned(), invocation, Arc::new(payload))
        }
        Some(Shape::Service) => {
            let (service, action) = integration(&invoke.resource);
            let name = match service {
                "http" => format!("{service}:{action}:{}", host(arguments)),
                _ => format!("{service}:{action}"),
            };
            (name, Invocation::default(), Arc::clone(arguments))
        }
        None => return Err(invalid(&format!("{} cannot be called", invoke.resource))),
    };
    Ok(TaskRequest {
        function,
        invocation,
        payload,
        key: invoke.key.to_string(),
        attempt: invoke.attempt,
        deadline: invoke.deadline,
    })
}

/// The host that an HTTP API is at, so that each has a breaker of its own.
fn host(arguments: &Value) -> &str {
    let url = arguments.get("ApiEndpoint").and_then(Value::as_str).unwrap_or_default();
    let after = url.split_once("://").map_or(url, |(_, after)| after);
    after.split(['/', '?', '#']).next().unwrap_or_default()
}

/// The name in a function's ARN or the name itself, and the qualifier after it, if there is one.
fn addressed(function: &str) -> (&str, Invocation) {
    let after = function.split_once("function:").map_or(function, |(_, name)| name);
    let (name, qualifier) = after.split_once(':').map_or((after, None), |(n, q)| (n, Some(q)));
    (name, Invocation { qualifier: qualifier.map(str::to_owned), ..Invocation::default() })
}

/// What the arguments of `lambda:invoke` say beside function and payload.
fn invoked(named: Invocation, arguments: &Value) -> Result<Invocation, String> {
    let text = |name: &str| match arguments.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(format!("{name} is {other}, but must be a text")),
    };
    let mode = match text("InvocationType")?.as_deref() {
        None | Some("RequestResponse") => Mode::Waits,
        Some("Event") => Mode::Detached,
        Some("DryRun") => Mode::DryRun,
        Some(other) => {
            return Err(format!(
                "InvocationType is `{other}`, but must be RequestResponse, Event or DryRun"
            ));
        }
    };
    let qualifier = text("Qualifier")?.or(named.qualifier);
    Ok(Invocation { mode, qualifier, client_context: text("ClientContext")? })
}

/// What the machine is told of an answer.
pub(crate) fn answered(invoke: &Invoke, answer: Result<TaskReply, TaskError>) -> What {
    let (visit, attempt) = (invoke.visit, invoke.attempt);
    match answer {
        Ok(reply) => {
            let output = match shape(&invoke.resource) {
                Some(Shape::Invoke) => invoke_result(&invoke.arguments, reply),
                Some(Shape::Plain | Shape::Service) | None => reply,
            };
            What::TaskSucceeded { visit, attempt, output: Arc::new(output) }
        }
        Err(failure) => {
            let (error, said) = failure.named();
            let cause = match (failure, shape(&invoke.resource)) {
                // Whoever was called has said it in its own way.
                (TaskError::Failed { .. } | TaskError::Outage { .. }, _)
                | (_, Some(Shape::Service)) => said,
                (
                    TaskError::World(_) | TaskError::Unknown(_) | TaskError::Rejected { .. },
                    Some(Shape::Plain | Shape::Invoke) | None,
                ) => function_cause(&error, &said),
            };
            What::TaskFailed { visit, attempt, error: Some(error), cause: Some(cause) }
        }
    }
}

/// The result of `lambda:invoke`.
fn invoke_result(arguments: &Value, reply: TaskReply) -> Value {
    match arguments.get("InvocationType").and_then(Value::as_str) {
        Some("Event") => json!({"Payload": "", "StatusCode": 202}),
        Some("DryRun") => json!({"Payload": "", "StatusCode": 204}),
        _ => json!({"ExecutedVersion": "$LATEST", "Payload": reply, "StatusCode": 200}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(call: &str) -> Option<Shape> {
        shape(&Resource::parse(&format!("arn:aws:states:::{call}")).unwrap())
    }

    #[test]
    fn a_function_is_named_by_its_arn_or_its_name() {
        for text in [
            "payment",
            "payment:1",
            "123456789012:function:payment",
            "arn:aws:lambda:eu-west-1:123456789012:function:payment:live",
        ] {
            assert_eq!(addressed(text).0, "payment");
        }
        let arn = "arn:aws:lambda:eu-west-1:123456789012:function:payment:live";
        assert_eq!(addressed(arn).1.qualifier.as_deref(), Some("live"));
    }

    #[test]
    fn functions_and_the_integrations_of_a_saga_can_be_called() {
        assert_eq!(reach("lambda:invoke"), Some(Shape::Invoke));
        assert_eq!(reach("lambda:invoke.waitForTaskToken"), Some(Shape::Invoke));
        for Integration { service, action, token } in INTEGRATIONS {
            assert_eq!(reach(&format!("{service}:{action}")), Some(Shape::Service));
            let waiting = reach(&format!("{service}:{action}.waitForTaskToken"));
            assert_eq!(waiting, token.then_some(Shape::Service), "{service}:{action}");
        }
        let function = Resource::parse("arn:aws:lambda:eu-west-1:123456789012:function:f").unwrap();
        assert_eq!(shape(&function), Some(Shape::Plain));
    }

    #[test]
    fn whatever_else_step_functions_offers_cannot_be_called() {
        for call in ["glue:startJobRun.sync", "aws-sdk:s3:putObject", "aws-sdk:sqs:createQueue"] {
            assert_eq!(reach(call), None, "{call}");
        }
        let activity = Resource::parse("arn:aws:states:eu-west-1:123456789012:activity:a").unwrap();
        assert_eq!(shape(&activity), None);
    }

    #[test]
    fn every_integration_is_named_to_who_asks_for_another() {
        for Integration { service, action, .. } in INTEGRATIONS {
            let names = [format!("{service}:{action}"), service.replace("aws-sdk:", "")];
            assert!(names.iter().any(|name| CALLABLE.contains(name)), "{names:?}");
        }
    }

    #[test]
    fn what_lambda_invoke_says_beside_the_payload_is_passed_on() {
        let said = |arguments: Value| invoked(addressed("f:1").1, &arguments);
        let event = said(json!({"InvocationType": "Event", "ClientContext": "e30="})).unwrap();
        assert_eq!(event.mode, Mode::Detached);
        assert_eq!(event.qualifier.as_deref(), Some("1"));
        assert_eq!(event.client_context.as_deref(), Some("e30="));
        assert_eq!(said(json!({"Qualifier": "live"})).unwrap().qualifier.as_deref(), Some("live"));
        let refused = said(json!({"InvocationType": "Sometimes"})).unwrap_err();
        assert!(refused.contains("RequestResponse, Event or DryRun"), "{refused}");
    }

    #[test]
    fn each_http_api_is_guarded_by_itself() {
        for (url, expected) in [
            ("https://api.example.com/v1?x=1", "api.example.com"),
            ("http://127.0.0.1:9000", "127.0.0.1:9000"),
            ("nonsense", "nonsense"),
        ] {
            assert_eq!(host(&json!({"ApiEndpoint": url})), expected);
        }
        assert_eq!(host(&json!({})), "");
    }

    #[test]
    fn the_result_of_an_invocation_says_whether_it_was_waited_for() {
        let result = |kind: &str| invoke_result(&json!({"InvocationType": kind}), json!(7));
        assert_eq!(result("RequestResponse")["Payload"], 7);
        assert_eq!(result("Event"), json!({"Payload": "", "StatusCode": 202}));
        assert_eq!(result("DryRun")["StatusCode"], 204);
    }
}
