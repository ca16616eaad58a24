//! Making, changing, finding and removing queues.

use super::attributes::{apply, no_fifo, said};
use super::{Sqs, invalid_value, no_queue, queue_of_url, refused};
use crate::fault::Fault;
use crate::members::Members;
use ports::queues::{Depth, Queue, Settings};
use ports::store::Cursor;
use ports::{Error, Kind};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The most queues of a page.
const PAGE_MAX: i64 = 1_000;
/// How often a change is decided anew because somebody else was faster.
const RACES_MAX: usize = 8;
/// The most tags of a queue.
const TAGS_MAX: usize = 50;

pub(super) async fn create(sqs: &Sqs, mut members: Members) -> Result<Value, Fault> {
    let name = members.text("QueueName", 0..=usize::MAX);
    let attributes: BTreeMap<String, String> = members.read_if("Attributes").unwrap_or_default();
    let tags: BTreeMap<String, String> = members.read_if("tags").unwrap_or_default();
    members.finish()?;
    check_name(&name)?;
    check_tags(&tags)?;
    let mut settings = Settings { tags, ..Settings::default() };
    apply(&mut settings, attributes.clone())?;
    match sqs.registry.put(&name, None, settings).await {
        Err(error) if error.kind() == Kind::Conflict => {
            let existing = sqs.found(&name).await?.settings;
            let mut same = existing.clone();
            apply(&mut same, attributes)?;
            if same != existing {
                let said = "A queue already exists with the same name and a different value for \
                            an attribute";
                return Err(Fault::exception("QueueNameExists", said));
            }
        }
        put => put.map_err(not_put)?,
    }
    Ok(json!({"QueueUrl": sqs.url_of(&name)}))
}

pub(super) async fn url(sqs: &Sqs, mut members: Members) -> Result<Value, Fault> {
    let name = members.text("QueueName", 1..=80);
    members.finish()?;
    let queue = sqs.found(&name).await?;
    Ok(json!({"QueueUrl": sqs.url_of(&queue.name)}))
}

pub(super) async fn attributes(sqs: &Sqs, mut members: Members) -> Result<Value, Fault> {
    let name = queue_of_url(&mut members);
    let asked: Vec<String> = members.read_if("AttributeNames").unwrap_or_default();
    members.finish()?;
    let queue = sqs.found(&name).await?;
    // Counting takes time; who did not ask does not wait for it.
    let counts = asked.iter().any(|name| name == "All" || name.starts_with("Approximate"));
    let depth = if counts { sqs.registry.depth(&name).await? } else { Depth::default() };
    Ok(json!({"Attributes": said(&queue, depth, &asked)?}))
}

pub(super) async fn set_attributes(sqs: &Sqs, mut members: Members) -> Result<(), Fault> {
    let name = queue_of_url(&mut members);
    let attributes: BTreeMap<String, String> = members.read("Attributes");
    members.finish()?;
    change(sqs, &name, |settings| apply(settings, attributes.clone())).await
}

pub(super) async fn tags(sqs: &Sqs, mut members: Members) -> Result<Value, Fault> {
    let name = queue_of_url(&mut members);
    members.finish()?;
    Ok(json!({"Tags": sqs.found(&name).await?.settings.tags}))
}

pub(super) async fn tag(sqs: &Sqs, mut members: Members) -> Result<(), Fault> {
    let name = queue_of_url(&mut members);
    let tags: BTreeMap<String, String> = members.read("Tags");
    members.finish()?;
    change(sqs, &name, |settings| {
        settings.tags.extend(tags.clone());
        check_tags(&settings.tags)
    })
    .await
}

pub(super) async fn untag(sqs: &Sqs, mut members: Members) -> Result<(), Fault> {
    let name = queue_of_url(&mut members);
    let keys: Vec<String> = members.read("TagKeys");
    members.finish()?;
    change(sqs, &name, |settings| {
        settings.tags.retain(|key, _| !keys.contains(key));
        Ok(())
    })
    .await
}

pub(super) async fn list(sqs: &Sqs, mut members: Members) -> Result<Value, Fault> {
    let prefix = members.text_if("QueueNamePrefix", 0..=80).unwrap_or_default();
    let limit = members.number_if("MaxResults", 1..=PAGE_MAX);
    let after = members.text_if("NextToken", 0..=usize::MAX).map(Cursor);
    members.finish()?;
    let size = limit.unwrap_or(PAGE_MAX).unsigned_abs() as usize;
    let page = sqs.registry.list(&prefix, size, after).await.map_err(not_listed)?;
    let urls: Vec<_> = page.items.iter().map(|queue| sqs.url_of(&queue.name)).collect();
    // Who did not ask for pages gets no token, as of SQS.
    let next = page.next.filter(|_| limit.is_some());
    Ok(listed("QueueUrls", urls, next))
}

pub(super) async fn dead_letter_sources(sqs: &Sqs, mut members: Members) -> Result<Value, Fault> {
    let name = queue_of_url(&mut members);
    let limit = members.number_if("MaxResults", 1..=PAGE_MAX);
    let after = members.text_if("NextToken", 0..=usize::MAX).map(Cursor);
    members.finish()?;
    sqs.found(&name).await?;
    let size = limit.unwrap_or(PAGE_MAX).unsigned_abs() as usize;
    let page = sqs.registry.list("", size, after).await.map_err(not_listed)?;
    let sources = page.items.iter().filter(|queue| dies_in(queue, &name));
    let urls: Vec<_> = sources.map(|queue| sqs.url_of(&queue.name)).collect();
    Ok(listed("queueUrls", urls, page.next))
}

/// Whether some queue names this one as its dead-letter queue.
pub(super) async fn is_dead_letter_queue(sqs: &Sqs, name: &str) -> Result<bool, Fault> {
    let mut after = None;
    loop {
        let page = sqs.registry.list("", PAGE_MAX.unsigned_abs() as usize, after).await?;
        if page.items.iter().any(|queue| dies_in(queue, name)) {
            return Ok(true);
        }
        after = page.next;
        if after.is_none() {
            return Ok(false);
        }
    }
}

pub(super) async fn delete(sqs: &Sqs, mut members: Members) -> Result<(), Fault> {
    let name = queue_of_url(&mut members);
    members.finish()?;
    sqs.registry.remove(&name).await.map_err(refused)
}

fn dies_in(queue: &Queue, dead_letters: &str) -> bool {
    let redrive = queue.settings.redrive.as_ref();
    redrive.is_some_and(|redrive| redrive.dead_letter_queue == dead_letters)
}

/// Changes a queue as it is now; one that somebody else changed meanwhile is read again.
async fn change(
    sqs: &Sqs,
    name: &str,
    how: impl Fn(&mut Settings) -> Result<(), Fault>,
) -> Result<(), Fault> {
    for _ in 1..RACES_MAX {
        let before = sqs.found(name).await?.settings;
        let mut settings = before.clone();
        how(&mut settings)?;
        match sqs.registry.put(name, Some(&before), settings).await {
            Err(error) if error.kind() == Kind::Conflict => {}
            put => return put.map_err(not_put),
        }
    }
    Err(Fault::Throttled("Rate exceeded".to_owned()))
}

fn not_put(error: Error) -> Fault {
    match error.kind() {
        Kind::NotFound => no_queue(),
        Kind::Invalid => invalid_value(format!("RedrivePolicy is invalid: cannot {error}.")),
        Kind::Conflict
        | Kind::Throttled
        | Kind::Timeout
        | Kind::Unavailable
        | Kind::Denied
        | Kind::Corrupt => error.into(),
    }
}

fn not_listed(error: Error) -> Fault {
    match error.kind() {
        Kind::Invalid => invalid_value("Invalid or expired next token."),
        Kind::NotFound
        | Kind::Conflict
        | Kind::Throttled
        | Kind::Timeout
        | Kind::Unavailable
        | Kind::Denied
        | Kind::Corrupt => error.into(),
    }
}

fn listed(name: &str, urls: Vec<String>, next: Option<Cursor>) -> Value {
    let mut said = json!({name: urls});
    if let Some(Cursor(next)) = next {
        said["NextToken"] = next.into();
    }
    said
}

fn check_name(name: &str) -> Result<(), Fault> {
    if name.ends_with(".fifo") {
        return Err(no_fifo());
    }
    let fits = (1..=80).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if fits {
        return Ok(());
    }
    Err(invalid_value(
        "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
    ))
}

fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), Fault> {
    let fits = |(key, value): (&String, &String)| {
        (1..=128).contains(&key.chars().count()) && value.chars().count() <= 256
    };
    if tags.len() > TAGS_MAX {
        return Err(invalid_value(format!("Too many tags: a queue has at most {TAGS_MAX}.")));
    }
    if tags.iter().all(fits) {
        Ok(())
    } else {
        Err(invalid_value("A tag has a key of 1 to 128 characters and a value of at most 256."))
    }
}
