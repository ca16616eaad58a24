//! Distributed Maps: starting a map run, and leaving the state when it ends.

use crate::event::{Fact, MapRunStarted};
use crate::execution::{Activity, FrameId, VisitId};
use crate::expression::JsonataTemplate;
use crate::input::Misuse;
use crate::limits::MAP_RUN_ITEMS_MAX;
use crate::machine::failure::Failure;
use crate::machine::flow::View;
use crate::machine::states::{plain, whole};
use crate::machine::step::{Interrupt, Over, Step};
use crate::map_run::{
    Batching, ITEM_READER_FAILED, Outcome, Reader, Settings, Tolerance, Writer, label_of, run_arn,
};
use crate::program::{
    Distributed, ItemBatcher, ItemReader, NamedPath, Number, Percentage, ResultWriter, Template,
};
use serde_json::Value;
use std::borrow::Cow;
use std::sync::Arc;

impl Step<'_> {
    /// Starts the map run of a distributed Map, whose items the frame holds by now.
    pub(super) fn run_map(
        &mut self,
        frame: FrameId,
        distributed: &Distributed,
        concurrency: u32,
        keyed: bool,
    ) -> Result<(), Interrupt> {
        let view = self.view(frame)?;
        let (reader, unreadable) = match &distributed.reader {
            None => (None, None),
            Some(reader) => view.reader(reader)?,
        };
        let settings = Settings {
            label: distributed.label.clone().unwrap_or_else(|| label_of(&view.frame.visit.name)),
            express: distributed.express,
            concurrency,
            tolerance: view.tolerance(distributed)?,
            reader,
            keyed,
            batching: distributed.batcher.as_ref().map(|b| view.batching(b)).transpose()?,
            writer: distributed.writer.as_ref().map(|w| view.writer(w)).transpose()?,
        };
        let (visit, attempt) = (view.frame.visit.id, view.frame.visit.attempt);
        drop(view);
        let origin = &self.running()?.origin;
        let arn = run_arn(origin, visit, attempt, &settings.label);
        let previous = self.pointer(frame)?;
        let started = MapRunStarted { arn, settings };
        self.emit(frame, previous, Fact::MapRunStarted(Box::new(started)))?;
        match unreadable {
            None => Ok(()),
            Some(outcome) => Ok(self.take_outcome(frame, &outcome)?),
        }
    }

    /// Takes the end of a map run.
    ///
    /// # Errors
    /// No such map run is at work: its end came before, or nobody waits for it any more.
    pub(super) fn end_map_run(
        &mut self,
        visit: VisitId,
        attempt: u32,
        outcome: &Outcome,
    ) -> Result<Result<(), Over>, Misuse> {
        let running = self.execution.running().ok_or(Misuse::NotStarted)?;
        let frame = running.visiting(visit).ok_or(Misuse::TaskNotActive)?;
        let at_work = matches!(frame.visit.activity, Activity::MapRun(_));
        if !at_work || frame.visit.attempt != attempt {
            return Err(Misuse::TaskNotActive);
        }
        let frame = frame.id;
        Ok(self.take_outcome(frame, outcome).and_then(|()| self.settle()))
    }

    fn take_outcome(&mut self, frame: FrameId, outcome: &Outcome) -> Result<(), Over> {
        let previous = self.pointer(frame)?;
        let failure = match outcome {
            Outcome::Succeeded { output } => match self.limited(frame, output) {
                Ok(()) => {
                    let output = Arc::clone(output);
                    let ended = self.emit(frame, previous, Fact::MapRunSucceeded { output })?;
                    return self.join(frame, ended);
                }
                Err(failure) => failure.reported(),
            },
            Outcome::Failed(fault) => Failure::reported_by_task(fault.clone()),
        };
        self.emit(frame, previous, Fact::MapRunFailed(failure.fault.clone()))?;
        self.fail(frame, failure)
    }
}

/// A reader, and how the map run ends at once because of it.
type Readable = (Option<Reader>, Option<Outcome>);

impl View<'_> {
    fn tolerance(&self, distributed: &Distributed) -> Result<Tolerance, Failure> {
        let count = distributed.tolerated_count.as_ref().map(|number| {
            u64::try_from(self.integer(number)?).map_err(|_| {
                Failure::runtime(&self.frame.visit, "ToleratedFailureCount cannot be negative.")
            })
        });
        let percentage = distributed.tolerated_percentage.as_ref().map(|percentage| {
            let found = self.percentage(percentage)?;
            if (0.0..=100.0).contains(&found) {
                return Ok(found);
            }
            let cause = "ToleratedFailurePercentage must be between 0 and 100.";
            Err(Failure::runtime(&self.frame.visit, cause))
        });
        Ok(Tolerance { count: count.transpose()?, percentage: percentage.transpose()? })
    }

    fn reader(&self, reader: &ItemReader) -> Result<Readable, Failure> {
        let arguments = self.named("ItemReader", &reader.arguments)?;
        let text = |name: &str| arguments.get(name).and_then(Value::as_str).unwrap_or_default();
        let (bucket, key) = (text("Bucket"), text("Key"));
        let key = if key.is_empty() { text("Prefix") } else { key };
        let asked = reader.items_max.as_ref().map(|number| self.integer(number)).transpose()?;
        let items_max = match asked.map(u64::try_from) {
            Some(Err(_)) => {
                let outcome =
                    Outcome::failed(ITEM_READER_FAILED, "field MaxItems must be positive");
                return Ok((None, Some(outcome)));
            }
            None | Some(Ok(0)) => None,
            Some(Ok(asked)) => Some(asked.min(MAP_RUN_ITEMS_MAX)),
        };
        let (bucket, key) = (bucket.into(), key.into());
        let dataset = reader.dataset.clone();
        Ok((Some(Reader { dataset, bucket, key, items_max }), None))
    }

    fn batching(&self, batcher: &ItemBatcher) -> Result<Batching, Failure> {
        let positive = |number: &Number| {
            let found = self.integer(number)?;
            u64::try_from(found).ok().filter(|found| *found > 0).ok_or_else(|| {
                let cause = format!("A limit of ItemBatcher must be positive, but was {found}.");
                Failure::runtime(&self.frame.visit, &cause)
            })
        };
        let input = batcher.input.as_ref().map(|input| self.named("BatchInput", input));
        Ok(Batching {
            items_max: batcher.items_max.as_ref().map(positive).transpose()?,
            bytes_max: batcher.bytes_max.as_ref().map(positive).transpose()?,
            input: input.transpose()?.map(Arc::new),
        })
    }

    fn writer(&self, writer: &ResultWriter) -> Result<Writer, Failure> {
        let place = writer.arguments.as_ref().map(|arguments| {
            let arguments = self.named("ResultWriter", arguments)?;
            let text = |name: &str| {
                Arc::from(arguments.get(name).and_then(Value::as_str).unwrap_or_default())
            };
            Ok::<_, Failure>((text("Bucket"), text("Prefix")))
        });
        let (transformation, lines) = (writer.transformation, writer.lines);
        Ok(Writer { place: place.transpose()?, transformation, lines })
    }

    /// A template filled before the state has a result.
    fn named(&self, field: &'static str, template: &Template) -> Result<Value, Failure> {
        let input = self.effective_input()?;
        self.fill_either(field, template, &input, &self.context)
    }

    /// A whole number from wherever it comes; a path may also lead to the text of one.
    fn integer(&self, number: &Number) -> Result<i64, Failure> {
        match number {
            Number::Fixed(number) => Ok(i64::try_from(*number).unwrap_or(i64::MAX)),
            Number::Path(named) => {
                let found = self.at(named)?;
                let text = || found.as_str().and_then(|text| text.parse().ok());
                whole(&found).or_else(text).ok_or_else(|| self.no_number(named, "integer", &found))
            }
            Number::Jsonata(field, template) => {
                let found = self.computed(field, template)?;
                whole(&found)
                    .ok_or_else(|| self.wrong_type(field, template.text(), "integer", &found))
            }
        }
    }

    fn percentage(&self, percentage: &Percentage) -> Result<f64, Failure> {
        match percentage {
            Percentage::Fixed(percentage) => Ok(*percentage),
            Percentage::Path(named) => {
                let found = self.at(named)?;
                let text = || found.as_str().and_then(|text| text.parse().ok());
                let float = found.as_f64().or_else(text);
                float.ok_or_else(|| self.no_number(named, "float", &found))
            }
            Percentage::Jsonata(field, template) => {
                let found = self.computed(field, template)?;
                found
                    .as_f64()
                    .ok_or_else(|| self.wrong_type(field, template.text(), "number", &found))
            }
        }
    }

    /// What a path leads to.
    fn at(&self, named: &NamedPath) -> Result<Value, Failure> {
        let input = self.effective_input()?;
        let found = named.path.find(&self.before(&input));
        found.map(Cow::into_owned).map_err(|failure| self.explain(&failure))
    }

    fn computed(&self, field: &'static str, template: &JsonataTemplate) -> Result<Value, Failure> {
        self.answer(field, template, &self.before(self.raw()))
    }

    fn no_number(&self, named: &NamedPath, kind: &str, found: &Value) -> Failure {
        let cause = format!(
            "The {} field refers to value \"{}\" which is not a valid {kind}: {}",
            named.field,
            plain(found),
            named.text
        );
        Failure::runtime(&self.frame.visit, &cause)
    }
}
