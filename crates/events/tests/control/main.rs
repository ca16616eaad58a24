//! The control plane and what it sets to work: rules, targets, dead letters, archives, replays,
//! schedules; over the embedded database, with restarts in the middle.

mod refusals;
mod replays;
mod world;

use events::control::{DeadLetterConfig, NewRule, Page, TargetSpec};
use events::retry::{DeliveryError, code};
use events::transform::InputTransformer;
use ports::{Clock, EventLog};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use testkit::ManualClock;
use world::{Reached, World, queue, retries};

#[tokio::test(flavor = "multi_thread")]
async fn what_a_call_changes_is_at_work_when_it_returns() {
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    let reached = Reached::new(|_, _| Ok(()));
    let mut world = World::open(dir.path(), reached, Arc::default()).await;
    world.deliver();
    for round in 0..20 {
        let (rule, source) = (format!("r{round}"), format!("s{round}"));
        world.rule(&rule, &source, vec![queue("t", "q")]).await;
        world.put(&source, "{}").await;
        // What is routed after its rule was switched off is not delivered.
        world.reached.until(round + 1).await;
        world.plane.switch_rule("default", &rule, false).await.expect("the rule is there");
        world.put(&source, r#"{"late": true}"#).await;
    }
    world.put("other", "{}").await;
    world.rule("last", "last", vec![queue("t", "last")]).await;
    world.put("last", "{}").await;
    world.reached.until(21).await;
    let late = world.reached.at("q").iter().filter(|event| event["detail"]["late"] == true).count();
    assert_eq!(late, 0, "a rule that is off takes nothing");
    world.stop(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_target_gets_its_own_view_of_the_event() {
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    let mut world = World::open(dir.path(), Reached::new(|_, _| Ok(())), Arc::default()).await;
    let transformer = InputTransformer {
        input_paths_map: [("id".to_owned(), "$.detail.id".to_owned())].into(),
        input_template: r#"{"id": <id>, "rule": <aws.events.rule-name>}"#.to_owned(),
    };
    let targets = vec![
        queue("whole", "whole"),
        TargetSpec { input: Some(r#"{"a": 1}"#.into()), ..queue("constant", "constant") },
        TargetSpec { input_path: Some("$.detail.id".into()), ..queue("part", "part") },
        TargetSpec { input_transformer: Some(transformer), ..queue("made", "made") },
    ];
    world.rule("r", "shop", targets).await;
    world.deliver();
    world.put("shop", r#"{"id": "7"}"#).await;
    world.reached.until(4).await;
    let whole = &world.reached.at("whole")[0];
    assert_eq!(whole["detail"], json!({"id": "7"}));
    assert_eq!((&whole["account"], &whole["version"]), (&json!("000000000000"), &json!("0")));
    assert_eq!(world.reached.at("constant"), [json!({"a": 1})]);
    assert_eq!(world.reached.at("part"), [json!("7")]);
    assert_eq!(world.reached.at("made"), [json!({"id": "7", "rule": "r"})]);
    world.stop(true).await;
}

fn dead_letters(queue: &str) -> Option<DeadLetterConfig> {
    Some(DeadLetterConfig { arn: Some(format!("arn:aws:sqs:us-east-1:000000000000:{queue}")) })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_delivered_goes_to_the_dead_letter_queue_and_else_stays() {
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    let reached = Reached::new(|place, _| match place {
        "failing" => Err(DeliveryError::retryable("take it")),
        "gone" => Err(DeliveryError::fatal("find it").coded(code::NO_RESOURCE)),
        _ => Ok(()),
    });
    let mut world = World::open(dir.path(), reached, Arc::default()).await;
    let failing = TargetSpec { retry_policy: retries(2), ..queue("failing", "failing") };
    let with = |queue: &str, spec: TargetSpec| TargetSpec {
        dead_letter_config: dead_letters(queue),
        ..spec
    };
    let targets = vec![
        with("dlq", failing.clone()),
        with("dlq", queue("gone", "gone")),
        with("missing", TargetSpec { id: "lost".into(), ..failing.clone() }),
        TargetSpec { id: "kept".into(), ..failing },
    ];
    let rule_arn = world.rule("r", "shop", targets).await;
    world.deliver();
    world.put("shop", r#"{"id": 1}"#).await;
    world
        .pass_time_until(|world| {
            let letters = world.db.dead_letters(0, 10).expect("the database answers");
            letters.len() == 2 && world.reached.notes().buried.len() == 2
        })
        .await;

    let mut said = BTreeSet::new();
    for (queue, letter) in &world.reached.notes().buried {
        let of = |name: &str| letter.attributes.get(name).map(|said| said.value.clone());
        assert_eq!((queue.as_str(), of("RULE_ARN")), ("dlq", Some(rule_arn.clone())));
        assert!(letter.body.contains(r#""detail":{"id":1}"#), "{}", letter.body);
        said.insert((of("ERROR_CODE"), of("EXHAUSTED_RETRY_CONDITION"), of("RETRY_ATTEMPTS")));
    }
    let some = |text: &str| Some(text.to_owned());
    let expected = [
        (some("ERROR_FROM_TARGET"), some("MaximumRetryAttempts"), some("2")),
        (some("NO_RESOURCE"), None, some("0")),
    ];
    assert_eq!(said, BTreeSet::from(expected));
    let letters = world.db.dead_letters(0, 10).expect("the database answers");
    let targets: Vec<&str> = letters.iter().map(|letter| letter.target.as_str()).collect();
    assert_eq!(targets, ["rule/default/r/kept", "rule/default/r/lost"]);
    assert!(letters[1].reason.contains("and its dead-letter queue"), "{}", letters[1].reason);
    world.stop(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_and_targets_and_what_is_owed_outlast_a_restart() {
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    let reached = Reached::new(|_, tries| match tries {
        1 => Err(DeliveryError::retryable("take it")),
        _ => Ok(()),
    });
    let clock = Arc::new(ManualClock::default());
    let mut world = World::open(dir.path(), Arc::clone(&reached), Arc::clone(&clock)).await;
    world.rule("r", "shop", vec![queue("t", "q")]).await;
    world.deliver();
    world.put("shop", r#"{"id": 1}"#).await;
    while world.db.standing(clock.now(), 10).await.expect("it answers").cursor < 1 {
        tokio::task::yield_now().await;
    }
    world.stop(true).await;

    let mut world = World::open(dir.path(), reached, clock).await;
    let rules = world.plane.list_rules("default", &Page::default()).await.expect("they are read");
    let names: Vec<&str> = rules.entries.iter().map(|rule| rule.rule.name.as_str()).collect();
    assert_eq!(names, ["r", "shop"]);
    world.deliver();
    world.clock.advance(Duration::from_secs(5));
    world.reached.until(1).await;
    assert_eq!(world.reached.at("q")[0]["detail"], json!({"id": 1}));
    world.stop(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn removing_a_target_gives_up_what_is_owed_to_it_in_sight() {
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    let reached = Reached::new(|_, _| Err(DeliveryError::retryable("take it")));
    let mut world = World::open(dir.path(), reached, Arc::default()).await;
    world.rule("r", "shop", vec![queue("t", "q")]).await;
    world.deliver();
    world.put("shop", "{}").await;
    while world.db.standing(world.clock.now(), 10).await.expect("it answers").cursor < 1 {
        tokio::task::yield_now().await;
    }
    let removed = world.plane.remove_targets("default", "r", &["t".into()]).await;
    removed.expect("the target is there");
    world.plane.delete_rule("default", "r").await.expect("the rule has no targets any more");
    world
        .pass_time_until(|world| !world.db.dead_letters(0, 1).expect("it answers").is_empty())
        .await;
    let letters = world.db.dead_letters(0, 10).expect("the database answers");
    assert_eq!(letters[0].reason, "no such target is left");
    world.stop(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_fires_once_for_each_of_its_times_also_over_a_restart() {
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    let clock = Arc::new(ManualClock::default());
    let reached = Reached::new(|_, _| Ok(()));
    let mut world = World::open(dir.path(), Arc::clone(&reached), Arc::clone(&clock)).await;
    let rule = NewRule {
        bus: "default".into(),
        name: "tick".into(),
        // A rule may have both; its schedule does not care for its pattern.
        pattern: Some(r#"{"source": ["shop"]}"#.into()),
        schedule: Some("rate(1 minute)".into()),
        ..NewRule::default()
    };
    let arn = world.plane.put_rule(rule).await.expect("the schedule is right");
    world.plane.put_targets("default", "tick", vec![queue("t", "q")]).await.expect("it is right");
    world.deliver();
    world.schedule();
    for minute in 1..=3 {
        world.clock.advance(Duration::from_secs(60));
        world.reached.until(minute).await;
    }
    world.stop(true).await;

    clock.advance(Duration::from_secs(600));
    let mut world = World::open(dir.path(), reached, clock).await;
    world.deliver();
    world.schedule();
    world.reached.until(4).await;
    world.clock.advance(Duration::from_secs(60));
    world.reached.until(5).await;
    let ticks = world.reached.at("q");
    assert_eq!(ticks.len(), 5, "of what was missed, the last one comes");
    assert!(ticks.iter().all(|tick| tick["resources"] == json!([arn])
        && tick["detail-type"] == "Scheduled Event"
        && tick["detail"] == json!({})));
    world.stop(true).await;
}
