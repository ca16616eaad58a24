//! The items of a Map under test: where they come from, and what its iterations would begin with.

use super::{Stages, Trial, TrialMisuse};
use crate::effect::Fault;
use crate::event::Branch;
use crate::execution::FrameId;
use crate::input::Payload;
use crate::machine::Shaper;
use crate::machine::failure::Failure;
use crate::machine::outstanding::outstanding;
use crate::machine::step::{Interrupt, Step};
use crate::map_run::{
    Batcher, Child, Counts, Dataset, Format, ITEM_READER_FAILED, Outcome, Progress, RunMap,
    Splitter, Tolerance, Verdict,
};
use crate::program::{Flow, Map};
use std::sync::Arc;

/// How a Map under test begins: well, with more failed iterations than it tolerates, or not at
/// all.
type Begun = Result<Option<Fault>, Failure>;

impl Trial {
    /// Begins a Map without running what is in it.
    pub(super) fn map_begins(
        &self,
        step: &mut Step<'_>,
        map: &Map,
        stages: &mut Stages,
    ) -> Result<Begun, TrialMisuse> {
        let begun = match step.begin_map(FrameId::ROOT, map) {
            Ok(begun) => begun,
            Err(Interrupt::Failed(failure)) => return Ok(Err(*failure)),
            Err(Interrupt::Over) => return Err(TrialMisuse::NoState),
        };
        stages.concurrency = Some(begun.concurrency);
        match &map.distributed {
            None => self.inline(step, map, stages),
            Some(distributed) => {
                let run = step.run_map(FrameId::ROOT, distributed, begun.concurrency, begun.keyed);
                match run {
                    Ok(()) => self.distributed(step, map, stages),
                    Err(Interrupt::Failed(failure)) => Ok(Err(*failure)),
                    Err(Interrupt::Over) => Ok(Err(unreadable("The items cannot be read."))),
                }
            }
        }
    }

    fn inline(
        &self,
        step: &Step<'_>,
        map: &Map,
        stages: &mut Stages,
    ) -> Result<Begun, TrialMisuse> {
        let Ok(items) =
            step.iterations(FrameId::ROOT).map(|iterations| Arc::clone(&iterations.items))
        else {
            return Err(TrialMisuse::NoState);
        };
        let jsonata =
            matches!(step.state_of(FrameId::ROOT).map(|state| &state.flow), Ok(Flow::Jsonata(_)));
        stages.after_items_path = (!jsonata).then(|| items.to_vec());
        let mut inputs = Vec::with_capacity(items.len());
        for (index, item) in (0_u32..).zip(items.iter()) {
            match step.item_input(map, Branch { parent: FrameId::ROOT, index }) {
                Ok(input) => inputs.push(input.unwrap_or_else(|| Arc::clone(item))),
                Err(Interrupt::Failed(failure)) => return Ok(Err(*failure)),
                Err(Interrupt::Over) => return Err(TrialMisuse::NoState),
            }
        }
        stages.after_item_selector = map.selector.as_ref().map(|_| inputs);
        self.judge(items.len(), Tolerance::default())
    }

    fn distributed(
        &self,
        step: &Step<'_>,
        map: &Map,
        stages: &mut Stages,
    ) -> Result<Begun, TrialMisuse> {
        let effects = outstanding(step.program, &step.execution);
        let Some(run) = effects.map_runs.first() else {
            return Ok(Err(unreadable("The items cannot be read.")));
        };
        let (items, keyed) = match self.items(run)? {
            Ok(items) => items,
            Err(failure) => return Ok(Err(failure)),
        };
        show_source(run, map, &items, stages);
        let inputs = match self.shaped(step, run, &items, keyed) {
            Ok(inputs) => inputs,
            Err(fault) => return Ok(Err(Failure::reported_by_task(fault))),
        };
        stages.after_item_batcher = run.settings.batching.as_ref().map(|batching| {
            let mut batcher = Batcher::new(Some(batching.clone()));
            let mut children: Vec<Child> = Vec::new();
            inputs.iter().for_each(|input| batcher.push(Arc::clone(input), &mut children));
            batcher.flush(&mut children);
            children.into_iter().map(|child| child.input).collect()
        });
        stages.after_item_selector = map.selector.as_ref().map(|_| inputs);
        stages.tolerated_count = run.settings.tolerance.count;
        stages.tolerated_percentage = run.settings.tolerance.percentage;
        self.judge(items.len(), run.settings.tolerance)
    }

    /// The items, and whether they are the members of an object.
    fn items(&self, run: &RunMap) -> Result<Result<(Vec<Payload>, bool), Failure>, TrialMisuse> {
        let Some(reader) = &run.settings.reader else {
            return Ok(Ok((run.items().to_vec(), false)));
        };
        let data = self.reader_data.as_deref().ok_or(TrialMisuse::NoReaderData)?;
        let listing = Format::Json { pointer: Vec::new() };
        let format = match &reader.dataset {
            Dataset::Object(format) | Dataset::Objects(format) => format,
            Dataset::Listing => &listing,
        };
        let mut splitter = Splitter::new(format);
        let mut items = Vec::new();
        let split = splitter.push(data.as_bytes(), &mut items);
        let keyed = splitter.is_keyed();
        let split = split.and_then(|()| splitter.finish(&mut items));
        if let Err(why) = split {
            return Ok(Err(unreadable(&why.to_string())));
        }
        let most = reader.items_max.and_then(|most| usize::try_from(most).ok());
        items.truncate(most.unwrap_or(usize::MAX));
        Ok(Ok((items.into_iter().map(Arc::new).collect(), keyed)))
    }

    fn shaped(
        &self,
        step: &Step<'_>,
        run: &RunMap,
        items: &[Payload],
        keyed: bool,
    ) -> Result<Vec<Payload>, Fault> {
        let mut shaper = Shaper::new(step.program, run)?.with_context(&self.context);
        let shaped = |(index, item): (u64, &Payload)| {
            shaper.shape(index, serde_json::Value::clone(item), keyed, None)
        };
        (0_u64..).zip(items).map(shaped).collect()
    }

    /// Whether more iterations failed than the Map says that it tolerates. In a test, a Map that
    /// says nothing tolerates everything.
    fn judge(&self, items: usize, tolerance: Tolerance) -> Result<Begun, TrialMisuse> {
        let items = u64::try_from(items).unwrap_or(u64::MAX);
        let succeeded =
            items.checked_sub(self.failed_iterations).ok_or(TrialMisuse::TooManyFailures)?;
        if tolerance == Tolerance::default() {
            return Ok(Ok(None));
        }
        let counts = Counts { failed: self.failed_iterations, succeeded, ..Counts::default() };
        let progress = Progress { children: counts, items: counts, complete: true };
        let fault = match (progress.verdict(&tolerance), Outcome::exceeded()) {
            (Verdict::Exceeded, Outcome::Failed(fault)) => Some(fault),
            (Verdict::Exceeded, Outcome::Succeeded { .. }) | (Verdict::GoOn, _) => None,
        };
        Ok(Ok(fault))
    }
}

fn show_source(run: &RunMap, map: &Map, items: &[Payload], stages: &mut Stages) {
    let points = map.distributed.as_ref().and_then(|distributed| distributed.reader.as_ref());
    let has_pointer = points.is_some_and(|reader| match &reader.dataset {
        Dataset::Object(Format::Json { pointer }) | Dataset::Objects(Format::Json { pointer }) => {
            !pointer.is_empty()
        }
        Dataset::Object(Format::JsonLines | Format::Csv { .. })
        | Dataset::Objects(Format::JsonLines | Format::Csv { .. })
        | Dataset::Listing => false,
    });
    if has_pointer {
        stages.after_items_pointer = Some(items.to_vec());
    }
    if run.settings.reader.is_none() && stages.after_input_path.is_some() {
        stages.after_items_path = Some(items.to_vec());
    }
}

fn unreadable(why: &str) -> Failure {
    Failure::reported_by_task(Fault::new(Some(ITEM_READER_FAILED), Some(why)))
}
