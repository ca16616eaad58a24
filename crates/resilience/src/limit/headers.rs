//! The fields of draft-ietf-httpapi-ratelimit-headers-10: structured lists of named items.

use super::bucket::Standing;
use super::limits::{Limit, Limits};
use crate::refusal::seconds;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::fmt::Write as _;

/// What the limits are: `"principal";q=5000;w=1`.
pub(super) const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// How they stand: `"principal";r=4999;t=1`.
pub(super) const STANDING: HeaderName = HeaderName::from_static("ratelimit");

/// The policies of all limits; `None` when there are none.
///
/// A window is a whole number of seconds there, and so is the time until a limit is whole again.
pub(super) fn policies(limits: &Limits) -> Option<HeaderValue> {
    let mut text = String::new();
    for Limit { name, rate, .. } in limits.iter() {
        let comma = if text.is_empty() { "" } else { ", " };
        let window = seconds(rate.window);
        write!(text, "{comma}\"{name}\";q={};w={window}", rate.limit).ok()?;
    }
    HeaderValue::try_from(text).ok().filter(|value| !value.is_empty())
}

/// How limits stand, each by its name.
pub(super) fn standings<'a>(
    standings: impl Iterator<Item = (&'a Limit, Standing)>,
) -> Option<HeaderValue> {
    let mut text = String::with_capacity(64);
    for (Limit { name, .. }, Standing { remaining, full_in }) in standings {
        let comma = if text.is_empty() { "" } else { ", " };
        let reset = full_in.as_millis().div_ceil(1_000);
        write!(text, "{comma}\"{name}\";r={remaining};t={reset}").ok()?;
    }
    HeaderValue::try_from(text).ok().filter(|value| !value.is_empty())
}

/// Puts a field into an answer, if there is something to say.
pub(super) fn put(headers: &mut HeaderMap, name: HeaderName, value: Option<HeaderValue>) {
    if let Some(value) = value {
        headers.insert(name, value);
    }
}
