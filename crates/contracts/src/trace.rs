//! Which trace something belongs to, as W3C's Trace Context and as X-Ray write it.
//!
//! Owns: both forms and the way between them. Does not own: spans; who passes a trace on names the
//! step that it was given.
//!
//! Spec: `traceparent` of W3C Trace Context, `X-Amzn-Trace-Id` of AWS X-Ray.

use std::fmt;

/// The longest header of X-Ray that is read, in bytes: it may carry fields that mean nothing here.
const X_RAY_BYTES_MAX: usize = 1_024;
/// The flag of a trace that is recorded.
const SAMPLED: u8 = 1;

/// A place in a trace: which one, and the step in it that led here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// Never zero.
    trace: u128,
    /// Never zero.
    parent: u64,
    is_sampled: bool,
}

impl TraceParent {
    /// Reads a `traceparent`; `None` when it is not one, and then it is to be ignored.
    ///
    /// Of a version that is not known yet, what version `00` has is read.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let version = hex(parts.next()?, 2)?;
        let trace = hex(parts.next()?, 32)?;
        let parent = u64::try_from(hex(parts.next()?, 16)?).ok()?;
        let flags = u8::try_from(hex(parts.next()?, 2)?).ok()?;
        let has_more = parts.next().is_some();
        if version == 0xff || (version == 0 && has_more) || trace == 0 || parent == 0 {
            return None;
        }
        Some(Self { trace, parent, is_sampled: flags & SAMPLED == SAMPLED })
    }

    /// Reads a header of X-Ray: `Root=1-<8>-<24>;Parent=<16>;Sampled=0|1`, in any order, beside any
    /// other fields; `None` when it is not one.
    ///
    /// One that names no parent comes from where the trace began: the trace's own last digits
    /// stand for that step. Without a decision about recording it is not recorded.
    #[must_use]
    pub fn from_x_ray(header: &str) -> Option<Self> {
        if header.len() > X_RAY_BYTES_MAX {
            return None;
        }
        let field = |name: &str| {
            let fields = header.split(';').filter_map(|field| field.trim().split_once('='));
            fields.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
        };
        let mut root = field("Root")?.split('-');
        if root.next()? != "1" {
            return None;
        }
        let (epoch, rest) = (hex(root.next()?, 8)?, hex(root.next()?, 24)?);
        let trace = (epoch << 96) | rest;
        let parent = match field("Parent").filter(|parent| !parent.is_empty()) {
            Some(parent) => u64::try_from(hex(parent, 16)?).ok()?,
            None => u64::try_from(trace & u128::from(u64::MAX)).ok()?,
        };
        if root.next().is_some() || trace == 0 || parent == 0 {
            return None;
        }
        Some(Self { trace, parent, is_sampled: field("Sampled") == Some("1") })
    }

    /// The header of X-Ray that says the same.
    #[must_use]
    pub fn to_x_ray(&self) -> String {
        let Self { trace, parent, is_sampled } = self;
        let trace = format!("{trace:032x}");
        let (epoch, rest) = trace.split_at(8);
        format!("Root=1-{epoch}-{rest};Parent={parent:016x};Sampled={}", u8::from(*is_sampled))
    }
}

impl fmt::Display for TraceParent {
    /// Writes it as a `traceparent` of version `00`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trace, parent, is_sampled } = self;
        write!(f, "00-{trace:032x}-{parent:016x}-{:02x}", u8::from(*is_sampled))
    }
}

/// Reads exactly so many lower-case hexadecimal digits.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let is_hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_whole = text.len() == digits && is_hex;
    is_whole.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const W3C: &str = "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01";
    const X_RAY: &str =
        "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";

    #[test]
    fn both_forms_say_the_same() {
        let read = TraceParent::parse(W3C).unwrap();
        assert_eq!(read.to_string(), W3C);
        assert_eq!(read.to_x_ray(), X_RAY);
        assert_eq!(TraceParent::from_x_ray(X_RAY), Some(read));
    }

    #[test]
    fn what_is_not_recorded_stays_so() {
        let read = TraceParent::parse(&W3C.replace("-01", "-00")).unwrap();
        assert_eq!(read.to_x_ray(), X_RAY.replace("Sampled=1", "Sampled=0"));
        let unsaid = TraceParent::from_x_ray(&X_RAY.replace(";Sampled=1", "")).unwrap();
        assert_eq!(unsaid, read);
    }

    #[test]
    fn a_version_of_tomorrow_is_read_as_far_as_it_is_known() {
        let tomorrow = W3C.replacen("00-", "cc-", 1) + "-what-the-future-holds";
        assert_eq!(TraceParent::parse(&tomorrow), TraceParent::parse(W3C));
    }

    #[test]
    fn what_is_no_traceparent_is_ignored() {
        for wrong in [
            "",
            "-",
            "00",
            "ff-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01",
            "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01-more",
            "00-00000000000000000000000000000000-53995c3f42cd8ad8-01",
            "00-5759e988bd862e3fe1be46a994272793-0000000000000000-01",
            "00-5759E988BD862E3FE1BE46A994272793-53995c3f42cd8ad8-01",
            "00-5759e988bd862e3fe1be46a99427279-53995c3f42cd8ad8-01",
            "00-+759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01",
            "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-0é",
        ] {
            assert_eq!(TraceParent::parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn the_fields_of_x_ray_come_in_any_order_beside_others() {
        let other = "Self=1-67891234-12456789abcdef012345678; sampled=1;Lineage=a:1;\
                     Parent=53995c3f42cd8ad8;Root=1-5759e988-bd862e3fe1be46a994272793";
        let read = TraceParent::from_x_ray(&other.replace("sampled", "Sampled"));
        assert_eq!(read, TraceParent::parse(W3C));
    }

    #[test]
    fn a_trace_that_begins_here_has_a_parent_of_its_own() {
        let begun = TraceParent::from_x_ray("Root=1-5759e988-bd862e3fe1be46a994272793").unwrap();
        assert_eq!(begun.to_string(), "00-5759e988bd862e3fe1be46a994272793-e1be46a994272793-00");
    }

    #[test]
    fn what_is_no_header_of_x_ray_is_ignored() {
        for wrong in [
            "",
            "Parent=53995c3f42cd8ad8",
            "Root=2-5759e988-bd862e3fe1be46a994272793",
            "Root=1-5759e988",
            "Root=1-5759e988-bd862e3fe1be46a99427279é",
            "Root=1-5759e988-bd862e3fe1be46a994272793-1",
            "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=nobody",
            "Root=1-00000000-000000000000000000000000;Parent=53995c3f42cd8ad8",
        ] {
            assert_eq!(TraceParent::from_x_ray(wrong), None, "{wrong:?}");
        }
        let long = format!("{X_RAY};{}", "x".repeat(X_RAY_BYTES_MAX));
        assert_eq!(TraceParent::from_x_ray(&long), None);
    }
}
