//! Task states: scheduling a call, and making an output of its result.

use crate::event::{Fact, Scheduled};
use crate::execution::FrameId;
use crate::expression::JsonataTemplate;
use crate::input::Payload;
use crate::machine::failure::Failure;
use crate::machine::flow::View;
use crate::machine::states::{plain, whole};
use crate::machine::step::{Interrupt, Over, Step};
use crate::program::{Number, Task, Template};
use crate::resource::Resource;
use serde_json::Value;
use std::sync::Arc;

impl Step<'_> {
    /// Schedules the call of a Task, for the first or another attempt.
    pub(super) fn schedule(&mut self, frame: FrameId, task: &Task) -> Result<(), Interrupt> {
        let view = self.view(frame)?;
        let arguments = view.arguments()?;
        let scheduled = Scheduled {
            resource: task.resource.clone(),
            timeout_seconds: seconds(&view, task.timeout.as_ref())?,
            heartbeat_seconds: seconds(&view, task.heartbeat.as_ref())?,
            credentials: credentials(&view, task.credentials.as_ref())?,
            arguments: (!Arc::ptr_eq(&arguments, view.raw())).then_some(arguments),
        };
        if self.absent_activities.iter().any(|arn| **arn == *task.resource.arn()) {
            let cause = format!("The activity {} does not exist.", task.resource);
            return Err(Failure::runtime(&view.frame.visit, &cause).into());
        }
        drop(view);
        if let Some(arguments) = &scheduled.arguments {
            self.limited(frame, arguments)?;
        }
        let previous = self.pointer(frame)?;
        let previous = self.emit(frame, previous, Fact::Scheduled(Box::new(scheduled)))?;
        match task.resource {
            // Whether and when a worker takes it is an input of its own.
            Resource::Activity { .. } => {}
            Resource::Function { .. } | Resource::Integration { .. } => {
                self.emit(frame, previous, Fact::Invoked { worker: None })?;
            }
        }
        Ok(())
    }

    /// Makes the state's output of the task's result.
    pub(super) fn conclude_task(&mut self, frame: FrameId) -> Result<(), Interrupt> {
        let next = self.state_of(frame)?.body.next().ok_or(Over)?;
        self.conclude(frame, next)
    }
}

fn seconds(view: &View<'_>, number: Option<&Number>) -> Result<Option<u64>, Failure> {
    number.map(|number| view.whole_number(number)).transpose()
}

/// The role to call with, as the history shows it: `{"roleArn": …}`.
fn credentials(view: &View<'_>, template: Option<&Template>) -> Result<Option<Payload>, Failure> {
    let Some(template) = template else {
        return Ok(None);
    };
    let input = view.effective_input()?;
    let filled = view.fill_either("Credentials", template, &input, &view.context)?;
    let role = filled.get("RoleArn").cloned().unwrap_or(Value::Null);
    Ok(Some(Arc::new(serde_json::json!({ "roleArn": role }))))
}

impl View<'_> {
    /// A whole number that is not negative, from wherever it comes.
    pub(super) fn whole_number(&self, number: &Number) -> Result<u64, Failure> {
        match number {
            Number::Fixed(number) => Ok(*number),
            Number::Path(named) => {
                let input = self.effective_input()?;
                let found = named.path.find(&self.before(&input));
                let found = found.map_err(|failure| self.explain(&failure))?;
                whole(&found).and_then(|number| u64::try_from(number).ok()).ok_or_else(|| {
                    let cause = format!(
                        "The {} field refers to value \"{}\" which is not a valid integer: {}",
                        named.field,
                        plain(&found),
                        named.text
                    );
                    Failure::runtime(&self.frame.visit, &cause)
                })
            }
            Number::Jsonata(field, template) => self.number(field, template),
        }
    }

    /// A whole number that is not negative, out of a JSONata expression.
    pub(super) fn number(
        &self,
        field: &'static str,
        template: &JsonataTemplate,
    ) -> Result<u64, Failure> {
        let found = self.answer(field, template, &self.before(self.raw()))?;
        whole(&found)
            .and_then(|number| u64::try_from(number).ok())
            .ok_or_else(|| self.wrong_type(field, template.text(), "integer", &found))
    }
}
