//! Definitions as programs: immutable versions named by their hash, compiled once.

use crate::calls;
use asl::{Pattern, Problem, Program};
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
        calls::callable()
    )]
    Unreachable {
        /// Which machine.
        machine: String,
        /// What it calls.
        resource: String,
    },
    /// A task waits for its answer in a way that Express machines do not have.
    #[error(
        "the definition of {machine} calls {resource}; an Express state machine only calls and \
         takes the answer: use neither .sync nor .waitForTaskToken nor activities, or make it a \
         Standard one"
    )]
    NotExpress {
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
}

impl Programs {
    pub(crate) fn new(definitions: Arc<dyn Definitions>) -> Self {
        Self { definitions, compiled: Mutex::default() }
    }

    /// Checks a definition and keeps it for good.
    pub(crate) async fn keep(
        &self,
        machine: &str,
        text: &str,
        express: bool,
    ) -> Result<Arc<Program>, Unpublishable> {
        let program = Program::compile(text).map_err(|problems| Unpublishable::Problems {
            machine: machine.to_owned(),
            problems,
        })?;
        for resource in program.resources() {
            let (machine, resource_name) = (machine.to_owned(), resource.to_string());
            if !calls::can_make(resource) {
                return Err(Unpublishable::Unreachable { machine, resource: resource_name });
            }
            if express && resource.pattern() != Pattern::RequestResponse {
                return Err(Unpublishable::NotExpress { machine, resource: resource_name });
            }
        }
        self.definitions.keep(program.hash(), text).await?;
        Ok(self.cache(program))
    }

    /// The text of a definition, and its program.
    pub(crate) async fn text(&self, hash: &str) -> Result<(String, Arc<Program>), Error> {
        let text = self.definitions.definition(hash).await?;
        let text = text.ok_or_else(|| corrupt(hash, "it is gone"))?;
        Ok((text, self.by_hash(hash).await?))
    }

    /// The program with this hash, for an execution that started with it.
    pub(crate) async fn by_hash(&self, hash: &str) -> Result<Arc<Program>, Error> {
        if let Some(program) = lock(&self.compiled).get(hash) {
            return Ok(Arc::clone(program));
        }
        let text = self.definitions.definition(hash).await?;
        let text = text.ok_or_else(|| corrupt(hash, "it is gone"))?;
        let program = Program::compile(&text).map_err(|p| corrupt(hash, &list(&p)))?;
        Ok(self.cache(program))
    }

    fn cache(&self, program: Program) -> Arc<Program> {
        let program = Arc::new(program);
        let mut compiled = lock(&self.compiled);
        if compiled.len() >= COMPILED_MAX {
            compiled.clear();
        }
        compiled.insert(program.hash().to_owned(), Arc::clone(&program));
        program
    }
}

fn corrupt(hash: &str, why: &str) -> Error {
    Error::new(Kind::Corrupt, format!("load definition {hash}: {why}"))
}

/// Locks a map that no panic can leave half changed.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
