//! Tags: what people write on machines and activities.

use super::MachineRefusal;
use std::collections::BTreeMap;

/// How many tags a resource has at most.
const TAGS_MAX: usize = 50;

type Tags = BTreeMap<String, String>;

/// The tags after some were written; one of the same key is replaced.
pub(crate) fn tagged(mut there: Tags, tags: Tags) -> Result<Tags, MachineRefusal> {
    there.extend(tags);
    let would_be = there.len();
    if would_be > TAGS_MAX {
        return Err(MachineRefusal::TooManyTags { most: TAGS_MAX, would_be });
    }
    Ok(there)
}

/// The tags after some were taken off.
pub(crate) fn untagged(mut there: Tags, keys: &[String]) -> Tags {
    there.retain(|key, _| !keys.contains(key));
    there
}
