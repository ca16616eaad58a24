//! Definitions as programs: immutable versions named by their hash, compiled once.

use crate::call;
use asl::{Problem, Program};
use ports::journal::Definitions;
use ports::{Error, Kind};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// How many programs stay compiled; the others are compiled again when an execution needs them.
const COMPILED_MAX: usize = 256;

/// Why a definition cannot become a machine's newest.
#[derive(Debug, thiserror::Error)]
pub enum Unpublishable {
    /// The definition has problems; every one is listed.
    #[error("the definition of {machine} has {} problem(s): {}", problems.len(), list(problems))]
    Problems {
        /// Which machine.
        machine: String,
        /// What is wrong, where, and how to mend it.
        problems: Vec<Problem>,
    },
    /// A task calls what this engine cannot reach.
    #[error(
        "the definition of {machine} calls {resource}, which this engine cannot reach; it can reach {}",
        call::CALLABLE
    )]
    Unreachable {
        /// Which machine.
        machine: String,
        /// What it calls.
        resource: String,
    },
    /// The world failed.
    #[error("the definition could not be stored")]
    World(#[from] Error),
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Compiled definitions.
pub(crate) struct Programs {
    definitions: Arc<dyn Definitions>,
    compiled: Mutex<HashMap<String, Arc<Program>>>,
    /// By machine. Held while a definition is published or looked up, so that what is here is
    /// always what was published last: a data directory has one process.
    current: tokio::sync::Mutex<HashMap<String, Arc<Program>>>,
}

impl Programs {
    pub(crate) fn new(definitions: Arc<dyn Definitions>) -> Self {
        Self { definitions, compiled: Mutex::default(), current: tokio::sync::Mutex::default() }
    }

    /// Makes `text` the definition that new executions of `machine` run by.
    pub(crate) async fn publish(&self, machine: &str, text: &str) -> Result<(), Unpublishable> {
        let program = Program::compile(text).map_err(|problems| Unpublishable::Problems {
            machine: machine.to_owned(),
            problems,
        })?;
        let unreachable = program.resources().find(|resource| call::shape(resource).is_none());
        if let Some(resource) = unreachable {
            let (machine, resource) = (machine.to_owned(), resource.to_string());
            return Err(Unpublishable::Unreachable { machine, resource });
        }
        let mut current = self.current.lock().await;
        self.definitions.publish(machine, program.hash(), text).await?;
        current.insert(machine.to_owned(), self.keep(program));
        Ok(())
    }

    /// The program that new executions of `machine` run by.
    pub(crate) async fn current(&self, machine: &str) -> Result<Option<Arc<Program>>, Error> {
        let mut current = self.current.lock().await;
        if let Some(program) = current.get(machine) {
            return Ok(Some(Arc::clone(program)));
        }
        let Some(hash) = self.definitions.current(machine).await? else { return Ok(None) };
        let program = self.by_hash(&hash).await?;
        current.insert(machine.to_owned(), Arc::clone(&program));
        Ok(Some(program))
    }

    /// The program with this hash, for an execution that started with it.
    pub(crate) async fn by_hash(&self, hash: &str) -> Result<Arc<Program>, Error> {
        if let Some(program) = lock(&self.compiled).get(hash) {
            return Ok(Arc::clone(program));
        }
        let corrupt =
            |why: &str| Error::new(Kind::Corrupt, format!("load definition {hash}: {why}"));
        let text = self.definitions.definition(hash).await?.ok_or_else(|| corrupt("it is gone"))?;
        let program = Program::compile(&text).map_err(|problems| corrupt(&list(&problems)))?;
        Ok(self.keep(program))
    }

    fn keep(&self, program: Program) -> Arc<Program> {
        let program = Arc::new(program);
        let mut compiled = lock(&self.compiled);
        if compiled.len() >= COMPILED_MAX {
            compiled.clear();
        }
        compiled.insert(program.hash().to_owned(), Arc::clone(&program));
        program
    }
}

/// Locks a map that no panic can leave half changed.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
