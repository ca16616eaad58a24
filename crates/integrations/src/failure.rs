//! How an integration says that it failed: by AWS's names, in AWS's words.
//!
//! The optimized integrations and those of the AWS SDK name the same failure differently:
//!
//! ```text
//! DynamoDB.AmazonDynamoDBException  … (Service: AmazonDynamoDBv2; Status Code: 400; Error Code: …)
//! DynamoDb.DynamoDbException        … (Service: DynamoDb, Status Code: 400, Request ID: …)
//! ```

use ports::task::{TaskError, chain};
use ports::{Error, Kind};
use serde_json::Value;
use uuid::Uuid;

/// A service, as its failures name it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Service {
    /// Before the dot of an optimized integration's error: `DynamoDB`.
    pub(crate) prefix: &'static str,
    /// In the cause of an optimized integration's error: `AmazonDynamoDBv2`.
    pub(crate) name: &'static str,
    /// The error of an optimized integration that has no name of its own.
    pub(crate) generic: &'static str,
    /// Both of these in an SDK integration: `DynamoDb`.
    pub(crate) sdk: &'static str,
    /// The error of an SDK integration that has no name of its own.
    pub(crate) sdk_generic: &'static str,
}

/// Amazon's document store.
pub(crate) const DYNAMODB: Service = Service {
    prefix: "DynamoDB",
    name: "AmazonDynamoDBv2",
    generic: "AmazonDynamoDBException",
    sdk: "DynamoDb",
    sdk_generic: "DynamoDbException",
};

/// Amazon's queues.
pub(crate) const SQS: Service = Service {
    prefix: "SQS",
    name: "AmazonSQS",
    generic: "AmazonSQSException",
    sdk: "Sqs",
    sdk_generic: "SqsException",
};

/// Amazon's topics.
pub(crate) const SNS: Service = Service {
    prefix: "SNS",
    name: "AmazonSNS",
    generic: "AmazonSNSException",
    sdk: "Sns",
    sdk_generic: "SnsException",
};

/// Amazon's event bus.
pub(crate) const EVENTBRIDGE: Service = Service {
    prefix: "EventBridge",
    name: "AmazonEventBridge",
    generic: "AmazonEventBridgeException",
    sdk: "EventBridge",
    sdk_generic: "EventBridgeException",
};

/// Amazon's functions.
pub(crate) const LAMBDA: Service = Service {
    prefix: "Lambda",
    name: "AWSLambda",
    generic: "AWSLambdaException",
    sdk: "Lambda",
    sdk_generic: "LambdaException",
};

/// HTTP APIs; what they say has names of its own.
pub(crate) const HTTP: Service = Service {
    prefix: "Http",
    name: "HttpTask",
    generic: "HttpException",
    sdk: "Http",
    sdk_generic: "HttpException",
};

/// Whose words an integration speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `arn:aws:states:::dynamodb:getItem`.
    Optimized,
    /// `arn:aws:states:::aws-sdk:dynamodb:getItem`.
    Sdk,
}

/// Who speaks, and about which call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Voice {
    /// The service.
    pub(crate) service: &'static Service,
    /// Whose words.
    pub(crate) dialect: Dialect,
    /// The call's own id.
    pub(crate) request_id: Uuid,
}

/// Why a call of a service did not work.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The service says no.
    Refused(Refused),
    /// The arguments are none that Step Functions would send.
    Unusable(String),
    /// The world failed.
    World(Error),
    /// It failed in words that are the same in every dialect.
    Said(TaskError),
}

/// A service's no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// The exception's own name; without one it is the service's generic one.
    pub(crate) exception: Option<&'static str>,
    /// The error's code: `ValidationException`.
    pub(crate) code: &'static str,
    /// The HTTP status with which AWS says it.
    pub(crate) status: u16,
    /// What it says.
    pub(crate) message: String,
}

impl Refused {
    /// A refusal that the service has an exception for, whose code is that exception's name.
    pub(crate) fn named(exception: &'static str, message: impl Into<String>) -> Self {
        Self { exception: Some(exception), code: exception, status: 400, message: message.into() }
    }

    /// A refusal that the service has no exception for.
    pub(crate) fn generic(code: &'static str, message: impl Into<String>) -> Self {
        Self { exception: None, code, status: 400, message: message.into() }
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::World(error)
    }
}

impl Failure {
    /// An error whose name is not a service's: `EventBridge.FailedEntry`, `States.Http.Socket`.
    pub(crate) fn said(error: impl Into<String>, cause: impl Into<String>) -> Self {
        Self::Said(TaskError::Failed { error: error.into(), cause: cause.into() })
    }

    /// What the state machine is told.
    pub(crate) fn told(self, voice: &Voice, arguments: &Value) -> TaskError {
        match self {
            Self::Said(error) => error,
            Self::Refused(refused) => {
                let (error, cause) = voice.words(&refused);
                TaskError::Failed { error, cause }
            }
            Self::Unusable(why) => TaskError::Failed {
                error: "States.Runtime".to_owned(),
                cause: format!(
                    "The Parameters '{arguments}' could not be used to start the Task: [{why}]"
                ),
            },
            Self::World(error) => voice.outage(&error),
        }
    }
}

impl Voice {
    fn words(&self, refused: &Refused) -> (String, String) {
        let Refused { exception, code, status, message } = refused;
        let (service, id) = (self.service, self.request_id);
        match self.dialect {
            Dialect::Optimized => (
                format!("{}.{}", service.prefix, exception.unwrap_or(service.generic)),
                format!(
                    "{message} (Service: {}; Status Code: {status}; Error Code: {code}; \
                     Request ID: {id}; Proxy: null)",
                    service.name
                ),
            ),
            Dialect::Sdk => (
                format!("{}.{}", service.sdk, exception.unwrap_or(service.sdk_generic)),
                format!(
                    "{message} (Service: {}, Status Code: {status}, Request ID: {id})",
                    service.sdk
                ),
            ),
        }
    }

    /// A failure of the world in the service's words; its kind stays known to the breaker.
    fn outage(&self, error: &Error) -> TaskError {
        let (exception, code, status) = match error.kind() {
            Kind::Throttled => ("ThrottlingException", "ThrottlingException", 400),
            Kind::Conflict => ("TransactionConflictException", "TransactionConflictException", 400),
            Kind::Timeout | Kind::Unavailable => ("SdkClientException", "ServiceUnavailable", 503),
            Kind::NotFound | Kind::Denied | Kind::Invalid | Kind::Corrupt => {
                ("InternalServerErrorException", "InternalServerError", 500)
            }
        };
        let message = chain(error);
        let refused = Refused { exception: Some(exception), code, status, message };
        let (error_name, cause) = self.words(&refused);
        TaskError::Outage { error: error_name, cause, kind: error.kind() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(failure: Failure, dialect: Dialect) -> (String, String) {
        let voice = Voice { service: &DYNAMODB, dialect, request_id: Uuid::nil() };
        failure.told(&voice, &json!({"TableName": "t"})).named()
    }

    #[test]
    fn the_same_refusal_has_the_words_of_either_dialect() {
        let refused = || Refused::named("ResourceNotFoundException", "No table").into();
        let (error, cause) = told(refused(), Dialect::Optimized);
        assert_eq!(error, "DynamoDB.ResourceNotFoundException");
        assert_eq!(
            cause,
            "No table (Service: AmazonDynamoDBv2; Status Code: 400; Error Code: \
             ResourceNotFoundException; Request ID: 00000000-0000-0000-0000-000000000000; \
             Proxy: null)"
        );
        let (error, cause) = told(refused(), Dialect::Sdk);
        assert_eq!(error, "DynamoDb.ResourceNotFoundException");
        assert_eq!(
            cause,
            "No table (Service: DynamoDb, Status Code: 400, Request ID: \
             00000000-0000-0000-0000-000000000000)"
        );
    }

    #[test]
    fn a_refusal_without_a_name_has_the_services_own() {
        let refused = || Refused::generic("ValidationException", "No").into();
        assert_eq!(told(refused(), Dialect::Optimized).0, "DynamoDB.AmazonDynamoDBException");
        assert_eq!(told(refused(), Dialect::Sdk).0, "DynamoDb.DynamoDbException");
    }

    #[test]
    fn arguments_that_cannot_be_used_are_shown() {
        let (error, cause) = told(Failure::Unusable("why".into()), Dialect::Optimized);
        assert_eq!(error, "States.Runtime");
        assert_eq!(
            cause,
            r#"The Parameters '{"TableName":"t"}' could not be used to start the Task: [why]"#
        );
    }

    #[test]
    fn an_outage_keeps_its_kind_for_the_breaker() {
        let error = Error::new(Kind::Unavailable, "reach the store");
        let voice =
            Voice { service: &DYNAMODB, dialect: Dialect::Optimized, request_id: Uuid::nil() };
        let told = Failure::World(error).told(&voice, &json!({}));
        let TaskError::Outage { error, kind, .. } = told else { panic!("{told:?}") };
        assert_eq!((&*error, kind), ("DynamoDB.SdkClientException", Kind::Unavailable));
    }
}
