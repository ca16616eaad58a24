//! Makes the input of a map run's children out of its items, one by one.

use crate::effect::Fault;
use crate::input::Payload;
use crate::machine::context::map_run_item;
use crate::machine::flow::View;
use crate::map_run::{Dataset, RunMap, Settings};
use crate::program::{Body, Program, Template};
use serde_json::{Map, Value};
use std::sync::Arc;

/// Where items come from that no reader reads, as the context object says it.
const STATE_DATA: &str = "STATE_DATA";
/// Spreads the items of a map run over its seed.
const SEED_STRIDE: u64 = 0x9e37_79b9_7f4a_7c15;

/// Applies a Map's `ItemSelector` to the items of one map run.
///
/// The same item at the same index gives the same input, also after a restart: chance and time are
/// the map run's.
pub struct Shaper<'a> {
    view: View<'a>,
    selector: Option<&'a Template>,
    input: Payload,
    settings: &'a Settings,
    seed: u64,
}

impl<'a> Shaper<'a> {
    /// Begins a map run's items.
    ///
    /// # Errors
    /// The error with which the map run fails: its input cannot be selected, or the program is
    /// another one than the execution's.
    pub fn new(program: &'a Program, run: &'a RunMap) -> Result<Self, Fault> {
        let other = || {
            let cause = "the program is not the one that the execution started with";
            Fault::new(Some("States.Runtime"), Some(cause))
        };
        let frame = run.frame().ok_or_else(other)?;
        let state = program.state(frame.visit.state).ok_or_else(other)?;
        let Body::Map(map) = &state.body else {
            return Err(other());
        };
        let seed = run.running.origin.seed ^ u64::from(frame.visit.id.get());
        let view = View::outside(&run.running, frame, state, (frame.visit.at, seed));
        let input = view.effective_input().map_err(|failure| failure.fault)?;
        Ok(Self { view, selector: map.selector.as_ref(), input, settings: &run.settings, seed })
    }

    /// The same, seen with another context object.
    pub(super) fn with_context(mut self, context: &Value) -> Self {
        self.view.context = context.clone();
        self
    }

    /// What a child, or a batch, gets for the item at `index`.
    ///
    /// `keyed` says that the item is the member of an object; `object` names the object that it was
    /// read from, where there are several.
    ///
    /// # Errors
    /// The error with which the map run fails: an expression of its `ItemSelector` did.
    pub fn shape(
        &mut self,
        index: u64,
        item: Value,
        keyed: bool,
        object: Option<&str>,
    ) -> Result<Payload, Fault> {
        let Some(selector) = self.selector else {
            return Ok(Arc::new(item));
        };
        let source = self.source(object);
        let keyed = keyed || self.settings.keyed;
        let mut context = match std::mem::take(&mut self.view.context) {
            Value::Object(members) => members,
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => Map::new(),
        };
        context.insert("Map".to_owned(), map_run_item(index, item, keyed, &source));
        let context = Value::Object(context);
        self.view.seed = self.seed ^ index.wrapping_add(1).wrapping_mul(SEED_STRIDE);
        let filled = self.view.fill_either("ItemSelector", selector, &self.input, &context);
        self.view.context = context;
        filled.map(Arc::new).map_err(|failure| failure.fault)
    }

    /// Where an item comes from, as the context object says it.
    fn source(&self, object: Option<&str>) -> String {
        match &self.settings.reader {
            None => STATE_DATA.to_owned(),
            Some(reader) => match (&reader.dataset, object) {
                (Dataset::Listing, _) => format!("S3://{}", reader.bucket),
                (_, Some(key)) => format!("S3://{}/{key}", reader.bucket),
                (Dataset::Object(_) | Dataset::Objects(_), None) => {
                    format!("S3://{}/{}", reader.bucket, reader.key)
                }
            },
        }
    }
}
