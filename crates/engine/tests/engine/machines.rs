//! State machines: revisions, versions, aliases, tags.

use crate::world::{ONE_TASK, WAITS, World};
use engine::{
    AliasChange, Engine, MachineChange, MachineRef, MachineRefusal, MachineType, NewMachine,
    Qualifier, Route, StartOf,
};
use ports::SagaEngine;
use serde_json::json;
use std::collections::BTreeMap;

const PASSES: &str = r#"{"StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}}"#;

fn new(name: &str, definition: &str) -> NewMachine {
    NewMachine { name: name.into(), definition: definition.into(), ..NewMachine::default() }
}

fn which(qualifier: Qualifier) -> MachineRef {
    MachineRef { name: "m".into(), qualifier }
}

/// The definition that a start of `which` runs by.
async fn runs_by(engine: &Engine, which: MachineRef) -> String {
    let start = StartOf { machine: which, name: None, input: json!({"a": 1}), trace_header: None };
    let id = engine.start_of(start).await.unwrap().id;
    engine.describe(&id).await.unwrap().definition
}

/// The hash of a definition.
fn hash(definition: &str) -> String {
    asl::Program::compile(definition).unwrap().hash().to_owned()
}

#[tokio::test]
async fn creating_the_same_machine_twice_is_creating_it_once() {
    let world = World::new().await;
    let engine = world.open().await;
    let (first, _) = engine.machines().create(new("m", WAITS)).await.unwrap();
    let mut again = new("m", WAITS);
    again.settings.role = "another role does not count".into();
    assert_eq!(engine.machines().create(again).await.unwrap().0, first);
    let other =
        [new("m", PASSES), NewMachine { machine_type: MachineType::Express, ..new("m", WAITS) }];
    for other in other {
        let refused = engine.machines().create(other).await;
        assert!(
            matches!(refused, Err(MachineRefusal::StateMachineAlreadyExists(_))),
            "{refused:?}"
        );
    }
    for bad in ["", "a b", "a/b"] {
        let refused = engine.machines().create(new(bad, WAITS)).await;
        assert!(matches!(refused, Err(MachineRefusal::InvalidName { .. })), "{refused:?}");
    }
}

#[tokio::test]
async fn versions_never_change_and_are_numbered_for_good() {
    let world = World::new().await;
    let engine = world.open().await;
    let machines = engine.machines();
    let publish = Some(Some("the first".to_owned()));
    let (_, first) = machines.create(NewMachine { publish, ..new("m", WAITS) }).await.unwrap();
    assert_eq!(first.unwrap().number, 1);
    // The revision has a version already.
    assert_eq!(machines.publish_version("m", None, None).await.unwrap().number, 1);
    let change = MachineChange { definition: Some(PASSES.into()), ..MachineChange::default() };
    let (changed, _) = machines.update("m", change).await.unwrap();
    let stale = machines.publish_version("m", Some("another"), None).await;
    assert!(matches!(stale, Err(MachineRefusal::Conflict(_))), "{stale:?}");
    let revision = changed.revision.as_deref();
    assert_eq!(machines.publish_version("m", revision, None).await.unwrap().number, 2);
    machines.delete_version("m", 2).await.unwrap();
    machines.delete_version("m", 2).await.unwrap();
    machines.update("m", MachineChange::default()).await.unwrap();
    assert_eq!(machines.publish_version("m", None, None).await.unwrap().number, 3);
    let listed = machines.versions("m", 10, None).await.unwrap().items;
    assert_eq!(listed.iter().map(|version| version.number).collect::<Vec<_>>(), [3, 1]);
    assert_eq!(runs_by(&engine, which(Qualifier::Version(1))).await, hash(WAITS));
    assert_eq!(runs_by(&engine, which(Qualifier::Newest)).await, hash(PASSES));
    let described = machines.describe(&which(Qualifier::Version(1))).await.unwrap();
    assert_eq!(described.definition, WAITS);
}

#[tokio::test]
async fn an_alias_leads_to_its_versions_until_it_is_changed() {
    let world = World::new().await;
    let engine = world.open().await;
    let machines = engine.machines();
    machines.create(NewMachine { publish: Some(None), ..new("m", WAITS) }).await.unwrap();
    let definition = Some(PASSES.to_owned());
    let change = MachineChange { definition, publish: Some(None), ..MachineChange::default() };
    machines.update("m", change).await.unwrap();
    let all = |version| vec![Route { version, weight: 100 }];
    let live = machines.create_alias("m", "LIVE", None, all(1)).await.unwrap();
    assert_eq!(machines.create_alias("m", "LIVE", None, all(1)).await.unwrap(), live);
    let other = machines.create_alias("m", "LIVE", None, all(2)).await;
    assert!(matches!(other, Err(MachineRefusal::Conflict(_))), "{other:?}");
    let alias = || which(Qualifier::Alias("LIVE".into()));
    assert_eq!(runs_by(&engine, alias()).await, hash(WAITS));
    let in_use = machines.delete_version("m", 1).await;
    assert!(matches!(in_use, Err(MachineRefusal::Conflict(_))), "{in_use:?}");
    let change = AliasChange { routes: Some(all(2)), ..AliasChange::default() };
    machines.update_alias("m", "LIVE", change).await.unwrap();
    assert_eq!(runs_by(&engine, alias()).await, hash(PASSES));
    machines.delete_version("m", 1).await.unwrap();
    for wrong in [vec![], all(7), vec![Route { version: 2, weight: 99 }]] {
        assert!(machines.create_alias("m", "B", None, wrong).await.is_err());
    }
    machines.delete_alias("m", "LIVE").await.unwrap();
    let gone = machines.alias("m", "LIVE").await;
    assert!(matches!(gone, Err(MachineRefusal::ResourceNotFound(_))), "{gone:?}");
}

#[tokio::test]
async fn a_deleted_machine_takes_its_versions_along_and_leaves_running_executions() {
    let world = World::new().await;
    let engine = world.open().await;
    let machines = engine.machines();
    machines.create(NewMachine { publish: Some(None), ..new("m", WAITS) }).await.unwrap();
    let newest = which(Qualifier::Newest);
    let input = json!({});
    let start = StartOf { machine: newest.clone(), name: None, input, trace_header: None };
    let id = engine.start_of(start.clone()).await.unwrap().id;
    machines.delete("m").await.unwrap();
    machines.delete("m").await.unwrap();
    assert!(engine.start_of(start).await.is_err());
    assert!(machines.describe(&newest).await.is_err());
    assert_eq!(machines.versions("m", 10, None).await.unwrap().items, []);
    world.close(engine).await;
    world.clock.advance(std::time::Duration::from_hours(1));
    let engine = world.open().await;
    assert!(matches!(engine.ended(&id).await, Ok(asl::End::Succeeded { .. })));
}

#[tokio::test]
async fn machines_are_listed_by_name_page_by_page_and_keep_their_tags() {
    let world = World::new().await;
    let engine = world.open().await;
    let machines = engine.machines();
    for name in ["c", "a", "b"] {
        machines.create(new(name, PASSES)).await.unwrap();
    }
    let tags =
        |n: usize| (0..n).map(|i| (i.to_string(), String::new())).collect::<BTreeMap<_, _>>();
    machines.tag("a", tags(50)).await.unwrap();
    machines.untag("a", &["0".to_owned(), "nothing".to_owned()]).await.unwrap();
    let many = machines.tag("a", [("x".into(), "1".into()), ("y".into(), "2".into())].into()).await;
    assert!(
        matches!(many, Err(MachineRefusal::TooManyTags { most: 50, would_be: 51 })),
        "{many:?}"
    );
    let first = machines.list(2, None).await.unwrap();
    assert_eq!(first.items.iter().map(|m| &*m.name).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(first.items[0].tags.len(), 49);
    let second = machines.list(2, first.next).await.unwrap();
    assert_eq!(second.items.iter().map(|m| &*m.name).collect::<Vec<_>>(), ["c"]);
    assert_eq!(second.next, None);
}

#[tokio::test]
async fn an_express_machine_only_calls_and_takes_the_answer() {
    let world = World::new().await;
    let engine = world.open().await;
    let express = |definition: &str| NewMachine {
        machine_type: MachineType::Express,
        ..new("m", definition)
    };
    let waits = ONE_TASK.replace("lambda:invoke", "lambda:invoke.waitForTaskToken");
    let refused = engine.machines().create(express(&waits)).await;
    assert!(matches!(refused, Err(MachineRefusal::InvalidDefinition(_))), "{refused:?}");
    engine.machines().create(express(ONE_TASK)).await.unwrap();
    let name = Some("one".to_owned());
    let start = StartOf {
        machine: which(Qualifier::Newest),
        name,
        input: json!({"a": 1}),
        trace_header: None,
    };
    // The same name twice is two executions.
    let (one, _) = engine.start_sync(start.clone()).await.unwrap();
    let (other, end) = engine.start_sync(start).await.unwrap();
    assert_ne!(one.id, other.id);
    assert_eq!(end, crate::world::succeeded(json!({"a": 1})));
}
