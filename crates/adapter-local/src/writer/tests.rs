//! What the writer does when its medium fails, with a medium that fails on cue.

use super::*;
use futures::future::join_all;
use futures::poll;
use rusqlite::ffi;
use std::collections::VecDeque;
use std::pin::pin;

/// What a database says when it cannot do a single request.
const TOO_BIG: i32 = ffi::SQLITE_TOOBIG;
/// What it says when the disk is full.
const FULL: i32 = ffi::SQLITE_FULL;
/// What it says when an fsync failed.
const FSYNC: i32 = ffi::SQLITE_IOERR_FSYNC;

fn failure(code: i32) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
}

/// A medium in memory.
struct Scripted {
    open: Vec<u32>,
    durable: Arc<Mutex<Vec<u32>>>,
    /// The result code of each commit to come; none means that it works.
    commits: VecDeque<i32>,
    /// While somebody else has the file no transaction can begin.
    barred: Arc<AtomicBool>,
    /// How often one was to begin.
    begun: Arc<AtomicU64>,
    /// Each transaction begins once this says so.
    go: threads::Receiver<()>,
}

impl Medium for Scripted {
    fn begin(&mut self) -> rusqlite::Result<()> {
        // A closed gate is an open one: whoever does not care about the order just drops it.
        let (Ok(()) | Err(threads::RecvError)) = self.go.recv();
        self.begun.fetch_add(1, Ordering::Relaxed);
        if self.barred.load(Ordering::Relaxed) {
            return Err(failure(ffi::SQLITE_BUSY));
        }
        Ok(())
    }

    fn commit(&mut self) -> rusqlite::Result<()> {
        match self.commits.pop_front() {
            None | Some(ffi::SQLITE_OK) => {
                self.durable.lock().unwrap().append(&mut self.open);
                Ok(())
            }
            Some(code) => Err(failure(code)),
        }
    }

    fn rollback(&mut self) -> rusqlite::Result<()> {
        self.open.clear();
        Ok(())
    }

    fn rest(&mut self) -> rusqlite::Result<()> {
        Ok(())
    }

    fn finish(&mut self) -> rusqlite::Result<()> {
        Ok(())
    }

    fn rows(&self) -> u64 {
        self.durable.lock().unwrap().len() as u64
    }
}

/// Writes its number, unless it is one that cannot be written.
enum Number {
    Fine(u32),
    Refused,
    Impossible(i32),
}

impl Request<Scripted> for Number {
    type Answer = u32;

    fn perform(&self, medium: &mut Scripted) -> Result<u32, Failure> {
        match self {
            Self::Fine(number) => {
                medium.open.push(*number);
                Ok(*number)
            }
            Self::Refused => Err(Error::new(Kind::Conflict, "write the number").into()),
            Self::Impossible(code) => {
                medium.open.push(u32::MAX);
                Err(failure(*code).into())
            }
        }
    }
}

struct Bench {
    writer: Writer<Scripted>,
    durable: Arc<Mutex<Vec<u32>>>,
    barred: Arc<AtomicBool>,
    begun: Arc<AtomicU64>,
    /// Lets transactions begin, one per message; all of them once it is gone.
    gate: Option<threads::Sender<()>>,
}

impl Bench {
    fn new(commits: &[i32]) -> Self {
        let durable = Arc::new(Mutex::new(Vec::new()));
        let (gate, go) = threads::channel();
        let (barred, begun) = <(Arc<AtomicBool>, Arc<AtomicU64>)>::default();
        let medium = Scripted {
            open: Vec::new(),
            durable: Arc::clone(&durable),
            commits: commits.iter().copied().collect(),
            barred: Arc::clone(&barred),
            begun: Arc::clone(&begun),
            go,
        };
        let writer = Writer::start("test-writer", medium).unwrap();
        Self { writer, durable, barred, begun, gate: Some(gate) }
    }

    /// A bench whose transactions begin at once.
    fn open(commits: &[i32]) -> Self {
        Self { gate: None, ..Self::new(commits) }
    }

    /// Performs one request alone and the others in one batch; answers theirs.
    async fn perform_together(&self, requests: Vec<Number>) -> Vec<Result<u32>> {
        let mut first = pin!(self.writer.perform(Number::Fine(0)));
        assert!(poll!(&mut first).is_pending());
        // The writer stands at the gate with a batch of one, or will take these along: either way
        // nothing is committed before the gate opens.
        let mut rest =
            pin!(join_all(requests.into_iter().map(|request| self.writer.perform(request))));
        assert!(poll!(&mut rest).is_pending());
        let gate = self.gate.as_ref().expect("this bench has a gate");
        for _ in 0..64 {
            gate.send(()).unwrap();
        }
        first.await.unwrap();
        rest.await
    }

    fn durable(&self) -> Vec<u32> {
        self.durable.lock().unwrap().clone()
    }
}

fn kinds(answers: &[Result<u32>]) -> Vec<Option<Kind>> {
    answers.iter().map(|answer| answer.as_ref().err().map(Error::kind)).collect()
}

#[tokio::test]
async fn what_queues_during_a_commit_shares_the_next_one() {
    let bench = Bench::new(&[]);
    let answers = bench.perform_together((1..=20).map(Number::Fine).collect()).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(bench.durable(), (0..=20).collect::<Vec<_>>());
    let commits = bench.writer.commits();
    assert!(commits.transactions <= 2, "{commits:?}");
    assert_eq!(commits.requests, 21);
}

#[tokio::test]
async fn a_refused_request_leaves_its_company_alone() {
    let bench = Bench::new(&[]);
    let requests = vec![Number::Fine(1), Number::Refused, Number::Fine(2)];
    let answers = bench.perform_together(requests).await;
    assert_eq!(kinds(&answers), [None, Some(Kind::Conflict), None]);
    assert_eq!(bench.durable(), [0, 1, 2]);
}

#[tokio::test]
async fn a_request_that_the_database_cannot_do_fails_alone() {
    let bench = Bench::new(&[]);
    let requests = vec![Number::Fine(1), Number::Impossible(TOO_BIG), Number::Fine(2)];
    let answers = bench.perform_together(requests).await;
    assert_eq!(kinds(&answers), [None, Some(Kind::Invalid), None]);
    assert_eq!(bench.durable(), [0, 1, 2]);
}

#[tokio::test]
async fn a_full_disk_fails_a_request_and_not_the_next_one() {
    let bench = Bench::open(&[FULL]);
    let failed = bench.writer.perform(Number::Fine(1)).await;
    assert_eq!(failed.unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(bench.writer.perform(Number::Fine(2)).await.unwrap(), 2);
    assert_eq!(bench.durable(), [2]);
}

#[tokio::test]
async fn while_somebody_else_has_the_file_all_are_told_at_once_and_it_goes_on_by_itself() {
    let bench = Bench::open(&[]);
    bench.barred.store(true, Ordering::Relaxed);
    let answers = join_all((1..=200).map(|n| bench.writer.perform(Number::Fine(n)))).await;
    assert!(kinds(&answers).iter().all(|kind| *kind == Some(Kind::Unavailable)));
    // Not once for each of them: every time takes half a second.
    let begun = bench.begun.load(Ordering::Relaxed);
    assert!(begun < 200, "begun {begun} times");
    bench.barred.store(false, Ordering::Relaxed);
    assert_eq!(bench.writer.perform(Number::Fine(201)).await.unwrap(), 201);
    assert_eq!(bench.durable(), [201]);
}

#[tokio::test]
async fn after_a_failed_fsync_nothing_is_written_any_more() {
    let bench = Bench::open(&[FSYNC]);
    // The bytes may be on the disk or not: the one kind that says so.
    let doubtful = bench.writer.perform(Number::Fine(1)).await;
    assert_eq!(doubtful.unwrap_err().kind(), Kind::Timeout);
    for number in 2..5 {
        let stopped = bench.writer.perform(Number::Fine(number)).await;
        assert_eq!(stopped.unwrap_err().kind(), Kind::Unavailable);
    }
    assert!(bench.durable().is_empty());
    assert_eq!(bench.writer.commits(), Commits::default());
}

#[tokio::test]
async fn a_failed_read_of_the_disk_stops_the_writer_too_and_nothing_was_written() {
    let bench = Bench::open(&[]);
    let failed = bench.writer.perform(Number::Impossible(ffi::SQLITE_IOERR_READ)).await;
    assert_eq!(failed.unwrap_err().kind(), Kind::Unavailable);
    let stopped = bench.writer.perform(Number::Fine(1)).await;
    assert_eq!(stopped.unwrap_err().kind(), Kind::Unavailable);
}

#[tokio::test]
async fn closing_performs_what_is_queued_and_refuses_the_rest() {
    let mut bench = Bench::new(&[]);
    let gate = bench.gate.take();
    let mut queued = pin!(join_all((1..=3).map(|n| bench.writer.perform(Number::Fine(n)))));
    assert!(poll!(&mut queued).is_pending());
    drop(gate);
    bench.writer.close();
    bench.writer.close();
    assert_eq!(bench.durable(), [1, 2, 3]);
    assert!(queued.await.iter().all(Result::is_ok));
    let late = bench.writer.perform(Number::Fine(4)).await;
    assert_eq!(late.unwrap_err().kind(), Kind::Unavailable);
}
