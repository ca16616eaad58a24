//! Entering states, and the ones that are over in one step: Pass, Choice, Wait, Succeed, Fail.

use crate::choice::Verdict;
use crate::effect::Fault;
use crate::event::{Branch, Entered, Fact};
use crate::execution::FrameId;
use crate::expression::{RUNTIME, number};
use crate::input::Payload;
use crate::instant::Instant;
use crate::machine::failure::Failure;
use crate::machine::flow::{Conclusion, View};
use crate::machine::step::{Entry, Interrupt, Over, Place, Step};
use crate::program::{
    Body, Choice, Fail, Flow, Next, Number, Pass, Rule, Template, Text, Until, Wait,
};
use contracts::time::Timestamp;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// The error of a Choice that has no way on.
const NO_CHOICE_MATCHED: &str = "States.NoChoiceMatched";

impl Step<'_> {
    /// Enters one state and does what it does by itself.
    pub(super) fn enter(&mut self, entry: &Entry) -> Result<(), Over> {
        let state = self.state(entry.state)?;
        let (frame, branch, previous) = match entry.place {
            Place::Root => (FrameId::ROOT, None, 0),
            Place::Frame(frame) => (frame, None, self.pointer(frame)?),
            Place::Branch(branch, previous) => (self.running()?.next_frame, Some(branch), previous),
            Place::Again(frame) => return self.go_on(frame),
        };
        let input = match branch {
            Some(branch) => match self.branch_input(branch) {
                Ok(input) => input,
                Err(Interrupt::Over) => return Err(Over),
                Err(Interrupt::Failed(failure)) => return self.fail(branch.parent, *failure),
            },
            None => None,
        };
        let entered = Entered {
            state: entry.state,
            kind: state.body.kind(),
            name: Arc::clone(&state.name),
            input,
            branch,
        };
        self.emit(frame, previous, Fact::Entered(entered))?;
        self.perform_or_fail(frame)
    }

    /// Does what the state at a frame does by itself, or fails it.
    pub(super) fn perform_or_fail(&mut self, frame: FrameId) -> Result<(), Over> {
        match self.perform(frame) {
            Ok(()) => Ok(()),
            Err(Interrupt::Over) => Err(Over),
            Err(Interrupt::Failed(failure)) => self.fail(frame, *failure),
        }
    }

    /// What a branch begins with, where that is not what the state around holds for it.
    fn branch_input(&self, branch: Branch) -> Result<Option<Payload>, Interrupt> {
        match &self.state_of(branch.parent)?.body {
            Body::Map(map) => self.item_input(map, branch),
            Body::Pass(_)
            | Body::Task(_)
            | Body::Choice(_)
            | Body::Wait(_)
            | Body::Succeed
            | Body::Fail(_)
            | Body::Parallel(_) => Ok(None),
        }
    }

    /// Does what the state at a frame does by itself; again for another attempt.
    pub(super) fn perform(&mut self, frame: FrameId) -> Result<(), Interrupt> {
        match &self.state_of(frame)?.body {
            Body::Pass(pass) => self.pass(frame, pass),
            Body::Task(task) => self.schedule(frame, task),
            Body::Choice(choice) => self.choose(frame, choice),
            Body::Wait(wait) => self.wait(frame, wait),
            Body::Succeed => self.pass_on(frame, Next::End),
            Body::Fail(fail) => self.give_up(frame, fail),
            Body::Parallel(parallel) => self.fork(frame, parallel),
            Body::Map(map) => self.iterate(frame, map),
        }
    }

    fn pass(&mut self, frame: FrameId, pass: &Pass) -> Result<(), Interrupt> {
        let view = self.view(frame)?;
        let conclusion = match (&view.state.flow, &pass.result) {
            (Flow::Jsonata(_), _) => view.conclude(None)?,
            (Flow::JsonPath(_), Some(result)) => view.conclude(Some(result))?,
            (Flow::JsonPath(_), None) => view.conclude(Some(&view.arguments()?))?,
        };
        drop(view);
        self.leave_measured(frame, conclusion, pass.next)
    }

    fn choose(&mut self, frame: FrameId, choice: &Choice) -> Result<(), Interrupt> {
        let view = self.view(frame)?;
        let input = view.effective_input()?;
        let mut chosen = None;
        for rule in &choice.rules {
            let verdict = rule.test.holds(&view.before(&input));
            let verdict = verdict.map_err(|failure| view.explain(&failure))?;
            match verdict {
                Verdict::No => {}
                Verdict::Yes => {
                    chosen = Some(rule);
                    break;
                }
                Verdict::NotBoolean(value) => {
                    let text = rule.test.condition();
                    return Err(view.wrong_type("Condition", text, "boolean", &value).into());
                }
            }
        }
        let (conclusion, next) = match (chosen, choice.default) {
            (Some(rule), _) => (choose_rule(&view, rule)?, rule.next),
            (None, Some(default)) => (view.conclude(None)?, default),
            (None, None) => {
                let cause = "No rule of the Choice matched, and it has no Default.";
                let failure = Failure::found(&view.frame.visit, NO_CHOICE_MATCHED, cause);
                return Err(failure.into());
            }
        };
        drop(view);
        self.leave_measured(frame, conclusion, Next::State(next))
    }

    fn wait(&mut self, frame: FrameId, wait: &Wait) -> Result<(), Interrupt> {
        let view = self.view(frame)?;
        let until = match &wait.until {
            Until::Seconds(number) => {
                let seconds = wait_seconds(&view, number)?;
                self.at.plus(Duration::from_secs(seconds))
            }
            Until::Timestamp(text) => wait_timestamp(&view, text)?,
        };
        drop(view);
        if until <= self.at {
            return self.pass_on(frame, wait.next);
        }
        let previous = self.pointer(frame)?;
        self.emit(frame, previous, Fact::Waits { until })?;
        Ok(())
    }

    pub(super) fn end_wait(&mut self, frame: FrameId) -> Result<(), Interrupt> {
        let next = self.state_of(frame)?.body.next().ok_or(Over)?;
        self.pass_on(frame, next)
    }

    fn give_up(&mut self, frame: FrameId, fail: &Fail) -> Result<(), Interrupt> {
        let view = self.view(frame)?;
        let error = fail.error.as_ref().map(|text| fail_text(&view, text)).transpose()?;
        let cause = fail.cause.as_ref().map(|text| fail_text(&view, text)).transpose()?;
        Err(Failure::reported_by_task(Fault { error, cause }).into())
    }
}

fn choose_rule(view: &View<'_>, rule: &Rule) -> Result<Conclusion, Failure> {
    let input = view.effective_input()?;
    match &view.state.flow {
        Flow::JsonPath(_) => {
            let assign = rule.assign.as_ref().and_then(Template::as_path);
            let assigned = view.assign_by_path(assign, &input)?;
            // A rule's own `Assign` stands instead of the state's, which is for the default.
            let conclusion = view.conclude(None)?;
            Ok(Conclusion { assigned, ..conclusion })
        }
        Flow::Jsonata(flow) => {
            let output = rule.output.as_ref().or(flow.output.as_ref());
            let assign = rule.assign.as_ref().and_then(Template::as_jsonata);
            view.conclude_by_jsonata(output, assign, &view.before(&input), &input)
        }
    }
}

/// The seconds of a Wait, from wherever they come.
fn wait_seconds(view: &View<'_>, seconds: &Number) -> Result<u64, Failure> {
    let visit = &view.frame.visit;
    match seconds {
        Number::Fixed(seconds) => Ok(*seconds),
        Number::Path(named) => {
            let input = view.effective_input()?;
            let found = named.path.find(&view.before(&input)).map_err(|_| {
                let cause = format!(
                    "The {} parameter does not reference an input value: {}",
                    named.field, named.text
                );
                Failure::runtime(visit, &cause)
            })?;
            let judged = match whole(&found) {
                Some(seconds) => u64::try_from(seconds).map_err(|_| "references a negative value"),
                None => Err("cannot be parsed as a long value"),
            };
            judged.map_err(|problem| {
                let (field, text) = (named.field, &named.text);
                let cause = format!("The {field} parameter {problem}: {text} == {}", plain(&found));
                Failure::runtime(visit, &cause)
            })
        }
        Number::Jsonata(field, template) => view.number(field, template),
    }
}

/// The instant of a Wait, from wherever it comes.
fn wait_timestamp(view: &View<'_>, text: &Text) -> Result<Timestamp, Failure> {
    let visit = &view.frame.visit;
    match text {
        Text::Fixed(text) => parse_instant(text)
            .ok_or_else(|| Failure::runtime(visit, "The Timestamp is not an instant.")),
        Text::Selected(field, path, selector) => {
            let input = view.effective_input()?;
            let found = selector.evaluate(&view.before(&input)).map_err(|_| {
                let cause =
                    format!("The {field} parameter does not reference an input value: {path}");
                Failure::runtime(visit, &cause)
            })?;
            found.as_str().and_then(parse_instant).ok_or_else(|| {
                let cause = format!(
                    "The {field} parameter does not reference a valid ISO-8601 extended offset \
                     date-time format string: {path} == {}",
                    plain(&found)
                );
                Failure::runtime(visit, &cause)
            })
        }
        Text::Jsonata(field, template) => {
            let found = view.answer(field, template, &view.before(view.raw()))?;
            found.as_str().and_then(parse_instant).ok_or_else(|| {
                let cause = format!(
                    "The {field} field cannot be parsed as an ISO-8601 extended offset date-time \
                     format string: {}",
                    plain(&found)
                );
                Failure::evaluation(visit, Some(field), &cause).after_entry()
            })
        }
    }
}

fn parse_instant(text: &str) -> Option<Timestamp> {
    Instant::parse(text).map(Instant::timestamp)
}

/// The error or cause of a Fail state.
fn fail_text(view: &View<'_>, text: &Text) -> Result<Arc<str>, Failure> {
    let (field, value) = match text {
        Text::Fixed(text) => return Ok(Arc::clone(text)),
        Text::Selected(field, _, selector) => {
            let found = selector.evaluate_for(field, RUNTIME, &view.before(view.raw()));
            (field, found.map_err(|failure| view.explain(&failure))?)
        }
        Text::Jsonata(field, template) => {
            (field, view.answer(field, template, &view.before(view.raw()))?)
        }
    };
    match value {
        Value::String(text) => Ok(text.into()),
        other @ (Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::Array(_)
        | Value::Object(_)) => Err(match text {
            Text::Jsonata(_, template) => view.wrong_type(field, template.text(), "string", &other),
            Text::Fixed(_) | Text::Selected(..) => {
                let cause = format!("The {field} field must refer to a string but was: {other}");
                Failure::runtime(&view.frame.visit, &cause)
            }
        }),
    }
}

/// A whole number, if the value is one.
pub(super) fn whole(value: &Value) -> Option<i64> {
    let float = || value.as_f64().filter(|float| float.fract() == 0.0);
    value.as_i64().or_else(|| number(float()?).as_i64())
}

/// A value as messages show it: text without quotes, anything else as JSON.
pub(super) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
