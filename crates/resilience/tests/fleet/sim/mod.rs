//! A simulated fleet: the real breakers, layer and driver of many instances over one store, on one
//! thread, with a clock and a seed. The same seed is the same run.
//!
//! ```text
//! call(i) ──▶ BreakerLayer ──▶ Dependency ──▶ Reply: now, or held until the test answers
//!   all futures ──▶ Tasks: a random one goes on; SimStore and SimClock wake them
//! ```

mod clock;
mod store;
mod tasks;

pub use clock::SimClock;
pub use store::SimStore;

use contracts::Timestamp;
use futures::channel::oneshot;
use futures::future::BoxFuture;
use ports::Clock;
use resilience::breaker::fleet::FleetRecord;
use resilience::breaker::{BreakerLayer, Breakers, Config, Guarded, Mode, Outcome, Policy, View};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tasks::Tasks;
use testkit::SeededIds;
use tower_layer::Layer;
use tower_service::Service;

/// The one thing that all instances call.
pub const NAME: &str = "dependency";

/// The morning on which every simulation starts.
pub const START: Timestamp = Timestamp::from_millis(1_795_413_600_000);

/// How a call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    Ok,
    Failed,
    /// An error that says nothing about who was called.
    Ignored,
    /// It does not end until the test says how.
    Held,
}

/// How a call ended for its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    As(Reply),
    Rejected(Duration),
}

/// A call that reached the dependency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    pub instance: usize,
    pub at: Timestamp,
}

/// What the instances call.
#[derive(Default)]
struct World {
    reply: Option<Box<dyn FnMut(usize) -> Reply + Send>>,
    reached: Vec<Reached>,
    held: Vec<(usize, oneshot::Sender<Reply>)>,
    ended: Vec<(usize, Ended)>,
}

#[derive(Clone)]
struct Dependency {
    instance: usize,
    clock: Arc<SimClock>,
    world: Arc<Mutex<World>>,
}

impl Service<()> for Dependency {
    type Response = ();
    type Error = Ended;
    type Future = BoxFuture<'static, Result<(), Ended>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Ended>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        let mut world = self.world.lock().unwrap();
        world.reached.push(Reached { instance: self.instance, at: self.clock.now() });
        let reply = world.reply.as_mut().map_or(Reply::Ok, |reply| reply(self.instance));
        let (sender, receiver) = oneshot::channel();
        match reply {
            Reply::Held => world.held.push((self.instance, sender)),
            Reply::Ok | Reply::Failed | Reply::Ignored => sender.send(reply).unwrap(),
        }
        Box::pin(async move {
            // One whose answer is never given is lost with its instance.
            match receiver.await.unwrap_or(Reply::Ignored) {
                Reply::Ok => Ok(()),
                other @ (Reply::Failed | Reply::Ignored | Reply::Held) => Err(Ended::As(other)),
            }
        })
    }
}

/// Which ends of a call say what about the dependency.
#[derive(Clone, Copy)]
struct Ends;

impl Policy<(), (), Ended> for Ends {
    fn name<'a>(&self, (): &'a ()) -> &'a str {
        NAME
    }

    fn outcome(&self, answer: &Result<(), Ended>) -> Outcome {
        match answer {
            Ok(()) => Outcome::Success,
            Err(Ended::As(Reply::Failed)) => Outcome::Failure,
            Err(Ended::As(Reply::Ok | Reply::Ignored | Reply::Held) | Ended::Rejected(_)) => {
                Outcome::Ignored
            }
        }
    }

    fn rejection(&self, _: &str, retry_after: Duration) -> Result<(), Ended> {
        Err(Ended::Rejected(retry_after))
    }
}

/// One of the fleet's processes.
struct Instance {
    breakers: Arc<Breakers>,
    service: Guarded<Dependency, Ends>,
    tasks: Vec<u64>,
}

/// The fleet and all that it meets.
pub struct Fleet {
    pub clock: Arc<SimClock>,
    pub store: Arc<SimStore>,
    config: Config,
    seed: u64,
    world: Arc<Mutex<World>>,
    instances: Vec<Instance>,
    tasks: Tasks,
}

impl Fleet {
    /// Makes a fleet of so many instances that all keep in step; it goes by the default settings.
    pub fn of(instances: usize, seed: u64) -> Self {
        Self::with(Config::default(), instances, seed)
    }

    pub fn with(config: Config, instances: usize, seed: u64) -> Self {
        let clock = SimClock::at(START);
        let store = SimStore::new(clock.clone());
        let (world, tasks) = (Arc::default(), Tasks::seeded(seed));
        let instances_made = Vec::new();
        let mut fleet =
            Self { clock, store, config, seed, world, instances: instances_made, tasks };
        for _ in 0..instances {
            let instance = fleet.make(fleet.instances.len());
            fleet.instances.push(instance);
        }
        fleet.tasks.settle();
        fleet
    }

    fn make(&mut self, number: usize) -> Instance {
        // Instances that are made again are others.
        let seed = self.tasks.roll(u64::MAX) ^ u64::try_from(number).unwrap() ^ self.seed;
        let ids = Arc::new(SeededIds::new(seed));
        let breakers = Breakers::new(self.config, self.clock.clone(), ids);
        let breakers = Arc::new(breakers.in_fleet(self.store.clone()));
        let (clock, world) = (self.clock.clone(), Arc::clone(&self.world));
        let dependency = Dependency { instance: number, clock, world };
        let service = BreakerLayer::new(Arc::clone(&breakers), Ends).layer(dependency);
        let driven = Arc::clone(&breakers);
        let driver = async move { driven.keep_in_step(std::future::pending()).await };
        Instance { breakers, service, tasks: vec![self.tasks.spawn(driver)] }
    }

    /// Says how the dependency answers from now on, by the instance that calls.
    pub fn answers(&mut self, reply: impl FnMut(usize) -> Reply + Send + 'static) {
        self.world.lock().unwrap().reply = Some(Box::new(reply));
    }

    /// Begins a call; it goes on when the scheduler comes to it.
    pub fn call(&mut self, instance: usize) {
        let mut service = self.instances[instance].service.clone();
        let world = Arc::clone(&self.world);
        let task = self.tasks.spawn(async move {
            let ended = match service.call(()).await {
                Ok(()) => Ended::As(Reply::Ok),
                Err(ended) => ended,
            };
            world.lock().unwrap().ended.push((instance, ended));
        });
        self.instances[instance].tasks.push(task);
    }

    /// Makes a call and lets everything come to rest.
    pub fn call_now(&mut self, instance: usize) -> Option<Ended> {
        let before = self.world.lock().unwrap().ended.len();
        self.call(instance);
        self.settle();
        let world = self.world.lock().unwrap();
        world.ended[before..].iter().find(|(of, _)| *of == instance).map(|(_, ended)| *ended)
    }

    /// An operator at one of the instances switches the breaker of all.
    pub fn switch(&mut self, instance: usize, mode: Mode) {
        let breakers = Arc::clone(&self.instances[instance].breakers);
        self.tasks.spawn(async move { breakers.switch(NAME, mode).await.unwrap() });
        self.settle();
    }

    /// An instance is told to end, and tells the others what it knows.
    pub fn leave(&mut self, instance: usize) {
        let (breakers, now) = (Arc::clone(&self.instances[instance].breakers), self.clock.now());
        self.tasks.spawn(async move { breakers.sync_at_last(now).await });
        self.settle();
    }

    /// Lets everything go on that can without time passing.
    pub fn settle(&mut self) {
        self.tasks.settle();
    }

    /// Lets one thing go on; tells whether one could.
    pub fn step(&mut self) -> bool {
        self.tasks.step()
    }

    /// Lets time pass; whoever waits for a time goes on at that time.
    pub fn pass(&mut self, ms: u64) {
        let end = self.clock.now().plus(Duration::from_millis(ms));
        self.settle();
        loop {
            let is_over = self.clock.move_on(end);
            self.settle();
            if is_over {
                return;
            }
        }
    }

    /// A number below `below`, by the seed.
    pub fn roll(&self, below: u64) -> u64 {
        self.tasks.roll(below)
    }

    /// One of the instances, by the seed.
    pub fn any_instance(&self) -> usize {
        let count = u64::try_from(self.instances.len()).unwrap();
        usize::try_from(self.roll(count)).unwrap()
    }

    /// Ends a process where it stands, and starts another in its place.
    pub fn crash(&mut self, instance: usize) {
        for task in std::mem::take(&mut self.instances[instance].tasks) {
            self.tasks.kill(task);
        }
        self.world.lock().unwrap().held.retain(|(of, _)| *of != instance);
        self.instances[instance] = self.make(instance);
    }

    /// Answers the call that was held at `place`; the later ones move up.
    pub fn answer_held(&mut self, place: usize, reply: Reply) {
        let (_, sender) = self.world.lock().unwrap().held.remove(place);
        sender.send(reply).ok();
    }

    /// How many calls are held.
    pub fn held(&self) -> usize {
        self.world.lock().unwrap().held.len()
    }

    /// The calls that reached the dependency so far.
    pub fn reached(&self) -> Vec<Reached> {
        self.world.lock().unwrap().reached.clone()
    }

    /// How many calls reached the dependency so far.
    pub fn reached_count(&self) -> usize {
        self.world.lock().unwrap().reached.len()
    }

    /// How many polls there were: each is a choice among all interleavings.
    pub fn polls(&self) -> u64 {
        self.tasks.polls
    }

    pub fn breakers(&self, instance: usize) -> &Arc<Breakers> {
        &self.instances[instance].breakers
    }

    /// The breaker as one instance has it.
    pub fn view(&self, instance: usize) -> View {
        self.instances[instance].breakers.view(NAME).expect("it was called")
    }

    /// What the fleet agrees on now.
    pub fn record(&self) -> FleetRecord {
        self.store.record_now(NAME)
    }
}
