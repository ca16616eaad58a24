//! The adapters against our own AWS API, through AWS's SDK: served in this process, so that nothing
//! else is needed.
//!
//! What the suites want of a service is what AWS promises; what AWS cannot show within a test (a
//! clock that is moved by days) our engine can.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod world;

use crate::world::World;
use adapter_aws::{EventBridge, Machines, SqsQueues, StepFunctions};
use ports::conformance::{self, Excepted, Exceptions, MACHINES, Taken};
use ports::{Clock, EventBus, EventLog as _, Queues, SagaEngine};
use std::cell::RefCell;
use std::sync::Arc;

/// How many events a look sees at most.
const LOOK_MAX: usize = 1_000;

/// Why a case that moves the clock under a waiting receive says nothing here.
const OVER_A_WIRE: &str = "the clock may have been moved before the receive arrives";
/// What cannot be seen of the queues' suite over a wire.
const QUEUES: Exceptions<'_> = &[
    (
        "who_waits_is_woken_when_a_message_becomes_visible_again",
        Excepted::FailsByChance,
        OVER_A_WIRE,
    ),
    ("nobody_waits_longer_than_they_said", Excepted::FailsByChance, OVER_A_WIRE),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn step_functions_through_the_sdk_passes_the_suite_of_engines() {
    let worlds = RefCell::new(Vec::new());
    conformance::saga_engine(async |clock: Arc<dyn Clock>| {
        let world = World::open(clock).await;
        for machine in MACHINES {
            world.engine.publish(machine.name, machine.definition).await.unwrap();
        }
        let arn = |name| (name, engine::machine_arn(name));
        let machines = Machines::new(MACHINES.map(|machine| arn(machine.name))).unwrap();
        let engine = StepFunctions::new(&world.clients, machines);
        worlds.borrow_mut().push(world);
        Arc::new(engine) as Arc<dyn SagaEngine>
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eventbridge_through_the_sdk_passes_the_suite_of_buses() {
    let worlds = RefCell::new(Vec::new());
    conformance::event_bus(async || {
        let world = World::open(Arc::new(testkit::ManualClock::default())).await;
        let bus = EventBridge::new(&world.clients, "default");
        let db = Arc::clone(&world.db);
        let taken: Taken = Box::new(move || {
            let db = Arc::clone(&db);
            Box::pin(async move {
                let taken = db.after(0, LOOK_MAX).await.unwrap();
                taken.into_iter().map(|archived| archived.envelope).collect()
            })
        });
        worlds.borrow_mut().push(world);
        (Arc::new(bus) as Arc<dyn EventBus>, taken)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqs_through_the_sdk_passes_the_suite_of_queues() {
    let worlds = RefCell::new(Vec::new());
    conformance::queues_only(QUEUES, async |clock: Arc<dyn Clock>| {
        let world = World::open(clock).await;
        let queues = Arc::new(SqsQueues::new(&world.clients)) as Arc<dyn Queues>;
        let db = Arc::clone(&world.db);
        worlds.borrow_mut().push(world);
        (queues, Arc::clone(&db) as _, db as _)
    })
    .await;
}
