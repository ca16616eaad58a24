//! The children of a map run: executions of the same program, begun at the Map's first state.

use super::settings::Settings;
use crate::effect::hex;
use crate::execution::{Frame, FrameId, Origin, Running, VisitId};
use crate::input::{Entry, Identity, Payload, Start};
use crate::program::{Body, Program};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// A map run that the world owes an execution.
#[derive(Clone, Debug, PartialEq)]
pub struct RunMap {
    /// The visit of the Map state.
    pub visit: VisitId,
    /// Which attempt of the visit this is, from 0. The end must name it.
    pub attempt: u32,
    /// The name of the Map state.
    pub state: Arc<str>,
    /// The map run's ARN: another for every retry, the same after a redrive.
    pub arn: Arc<str>,
    /// How often it was redriven. Then only those of its children run again, or for the first time,
    /// that have not succeeded.
    pub redrives: u32,
    /// How it works.
    pub settings: Settings,
    pub(crate) running: Running,
    pub(crate) frame: FrameId,
}

/// A child execution to start.
#[derive(Clone, Debug, PartialEq)]
pub struct Child {
    /// Which child of the map run it is, from 0.
    pub index: u64,
    /// How many items it works on.
    pub items: u64,
    /// What it begins with.
    pub input: Payload,
}

impl RunMap {
    pub(crate) fn frame(&self) -> Option<&Frame> {
        self.running.frame(self.frame)
    }

    /// The id of the execution whose map run it is.
    #[must_use]
    pub fn execution(&self) -> &str {
        &self.running.origin.identity.id
    }

    /// The items, where no reader reads them.
    #[must_use]
    pub fn items(&self) -> &[Payload] {
        let run = self.frame().and_then(|frame| frame.visit.activity.map_run());
        run.map_or(&[], |run| &run.items)
    }

    /// The name of the state machine that children count as executions of: `<machine>/<label>`.
    #[must_use]
    pub fn machine(&self) -> String {
        format!("{}/{}", root_machine(&self.running.origin.identity), self.settings.label)
    }

    /// The name of a child: the same whenever it is asked for, so that no child starts twice.
    #[must_use]
    pub fn child_name(&self, index: u64) -> String {
        child_name(&self.arn, index)
    }

    /// The start of a child; `None` if the program is another one than the execution's.
    #[must_use]
    pub fn start(&self, program: &Program, child: &Child) -> Option<Start> {
        let state = program.state(self.frame()?.visit.state)?;
        let Body::Map(map) = &state.body else {
            return None;
        };
        let parent = &self.running.origin.identity;
        let (machine, name) = (self.machine(), self.child_name(child.index));
        let place = place_of(parent);
        let id = if self.settings.express {
            let run = self.arn.rsplit(':').next().unwrap_or_default();
            format!("{place}:express:{machine}:{run}:{name}")
        } else {
            format!("{place}:execution:{machine}:{name}")
        };
        Some(Start {
            input: Arc::clone(&child.input),
            identity: Identity {
                id: id.into(),
                name: name.into(),
                machine_id: format!("{place}:stateMachine:{machine}").into(),
                machine_name: machine.into(),
                role: Arc::clone(&parent.role),
                version: parent.version.clone(),
                alias: parent.alias.clone(),
            },
            entry: Some(Entry { state: map.start, map_run: Arc::clone(&self.arn) }),
        })
    }
}

/// The name of a map run's child.
fn child_name(run: &str, index: u64) -> String {
    let mut digest = Sha256::new();
    digest.update(index.to_be_bytes());
    digest.update(run.as_bytes());
    unique(&digest.finalize())
}

/// The ARN of the map run that an attempt of a visit starts.
pub(crate) fn run_arn(origin: &Origin, visit: VisitId, attempt: u32, label: &str) -> Arc<str> {
    let mut digest = Sha256::new();
    digest.update(origin.seed.to_be_bytes());
    digest.update(visit.get().to_be_bytes());
    digest.update(attempt.to_be_bytes());
    digest.update(origin.identity.id.as_bytes());
    let (place, machine) = (place_of(&origin.identity), root_machine(&origin.identity));
    format!("{place}:mapRun:{machine}/{label}:{}", unique(&digest.finalize())).into()
}

/// The label of a Map that has none: the same for every version of the machine.
pub(crate) fn label_of(state: &str) -> Arc<str> {
    unique(&Sha256::digest(state.as_bytes())).into()
}

/// Partition, service, region and account, as the execution's own ARN has them.
fn place_of(identity: &Identity) -> String {
    let parts: Vec<&str> = identity.id.split(':').take(5).collect();
    match *parts {
        ["arn", ..] if parts.len() == 5 => parts.join(":"),
        _ => "arn:aws:states::".to_owned(),
    }
}

/// The machine without the label of the Map that this execution may itself be a child of.
fn root_machine(identity: &Identity) -> &str {
    identity.machine_name.split('/').next().unwrap_or_default()
}

/// The digest in the shape of a UUID.
fn unique(digest: &[u8]) -> String {
    let digits = hex(digest, 16);
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    let parts = [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)];
    parts.join("-")
}
