//! What an answer of AWS, or none, means: the one place where an SDK's error becomes ours.
//!
//! ```text
//! SdkError ──▶ Symptom (how far the call came, what was said) ──▶ Kind, when to try again
//! ```
//!
//! Owns: which kind a failed call has, for every service. Does not own: codes that mean something
//! special to one service; its adapter hands them in, and they go first.

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use hyper_util::client::legacy::Error as ConnectError;
use ports::{Error, Kind};
use std::error::Error as StdError;
use std::time::Duration;

/// What a call does, and so what its silence means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It changes nothing: without an answer, nothing has happened.
    Reads,
    /// It changes something: without an answer, it may have happened.
    Writes,
}

/// Codes of one service and their kinds.
pub(crate) type Codes = &'static [(&'static str, Kind)];

/// Codes that mean the same wherever they come from.
const COMMON: Codes = &[
    ("AccessDenied", Kind::Denied),
    ("AccessDeniedException", Kind::Denied),
    ("ExpiredToken", Kind::Denied),
    ("ExpiredTokenException", Kind::Denied),
    ("IncompleteSignature", Kind::Denied),
    ("InvalidClientTokenId", Kind::Denied),
    ("InvalidSignatureException", Kind::Denied),
    ("MissingAuthenticationToken", Kind::Denied),
    ("MissingAuthenticationTokenException", Kind::Denied),
    ("NotAuthorized", Kind::Denied),
    ("SignatureDoesNotMatch", Kind::Denied),
    ("UnrecognizedClientException", Kind::Denied),
    ("BandwidthLimitExceeded", Kind::Throttled),
    ("EC2ThrottledException", Kind::Throttled),
    ("LimitExceededException", Kind::Throttled),
    ("PriorRequestNotComplete", Kind::Throttled),
    ("ProvisionedThroughputExceeded", Kind::Throttled),
    ("ProvisionedThroughputExceededException", Kind::Throttled),
    ("RequestLimitExceeded", Kind::Throttled),
    ("RequestThrottled", Kind::Throttled),
    ("RequestThrottledException", Kind::Throttled),
    ("SlowDown", Kind::Throttled),
    ("ThrottledException", Kind::Throttled),
    ("Throttling", Kind::Throttled),
    ("ThrottlingError", Kind::Throttled),
    ("ThrottlingException", Kind::Throttled),
    ("TooManyRequestsException", Kind::Throttled),
    ("InvalidParameterValue", Kind::Invalid),
    ("SerializationException", Kind::Invalid),
    ("UnknownOperationException", Kind::Invalid),
    ("ValidationError", Kind::Invalid),
    ("ValidationException", Kind::Invalid),
    ("ResourceNotFoundException", Kind::NotFound),
];

/// How far a failed call came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Symptom {
    /// The call could not even be made.
    Unmakeable,
    /// There are no credentials to sign it with.
    Unsigned,
    /// It was not sent: nobody was reached.
    Unsent,
    /// It was sent, or may have been, and nothing that can be read came back.
    Unanswered,
    /// It was answered with an error.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The service's code, if it told one.
        code: Option<String>,
        /// When to try again, if that was said.
        retry_after: Option<Duration>,
    },
}

impl Symptom {
    /// Reads how far a call came off the SDK's error.
    pub(crate) fn of<E>(failure: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata,
    {
        match failure {
            SdkError::ConstructionFailure(_) => Self::Unmakeable,
            SdkError::DispatchFailure(dispatch) => match dispatch.as_connector_error() {
                Some(error) => Self::of_connector(error),
                None => Self::Unanswered,
            },
            SdkError::ServiceError(refusal) => {
                let answer = refusal.raw();
                Self::Refused {
                    status: answer.status().as_u16(),
                    code: refusal.err().code().map(str::to_owned),
                    retry_after: retry_after(answer),
                }
            }
            // Time was up, or what came back is no answer. The SDK's enum may grow: whatever it
            // adds, a call about which nothing is known may have happened.
            _ => Self::Unanswered,
        }
    }

    fn of_connector(error: &ConnectorError) -> Self {
        if error.is_user() {
            return Self::Unmakeable;
        }
        let mut cause = error.source();
        while let Some(error) = cause {
            if error.is::<CredentialsError>() {
                return Self::Unsigned;
            }
            if error.downcast_ref::<ConnectError>().is_some_and(ConnectError::is_connect) {
                return Self::Unsent;
            }
            cause = error.source();
        }
        Self::Unanswered
    }

    /// What kind of failure that is, for a call that does `effect`; `codes` go before the common
    /// ones.
    pub(crate) fn kind(&self, effect: Effect, codes: Codes) -> Kind {
        let in_doubt = match effect {
            Effect::Reads => Kind::Unavailable,
            Effect::Writes => Kind::Timeout,
        };
        match self {
            Self::Unmakeable => Kind::Invalid,
            Self::Unsigned => Kind::Denied,
            Self::Unsent => Kind::Unavailable,
            Self::Unanswered => in_doubt,
            Self::Refused { status, code, retry_after: _ } => {
                let known = code.as_deref().and_then(|code| lookup(code, codes));
                known.unwrap_or(match status {
                    401 | 403 => Kind::Denied,
                    404 => Kind::NotFound,
                    408 => in_doubt,
                    409 | 412 => Kind::Conflict,
                    429 => Kind::Throttled,
                    400..=499 => Kind::Invalid,
                    // It broke while it worked on it. Below 400 is no refusal at all.
                    _ => in_doubt,
                })
            }
        }
    }

    /// When another try makes sense, if the other side said so.
    pub(crate) const fn wait(&self) -> Option<Duration> {
        match self {
            Self::Unmakeable | Self::Unsigned | Self::Unsent | Self::Unanswered => None,
            Self::Refused { retry_after, .. } => *retry_after,
        }
    }
}

/// Makes our error of an SDK's; `doing` ends the sentence "failed to …".
pub(crate) fn failed<E>(
    doing: impl Into<String>,
    effect: Effect,
    codes: Codes,
    failure: SdkError<E, HttpResponse>,
) -> Error
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    let symptom = Symptom::of(&failure);
    let error = Error::new(symptom.kind(effect, codes), doing).because(failure);
    match symptom.wait() {
        Some(wait) => error.retry_after(wait),
        None => error,
    }
}

/// The kind of a code. Some protocols write a code with the namespace of its service in front.
pub(crate) fn lookup(code: &str, codes: Codes) -> Option<Kind> {
    let code = code.rsplit('#').next().unwrap_or(code);
    codes.iter().chain(COMMON).find(|(known, _)| *known == code).map(|(_, kind)| *kind)
}

fn retry_after(answer: &HttpResponse) -> Option<Duration> {
    let number = |name| answer.headers().get(name)?.trim().parse::<u32>().ok();
    let millis = || number("x-amz-retry-after").map(|ms| Duration::from_millis(ms.into()));
    let seconds = || number("retry-after").map(|s| Duration::from_secs(s.into()));
    millis().or_else(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_smithy_runtime_api::http::StatusCode;
    use aws_smithy_types::body::SdkBody;
    use aws_smithy_types::error::ErrorMetadata;
    use hyper_util::client::legacy::Client;
    use hyper_util::rt::TokioExecutor;

    const OWN: Codes = &[
        ("ResourceNotFoundException", Kind::Unavailable),
        ("ConditionalCheckFailedException", Kind::Conflict),
    ];

    #[derive(Debug)]
    struct Refusal(ErrorMetadata);

    impl std::fmt::Display for Refusal {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            self.0.fmt(f)
        }
    }

    impl StdError for Refusal {}

    impl ProvideErrorMetadata for Refusal {
        fn meta(&self) -> &ErrorMetadata {
            &self.0
        }
    }

    type Failure = SdkError<Refusal, HttpResponse>;

    fn answer(status: u16) -> HttpResponse {
        HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::empty())
    }

    fn refused(status: u16, code: Option<&str>) -> Failure {
        let metadata = match code {
            Some(code) => ErrorMetadata::builder().code(code).build(),
            None => ErrorMetadata::default(),
        };
        SdkError::service_error(Refusal(metadata), answer(status))
    }

    fn check(make: impl Fn() -> Failure, reads: Kind, writes: Kind) {
        let kind = |effect| failed("work", effect, OWN, make()).kind();
        assert_eq!((kind(Effect::Reads), kind(Effect::Writes)), (reads, writes), "{:?}", make());
    }

    #[test]
    fn a_call_without_an_answer_may_have_happened_if_it_writes() {
        let in_doubt = |make: fn() -> Failure| check(make, Kind::Unavailable, Kind::Timeout);
        in_doubt(|| SdkError::timeout_error("five seconds"));
        in_doubt(|| SdkError::dispatch_failure(ConnectorError::timeout("read".into())));
        in_doubt(|| SdkError::dispatch_failure(ConnectorError::io("reset".into())));
        in_doubt(|| SdkError::dispatch_failure(ConnectorError::other("?".into(), None)));
        in_doubt(|| SdkError::response_error("half a document", answer(200)));
        in_doubt(|| refused(500, Some("InternalServerError")));
        in_doubt(|| refused(503, None));
    }

    #[test]
    fn a_call_that_could_not_be_made_or_signed_will_not_work_again() {
        check(|| SdkError::construction_failure("no key"), Kind::Invalid, Kind::Invalid);
        let user = || SdkError::dispatch_failure(ConnectorError::user("bad URI".into()));
        check(user, Kind::Invalid, Kind::Invalid);
        let unsigned = || {
            let none = CredentialsError::not_loaded("none");
            SdkError::dispatch_failure(ConnectorError::other(none.into(), None))
        };
        check(unsigned, Kind::Denied, Kind::Denied);
    }

    #[test]
    fn the_service_s_code_says_more_than_its_status() {
        for (status, code, kind) in [
            (400, "ThrottlingException", Kind::Throttled),
            (400, "ProvisionedThroughputExceededException", Kind::Throttled),
            (503, "SlowDown", Kind::Throttled),
            (400, "AccessDeniedException", Kind::Denied),
            (400, "ValidationException", Kind::Invalid),
            (400, "com.amazonaws.dynamodb.v20120810#ValidationException", Kind::Invalid),
            (400, "ConditionalCheckFailedException", Kind::Conflict),
            // What one service says goes before what all say.
            (400, "ResourceNotFoundException", Kind::Unavailable),
        ] {
            check(|| refused(status, Some(code)), kind, kind);
        }
    }

    #[test]
    fn without_a_code_that_is_known_the_status_speaks() {
        for (status, kind) in [
            (400, Kind::Invalid),
            (403, Kind::Denied),
            (404, Kind::NotFound),
            (409, Kind::Conflict),
            (412, Kind::Conflict),
            (429, Kind::Throttled),
            (418, Kind::Invalid),
        ] {
            check(|| refused(status, None), kind, kind);
            check(|| refused(status, Some("SomethingNewException")), kind, kind);
        }
    }

    #[test]
    fn when_to_try_again_is_passed_on() {
        for (header, value, wait) in [
            ("retry-after", "3", Some(Duration::from_secs(3))),
            ("x-amz-retry-after", "250", Some(Duration::from_millis(250))),
            ("retry-after", "Fri, 31 Dec 1999 23:59:59 GMT", None),
            ("other", "3", None),
        ] {
            let mut answer = answer(429);
            answer.headers_mut().insert(header, value);
            let failure = SdkError::service_error(Refusal(ErrorMetadata::default()), answer);
            let error = failed("work", Effect::Reads, &[], failure);
            assert_eq!((error.kind(), error.wait()), (Kind::Throttled, wait));
        }
    }

    #[tokio::test]
    async fn a_call_that_reached_nobody_did_not_happen() {
        // A port that was free a moment ago: nobody listens there.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let client = Client::builder(TokioExecutor::new()).build_http::<String>();
        let uri = format!("http://127.0.0.1:{port}/").parse().unwrap();
        let refused = client.get(uri).await.unwrap_err();
        let failure: Failure = SdkError::dispatch_failure(ConnectorError::io(refused.into()));
        assert_eq!(Symptom::of(&failure), Symptom::Unsent);
        assert_eq!(failed("work", Effect::Writes, &[], failure).kind(), Kind::Unavailable);
    }
}
