//! The data of a state under test after every step, as TestState shows it.
//!
//! Which kind of state shows which steps is what Step Functions was seen to do.

use crate::execution::FrameId;
use crate::input::Payload;
use crate::machine::step::{Over, Step};
use crate::program::{Body, Flow};
use std::sync::Arc;

/// The data after every step that was reached.
#[derive(Debug, Default)]
pub(crate) struct Stages {
    pub(crate) input: Option<Payload>,
    pub(crate) after_arguments: Option<Payload>,
    pub(crate) after_input_path: Option<Payload>,
    pub(crate) after_parameters: Option<Payload>,
    pub(crate) result: Option<Payload>,
    pub(crate) after_result_selector: Option<Payload>,
    pub(crate) after_result_path: Option<Payload>,
    pub(crate) after_items_path: Option<Vec<Payload>>,
    pub(crate) after_items_pointer: Option<Vec<Payload>>,
    pub(crate) after_item_selector: Option<Vec<Payload>>,
    pub(crate) after_item_batcher: Option<Vec<Payload>>,
    pub(crate) tolerated_count: Option<u64>,
    pub(crate) tolerated_percentage: Option<f64>,
    pub(crate) concurrency: Option<u32>,
}

impl Stages {
    /// Looks at the steps before the state does anything.
    pub(super) fn before(&mut self, step: &Step<'_>) -> Result<(), Over> {
        let view = step.view(FrameId::ROOT)?;
        let body = &view.state.body;
        let (input_path, parameters) = match body {
            Body::Task(_) => (true, true),
            Body::Pass(pass) => (pass.result.is_none(), pass.result.is_none()),
            Body::Choice(_) | Body::Wait(_) | Body::Succeed | Body::Fail(_) | Body::Map(_) => {
                (true, false)
            }
            Body::Parallel(_) => (false, false),
        };
        match &view.state.flow {
            Flow::JsonPath(_) => {
                let effective = view.effective_input().ok();
                self.after_parameters =
                    effective.as_ref().filter(|_| parameters).and_then(|_| view.arguments().ok());
                self.after_input_path = effective.filter(|_| input_path);
            }
            Flow::Jsonata(_) => {
                let calls = matches!(body, Body::Task(_));
                self.after_arguments = calls.then(|| view.arguments().ok()).flatten();
            }
        }
        Ok(())
    }

    /// Looks at the steps after the state has its result; a Pass makes its own.
    pub(super) fn after(&mut self, step: &Step<'_>, result: Option<&Payload>) {
        let Ok(view) = step.view(FrameId::ROOT) else {
            return;
        };
        let (shown, selected) = match &view.state.body {
            Body::Task(_) => (result.cloned(), result.cloned()),
            Body::Pass(pass) => {
                (pass.result.clone(), pass.result.clone().or(self.after_parameters.clone()))
            }
            Body::Parallel(_) | Body::Map(_) => (None, result.cloned()),
            Body::Choice(_) | Body::Wait(_) | Body::Succeed | Body::Fail(_) => return,
        };
        self.result = shown;
        if let (Flow::JsonPath(flow), Some(result)) = (&view.state.flow, selected) {
            let selected = view.selected(flow, &result).ok();
            self.after_result_path =
                selected.as_ref().and_then(|it| view.place(&flow.place, Arc::clone(it)).ok());
            self.after_result_selector = selected;
        }
    }
}
