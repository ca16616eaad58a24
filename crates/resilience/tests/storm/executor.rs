//! Processes in one thread and in simulated time: who is polled next is drawn by lot.
//!
//! Owns: tasks and whose they are, time, crashes (all tasks of a process are dropped where they
//! stand) and stalls (none of them is polled for a while). The same seed makes the same story.

use async_trait::async_trait;
use contracts::Timestamp;
use futures::future::BoxFuture;
use ports::{Clock, Ids};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use uuid::Uuid;

/// Whose a task is: a process's, or nobody's who could crash.
pub(crate) type Owner = Option<usize>;

/// A task that was spawned; it may have ended since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TaskId(usize, u64);

struct Task {
    number: u64,
    owner: Owner,
    future: BoxFuture<'static, ()>,
    waker: Arc<Bell>,
}

struct Bell {
    id: TaskId,
    rung: AtomicBool,
    ready: Arc<Mutex<Vec<TaskId>>>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.rung.swap(true, Ordering::Relaxed) {
            self.ready.lock().unwrap().push(self.id);
        }
    }
}

#[derive(Default)]
struct Time {
    now: i64,
    sleepers: BinaryHeap<Reverse<(i64, u64)>>,
    wakers: BTreeMap<u64, Waker>,
    registered: u64,
}

#[derive(Default)]
struct Tasks {
    places: Vec<Option<Task>>,
    free: Vec<usize>,
    spawned: u64,
}

/// The world's machinery; clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Sim {
    lot: Arc<Mutex<u64>>,
    time: Arc<Mutex<Time>>,
    tasks: Arc<Mutex<Tasks>>,
    ready: Arc<Mutex<Vec<TaskId>>>,
    stalled: Arc<Mutex<BTreeMap<usize, i64>>>,
}

impl Sim {
    pub(crate) fn seeded(seed: u64) -> Self {
        let sim = Self::default();
        *sim.lot.lock().unwrap() = seed;
        sim
    }

    /// A number below `bound`, by lot.
    pub(crate) fn below(&self, bound: u64) -> u64 {
        let mut state = self.lot.lock().unwrap();
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = *state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    /// Whether the lot falls on one in `n`.
    pub(crate) fn one_in(&self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn now(&self) -> i64 {
        self.time.lock().unwrap().now
    }

    pub(crate) async fn sleep(&self, ms: u64) {
        let until = self.now() + i64::try_from(ms).unwrap();
        self.until(until).await;
    }

    async fn until(&self, until: i64) {
        std::future::poll_fn(|cx| {
            let mut time = self.time.lock().unwrap();
            if time.now >= until {
                return Poll::Ready(());
            }
            time.registered += 1;
            let number = time.registered;
            time.sleepers.push(Reverse((until, number)));
            time.wakers.insert(number, cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    pub(crate) fn spawn(&self, owner: Owner, future: BoxFuture<'static, ()>) -> TaskId {
        let mut tasks = self.tasks.lock().unwrap();
        tasks.spawned += 1;
        let number = tasks.spawned;
        let place = tasks.free.pop().unwrap_or_else(|| {
            tasks.places.push(None);
            tasks.places.len() - 1
        });
        let id = TaskId(place, number);
        let ready = Arc::clone(&self.ready);
        let waker = Arc::new(Bell { id, rung: AtomicBool::new(true), ready });
        tasks.places[place] = Some(Task { number, owner, future, waker });
        self.ready.lock().unwrap().push(id);
        id
    }

    /// Takes a task out, if it has not ended.
    fn take(&self, TaskId(place, number): TaskId) -> Option<Task> {
        let mut tasks = self.tasks.lock().unwrap();
        tasks.places[place].take_if(|task| task.number == number)
    }

    fn vacate(&self, TaskId(place, _): TaskId) {
        self.tasks.lock().unwrap().free.push(place);
    }

    /// Drops a task where it stands.
    pub(crate) fn cancel(&self, id: TaskId) {
        if let Some(task) = self.take(id) {
            self.vacate(id);
            drop(task);
        }
    }

    /// Drops all tasks of a process where they stand.
    pub(crate) fn crash(&self, process: usize) {
        let mut doomed = Vec::new();
        {
            let mut tasks = self.tasks.lock().unwrap();
            let Tasks { places, free, .. } = &mut *tasks;
            for (place, task) in places.iter_mut().enumerate() {
                if let Some(task) = task.take_if(|task| task.owner == Some(process)) {
                    free.push(place);
                    doomed.push(task);
                }
            }
        }
        // Outside of the lock: what is dropped may wake and spawn others.
        drop(doomed);
    }

    /// Polls no task of a process for so long.
    pub(crate) fn stall(&self, process: usize, ms: u64) {
        let until = self.now() + i64::try_from(ms).unwrap();
        self.stalled.lock().unwrap().insert(process, until);
    }

    /// Runs until no task is left; `before` is told whose task is polled next.
    pub(crate) fn run(&self, mut before: impl FnMut(Owner)) {
        loop {
            let next = {
                let mut ready = self.ready.lock().unwrap();
                let count = ready.len() as u64;
                (count > 0).then(|| {
                    let place = usize::try_from(self.below(count)).unwrap();
                    ready.swap_remove(place)
                })
            };
            let Some(id) = next else {
                if self.pass() {
                    continue;
                }
                return;
            };
            let owner = self.owner(id);
            before(owner);
            self.poll(id);
        }
    }

    fn owner(&self, TaskId(place, number): TaskId) -> Owner {
        let tasks = self.tasks.lock().unwrap();
        tasks.places[place].as_ref().filter(|task| task.number == number)?.owner
    }

    fn poll(&self, id: TaskId) {
        let Some(mut task) = self.take(id) else {
            return;
        };
        let waker = Waker::from(Arc::clone(&task.waker));
        if let Some(until) = task.owner.and_then(|owner| self.stalled_until(owner)) {
            // It stays ready, and is looked at again when its process goes on.
            let mut time = self.time.lock().unwrap();
            task.waker.rung.store(false, Ordering::Relaxed);
            time.registered += 1;
            let number = time.registered;
            time.sleepers.push(Reverse((until, number)));
            time.wakers.insert(number, waker);
            drop(time);
            self.tasks.lock().unwrap().places[id.0] = Some(task);
            return;
        }
        task.waker.rung.store(false, Ordering::Relaxed);
        let ended = task.future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
        if ended {
            self.vacate(id);
        } else {
            self.tasks.lock().unwrap().places[id.0] = Some(task);
        }
    }

    fn stalled_until(&self, process: usize) -> Option<i64> {
        let now = self.now();
        self.stalled.lock().unwrap().get(&process).copied().filter(|until| *until > now)
    }

    /// Moves on to the next moment that somebody waits for; answers whether there is one.
    fn pass(&self) -> bool {
        let mut woken = Vec::new();
        {
            let mut time = self.time.lock().unwrap();
            let Some(&Reverse((until, _))) = time.sleepers.peek() else {
                return false;
            };
            time.now = time.now.max(until);
            let now = time.now;
            while let Some(&Reverse((until, number))) = time.sleepers.peek() {
                if until > now {
                    break;
                }
                time.sleepers.pop();
                woken.extend(time.wakers.remove(&number));
            }
        }
        woken.into_iter().for_each(Waker::wake);
        true
    }
}

/// The clock of one process: it differs from the others'.
pub(crate) struct SkewedClock {
    pub(crate) sim: Sim,
    pub(crate) skew_ms: i64,
}

#[async_trait]
impl Clock for SkewedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.sim.now() + self.skew_ms)
    }

    async fn sleep_until(&self, until: Timestamp) {
        self.sim.until(until.as_millis() - self.skew_ms).await;
    }
}

/// Ids by lot.
pub(crate) struct LotIds(pub(crate) Sim);

impl Ids for LotIds {
    fn fresh(&self) -> Uuid {
        let half = || u128::from(self.0.below(u64::MAX));
        Uuid::from_u128(half() << 64 | half())
    }

    fn seed(&self) -> u64 {
        self.0.below(u64::MAX)
    }
}
