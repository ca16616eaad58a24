//! Performs map runs as a world without threads does: one child after the other.

use crate::world::{Cast, World};
use asl::map_run::{
    Batcher, Child, ChildEnd, ChildRecord, Dataset, ITEM_READER_FAILED, Outcome, Progress, Reader,
    Results, RunMap, Shaper, Splitter, Verdict,
};
use asl::{End, Fault, Program};
use contracts::time::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;

/// Bytes of one chunk: odd and small, so that items are cut anywhere.
const CHUNK_BYTES: usize = 7;

/// Performs one map run to its end.
pub(crate) fn perform(
    run: &RunMap,
    program: &Arc<Program>,
    cast: &mut Cast,
    at: Timestamp,
) -> Result<Outcome, String> {
    let children = match children(run, program, cast) {
        Ok(children) => children,
        Err(outcome) => return Ok(outcome),
    };
    let mut progress = Progress { complete: true, ..Progress::default() };
    let mut results = Results::new(&run.settings);
    for child in &children {
        progress.started(child.items);
        let record = play(run, program, child, (cast, at))?;
        progress.ended(record.end, child.items);
        results.push(&record);
        if progress.verdict(&run.settings.tolerance) == Verdict::Exceeded {
            return Ok(Outcome::exceeded());
        }
    }
    Ok(match results.into_output() {
        Some(output) => Outcome::Succeeded { output },
        None => Outcome::failed("States.DataLimitExceeded", "the results are too large"),
    })
}

/// Plays one child execution to its end.
fn play(
    run: &RunMap,
    program: &Arc<Program>,
    child: &Child,
    (cast, at): (&mut Cast, Timestamp),
) -> Result<ChildRecord, String> {
    let start = run.start(program, child).ok_or("the map run is not the program's")?;
    let identity = start.identity.clone();
    let (end, stopped_at) = {
        let mut world = World::new(Arc::clone(program), cast, at);
        let end = world.run(start, None)?;
        (end, world.now())
    };
    let (output, fault) = match &end {
        End::Succeeded { output } => (Some(Arc::clone(output)), Fault::default()),
        End::Failed(fault) | End::TimedOut(fault) | End::Aborted(fault) => (None, fault.clone()),
    };
    Ok(ChildRecord {
        identity,
        input: Arc::clone(&child.input),
        end: match end {
            End::Succeeded { .. } => ChildEnd::Succeeded,
            End::Failed(_) => ChildEnd::Failed,
            End::TimedOut(_) => ChildEnd::TimedOut,
            End::Aborted(_) => ChildEnd::Aborted,
        },
        output,
        fault,
        started_at: at,
        stopped_at: Some(stopped_at),
        redrives: 0,
    })
}

/// The children of a map run, or how it ends because there can be none.
fn children(run: &RunMap, program: &Program, cast: &Cast) -> Result<Vec<Child>, Outcome> {
    let (items, keyed) = match &run.settings.reader {
        None => (run.items().iter().map(|item| Value::clone(item)).collect(), false),
        Some(reader) => {
            read(reader, cast).map_err(|cause| Outcome::failed(ITEM_READER_FAILED, &cause))?
        }
    };
    let mut shaper = Shaper::new(program, run).map_err(Outcome::Failed)?;
    let mut batcher = Batcher::new(run.settings.batching.clone());
    let mut children = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        let input = shaper.shape(index as u64, item, keyed, None).map_err(Outcome::Failed)?;
        batcher.push(input, &mut children);
    }
    batcher.flush(&mut children);
    Ok(children)
}

/// The items of a reader, and whether they are members of an object.
fn read(reader: &Reader, cast: &Cast) -> Result<(Vec<Value>, bool), String> {
    let most = reader.items_max.map_or(usize::MAX, |most| most as usize);
    let (items, keyed) = match &reader.dataset {
        Dataset::Listing => {
            let prefix = format!("{}/{}", reader.bucket, reader.key);
            let listed = cast.objects.iter().filter(|(path, _)| path.starts_with(&prefix));
            let item = |(path, text): (&String, &Value)| {
                let key = &path[reader.bucket.len() + 1..];
                let size = text.as_str().map_or(0, str::len);
                json!({"Etag": "e", "Key": key, "LastModified": 1_668_699_881, "Size": size,
                    "StorageClass": "STANDARD"})
            };
            (listed.map(item).collect(), false)
        }
        Dataset::Object(format) | Dataset::Objects(format) => {
            let path = format!("{}/{}", reader.bucket, reader.key);
            let text = cast.objects.get(&path).and_then(Value::as_str);
            let text = text.ok_or_else(|| format!("there is no object {path}"))?;
            let (mut splitter, mut items) = (Splitter::new(format), Vec::new());
            for chunk in text.as_bytes().chunks(CHUNK_BYTES) {
                splitter.push(chunk, &mut items).map_err(|error| error.to_string())?;
            }
            let keyed = splitter.is_keyed();
            splitter.finish(&mut items).map_err(|error| error.to_string())?;
            (items, keyed)
        }
    };
    Ok((items.into_iter().take(most).collect(), keyed))
}
