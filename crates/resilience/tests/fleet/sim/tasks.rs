//! The scheduler: of all futures that can go on, a random one goes on, by the seed.

use futures::task::{ArcWake, waker};
use ports::Ids;
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Context;
use testkit::SeededIds;

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// Runs futures, one poll at a time.
pub struct Tasks {
    tasks: HashMap<u64, Task>,
    ready: Arc<Mutex<Vec<u64>>>,
    dice: SeededIds,
    next: u64,
    /// How many polls there were: each is a choice among all interleavings.
    pub polls: u64,
}

struct Wake {
    id: u64,
    ready: Arc<Mutex<Vec<u64>>>,
}

impl ArcWake for Wake {
    fn wake_by_ref(this: &Arc<Self>) {
        let mut ready = this.ready.lock().unwrap();
        if !ready.contains(&this.id) {
            ready.push(this.id);
        }
    }
}

impl Tasks {
    pub fn seeded(seed: u64) -> Self {
        let dice = SeededIds::new(seed);
        Self { tasks: HashMap::new(), ready: Arc::default(), dice, next: 0, polls: 0 }
    }

    /// Starts a future; answers its number.
    pub fn spawn(&mut self, task: impl Future<Output = ()> + 'static) -> u64 {
        self.next += 1;
        self.tasks.insert(self.next, Box::pin(task));
        self.ready.lock().unwrap().push(self.next);
        self.next
    }

    /// Drops a future where it stands.
    pub fn kill(&mut self, id: u64) {
        self.tasks.remove(&id);
    }

    /// A number below `below`, by the seed.
    pub fn roll(&self, below: u64) -> u64 {
        self.dice.seed() % below.max(1)
    }

    /// Lets one future go on; tells whether one could.
    pub fn step(&mut self) -> bool {
        let id = {
            let mut ready = self.ready.lock().unwrap();
            if ready.is_empty() {
                return false;
            }
            let place = self.dice.seed() % u64::try_from(ready.len()).unwrap();
            ready.swap_remove(usize::try_from(place).unwrap())
        };
        let Some(task) = self.tasks.get_mut(&id) else {
            return true;
        };
        self.polls += 1;
        let waker = waker(Arc::new(Wake { id, ready: Arc::clone(&self.ready) }));
        if task.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            self.tasks.remove(&id);
        }
        true
    }

    /// Lets all go on until nobody can.
    pub fn settle(&mut self) {
        while self.step() {}
    }
}
