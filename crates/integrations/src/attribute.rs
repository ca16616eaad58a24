//! Message attributes: what is said beside a message's text, of queues and of topics.

use crate::arguments::{Arguments, must_be};
use crate::failure::{Failure, Refused};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ports::queues::Attribute;
use serde_json::Value;

/// Reads one message attribute: `{DataType, StringValue | BinaryValue}`.
pub(crate) fn read((name, given): (&String, &Value)) -> Result<(String, Attribute), Failure> {
    let fields = Arguments::of(given, &["DataType", "StringValue", "BinaryValue"])?;
    let refuse = |why: &str| -> Failure {
        let message = format!("The message attribute '{name}' {why}");
        Refused::generic("InvalidParameterValue", message).into()
    };
    let data_type = fields.text("DataType")?.unwrap_or_default();
    let kind = data_type.split('.').next().unwrap_or_default();
    let value = match kind {
        "String" | "Number" => fields.text("StringValue")?,
        "Binary" => fields.text("BinaryValue")?,
        "" => return Err(refuse("must contain a non-empty attribute type.")),
        _ => {
            return Err(refuse(
                "has an invalid message attribute type, the set of supported type prefixes is \
                 Binary, Number, and String.",
            ));
        }
    };
    let value = value.filter(|value| !value.is_empty());
    let value = value.ok_or_else(|| refuse("must contain a non-empty attribute value."))?;
    if kind == "Binary" && STANDARD.decode(value).is_err() {
        return Err(must_be("BinaryValue", "a base64 encoded BLOB"));
    }
    let attribute = Attribute { data_type: data_type.to_owned(), value: value.to_owned() };
    Ok((name.clone(), attribute))
}
