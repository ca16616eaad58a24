//! The preference `wait` of the `Prefer` header (RFC 7240, sections 2 and 4.3). Pure.

use http::{HeaderMap, HeaderName};
use std::time::Duration;

/// The header of a request.
const PREFER: HeaderName = HeaderName::from_static("prefer");

/// The header of the answer to a request whose preference was kept.
pub(super) const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// The longest wait: below the timeouts of most clients, proxies and gateways.
pub const WAIT_MAX: Duration = Duration::from_secs(30);

/// How long the client is willing to wait, in whole seconds, at most [`WAIT_MAX`].
///
/// As the RFC says, the first of several counts, and what is malformed is not there.
#[must_use]
pub fn wait(headers: &HeaderMap) -> Option<Duration> {
    let value = headers
        .get_all(PREFER)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .find_map(wait_of)?;
    let quoted = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let seconds = quoted.unwrap_or(value);
    if seconds.is_empty() || !seconds.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // What does not even fit a number is longer than the longest wait.
    let seconds = seconds.parse().unwrap_or(u64::MAX);
    Some(Duration::from_secs(seconds).min(WAIT_MAX))
}

/// The value of one preference, if it is `wait`.
fn wait_of(preference: &str) -> Option<&str> {
    let preference = preference.split(';').next()?;
    let (name, value) = preference.split_once('=')?;
    name.trim().eq_ignore_ascii_case("wait").then_some(value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn check(values: &[&str], seconds: Option<u64>) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(PREFER, HeaderValue::from_str(value).unwrap());
        }
        assert_eq!(wait(&headers), seconds.map(Duration::from_secs), "{values:?}");
    }

    #[test]
    fn a_wait_is_read_wherever_it_stands() {
        check(&["wait=5"], Some(5));
        check(&["respond-async, WAIT = \"10\"; strict"], Some(10));
        check(&["return=minimal", "wait=0"], Some(0));
    }

    #[test]
    fn the_first_of_several_waits_counts() {
        check(&["wait=1, wait=2", "wait=3"], Some(1));
    }

    #[test]
    fn a_long_wait_is_cut_to_thirty_seconds() {
        check(&["wait=31"], Some(30));
        check(&["wait=99999999999999999999999"], Some(30));
    }

    #[test]
    fn a_malformed_wait_is_not_there() {
        for value in
            ["wait", "wait=", "wait=-1", "wait=1.5", "wait=soon", "wait=\"5", "await=5", ""]
        {
            check(&[value], None);
        }
        check(&[], None);
    }
}
