//! The deadline of an event's handling: the event says until when it is of use.

use super::layer::Policy;
use crate::metric;
use contracts::{Envelope, Timestamp};
use ports::{Error, Kind};

/// The deadline that an event carries; past it the answer is `Timeout`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OfEvent;

impl<A, E: From<Error>> Policy<Envelope, A, E> for OfEvent {
    fn deadline(
        &self,
        event: &mut Envelope,
        _: Timestamp,
    ) -> Result<Option<Timestamp>, Result<A, E>> {
        Ok(event.deadline())
    }

    fn too_late() -> Result<A, E> {
        metric::deadline_passed(metric::Edge::Consumer);
        Err(Error::new(Kind::Timeout, "handle the event before its deadline").into())
    }
}
