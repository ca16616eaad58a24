//! The rules of a key's record, and the faults that other layers were found to have.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

type Key = Record<String>;

const MINUTE: i64 = 60_000;

const fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn asking(what: u32) -> Fingerprint {
    Fingerprint::of(&serde_json::json!({"n": what}))
}

/// A claim of `holder` for the same thing, with a lease of a minute.
fn claim(holder: &str, now: i64) -> Claim {
    Claim { holder: holder.to_owned(), fingerprint: asking(100), lease_until: at(now + MINUTE) }
}

/// The record after a claim that may run, and its lease.
fn taken(record: &Key, holder: &str, now: i64) -> (Key, Lease) {
    match begin(record, &claim(holder, now), at(now)) {
        Begin::Run(record, lease) => (record, lease),
        other => panic!("{holder} may not run: {other:?}"),
    }
}

fn finished(record: &Key, lease: &Lease) -> Key {
    match finish(record, lease, format!("by {}", lease.holder)) {
        End::Write(record) => record,
        other => panic!("{lease:?} does not end it: {other:?}"),
    }
}

#[test]
fn a_fresh_key_runs_and_is_answered_the_same_for_ever() {
    let (running, lease) = taken(&Key::default(), "a", 0);
    let done = finished(&running, &lease);
    for now in [0, MINUTE, 1_000 * MINUTE] {
        assert_eq!(begin(&done, &claim("b", now), at(now)), Begin::Replay("by a".into()));
    }
}

#[test]
fn a_copy_is_told_how_long_the_lease_lasts() {
    let (running, _) = taken(&Key::default(), "a", 0);
    let busy = Begin::Busy { retry_after: Duration::from_secs(45) };
    assert_eq!(begin(&running, &claim("b", 15_000), at(15_000)), busy);
}

#[test]
fn the_end_of_a_lease_is_exact_to_the_millisecond() {
    for start in [0, 1, 999, 1_000, 1_795_413_600_123] {
        let (running, _) = taken(&Key::default(), "a", start);
        for (after, expired) in [(MINUTE - 1, false), (MINUTE, true), (MINUTE + 1, true)] {
            let now = start + after;
            let begun = begin(&running, &claim("b", now), at(now));
            assert_eq!(matches!(begun, Begin::Run(..)), expired, "{start} + {after}: {begun:?}");
        }
    }
}

#[test]
fn a_deadline_of_now_leaves_no_time_and_is_not_an_absent_one() {
    let now = at(1_000_000);
    assert_eq!(lease_until(Some(now), now), now.plus(GRACE));
    assert_eq!(lease_until(Some(at(0)), now), now.plus(GRACE));
    assert_eq!(lease_until(None, now), now.plus(LEASE).plus(GRACE));
}

#[test]
fn a_lease_ends_shortly_after_the_deadline_of_its_request() {
    let now = at(1_000_000);
    assert_eq!(lease_until(Some(at(1_000_500)), now), at(1_000_500).plus(GRACE));
    assert_eq!(lease_until(Some(Timestamp::MAX), now), now.plus(LEASE_MAX).plus(GRACE));
}

#[test]
fn another_payload_is_refused_whether_the_first_is_running_failed_or_done() {
    let (running, lease) = taken(&Key::default(), "a", 0);
    let End::Write(released) = abandon(&running, &lease, Abandon::Failed) else {
        panic!("it is a's to give back");
    };
    let other = |now| Claim { fingerprint: asking(999), ..claim("b", now) };
    for record in [&running, &released, &finished(&running, &lease)] {
        for now in [0, 2 * MINUTE] {
            assert_eq!(begin(record, &other(now), at(now)), Begin::Reused);
        }
    }
}

#[test]
fn what_was_refused_before_execution_leaves_the_key_to_any_payload() {
    let (running, lease) = taken(&Key::default(), "a", 0);
    let End::Write(free) = abandon(&running, &lease, Abandon::Refused) else {
        panic!("it is a's to give back");
    };
    let other = Claim { fingerprint: asking(999), ..claim("b", 1) };
    assert!(matches!(begin(&free, &other, at(1)), Begin::Run(..)));
}

#[test]
fn a_refusal_does_not_undo_what_an_earlier_run_may_have_done() {
    let (running, _) = taken(&Key::default(), "a", 0);
    let (again, lease) = taken(&running, "b", MINUTE);
    assert!(lease.resumes);
    let End::Write(left) = abandon(&again, &lease, Abandon::Refused) else {
        panic!("it is b's to give back");
    };
    let other = Claim { fingerprint: asking(999), ..claim("c", MINUTE) };
    assert_eq!(begin(&left, &other, at(MINUTE)), Begin::Reused);
    assert!(taken(&left, "c", MINUTE).1.resumes);
}

#[test]
fn a_claim_that_finds_itself_on_record_runs_without_another_write() {
    let (running, lease) = taken(&Key::default(), "a", 0);
    assert_eq!(begin(&running, &claim("a", 0), at(1)), Begin::Run(running.clone(), lease.clone()));
    let done = finished(&running, &lease);
    assert_eq!(finish(&done, &lease, "by a".into()), End::Written);
    let End::Write(released) = abandon(&running, &lease, Abandon::Failed) else {
        panic!("it is a's to give back");
    };
    assert_eq!(abandon(&released, &lease, Abandon::Failed), End::Written);
}

#[test]
fn a_late_finisher_that_nobody_took_over_from_ends_its_key() {
    let (running, lease) = taken(&Key::default(), "a", 0);
    assert!(matches!(finish(&running, &lease, "late".into()), End::Write(Record::Done { .. })));
}

#[test]
fn a_worker_that_outlives_its_lease_and_then_fails_does_not_make_the_key_run_a_third_time() {
    let (running, first) = taken(&Key::default(), "a", 0);
    let (taken_over, second) = taken(&running, "b", MINUTE);
    // The first one fails late, before and after the second one has finished.
    assert_eq!(abandon(&taken_over, &first, Abandon::Failed), End::Superseded);
    let done = finished(&taken_over, &second);
    assert_eq!(abandon(&done, &first, Abandon::Failed), End::Superseded);
    let third = begin(&done, &claim("c", 2 * MINUTE), at(2 * MINUTE));
    assert_eq!(third, Begin::Replay("by b".into()));
}

#[test]
fn a_late_success_does_not_overwrite_the_stored_response() {
    let (running, first) = taken(&Key::default(), "a", 0);
    let (taken_over, second) = taken(&running, "b", MINUTE);
    let done = finished(&taken_over, &second);
    for record in [&taken_over, &done] {
        assert_eq!(finish(record, &first, "by a".into()), End::Superseded);
    }
    assert_eq!(begin(&done, &claim("d", MINUTE), at(MINUTE)), Begin::Replay("by b".into()));
}

#[test]
fn a_lock_is_not_deleted_without_looking_at_its_owner() {
    let (running, mine) = taken(&Key::default(), "a", 0);
    for lease in [
        Lease { holder: "b".into(), ..mine.clone() },
        Lease { fence: Fence(0), ..mine.clone() },
        Lease { fence: Fence(2), ..mine },
    ] {
        for why in [Abandon::Refused, Abandon::Failed] {
            assert_eq!(abandon(&running, &lease, why), End::Superseded);
        }
        assert_eq!(finish(&running, &lease, String::new()), End::Superseded);
    }
}

#[test]
fn records_of_today_can_be_read_for_ever() {
    let (running, lease) = taken(&Key::default(), "a", 0);
    let End::Write(released) = abandon(&running, &lease, Abandon::Failed) else {
        panic!("it is a's to give back");
    };
    let fingerprint = asking(100);
    let digits = fingerprint.as_str();
    for (record, text) in [
        (Key::default(), r#"{"state":"free","fence":0}"#.to_owned()),
        (
            running.clone(),
            format!(
                r#"{{"state":"running","fence":1,"holder":"a","lease_until":"{}","#,
                at(MINUTE)
            ) + &format!(r#""fingerprint":"{digits}","resumes":false}}"#),
        ),
        (released, format!(r#"{{"state":"released","fence":1,"fingerprint":"{digits}"}}"#)),
        (
            finished(&running, &lease),
            format!(r#"{{"state":"done","fence":1,"fingerprint":"{digits}","answer":"by a"}}"#),
        ),
    ] {
        assert_eq!(serde_json::to_string(&record).unwrap(), text);
        assert_eq!(serde_json::from_str::<Key>(&text).unwrap(), record);
    }
}

/// What happens to a key next.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// So many milliseconds pass.
    Pass(i64),
    /// This worker claims the key.
    Claim(u8),
    /// It ends well, however late.
    Succeed(u8),
    /// It fails, however late.
    Fail(u8, Abandon),
}

fn step() -> impl Strategy<Value = Step> {
    let worker = 0..4_u8;
    prop_oneof![
        prop_oneof![Just(1), Just(MINUTE - 1), Just(MINUTE), Just(MINUTE + 1)].prop_map(Step::Pass),
        worker.clone().prop_map(Step::Claim),
        worker.clone().prop_map(Step::Succeed),
        (worker.clone(), prop::bool::ANY).prop_map(|(worker, refused)| {
            Step::Fail(worker, if refused { Abandon::Refused } else { Abandon::Failed })
        }),
    ]
}

/// One key and whoever runs for it.
#[derive(Default)]
struct World {
    record: Key,
    now: i64,
    claims: u32,
    leases: BTreeMap<u8, Lease>,
    /// The answer that was stored first.
    answer: Option<String>,
    fences: Vec<Fence>,
}

impl World {
    fn go(&mut self, step: Step) {
        match step {
            Step::Pass(ms) => self.now += ms,
            Step::Claim(worker) => self.claim(worker),
            Step::Succeed(worker) => {
                if let Some(lease) = self.leases.remove(&worker) {
                    let end = finish(&self.record, &lease, format!("by {}", lease.holder));
                    self.write(end);
                }
            }
            Step::Fail(worker, why) => {
                if let Some(lease) = self.leases.remove(&worker) {
                    let end = abandon(&self.record, &lease, why);
                    self.write(end);
                }
            }
        }
    }

    fn claim(&mut self, worker: u8) {
        self.claims += 1;
        let holder = format!("{worker}.{}", self.claims);
        match begin(&self.record, &claim(&holder, self.now), at(self.now)) {
            Begin::Run(record, lease) => {
                assert_eq!(self.answer, None, "it runs after it was done");
                assert!(self.fences.last().is_none_or(|last| *last < lease.fence));
                self.fences.push(lease.fence);
                self.record = record;
                self.leases.insert(worker, lease);
            }
            Begin::Replay(answer) => assert_eq!(Some(answer), self.answer),
            Begin::Busy { retry_after } => assert!(!retry_after.is_zero()),
            Begin::Reused => panic!("all ask for the same"),
        }
    }

    fn write(&mut self, end: End<String>) {
        match end {
            End::Write(record) => {
                assert_eq!(self.answer, None, "an answer was overwritten");
                if let Record::Done { answer, .. } = &record {
                    self.answer = Some(answer.clone());
                }
                self.record = record;
            }
            End::Written => panic!("no worker ends twice"),
            End::Superseded => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100_000))]

    /// In 100,000 interleavings of {expire, takeover, late success, late error}.
    #[test]
    fn a_key_that_was_done_never_runs_again_and_everybody_sees_one_answer(
        steps in prop::collection::vec(step(), 1..16),
    ) {
        let mut world = World::default();
        for step in steps {
            world.go(step);
        }
        if let Some(answer) = world.answer {
            let last = begin(&world.record, &claim("last", world.now), at(world.now));
            prop_assert_eq!(last, Begin::Replay(answer));
        }
    }
}
