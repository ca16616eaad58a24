//! What a Task state calls: the `Resource` ARN, parsed once.
//!
//! Spec: "Integrating services with Step Functions", "Service integration patterns".

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::sync::Arc;

/// The optimized integrations that Step Functions offers, as `service:action`.
const INTEGRATIONS: [&str; 44] = [
    "apigateway:invoke",
    "athena:getQueryExecution",
    "athena:getQueryResults",
    "athena:startQueryExecution",
    "athena:stopQueryExecution",
    "batch:submitJob",
    "bedrock:createModelCustomizationJob",
    "bedrock:invokeModel",
    "codebuild:batchDeleteBuilds",
    "codebuild:batchGetReports",
    "codebuild:startBuild",
    "codebuild:startBuildBatch",
    "codebuild:stopBuild",
    "databrew:startJobRun",
    "dynamodb:deleteItem",
    "dynamodb:getItem",
    "dynamodb:putItem",
    "dynamodb:updateItem",
    "ecs:runTask",
    "eks:call",
    "eks:createCluster",
    "eks:createNodegroup",
    "eks:deleteCluster",
    "eks:deleteNodegroup",
    "eks:runJob",
    "elasticmapreduce:addStep",
    "elasticmapreduce:cancelStep",
    "elasticmapreduce:createCluster",
    "elasticmapreduce:terminateCluster",
    "emr-containers:startJobRun",
    "emr-serverless:startJobRun",
    "events:putEvents",
    "glue:startJobRun",
    "http:invoke",
    "lambda:invoke",
    "mediaconvert:createJob",
    "sagemaker:createEndpoint",
    "sagemaker:createLabelingJob",
    "sagemaker:createProcessingJob",
    "sagemaker:createTrainingJob",
    "sagemaker:createTransformJob",
    "sns:publish",
    "sqs:sendMessage",
    "states:startExecution",
];

/// How a Task waits for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// The answer of the call is the result.
    RequestResponse,
    /// The call starts a job; the result is the job's.
    Sync,
    /// The call hands out a task token; the result is what comes back with the token.
    WaitForTaskToken,
}

/// What a Task state calls.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Resource {
    /// A Lambda function named by its own ARN.
    Function {
        /// The whole ARN.
        arn: Arc<str>,
    },
    /// An activity that workers poll.
    Activity {
        /// The whole ARN.
        arn: Arc<str>,
    },
    /// A call of a service: `arn:aws:states:::<service>:<action>[.<pattern>]`.
    Integration {
        /// The whole ARN.
        arn: Arc<str>,
        /// How it waits for its answer.
        pattern: Pattern,
    },
}

/// A `Resource` names nothing that a Task can call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: `{text}`")]
pub struct UnknownResource {
    text: String,
    reason: &'static str,
}

impl Resource {
    /// Parses the `Resource` field of a Task.
    ///
    /// # Errors
    /// The text is no ARN, or names an integration that Step Functions does not have.
    pub fn parse(text: &str) -> Result<Self, UnknownResource> {
        let unknown = |reason| UnknownResource { text: text.to_owned(), reason };
        let arn: Arc<str> = Arc::from(text);
        let mut fields = text.splitn(6, ':');
        let (scheme, partition) = (fields.next(), fields.next());
        if scheme != Some("arn") || !partition.is_some_and(|name| name.starts_with("aws")) {
            return Err(unknown("not an ARN"));
        }
        let (service, region) = (fields.next(), fields.next());
        let rest = (fields.next(), fields.next());
        match (service, rest) {
            (Some("lambda"), (Some(_), Some(name))) if name.starts_with("function:") => {
                Ok(Self::Function { arn })
            }
            (Some("states"), (Some(account), Some(name))) if !account.is_empty() => {
                if name.starts_with("activity:") && region.is_some() {
                    Ok(Self::Activity { arn })
                } else {
                    Err(unknown("not an activity"))
                }
            }
            (Some("states"), (Some(_), Some(call))) => {
                let pattern = integration_pattern(call).map_err(unknown)?;
                Ok(Self::Integration { arn, pattern })
            }
            _ => Err(unknown("not a function, an activity or a service integration")),
        }
    }

    /// The whole ARN, as written.
    #[must_use]
    pub fn arn(&self) -> &str {
        match self {
            Self::Function { arn } | Self::Activity { arn } | Self::Integration { arn, .. } => arn,
        }
    }

    /// How the Task waits for its answer. An activity's worker answers with the token it was given.
    #[must_use]
    pub const fn pattern(&self) -> Pattern {
        match self {
            Self::Function { .. } => Pattern::RequestResponse,
            Self::Activity { .. } => Pattern::WaitForTaskToken,
            Self::Integration { pattern, .. } => *pattern,
        }
    }

    /// Whether somebody outside may answer with a task token, and send heartbeats with it.
    #[must_use]
    pub fn hands_out_token(&self) -> bool {
        self.pattern() != Pattern::RequestResponse
    }

    /// Whether a job's result shows the job's own output as JSON, as `.sync:2` does, rather than as
    /// a text that holds JSON, as `.sync` does. For who makes the result.
    #[must_use]
    pub fn parses_job_output(&self) -> bool {
        self.action().ends_with(".sync:2")
    }

    /// The service of an integration as the history names it: `lambda`, `aws-sdk:dynamodb`.
    #[must_use]
    pub fn service(&self) -> &str {
        self.parts().0
    }

    /// The action of an integration with its pattern, as the history names it:
    /// `invoke.waitForTaskToken`.
    #[must_use]
    pub fn action(&self) -> &str {
        self.parts().1
    }

    /// Service and action with its pattern, as the history names them, and both at once; empty if
    /// it is no integration. The colon of `.sync:2` belongs to the action.
    #[must_use]
    pub fn parts(&self) -> (&str, &str) {
        let call = match self {
            Self::Integration { arn, .. } => arn.splitn(6, ':').nth(5).unwrap_or(""),
            Self::Function { .. } | Self::Activity { .. } => "",
        };
        let base_length = call.find('.').unwrap_or(call.len());
        let colon = call.get(..base_length).and_then(|base| base.rfind(':'));
        colon
            .and_then(|at| Some((call.get(..at)?, call.get(at.saturating_add(1)..)?)))
            .unwrap_or(("", ""))
    }
}

/// Reads the pattern off `service:action[.sync[:2]|.waitForTaskToken]` and checks that the call
/// exists.
fn integration_pattern(call: &str) -> Result<Pattern, &'static str> {
    let (base, pattern) = match call.split_once('.') {
        None => (call, Pattern::RequestResponse),
        Some((base, "sync" | "sync:2")) => (base, Pattern::Sync),
        Some((base, "waitForTaskToken")) => (base, Pattern::WaitForTaskToken),
        Some(_) => return Err("unknown service integration pattern"),
    };
    let sdk = base.strip_prefix("aws-sdk:").and_then(|call| call.split_once(':'));
    let known = match sdk {
        Some((service, action)) => !service.is_empty() && !action.is_empty(),
        None => INTEGRATIONS.binary_search(&base).is_ok(),
    };
    if known { Ok(pattern) } else { Err("unknown service integration") }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.arn())
    }
}

impl Serialize for Resource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.arn())
    }
}

impl<'de> Deserialize<'de> for Resource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, service: &str, action: &str, pattern: Pattern) {
        let resource = Resource::parse(text).unwrap();
        assert_eq!(resource.service(), service, "{text}");
        assert_eq!(resource.action(), action, "{text}");
        assert_eq!(resource.pattern(), pattern, "{text}");
        assert_eq!(resource.arn(), text);
    }

    #[test]
    fn a_resource_reads_as_the_history_names_it() {
        use Pattern::{RequestResponse, Sync, WaitForTaskToken};
        check("arn:aws:states:::lambda:invoke", "lambda", "invoke", RequestResponse);
        check(
            "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
            "sqs",
            "sendMessage.waitForTaskToken",
            WaitForTaskToken,
        );
        check("arn:aws:states:::states:startExecution.sync", "states", "startExecution.sync", Sync);
        check(
            "arn:aws:states:::aws-sdk:dynamodb:putItem",
            "aws-sdk:dynamodb",
            "putItem",
            RequestResponse,
        );
        check("arn:aws:lambda:eu-west-1:123456789012:function:f", "", "", RequestResponse);
        check("arn:aws:states:eu-west-1:123456789012:activity:a", "", "", WaitForTaskToken);
    }

    #[test]
    fn the_second_form_of_sync_stays_whole() {
        check(
            "arn:aws:states:::states:startExecution.sync:2",
            "states",
            "startExecution.sync:2",
            Pattern::Sync,
        );
    }

    #[test]
    fn an_unknown_integration_is_named_in_the_error() {
        for text in ["arn:aws:states:::dynamodb:query", "arn:aws:states:::lambda:invoke.later"] {
            let error = Resource::parse(text).unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
        assert!(Resource::parse("lambda").is_err());
        assert!(Resource::parse("").is_err());
    }

    #[test]
    fn the_integrations_are_sorted_for_the_search() {
        assert!(INTEGRATIONS.is_sorted());
    }
}
