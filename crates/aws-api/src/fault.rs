//! Refusals and failures as AWS's clients read them; the one place where they become HTTP.

use crate::family::Family;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use ports::Kind;
use ports::task::chain;
use serde_json::json;

/// Why an operation did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// An exception of the service's own model, by its name there.
    #[error("{code}: {message}")]
    Exception {
        /// The shape's name: `ExecutionDoesNotExist`.
        code: &'static str,
        /// What is wrong, and how to mend it.
        message: String,
    },
    /// Members break the constraints of the model: each of them, in the model's words.
    #[error("ValidationException: {}", .0.join("; "))]
    Constraints(Vec<String>),
    /// The body is not JSON, or a member has another type than the model's.
    #[error("SerializationException: {0}")]
    Serialization(String),
    /// There is no such operation, or it is not asked for as this protocol does.
    #[error("UnknownOperationException: {0}")]
    UnknownOperation(String),
    /// The operation of AWS exists and is not offered here.
    #[error("UnsupportedOperation: {0}")]
    Unsupported(String),
    /// Nobody may call without a right signature; `code` says what is wrong with this one.
    #[error("{code}: {message}")]
    Unsigned {
        /// AWS's name of the refusal.
        code: &'static str,
        /// What is wrong with the signature.
        message: String,
    },
    /// A page of another site wants to call.
    #[error("AccessDeniedException: {0}")]
    Denied(String),
    /// The request is larger than is read.
    #[error("RequestEntityTooLarge: {0}")]
    TooLarge(String),
    /// The request did not arrive in time.
    #[error("RequestTimeout: {0}")]
    Late(String),
    /// Too much at once; later is fine.
    #[error("ThrottlingException: {0}")]
    Throttled(String),
    /// Nobody can do it now.
    #[error("ServiceUnavailable: {0}")]
    Unavailable(String),
    /// A bug, or stored data that cannot be read; the log says which.
    #[error("InternalFailure")]
    Internal,
}

/// Where the members' constraints stand in AWS's world of names.
const VALIDATE: &str = "com.amazon.coral.validate";
/// Where the protocol's own faults stand.
const SERVICE: &str = "com.amazon.coral.service";
/// How SQS's queries of old named what has another name now; other codes kept their names.
const QUERY_CODES: [(&str, &str); 12] = [
    ("BatchEntryIdsNotDistinct", "AWS.SimpleQueueService.BatchEntryIdsNotDistinct"),
    ("BatchRequestTooLong", "AWS.SimpleQueueService.BatchRequestTooLong"),
    ("EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest"),
    ("InvalidBatchEntryId", "AWS.SimpleQueueService.InvalidBatchEntryId"),
    ("MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight"),
    ("PurgeQueueInProgress", "AWS.SimpleQueueService.PurgeQueueInProgress"),
    ("QueueDeletedRecently", "AWS.SimpleQueueService.QueueDeletedRecently"),
    ("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"),
    ("QueueNameExists", "QueueAlreadyExists"),
    ("RequestThrottled", "RequestThrottled"),
    ("TooManyEntriesInBatchRequest", "AWS.SimpleQueueService.TooManyEntriesInBatchRequest"),
    ("UnsupportedOperation", "AWS.SimpleQueueService.UnsupportedOperation"),
];

impl Fault {
    /// An exception of the service's own model.
    #[must_use]
    pub fn exception(code: &'static str, message: impl Into<String>) -> Self {
        Self::Exception { code, message: message.into() }
    }

    /// The name that clients match on.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Exception { code, .. } | Self::Unsigned { code, .. } => code,
            Self::Constraints(_) => "ValidationException",
            Self::Serialization(_) => "SerializationException",
            Self::UnknownOperation(_) => "UnknownOperationException",
            Self::Unsupported(_) => "UnsupportedOperation",
            Self::Denied(_) => "AccessDeniedException",
            Self::TooLarge(_) => "RequestEntityTooLargeException",
            Self::Late(_) => "RequestTimeoutException",
            Self::Throttled(_) => "ThrottlingException",
            Self::Unavailable(_) => "ServiceUnavailableException",
            Self::Internal => "InternalFailure",
        }
    }

    const fn status(&self) -> StatusCode {
        match self {
            Self::Exception { .. }
            | Self::Constraints(_)
            | Self::Serialization(_)
            | Self::UnknownOperation(_)
            | Self::Unsupported(_)
            | Self::Unsigned { .. }
            | Self::Throttled(_) => StatusCode::BAD_REQUEST,
            Self::Denied(_) => StatusCode::FORBIDDEN,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Late(_) => StatusCode::REQUEST_TIMEOUT,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What stands before the `#`.
    const fn namespace(&self, family: Family) -> Option<&'static str> {
        match self {
            Self::Exception { .. } => family.namespace(),
            Self::Constraints(_) => Some(VALIDATE),
            Self::Serialization(_)
            | Self::UnknownOperation(_)
            | Self::Unsigned { .. }
            | Self::Denied(_)
            | Self::TooLarge(_)
            | Self::Late(_)
            | Self::Throttled(_)
            | Self::Unavailable(_)
            | Self::Internal => Some(SERVICE),
            Self::Unsupported(_) => None,
        }
    }

    /// Whether it is this server's fault.
    pub(crate) fn is_ours(&self) -> bool {
        self.status().is_server_error()
    }

    /// What is said to the caller.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::Constraints(wrong) => {
                let errors = if wrong.len() == 1 { "error" } else { "errors" };
                format!("{} validation {errors} detected: {}", wrong.len(), wrong.join("; "))
            }
            Self::Exception { message, .. }
            | Self::Unsigned { message, .. }
            | Self::Serialization(message)
            | Self::UnknownOperation(message)
            | Self::Unsupported(message)
            | Self::Denied(message)
            | Self::TooLarge(message)
            | Self::Late(message)
            | Self::Throttled(message)
            | Self::Unavailable(message) => message.clone(),
            Self::Internal => "An internal failure; the log of this server says what".to_owned(),
        }
    }

    /// The answer that says so.
    pub(crate) fn answer(&self, family: Family) -> Response<Bytes> {
        let code = self.code();
        let kind = match self.namespace(family) {
            Some(namespace) => format!("{namespace}#{code}"),
            None => code.to_owned(),
        };
        let body = json!({"__type": kind, "message": self.message()}).to_string();
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(family.media_type()));
        if family == Family::Sqs {
            let known = QUERY_CODES.iter().find(|(name, _)| *name == code);
            let code = known.map_or(code, |(_, code)| code);
            let fault = if self.status().is_server_error() { "Receiver" } else { "Sender" };
            let value =
                HeaderValue::try_from(format!("{code};{fault}")).expect("a code is visible ASCII");
            headers.insert("x-amzn-query-error", value);
        }
        response
    }
}

/// A failure of the world, where the service's model has no exception for it.
impl From<ports::Error> for Fault {
    fn from(error: ports::Error) -> Self {
        match error.kind() {
            Kind::Throttled | Kind::Conflict => Self::Throttled("Rate exceeded".to_owned()),
            Kind::Invalid => Self::Constraints(vec![error.to_string()]),
            Kind::Denied => Self::Denied(error.to_string()),
            Kind::Timeout | Kind::Unavailable => {
                tracing::error!(error = chain(&error), "an operation could not be performed");
                Self::Unavailable(format!("failed to {error}; try again"))
            }
            Kind::NotFound | Kind::Corrupt => {
                tracing::error!(error = chain(&error), "an operation failed");
                Self::Internal
            }
        }
    }
}
