//! The results of a map run, read back from its children's journals in the order of their indexes.

use super::children;
use crate::codec;
use crate::engine::Shared;
use asl::map_run::{
    ChildEnd, ChildRecord, Outcome, Progress, RESULT_WRITER_FAILED, Results, RunMap,
    Transformation, Writer, manifest,
};
use asl::{End, Execution};
use ports::task::chain;
use ports::{Error, Kind};
use serde_json::{Value, json};
use std::sync::Arc;

/// Bytes of results after which the next file begins.
const FILE_BYTES: usize = 8 * 1_048_576;

/// Collects the results of a map run whose children have all ended; answers how it ends.
///
/// One that failed has its results written too, where they are written at all.
pub(crate) async fn collect(
    shared: &Shared,
    run: &RunMap,
    progress: &mut Progress,
    failed: Option<Outcome>,
) -> Outcome {
    let place = run.settings.writer.as_ref().and_then(|writer| {
        writer.place.as_ref().map(|(bucket, prefix)| (writer, &**bucket, &**prefix))
    });
    match (failed, place) {
        (Some(failed), None) => failed,
        (None, None) => gather(shared, run, progress.children.total()).await,
        (failed, Some(place)) => {
            let written = Files::new(shared, place, &run.arn).write_all(run, progress).await;
            match (failed, written) {
                // Why it failed stays the better answer.
                (Some(failed), _) => failed,
                (None, Ok(details)) => Outcome::Succeeded { output: Arc::new(details) },
                (None, Err(error)) => {
                    Outcome::failed(RESULT_WRITER_FAILED, &format!("failed to {}", chain(&error)))
                }
            }
        }
    }
}

/// The results as the state's own.
async fn gather(shared: &Shared, run: &RunMap, children: u64) -> Outcome {
    let mut results = Results::new(&run.settings);
    for index in 0..children {
        match read(shared, run, index).await {
            Ok(child) if results.push(&child) => {}
            Ok(_) => break,
            Err(error) => {
                return Outcome::failed("States.Runtime", &format!("failed to {}", chain(&error)));
            }
        }
    }
    match results.into_output() {
        Some(output) => Outcome::Succeeded { output },
        None => {
            let cause = format!(
                "The state/task '{}' returned a result with a size exceeding the maximum number \
                 of bytes service limit.",
                run.state
            );
            Outcome::failed("States.DataLimitExceeded", &cause)
        }
    }
}

/// All that is known of a child that ended.
async fn read(shared: &Shared, run: &RunMap, index: u64) -> Result<ChildRecord, Error> {
    let id = children::id_of(run, index);
    let events = codec::decode(&id, &shared.ports.journal.read(&id).await?)?;
    let mut execution = Execution::default();
    for event in &events {
        asl::apply(&mut execution, event);
    }
    let corrupt = || Error::new(Kind::Corrupt, format!("read the result of {id}"));
    let (output, fault, end) = match execution.end().ok_or_else(corrupt)? {
        End::Succeeded { output } => {
            (Some(Arc::clone(output)), asl::Fault::default(), ChildEnd::Succeeded)
        }
        End::Failed(fault) => (None, fault.clone(), ChildEnd::Failed),
        End::TimedOut(fault) => (None, fault.clone(), ChildEnd::TimedOut),
        End::Aborted(fault) => (None, fault.clone(), ChildEnd::Aborted),
    };
    Ok(ChildRecord {
        identity: execution.identity().ok_or_else(corrupt)?.clone(),
        input: Arc::clone(execution.input().ok_or_else(corrupt)?),
        end,
        output,
        fault,
        started_at: execution.started_at().unwrap_or_default(),
        stopped_at: events.last().map(|event| event.at),
        redrives: 0,
    })
}

/// Files of results, and the one that lists them.
struct Files<'a> {
    shared: &'a Shared,
    bucket: &'a str,
    /// The folder of all files.
    folder: String,
    arn: &'a str,
    transformation: Transformation,
    lines: bool,
    written: Vec<(&'static str, String, u64)>,
}

/// The file of one outcome that is being filled.
struct Open {
    outcome: &'static str,
    number: u32,
    text: Vec<u8>,
}

impl<'a> Files<'a> {
    fn new(
        shared: &'a Shared,
        (writer, bucket, prefix): (&Writer, &'a str, &str),
        arn: &'a str,
    ) -> Self {
        let run = arn.rsplit(':').next().unwrap_or_default();
        let prefix = prefix.trim_matches('/');
        let folder = if prefix.is_empty() { run.to_owned() } else { format!("{prefix}/{run}") };
        Self {
            shared,
            bucket,
            folder,
            arn,
            transformation: writer.transformation,
            lines: writer.lines,
            written: Vec::new(),
        }
    }

    /// Writes the results of all children; answers where they are listed.
    async fn write_all(&mut self, run: &RunMap, progress: &mut Progress) -> Result<Value, Error> {
        let open = |outcome| Open { outcome, number: 0, text: Vec::new() };
        let (mut succeeded, mut failed) = (open("SUCCEEDED"), open("FAILED"));
        for index in 0..progress.children.ended() {
            let child = read(self.shared, run, index).await?;
            let file = if child.end == ChildEnd::Succeeded { &mut succeeded } else { &mut failed };
            for entry in child.entries(self.transformation) {
                self.add(file, &entry).await?;
            }
        }
        self.close(&mut succeeded).await?;
        self.close(&mut failed).await?;
        progress.children.results_written = progress.children.ended();
        progress.items.results_written = progress.items.ended();
        let key = format!("{}/manifest.json", self.folder);
        let listed = manifest(self.bucket, self.arn, &self.written);
        self.shared.ports.blobs.put(self.bucket, &key, listed.to_string().into_bytes()).await?;
        Ok(json!({
            "MapRunArn": self.arn,
            "ResultWriterDetails": {"Bucket": self.bucket, "Key": key},
        }))
    }

    async fn add(&mut self, file: &mut Open, entry: &Value) -> Result<(), Error> {
        if !self.lines {
            file.text.push(if file.text.is_empty() { b'[' } else { b',' });
        }
        file.text.extend(entry.to_string().bytes());
        if self.lines {
            file.text.push(b'\n');
        }
        if file.text.len() >= FILE_BYTES { self.close(file).await } else { Ok(()) }
    }

    /// Writes a file, and begins the next; one without results is none.
    async fn close(&mut self, file: &mut Open) -> Result<(), Error> {
        let mut text = std::mem::take(&mut file.text);
        if text.is_empty() {
            return Ok(());
        }
        if !self.lines {
            text.push(b']');
        }
        let ending = if self.lines { "jsonl" } else { "json" };
        let key = format!("{}/{}_{}.{ending}", self.folder, file.outcome, file.number);
        self.written.push((file.outcome, key.clone(), text.len() as u64));
        file.number += 1;
        self.shared.ports.blobs.put(self.bucket, &key, text).await
    }
}
