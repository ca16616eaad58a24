//! Members that many operations have, and outputs without what is absent.

use crate::members::Members;
use events::arn::bus_named;
use events::control::{PAGE_MAX, Page, Tags};
use serde_json::{Map, Value};

/// The pattern of names of rules, targets, archives and replays.
const NAME: &str = r"[\.\-_A-Za-z0-9]+";
/// The pattern of names of event buses.
const BUS: &str = r"[/\.\-_A-Za-z0-9]+";
/// The longest ARN.
pub(super) const ARN_MAX: usize = 1_600;
/// The longest description.
pub(super) const DESCRIPTION_MAX: usize = 512;
/// The longest pattern.
pub(super) const PATTERN_MAX: usize = 4_096;

/// A name that must be there.
pub(super) fn name(input: &mut Members, member: &str, length_max: usize) -> String {
    let name = input.text(member, 1..=length_max);
    check_name(input, member, &name, false);
    name
}

/// A beginning of names that may be there.
pub(super) fn prefix(input: &mut Members, length_max: usize) -> String {
    let prefix = input.text_if("NamePrefix", 1..=length_max).unwrap_or_default();
    check_name(input, "NamePrefix", &prefix, true);
    prefix
}

fn check_name(input: &mut Members, member: &str, name: &str, with_slash: bool) {
    let is_plain = |byte: u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'.' | b'-' | b'_')
            || (with_slash && byte == b'/')
    };
    if !name.bytes().all(is_plain) {
        let pattern = if with_slash { BUS } else { NAME };
        let rule = format!("Member must satisfy regular expression pattern: {pattern}");
        input.wrong(member, Some(&name), &rule);
    }
}

/// The name of a bus that must be there.
pub(super) fn bus_name(input: &mut Members) -> String {
    let name = input.text("Name", 1..=256);
    check_name(input, "Name", &name, true);
    name
}

/// The bus that a name or an ARN means; absent means the default one.
pub(super) fn bus(input: &mut Members, member: &str) -> String {
    let bus = bus_named(input.text_if(member, 1..=ARN_MAX).as_deref());
    check_name(input, member, &bus, true);
    bus
}

/// Which page of a listing is asked for; names begin with `prefix`.
pub(super) fn page(input: &mut Members, prefix: String) -> Page {
    let most = i64::try_from(PAGE_MAX).unwrap_or(i64::MAX);
    let limit = input.number_if("Limit", 1..=most);
    Page {
        prefix,
        limit: limit.and_then(|limit| usize::try_from(limit).ok()),
        token: input.text_if("NextToken", 1..=2_048),
    }
}

/// Tags that may be there.
pub(super) fn tags(input: &mut Members) -> Tags {
    let tag = |tag: &mut Members| (tag.text("Key", 1..=128), tag.text("Value", 0..=256));
    input.list_if("Tags", 0..=usize::MAX, tag).unwrap_or_default().into_iter().collect()
}

/// An output of the members that are there.
pub(super) fn output<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    let there = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(there.collect::<Map<_, _>>())
}

/// A text of an output.
pub(super) fn text(text: impl AsRef<str>) -> Option<Value> {
    Some(Value::from(text.as_ref()))
}

/// A text of an output that may be absent.
pub(super) fn text_if(text: Option<&String>) -> Option<Value> {
    text.map(|text| Value::from(text.as_str()))
}
