//! `States.Format`, `States.StringSplit`, `States.Hash` and the base64 pair.

use super::{Refusal, bounded};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::Md5;
use serde_json::Value;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};
use std::fmt::Write as _;

/// What a backslash takes the meaning from; before anything else it stands for itself.
const ESCAPABLE: &str = r"'{}\";

/// Replaces the escapes of a quoted argument.
pub(super) fn unescaped(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut characters = raw.chars().peekable();
    while let Some(character) = characters.next() {
        let escaped = characters.next_if(|next| character == '\\' && ESCAPABLE.contains(*next));
        text.push(escaped.unwrap_or(character));
    }
    text
}

/// Replaces each `{}` of the template by the next value.
pub(super) fn format(template: &str, values: &[Value]) -> Result<Value, Refusal> {
    let mut text = String::with_capacity(template.len());
    let mut values = values.iter();
    let mut characters = template.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '\\' {
            let escaped = characters.next_if(|next| ESCAPABLE.contains(*next));
            text.push(escaped.unwrap_or('\\'));
        } else if character == '{' && characters.next_if_eq(&'}').is_some() {
            match values.next() {
                Some(value) => write_plain(value, &mut text),
                None => return Err("The template has more {} than there are values.".to_owned()),
            }
        } else {
            text.push(character);
        }
        text = bounded(text)?;
    }
    match values.next() {
        None => Ok(Value::String(text)),
        Some(_) => Err("The template has fewer {} than there are values.".to_owned()),
    }
}

/// Writes a value the way the recorded executions do: texts bare, objects as `{name=value}`.
fn write_plain(value: &Value, text: &mut String) {
    match value {
        Value::String(string) => text.push_str(string),
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { ", " });
                write_plain(item, text);
            }
            text.push(']');
        }
        Value::Object(members) => {
            text.push('{');
            for (index, (name, member)) in members.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { ", " });
                text.push_str(name);
                text.push('=');
                write_plain(member, text);
            }
            text.push('}');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            write!(text, "{value}").expect("a String takes every write");
        }
    }
}

/// Splits at every character of `separators`; empty parts are dropped.
pub(super) fn split(text: &str, separators: &str) -> Value {
    let parts =
        text.split(|character| separators.contains(character)).filter(|part| !part.is_empty());
    Value::Array(parts.map(Value::from).collect())
}

/// The digest of a text in hexadecimal.
pub(crate) fn hash(data: &str, algorithm: &str) -> Result<Value, Refusal> {
    let digest = match algorithm {
        "MD5" => Md5::digest(data).to_vec(),
        "SHA-1" => Sha1::digest(data).to_vec(),
        "SHA-256" => Sha256::digest(data).to_vec(),
        "SHA-384" => Sha384::digest(data).to_vec(),
        "SHA-512" => Sha512::digest(data).to_vec(),
        other => {
            return Err(format!(
                "The algorithm '{other}' is none of MD5, SHA-1, SHA-256, SHA-384, SHA-512."
            ));
        }
    };
    let mut hexadecimal = String::with_capacity(digest.len() * 2);
    for byte in digest {
        write!(hexadecimal, "{byte:02x}").expect("a String takes every write");
    }
    Ok(Value::String(hexadecimal))
}

pub(super) fn base64_encode(data: &str) -> Value {
    Value::String(STANDARD.encode(data))
}

/// Decodes to text; bytes that are no UTF-8 become replacement characters.
pub(super) fn base64_decode(data: &str) -> Result<Value, Refusal> {
    match STANDARD.decode(data) {
        Ok(bytes) => Ok(Value::String(String::from_utf8_lossy(&bytes).into_owned())),
        Err(_) => Err("The data is not valid base64.".to_owned()),
    }
}
