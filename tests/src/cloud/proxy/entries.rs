//! A batch of events of which the bus takes only some.
//!
//! Pure: what is left of the request, and what the answer then says of each entry.

use serde_json::{Value, json};

/// The request without the entries at which `fails` is set; `None` when none is left.
#[must_use]
pub fn without(request: &Value, fails: &[bool]) -> Option<Value> {
    let entries = request["Entries"].as_array()?.iter().enumerate();
    let left: Vec<Value> =
        entries.filter(|(at, _)| !is_set(fails, *at)).map(|(_, entry)| entry.clone()).collect();
    (!left.is_empty()).then(|| {
        let mut request = request.clone();
        request["Entries"] = Value::Array(left);
        request
    })
}

/// The answer to the whole request: what was answered to the rest, with a failure in each place at
/// which `fails` is set.
#[must_use]
pub fn answer(rest: &Value, count: usize, fails: &[bool]) -> Value {
    let mut answered = rest["Entries"].as_array().into_iter().flatten();
    let failure = json!({
        "ErrorCode": "ThrottlingException",
        "ErrorMessage": "the request was throttled",
    });
    let entries: Vec<Value> = (0..count)
        .map(|at| match is_set(fails, at) {
            true => failure.clone(),
            false => answered.next().cloned().unwrap_or_else(|| failure.clone()),
        })
        .collect();
    let failed = entries.iter().filter(|entry| entry.get("ErrorCode").is_some()).count();
    json!({"FailedEntryCount": failed, "Entries": entries})
}

fn is_set(fails: &[bool], at: usize) -> bool {
    fails.get(at).copied().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Each entry is either sent on or failed, and its answer stands in its place.
        #[test]
        fn every_answer_stands_at_the_index_of_its_entry(fails in prop::collection::vec(any::<bool>(), 1..10)) {
            let entries: Vec<Value> = (0..fails.len()).map(|at| json!({"Detail": at})).collect();
            let request = json!({"Entries": entries});
            let sent = without(&request, &fails);
            let rest: Vec<Value> = sent.iter().flat_map(|sent| sent["Entries"].as_array().unwrap())
                .map(|entry| json!({"EventId": entry["Detail"]})).collect();
            let whole = answer(&json!({"Entries": rest}), fails.len(), &fails);
            for (at, fails) in fails.iter().enumerate() {
                let entry = &whole["Entries"][at];
                prop_assert_eq!(entry.get("ErrorCode").is_some(), *fails);
                let sent = (!fails).then(|| json!(at));
                prop_assert_eq!(entry.get("EventId"), sent.as_ref());
            }
            let failed = fails.iter().filter(|fails| **fails).count();
            prop_assert_eq!(&whole["FailedEntryCount"], &json!(failed));
        }
    }
}
