//! Map states: one sequence for every item, some of them at the same time.

use crate::event::{Branch, Fact, MapStarted};
use crate::execution::{FrameId, Iterations};
use crate::input::Payload;
use crate::limits::{MAP_CONCURRENCY_MAX, MAP_RUN_CONCURRENCY_MAX};
use crate::machine::context::map_item;
use crate::machine::failure::Failure;
use crate::machine::flow::View;
use crate::machine::step::{Entry, Interrupt, Over, Place, Step};
use crate::map_run::keyed;
use crate::program::{Body, Distributed, Flow, Items, Map};
use serde_json::Value;
use std::sync::Arc;

/// A Map whose items were selected.
pub(super) struct BegunMap {
    /// How many iterations were asked to run at the same time; 0 means as many as may.
    pub(super) concurrency: u32,
    /// Whether the items are the members of an object.
    pub(super) keyed: bool,
}

impl Step<'_> {
    /// Begins the iterations of a Map, for the first or another attempt.
    pub(super) fn iterate(&mut self, frame: FrameId, map: &Map) -> Result<(), Interrupt> {
        let begun = self.begin_map(frame, map)?;
        match &map.distributed {
            Some(distributed) => self.run_map(frame, distributed, begun.concurrency, begun.keyed),
            None => Ok(self.go_on_mapping(frame, map)?),
        }
    }

    /// Selects the items of a Map, without beginning any iteration.
    pub(super) fn begin_map(&mut self, frame: FrameId, map: &Map) -> Result<BegunMap, Interrupt> {
        let view = self.view(frame)?;
        let (items, keyed) = match &map.distributed {
            Some(distributed) => run_items(&view, map, distributed)?,
            None => (items(&view, map)?, false),
        };
        let asked = map.concurrency.as_ref().map(|number| view.whole_number(number)).transpose()?;
        let items = (!Arc::ptr_eq(&items, view.raw())).then_some(items);
        drop(view);
        let asked = asked.and_then(|asked| u32::try_from(asked).ok());
        let most = match map.distributed {
            Some(_) => MAP_RUN_CONCURRENCY_MAX,
            None => MAP_CONCURRENCY_MAX,
        };
        let concurrency = match asked {
            None | Some(0) => most,
            Some(asked) => asked.min(most),
        };
        let started = MapStarted { items, concurrency };
        let previous = self.pointer(frame)?;
        self.emit(frame, previous, Fact::MapStarted(Box::new(started)))?;
        Ok(BegunMap { concurrency: asked.unwrap_or(0).min(most), keyed })
    }

    /// Begins as many iterations as may run, or leaves the Map when the last one is through.
    pub(super) fn go_on_mapping(&mut self, frame: FrameId, map: &Map) -> Result<(), Over> {
        loop {
            let iterations = self.iterations(frame)?;
            let (next, running) = (iterations.next, iterations.running);
            if next >= iterations.count() && running == 0 {
                let previous = iterations.ended_by;
                return self.join(frame, previous);
            }
            if next >= iterations.count() || running >= iterations.concurrency {
                return Ok(());
            }
            let previous = self.pointer(frame)?;
            let began = self.emit(frame, previous, Fact::IterationStarted { index: next })?;
            let place = Place::Branch(Branch { parent: frame, index: next }, began);
            self.ready.push_back(Entry { place, state: map.start });
        }
    }

    /// An iteration is through.
    pub(super) fn finish_iteration(&mut self, frame: FrameId, branch: Branch) -> Result<(), Over> {
        let previous = self.pointer(frame)?;
        self.emit(frame, previous, Fact::IterationSucceeded { index: branch.index })?;
        match &self.state_of(branch.parent)?.body {
            Body::Map(map) => self.go_on_mapping(branch.parent, map),
            Body::Pass(_)
            | Body::Task(_)
            | Body::Choice(_)
            | Body::Wait(_)
            | Body::Succeed
            | Body::Fail(_)
            | Body::Parallel(_) => Err(Over),
        }
    }

    /// What one iteration begins with, if not the item itself.
    pub(super) fn item_input(
        &self,
        map: &Map,
        branch: Branch,
    ) -> Result<Option<Payload>, Interrupt> {
        let Some(selector) = &map.selector else {
            return Ok(None);
        };
        let iterations = self.iterations(branch.parent)?;
        let at = usize::try_from(branch.index).map_err(|_| Over)?;
        let item = Arc::clone(iterations.items.get(at).ok_or(Over)?);
        let mut view = self.view(branch.parent)?;
        let input = view.effective_input()?;
        let mut context = std::mem::take(&mut view.context);
        if let Value::Object(members) = &mut context {
            let own = map_item(branch.index, &item);
            members.insert("Map".into(), own);
        }
        let filled = view.fill_either("ItemSelector", selector, &input, &context)?;
        let filled = Arc::new(filled);
        self.limited(branch.parent, &filled)?;
        Ok(Some(filled))
    }

    pub(super) fn iterations(&self, frame: FrameId) -> Result<&Iterations, Over> {
        self.frame(frame)?.visit.activity.iterations().ok_or(Over)
    }
}

/// The array that a Map goes through.
fn items(view: &View<'_>, map: &Map) -> Result<Payload, Failure> {
    let items = selected(view, map)?;
    if items.is_array() { Ok(items) } else { Err(no_array(view, map, &items)) }
}

/// What a map run begins with: the items, unless a reader reads them, and whether they are the
/// members of an object.
fn run_items(
    view: &View<'_>,
    map: &Map,
    distributed: &Distributed,
) -> Result<(Payload, bool), Failure> {
    if distributed.reader.is_some() {
        return Ok((Arc::new(Value::Array(Vec::new())), false));
    }
    let items = selected(view, map)?;
    match &*items {
        Value::Array(_) => Ok((items, false)),
        Value::Object(members) => {
            let members = members.iter().map(|(key, value)| keyed(key.clone(), value.clone()));
            Ok((Arc::new(Value::Array(members.collect())), true))
        }
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
            Err(no_array(view, map, other))
        }
    }
}

/// What the Map's `ItemsPath` or `Items` selects.
fn selected(view: &View<'_>, map: &Map) -> Result<Payload, Failure> {
    let input = view.effective_input()?;
    Ok(match &map.items {
        Items::Input => input,
        Items::Path(named) => match named.path.evaluate(&view.before(&input)) {
            Ok(found) => Arc::new(found),
            Err(failure) => return Err(view.explain(&failure)),
        },
        Items::Jsonata(template) => {
            Arc::new(view.answer("Items", template, &view.before(&input))?)
        }
    })
}

fn no_array(view: &View<'_>, map: &Map, found: &Value) -> Failure {
    let visit = &view.frame.visit;
    match (&map.items, &view.state.flow) {
        (Items::Input, Flow::JsonPath(_)) => {
            Failure::runtime(visit, "Reference path \"$\" must point to array.")
        }
        (Items::Input, Flow::Jsonata(_)) => {
            let cause = format!("Map state input must be an array but was: {found}");
            Failure::evaluation(visit, None, &cause)
        }
        (Items::Path(named), _) => {
            // A path into the context object is named as one into it: with a single `$`.
            let path = named.text.strip_prefix("$$").map(|rest| format!("${rest}"));
            let path = path.as_deref().unwrap_or(&named.text);
            let cause = format!("Reference path \"{path}\" must point to array.");
            Failure::runtime(visit, &cause)
        }
        (Items::Jsonata(template), _) => view.wrong_type("Items", template.text(), "array", found),
    }
}
