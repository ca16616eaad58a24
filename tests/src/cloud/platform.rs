//! What Lambda itself does in a function's name, with the function's role.
//!
//! Pure: it follows from the template. Nothing of it passes the proxy, because no code of ours calls
//! it; so a grant that only this needs counts as used when, and only when, this needs it.
//!
//! Spec: the managed policies `AWSLambdaBasicExecutionRole`, `AWSXRayDaemonWriteAccess`,
//! `AWSLambdaSQSQueueExecutionRole` and `AWSLambdaDynamoDBExecutionRole`; "Adding a destination".

use super::iam::Call;
use super::template::Template;

/// Every action that Lambda needs, with the function in whose name.
#[must_use]
pub fn needs(template: &Template) -> Vec<(String, Call)> {
    let mut needs = Vec::new();
    let mut need = |function: &str, actions: &[&str], resource: &str| {
        needs.extend(
            actions.iter().map(|action| (function.to_owned(), Call::new(action, resource))),
        );
    };
    for (name, function) in &template.functions {
        if let Some(group) = &function.log_group {
            let stream = format!(
                "arn:aws:logs:us-east-1:000000000000:log-group:{group}:log-stream:2026/01/01/1"
            );
            need(name, &["logs:CreateLogStream", "logs:PutLogEvents"], &stream);
        }
        if function.is_traced {
            need(name, &["xray:PutTraceSegments", "xray:PutTelemetryRecords"], "*");
        }
        if let Some(queue) = &function.on_failure {
            need(name, &["sqs:SendMessage"], queue);
        }
    }
    for source in &template.sources {
        let name = &source.function;
        let actions: &[&str] = if source.arn.contains(":sqs:") {
            &["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
        } else {
            &[
                "dynamodb:DescribeStream",
                "dynamodb:GetRecords",
                "dynamodb:GetShardIterator",
                "dynamodb:ListStreams",
            ]
        };
        need(name, actions, &source.arn);
        if let Some(queue) = &source.on_failure {
            need(name, &["sqs:SendMessage"], queue);
        }
    }
    needs
}
