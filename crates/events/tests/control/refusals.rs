//! What the control plane says no to, in EventBridge's words.

use crate::world::{Reached, World, queue};
use events::control::{
    ArchiveUpdate, BusSettings, Entry, NewArchive, NewReplay, NewRule, Page, Refusal, TargetSpec,
};
use std::fmt::Debug;
use std::sync::Arc;

fn refused<T: Debug>(answer: Result<T, Refusal>) -> (&'static str, String) {
    let refusal = answer.expect_err("it must be refused");
    (refusal.code(), refusal.to_string())
}

async fn world() -> (tempfile::TempDir, World) {
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    let world = World::open(dir.path(), Reached::new(|_, _| Ok(())), Arc::default()).await;
    (dir, world)
}

fn rule(name: &str) -> NewRule {
    NewRule {
        bus: "default".into(),
        name: name.into(),
        pattern: Some(r#"{"source": ["x"]}"#.into()),
        ..NewRule::default()
    }
}

#[tokio::test]
async fn buses_are_refused_as_eventbridge_refuses_them() {
    let (_dir, world) = world().await;
    let plane = &world.plane;
    let make = |name: &'static str| {
        plane.create_event_bus(name, BusSettings::default(), Default::default())
    };
    make("orders").await.expect("it is new");
    let exists = |name| format!("Event bus {name} already exists.");
    let twice = "ResourceAlreadyExistsException";
    assert_eq!(refused(make("orders").await), (twice, exists("orders")));
    assert_eq!(refused(make("default").await), (twice, exists("default")));
    assert_eq!(refused(make("a/b").await).0, "ValidationException");
    let missing = ("ResourceNotFoundException", "Event bus nobody does not exist.".to_owned());
    assert_eq!(refused(plane.describe_event_bus("nobody").await), missing);
    assert_eq!(refused(plane.delete_event_bus("nobody").await), missing);
    assert_eq!(
        refused(plane.put_rule(NewRule { bus: "nobody".into(), ..rule("r") }).await),
        missing
    );
    assert_eq!(
        refused(plane.delete_event_bus("default").await),
        ("ValidationException", "Cannot delete event bus default.".to_owned())
    );
    plane.put_rule(NewRule { bus: "orders".into(), ..rule("r") }).await.expect("it is right");
    assert_eq!(refused(plane.delete_event_bus("orders").await).0, "ValidationException");
    plane.delete_rule("orders", "r").await.expect("it has no targets");
    plane.delete_event_bus("orders").await.expect("it has no rules");
    let buses = plane.list_event_buses(&Page::default()).await.expect("they are listed");
    assert_eq!(buses.entries.len(), 1);
}

#[tokio::test]
async fn rules_and_targets_are_refused_as_eventbridge_refuses_them() {
    let (_dir, world) = world().await;
    let plane = &world.plane;
    let with = |change: fn(&mut NewRule)| {
        let mut rule = rule("r");
        change(&mut rule);
        plane.put_rule(rule)
    };
    assert_eq!(refused(with(|r| r.pattern = None).await).0, "ValidationException");
    let (code, said) = refused(with(|r| r.pattern = Some(r#"{"a": 1}"#.into())).await);
    assert_eq!(code, "InvalidEventPatternException");
    assert!(said.starts_with("Event pattern is not valid. Reason: "), "{said}");
    let long =
        refused(with(|r| r.pattern = Some(format!(r#"{{"a": ["{}"]}}"#, "x".repeat(2_048)))).await);
    assert_eq!(long.0, "LimitExceededException");
    let invalid = "Parameter ScheduleExpression is not valid.".to_owned();
    let soon = with(|r| r.schedule = Some("rate(1 second)".into())).await;
    assert_eq!(refused(soon), ("ValidationException", invalid));
    let missing = "Rule r does not exist on EventBus default.".to_owned();
    let missing = ("ResourceNotFoundException", missing);
    assert_eq!(refused(plane.describe_rule("default", "r").await), missing);
    assert_eq!(refused(plane.put_targets("default", "r", vec![queue("t", "q")]).await), missing);
    plane.delete_rule("default", "r").await.expect("removing nothing is nothing");

    plane.put_rule(rule("r")).await.expect("it is right");
    let put = |specs: Vec<TargetSpec>| plane.put_targets("default", "r", specs);
    let six = (0..6).map(|n| queue(&n.to_string(), "q")).collect();
    let many = "The requested resource exceeds the maximum number allowed.".to_owned();
    assert_eq!(refused(put(six).await), ("LimitExceededException", many));
    let kinesis = "arn:aws:kinesis:us-east-1:000000000000:stream/s".to_owned();
    let (code, said) = refused(put(vec![TargetSpec { arn: kinesis, ..queue("t", "q") }]).await);
    assert_eq!(code, "ValidationException");
    assert!(said.contains("Provided Arn is not in correct format"), "{said}");
    let two =
        TargetSpec { input: Some("{}".into()), input_path: Some("$".into()), ..queue("t", "q") };
    let only = "Only one of Input, InputPath, or InputTransformer must be provided for target t.";
    assert_eq!(refused(put(vec![two]).await), ("ValidationException", only.to_owned()));
    put(vec![queue("t", "q")]).await.expect("it is right");
    assert_eq!(
        refused(plane.delete_rule("default", "r").await),
        ("ValidationException", "Rule can't be deleted since it has targets.".to_owned())
    );
}

#[tokio::test]
async fn the_shops_own_rules_are_seen_and_cannot_be_changed() {
    let (_dir, world) = world().await;
    let plane = &world.plane;
    let shown = plane.describe_rule("default", "shop").await.expect("it is there");
    assert_eq!(shown.managed_by, Some("ordersaga"));
    let arn = "arn:aws:states:us-east-1:000000000000:stateMachine:saga";
    let names = plane.list_rule_names_by_target("default", arn, &Page::default()).await;
    assert_eq!(names.expect("they are listed").entries, ["shop"]);
    let managed = "ManagedRuleException";
    assert_eq!(refused(plane.put_rule(rule("shop")).await).0, managed);
    assert_eq!(refused(plane.delete_rule("default", "shop").await).0, managed);
    assert_eq!(refused(plane.switch_rule("default", "shop", false).await).0, managed);
    assert_eq!(
        refused(plane.put_targets("default", "shop", vec![queue("t", "q")]).await).0,
        managed
    );
    assert_eq!(refused(plane.remove_targets("default", "shop", &["saga".into()]).await).0, managed);
}

#[tokio::test]
async fn archives_and_replays_are_refused_as_eventbridge_refuses_them() {
    let (_dir, world) = world().await;
    let plane = &world.plane;
    let bus = plane.home().bus("default");
    let new = |name: &str, bus: &str| {
        let archive =
            NewArchive { name: name.into(), source_arn: bus.into(), ..NewArchive::default() };
        plane.create_archive(archive)
    };
    let missing = "ResourceNotFoundException";
    let nobody = plane.home().bus("nobody");
    let said = "Event bus nobody does not exist.".to_owned();
    assert_eq!(refused(new("a", &nobody).await), (missing, said));
    new("a", &bus).await.expect("it is new");
    let said = "Archive a already exists.".to_owned();
    assert_eq!(refused(new("a", &bus).await), ("ResourceAlreadyExistsException", said));
    let said = "At least one of EventPattern, RetentionDays or Description must be provided.";
    let nothing = plane.update_archive("nobody", ArchiveUpdate::default()).await;
    assert_eq!(refused(nothing), ("ValidationException", said.to_owned()));
    assert_eq!(refused(plane.delete_archive("b").await).1, "Archive b does not exist.");

    let second = events::arn::Home::default().archive("a");
    let at = |millis| contracts::Timestamp::from_millis(millis);
    let base = NewReplay {
        name: "p".into(),
        archive_arn: second,
        from: at(0),
        to: at(10),
        bus_arn: bus,
        ..NewReplay::default()
    };
    let start = |change: fn(&mut NewReplay)| {
        let mut replay = base.clone();
        change(&mut replay);
        plane.start_replay(replay)
    };
    let reason = |what: &str, why: &str| format!("Parameter {what} is not valid. Reason: {why}");
    let backwards = refused(start(|r| r.to = r.from).await).1;
    let why = "EventStartTime must be before EventEndTime.";
    assert_eq!(backwards, reason("EventEndTime", why));
    let unknown = refused(start(|r| r.archive_arn = r.archive_arn.replace("/a", "/b")).await).1;
    assert_eq!(unknown, reason("EventSourceArn", "Archive b does not exist."));
    plane
        .create_event_bus("orders", BusSettings::default(), Default::default())
        .await
        .expect("new");
    let other = refused(start(|r| r.bus_arn = r.bus_arn.replace("/default", "/orders")).await).1;
    assert_eq!(other, reason("Destination.Arn", "Cross event bus replay is not permitted."));
    start(|_| ()).await.expect("it is right");
    assert_eq!(refused(start(|_| ()).await).1, "Replay p already exists.");
    plane.cancel_replay("p").await.expect("it is starting");
    let again = refused(plane.cancel_replay("p").await);
    assert_eq!(again.0, "IllegalStatusException");
    assert_eq!(refused(plane.describe_replay("q").await).1, "Replay q does not exist.");
}

#[tokio::test]
async fn entries_are_refused_one_by_one() {
    let (_dir, world) = world().await;
    let good = || Entry {
        source: Some("shop".into()),
        detail_type: Some("Sold".into()),
        detail: Some("{}".into()),
        ..Entry::default()
    };
    type Change = fn(&mut Entry);
    let wrong: [(Change, &str); 7] = [
        (|e| e.source = None, "InvalidArgument"),
        (|e| e.source = Some(String::new()), "InvalidArgument"),
        (|e| e.detail_type = None, "InvalidArgument"),
        (|e| e.detail = None, "InvalidArgument"),
        (|e| e.detail = Some("\"text\"".into()), "MalformedDetail"),
        (|e| e.detail = Some("[]".into()), "MalformedDetail"),
        (|e| e.detail = Some("{".into()), "MalformedDetail"),
    ];
    let mut entries = vec![good()];
    entries.extend(wrong.iter().map(|(change, _)| {
        let mut entry = good();
        change(&mut entry);
        entry
    }));
    entries.push(Entry { bus: Some("nobody".into()), ..good() });
    let answers = world.plane.put_events(entries).await.expect("the call is right");
    let codes: Vec<&str> =
        answers.iter().map(|answer| answer.as_ref().map_or_else(|e| e.code, |_| "taken")).collect();
    let expected: Vec<&str> = wrong.iter().map(|(_, code)| *code).collect();
    assert_eq!(codes, [&["taken"], expected.as_slice(), &["taken"]].concat());

    let large =
        Entry { detail: Some(format!(r#"{{"a": "{}"}}"#, "x".repeat(1_000_000))), ..good() };
    let said = "Total size of the entries in the request is over the limit.".to_owned();
    assert_eq!(refused(world.plane.put_events(vec![large]).await), ("ValidationException", said));
    assert_eq!(refused(world.plane.put_events(vec![good(); 11]).await).0, "ValidationException");
}

#[tokio::test]
async fn tags_are_kept_with_buses_and_rules() {
    let (_dir, world) = world().await;
    let plane = &world.plane;
    plane.put_rule(rule("r")).await.expect("it is right");
    let home = plane.home();
    for arn in [home.bus("default"), home.rule("default", "r")] {
        let tags = [("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())];
        plane.tag_resource(&arn, tags.into()).await.expect("it is there");
        plane.untag_resource(&arn, &["a".into()]).await.expect("it is there");
        let tags = plane.list_tags(&arn).await.expect("it is there");
        assert_eq!(tags.into_iter().collect::<Vec<_>>(), [("b".to_owned(), "2".to_owned())]);
    }
    let missing = refused(plane.list_tags(&home.rule("default", "x")).await);
    assert_eq!(missing.1, "Rule x does not exist on EventBus default.");
}
