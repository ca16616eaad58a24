//! What the optimized integrations add to a service's answer: how it came over HTTP.
//!
//! Nothing comes over HTTP here; what state machines look at (the status, the request's id) is
//! there all the same.

use crate::failure::{Dialect, Voice};
use serde_json::{Value, json};

/// An answer as the state machine sees it: an SDK integration's is bare.
pub(crate) fn with_metadata(mut answer: Value, voice: &Voice, content_type: &str) -> Value {
    if let (Value::Object(fields), Dialect::Optimized) = (&mut answer, voice.dialect) {
        let id = voice.request_id.to_string();
        let every = json!({"Content-Type": [content_type], "x-amzn-RequestId": [id]});
        let first = json!({"Content-Type": content_type, "x-amzn-RequestId": id});
        let metadata =
            json!({"AllHttpHeaders": every, "HttpHeaders": first, "HttpStatusCode": 200});
        fields.insert("SdkHttpMetadata".to_owned(), metadata);
        fields.insert("SdkResponseMetadata".to_owned(), json!({"RequestId": id}));
    }
    answer
}
