//! Archives and replays at work.

use crate::world::{Reached, World, queue};
use events::control::{ArchiveUpdate, NewArchive, NewReplay, ReplayState};
use ports::Clock;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use testkit::ManualClock;

async fn archive(world: &World, name: &str, pattern: Option<&str>) -> String {
    let new = NewArchive {
        name: name.into(),
        source_arn: world.plane.home().bus("default"),
        pattern: pattern.map(str::to_owned),
        ..NewArchive::default()
    };
    world.plane.create_archive(new).await.expect("the archive is new").arn
}

fn all_of(world: &World, name: &str, archive_arn: &str) -> NewReplay {
    NewReplay {
        name: name.into(),
        archive_arn: archive_arn.into(),
        from: contracts::Timestamp::EPOCH,
        to: world.clock.now().plus(Duration::from_secs(1)),
        bus_arn: world.plane.home().bus("default"),
        ..NewReplay::default()
    }
}

async fn ended(world: &World, name: &str) -> ReplayState {
    for _ in 0..100_000 {
        let replay = world.plane.describe_replay(name).await.expect("it was started");
        if !replay.state.is_active() {
            return replay.state;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("the replay does not end");
}

fn replayed(events: &[Value], name: &str) -> Vec<i64> {
    let of = events.iter().filter(|event| event["replay-name"] == name);
    let mut numbers: Vec<i64> = of.filter_map(|event| event["detail"]["n"].as_i64()).collect();
    // Strangers' events have no order among each other.
    numbers.sort_unstable();
    numbers
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_brings_the_archives_events_in_the_window_to_the_chosen_rules() {
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    let mut world = World::open(dir.path(), Reached::new(|_, _| Ok(())), Arc::default()).await;
    world.deliver();
    world.replay();
    let chosen = world.rule("chosen", "shop", vec![queue("t", "chosen")]).await;
    world.rule("other", "shop", vec![queue("t", "other")]).await;
    world.put("shop", r#"{"n": 0}"#).await;
    let arn = archive(&world, "a", Some(r#"{"detail": {"n": [{"numeric": ["<", 90]}]}}"#)).await;
    let start = world.clock.now();
    for n in 1..=5 {
        let at = start.plus(Duration::from_secs(n));
        world.put_at("shop", &format!(r#"{{"n": {n}}}"#), Some(at)).await;
    }
    world.put("shop", r#"{"n": 99}"#).await;
    world.put("elsewhere", r#"{"n": 1}"#).await;
    world.reached.until(14).await;
    let new = NewReplay {
        from: start.plus(Duration::from_secs(2)),
        to: start.plus(Duration::from_secs(5)),
        filter_arns: vec![chosen],
        ..all_of(&world, "again", &arn)
    };
    let begun = world.plane.start_replay(new).await.expect("it is right");
    assert_eq!(begun.state, ReplayState::Starting);
    assert_eq!(ended(&world, "again").await, ReplayState::Completed);
    assert_eq!(replayed(&world.reached.at("chosen"), "again"), [2, 3, 4]);
    assert_eq!(replayed(&world.reached.at("other"), "again"), [0_i64; 0]);
    let shown = world.plane.describe_replay("again").await.expect("it is there");
    assert_eq!(shown.last_replayed, Some(start.plus(Duration::from_secs(4))));

    // Nothing was archived again, and every delivery had a key of its own.
    let counted = world.plane.describe_archive("a").await.expect("it is there");
    assert_eq!(counted.events, 6);
    let keys = world.reached.keys();
    assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len());
    world.stop(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archives_new_pattern_counts_for_what_comes_after_it() {
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    let world = World::open(dir.path(), Reached::new(|_, _| Ok(())), Arc::default()).await;
    archive(&world, "a", Some(r#"{"source": ["x"]}"#)).await;
    world.put("x", "{}").await;
    world.put("y", "{}").await;
    let update =
        ArchiveUpdate { pattern: Some(r#"{"source": ["y"]}"#.into()), ..ArchiveUpdate::default() };
    world.plane.update_archive("a", update).await.expect("it is there");
    world.put("x", "{}").await;
    world.put("y", "{}").await;
    let counted = world.plane.describe_archive("a").await.expect("it is there");
    assert_eq!(counted.events, 2);
    assert_eq!(counted.archive.pattern(), Some(r#"{"source": ["y"]}"#));
    world.stop(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_in_the_middle_of_a_replay_loses_nothing() {
    const EVENTS: i64 = 3_000;
    for kindly in [true, false] {
        let dir = tempfile::tempdir().expect("a temporary folder can be made");
        let clock = Arc::new(ManualClock::default());
        let reached = Reached::new(|_, _| Ok(()));
        let mut world = World::open(dir.path(), Arc::clone(&reached), Arc::clone(&clock)).await;
        let arn = archive(&world, "a", None).await;
        let numbers: Vec<i64> = (0..EVENTS).collect();
        for ten in numbers.chunks(10) {
            let details = ten.iter().map(|n| json!({"n": n}).to_string()).collect();
            world.put_all("shop", details, None).await;
        }
        world.rule("r", "shop", vec![queue("t", "q")]).await;
        world.plane.start_replay(all_of(&world, "p", &arn)).await.expect("it is right");
        world.replay();
        world.reached.until(500).await;
        // Long enough for the progress to be recorded again, too short for patience to end.
        clock.advance(Duration::from_millis(200));
        world.reached.until(600).await;
        world.stop(kindly).await;

        let mut world = World::open(dir.path(), Arc::clone(&reached), clock).await;
        let before = world.plane.describe_replay("p").await.expect("it is there");
        assert_eq!(before.state, ReplayState::Running);
        assert!(before.cursor > 0 || !kindly, "what was handed over is known");
        world.deliver();
        world.replay();
        assert_eq!(ended(&world, "p").await, ReplayState::Completed);
        let came: BTreeSet<i64> = replayed(&world.reached.at("q"), "p").into_iter().collect();
        assert_eq!(came, (0..EVENTS).collect());
        world.stop(true).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_replay_stops_and_what_it_owes_is_still_redelivered() {
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    let reached = Reached::new(|_, tries| match tries {
        1..=40 => Err(events::DeliveryError::retryable("take it")),
        _ => Ok(()),
    });
    let mut world = World::open(dir.path(), reached, Arc::default()).await;
    let arn = archive(&world, "a", None).await;
    for n in 0..20 {
        world.put("shop", &json!({"n": n}).to_string()).await;
    }
    world.rule("r", "shop", vec![queue("t", "q")]).await;
    world.deliver();
    world.pass_time_until(|world| world.reached.at("q").len() >= 20).await;
    world.plane.start_replay(all_of(&world, "p", &arn)).await.expect("it is right");
    world.plane.cancel_replay("p").await.expect("it is starting");
    world.replay();
    assert_eq!(ended(&world, "p").await, ReplayState::Cancelled);
    let shown = world.plane.describe_replay("p").await.expect("it is there");
    assert!(shown.ended_at.is_some());
    world.stop(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_event_that_fails_is_tried_again_under_its_replay() {
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    let reached = Reached::new(|_, tries| match tries {
        2..=3 => Err(events::DeliveryError::retryable("take it")),
        _ => Ok(()),
    });
    let mut world = World::open(dir.path(), reached, Arc::default()).await;
    world.deliver();
    world.replay();
    let arn = archive(&world, "a", None).await;
    world.rule("r", "shop", vec![queue("t", "q")]).await;
    world.put("shop", r#"{"n": 1}"#).await;
    world.reached.until(1).await;
    world.plane.start_replay(all_of(&world, "p", &arn)).await.expect("it is right");
    assert_eq!(ended(&world, "p").await, ReplayState::Completed, "a row takes over");
    world.pass_time_until(|world| world.reached.at("q").len() == 2).await;
    assert_eq!(replayed(&world.reached.at("q"), "p"), [1]);
    world.stop(true).await;
}
