//! The services of AWS that are spoken here, and how their wires differ.

/// A service of AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Step Functions.
    StepFunctions,
    /// EventBridge.
    EventBridge,
    /// SQS.
    Sqs,
}

impl Family {
    /// Every family.
    pub const ALL: [Self; 3] = [Self::StepFunctions, Self::EventBridge, Self::Sqs];

    /// What the `X-Amz-Target` of its operations begins with, before the dot.
    #[must_use]
    pub const fn target_prefix(self) -> &'static str {
        match self {
            Self::StepFunctions => "AWSStepFunctions",
            Self::EventBridge => "AWSEvents",
            Self::Sqs => "AmazonSQS",
        }
    }

    /// The service's name in a signature's scope.
    #[must_use]
    pub const fn signing_name(self) -> &'static str {
        match self {
            Self::StepFunctions => "states",
            Self::EventBridge => "events",
            Self::Sqs => "sqs",
        }
    }

    /// The media type of its answers.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::StepFunctions | Self::Sqs => "application/x-amz-json-1.0",
            Self::EventBridge => "application/x-amz-json-1.1",
        }
    }

    /// What stands before the `#` in the type of its own exceptions; EventBridge has nothing there.
    pub(crate) const fn namespace(self) -> Option<&'static str> {
        match self {
            Self::StepFunctions => Some("com.amazonaws.swf.service.v2.model"),
            Self::EventBridge => None,
            Self::Sqs => Some("com.amazonaws.sqs"),
        }
    }

    /// Finds the family and the operation of a target such as `AWSEvents.PutRule`.
    pub(crate) fn of_target(target: &str) -> Option<(Self, &str)> {
        let (prefix, operation) = target.split_once('.')?;
        let family = Self::ALL.into_iter().find(|family| family.target_prefix() == prefix)?;
        Some((family, operation))
    }
}
