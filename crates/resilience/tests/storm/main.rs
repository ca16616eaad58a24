//! A thousand keys, a thousand copies of each at once, and everything that can go wrong.
//!
//! ```text
//! clients ──copies──▶ five processes: layer ──▶ handler ──▶ effect in the store, or elsewhere
//!    ▲ again, until it has an answer │ crash, stall, clock skew     │ fails, late, not answered
//!    └───────────────────────────────┴──────── one store ◀──────────┘
//! ```
//!
//! Both ways to record must show the same: each key takes effect once, and all copies of a key get
//! the same bytes. `STORM_SEED` shows the same story again.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends with the reason")]
#![expect(clippy::print_stdout, reason = "it says what it showed")]

mod executor;
mod processes;
mod store;

use processes::{House, Way};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

/// How many keys, and how many copies of each.
const KEYS: usize = 1_000;
const COPIES: usize = 1_000;
/// How many keys are under way at once; their copies are in the same five processes.
const KEYS_AT_ONCE: usize = 2;

/// What a storm showed.
#[derive(Debug, Default)]
struct Shown {
    copies: usize,
    same_bodies: usize,
    executions: u64,
    runs: u64,
    requests: u64,
    crashes: u64,
    stalls: u64,
    takeovers: u64,
    superseded: u64,
    faults: u64,
}

fn seed() -> u64 {
    let given = std::env::var("STORM_SEED").ok().and_then(|text| text.parse().ok());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    given.unwrap_or_else(|| u64::from(now.subsec_nanos()))
}

/// Plays houses of two keys each, side by side; every key must take effect once, and every copy of
/// it must get the same bytes.
fn storm(way: Way) {
    let seed = seed();
    println!("STORM_SEED={seed}");
    let workers = thread::available_parallelism().map_or(1, usize::from).min(4);
    let houses = KEYS / KEYS_AT_ONCE;
    let shown = thread::scope(|scope| {
        let play = |worker: usize| {
            let mut shown = Shown::default();
            for house in (worker..houses).step_by(workers) {
                add(&mut shown, &House::play(way, seed + house as u64, KEYS_AT_ONCE, COPIES));
            }
            shown
        };
        let played: Vec<_> = (0..workers).map(|worker| scope.spawn(move || play(worker))).collect();
        let mut shown = Shown::default();
        for played in played {
            add(&mut shown, &played.join().unwrap());
        }
        shown
    });
    println!("{way:?}: {shown:?}");
    assert_eq!((shown.copies, shown.same_bodies), (KEYS * COPIES, KEYS * COPIES));
    assert_eq!(shown.executions, KEYS as u64);
    assert!(shown.crashes > 100 && shown.stalls > 100 && shown.faults > 100, "a calm storm");
}

fn add(sum: &mut Shown, more: &Shown) {
    sum.copies += more.copies;
    sum.same_bodies += more.same_bodies;
    sum.executions += more.executions;
    sum.runs += more.runs;
    sum.requests += more.requests;
    sum.crashes += more.crashes;
    sum.stalls += more.stalls;
    sum.takeovers += more.takeovers;
    sum.superseded += more.superseded;
    sum.faults += more.faults;
}

#[test]
fn a_thousand_copies_of_each_of_a_thousand_keys_take_effect_once_and_get_one_answer_with_effect() {
    storm(Way::WithEffect);
}

#[test]
fn a_thousand_copies_of_each_of_a_thousand_keys_take_effect_once_and_get_one_answer_by_lease() {
    storm(Way::ByLease);
}

/// Cuts the process off at its first step, at its second, and so on, until nothing is left to cut.
fn cut_everywhere(way: Way) {
    let mut cuts = 0;
    for step in 1.. {
        let (shown, is_cut) = House::cut(way, step);
        assert_eq!((shown.copies, shown.same_bodies, shown.executions), (2, 2, 1), "at {step}");
        if !is_cut {
            break;
        }
        cuts += 1;
    }
    println!("{way:?}: cut at {cuts} steps");
    assert!(cuts >= 5, "{cuts}");
}

#[test]
fn a_crash_in_the_middle_wherever_it_is_is_resumed_and_nothing_is_done_twice_with_effect() {
    cut_everywhere(Way::WithEffect);
}

#[test]
fn a_crash_in_the_middle_wherever_it_is_is_resumed_and_nothing_is_done_twice_by_lease() {
    cut_everywhere(Way::ByLease);
}
