//! EventBridge's operations, over the control plane of our bus.
//!
//! ```text
//! Members ──▶ what the control plane takes ──▶ ControlPlane ──▶ the members of the output
//! ```
//!
//! Owns: the shapes of EventBridge's service model. Does not own: any rule; see
//! [`events::control`].

mod archives;
mod buses;
mod entries;
mod reading;
mod replays;
mod rules;
mod tags;
mod targets;

use crate::fault::Fault;
use crate::operation::{Operations, operations};
use events::ControlPlane;
use events::control::Refusal;
use std::sync::Arc;

/// EventBridge, in front of a control plane.
pub struct EventBridge {
    plane: Arc<ControlPlane>,
}

impl EventBridge {
    /// EventBridge with all its operations.
    #[must_use]
    pub const fn operations(plane: Arc<ControlPlane>) -> Operations<Self> {
        Operations::new(
            Self { plane },
            operations! { EventBridge;
                CancelReplay => replays::cancel,
                CreateArchive => archives::create,
                CreateEventBus => buses::create,
                DeleteArchive => archives::delete,
                DeleteEventBus => buses::delete,
                DeleteRule => rules::delete,
                DescribeArchive => archives::describe,
                DescribeEventBus => buses::describe,
                DescribeReplay => replays::describe,
                DescribeRule => rules::describe,
                DisableRule => rules::disable,
                EnableRule => rules::enable,
                ListArchives => archives::list,
                ListEventBuses => buses::list,
                ListReplays => replays::list,
                ListRuleNamesByTarget => rules::list_names_by_target,
                ListRules => rules::list,
                ListTagsForResource => tags::list,
                ListTargetsByRule => targets::list,
                PutEvents => entries::put,
                PutRule => rules::put,
                PutTargets => targets::put,
                RemoveTargets => targets::remove,
                StartReplay => replays::start,
                TagResource => tags::tag,
                TestEventPattern => rules::test_pattern,
                UntagResource => tags::untag,
                UpdateArchive => archives::update,
                UpdateEventBus => buses::update,
            },
        )
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        let code = refusal.code();
        match refusal {
            Refusal::World(error) => error.into(),
            said @ (Refusal::ResourceNotFound(_)
            | Refusal::ResourceAlreadyExists(_)
            | Refusal::LimitExceeded(_)
            | Refusal::InvalidEventPattern(_)
            | Refusal::IllegalStatus(_)
            | Refusal::ManagedRule(_)
            | Refusal::Validation(_)
            | Refusal::ConcurrentModification(_)) => Self::exception(code, said.to_string()),
        }
    }
}
