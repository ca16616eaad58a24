//! Replays.

use super::EventBridge;
use super::reading::{ARN_MAX, DESCRIPTION_MAX, name, output, page, prefix, text, text_if};
use crate::fault::Fault;
use crate::members::Members;
use crate::seconds;
use contracts::Timestamp;
use events::control::{NewReplay, Replay, ReplayFilter, ReplayState};
use serde_json::{Value, json};

/// The longest name of a replay.
const NAME_MAX: usize = 64;

pub(super) async fn start(service: &EventBridge, mut input: Members) -> Result<Value, Fault> {
    let destination = input.structure_if("Destination", |destination| {
        let arn = destination.text("Arn", 1..=ARN_MAX);
        let rules = destination.texts_if("FilterArns", 0..=usize::MAX, 1..=ARN_MAX);
        (arn, rules.unwrap_or_default())
    });
    if destination.is_none() {
        input.wrong("Destination", None, "Member must not be null");
    }
    let (bus_arn, filter_arns) = destination.unwrap_or_default();
    let new = NewReplay {
        name: name(&mut input, "ReplayName", NAME_MAX),
        description: input.text_if("Description", 0..=DESCRIPTION_MAX),
        archive_arn: input.text("EventSourceArn", 1..=ARN_MAX),
        from: instant(&mut input, "EventStartTime"),
        to: instant(&mut input, "EventEndTime"),
        bus_arn,
        filter_arns,
    };
    input.finish()?;
    let replay = service.plane.start_replay(new).await?;
    Ok(output([
        ("ReplayArn", text(service.plane.home().replay(&replay.name))),
        ("State", text(replay.state.as_str())),
        ("ReplayStartTime", Some(seconds(replay.started_at))),
    ]))
}

fn instant(input: &mut Members, member: &str) -> Timestamp {
    let is_there = input.has(member);
    let instant = input.instant_if(member);
    if !is_there {
        input.wrong(member, None, "Member must not be null");
    }
    instant.unwrap_or_default()
}

pub(super) async fn cancel(service: &EventBridge, mut input: Members) -> Result<Value, Fault> {
    let name = name(&mut input, "ReplayName", NAME_MAX);
    input.finish()?;
    let replay = service.plane.cancel_replay(&name).await?;
    Ok(output([
        ("ReplayArn", text(service.plane.home().replay(&name))),
        ("State", text(replay.state.as_str())),
        ("StateReason", text_if(replay.state_reason.as_ref())),
    ]))
}

pub(super) async fn describe(service: &EventBridge, mut input: Members) -> Result<Value, Fault> {
    let name = name(&mut input, "ReplayName", NAME_MAX);
    input.finish()?;
    let replay = service.plane.describe_replay(&name).await?;
    let home = service.plane.home();
    let mut shown = shown(service, &replay);
    if let Some(members) = shown.as_object_mut() {
        members.insert("ReplayArn".to_owned(), json!(home.replay(&name)));
        members.extend(replay.description.map(|said| ("Description".to_owned(), json!(said))));
        let mut destination = json!({"Arn": home.bus(&replay.archive.bus)});
        if !replay.filter_arns.is_empty() {
            destination["FilterArns"] = json!(replay.filter_arns);
        }
        members.insert("Destination".to_owned(), destination);
    }
    Ok(shown)
}

pub(super) async fn list(service: &EventBridge, mut input: Members) -> Result<Value, Fault> {
    let prefix = prefix(&mut input, NAME_MAX);
    let page = page(&mut input, prefix);
    let filter = ReplayFilter {
        state: input.choice_if("State", &ReplayState::ALL),
        archive_arn: input.text_if("EventSourceArn", 1..=ARN_MAX),
    };
    input.finish()?;
    let replays = service.plane.list_replays(&filter, &page).await?;
    let shown: Vec<Value> = replays.entries.iter().map(|one| shown(service, one)).collect();
    Ok(output([("Replays", Some(shown.into())), ("NextToken", text_if(replays.next.as_ref()))]))
}

fn shown(service: &EventBridge, replay: &Replay) -> Value {
    output([
        ("ReplayName", text(&replay.name)),
        ("EventSourceArn", text(service.plane.home().archive(&replay.archive.name))),
        ("State", text(replay.state.as_str())),
        ("StateReason", text_if(replay.state_reason.as_ref())),
        ("EventStartTime", Some(seconds(replay.from))),
        ("EventEndTime", Some(seconds(replay.to))),
        ("EventLastReplayedTime", replay.last_replayed.map(seconds)),
        ("ReplayStartTime", Some(seconds(replay.started_at))),
        ("ReplayEndTime", replay.ended_at.map(seconds)),
    ])
}
