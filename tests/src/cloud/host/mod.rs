//! Where functions run: processes that poll a Lambda Runtime API of their own.
//!
//! As on Lambda, an environment serves one request at a time and is used again while it is warm;
//! between two requests it is frozen; one that does not answer in time, or dies, is gone, and the
//! next request starts another.
//!
//! ```text
//! invoke ──▶ Host ──▶ Environment (a process) ──▶ GET  …/invocation/next
//!                         ▲                       POST …/invocation/<id>/response | error
//!                         └── answered, dead, or out of time
//! ```
//!
//! Owns: processes, their environment variables, their output, their end.
//! Does not own: who invokes a function and why, or what AWS answers it.

mod environment;
mod runtime_api;
#[cfg(test)]
mod tests;

pub use environment::Environment;

use axum::body::Bytes;
use environment::Ends;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Semaphore;

/// How long to wait for an environment to die before looking again where it is.
const LOOK: Duration = Duration::from_millis(20);

/// A function as it is deployed.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// The program that serves it.
    pub program: PathBuf,
    /// What the program is told on its command line; nothing, when it is a `bootstrap`.
    pub arguments: Vec<String>,
    /// Its variables; what Lambda sets is set by the host.
    pub variables: BTreeMap<String, String>,
    /// How long one invocation may take.
    pub timeout: Duration,
    /// How much memory it asks for; said to it, not held.
    pub memory_mb: u32,
    /// How many environments it may have at once.
    pub concurrency: usize,
}

/// How an invocation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The function answered this.
    Done(Bytes),
    /// It failed with this error object: `errorType` and `errorMessage`.
    Failed(Bytes),
}

impl Outcome {
    /// A failure that Lambda itself tells of.
    fn failed(kind: &str, message: &str) -> Self {
        let body = json!({"errorType": kind, "errorMessage": message});
        Self::Failed(body.to_string().into())
    }

    /// The answer as JSON, if it is one.
    #[must_use]
    pub fn done(&self) -> Option<Value> {
        match self {
            Self::Done(body) => serde_json::from_slice(body).ok(),
            Self::Failed(_) => None,
        }
    }

    /// What the failure is called, if it is one.
    #[must_use]
    pub fn error_type(&self) -> Option<String> {
        match self {
            Self::Done(_) => None,
            Self::Failed(body) => {
                let error: Value = serde_json::from_slice(body).unwrap_or_default();
                Some(error["errorType"].as_str().unwrap_or("Unhandled").to_owned())
            }
        }
    }
}

/// A line that a function has written.
#[derive(Clone, Debug)]
pub struct Line {
    /// Which environment: `<function>/<number>`.
    pub environment: String,
    /// What it wrote.
    pub text: String,
}

/// Everything that environments write, in order.
#[derive(Clone, Debug, Default)]
pub struct Output(Arc<Mutex<Vec<Line>>>);

impl Output {
    pub(crate) fn push(&self, environment: &str, text: String) {
        self.0.lock().unwrap().push(Line { environment: environment.to_owned(), text });
    }

    /// What a function's environments have written so far.
    #[must_use]
    pub fn of(&self, function: &str) -> Vec<String> {
        let is_its = |line: &&Line| function_of(&line.environment) == function;
        self.0.lock().unwrap().iter().filter(is_its).map(|line| line.text.clone()).collect()
    }

    /// The last lines of all functions.
    #[must_use]
    pub fn tail(&self, count: usize) -> Vec<Line> {
        let lines = self.0.lock().unwrap();
        lines[lines.len().saturating_sub(count)..].to_vec()
    }
}

/// The function whose environment this is.
#[must_use]
pub fn function_of(environment: &str) -> &str {
    environment.split('/').next().unwrap_or(environment)
}

/// All functions, and their environments.
pub struct Host {
    pools: BTreeMap<String, Arc<Pool>>,
    /// What functions write.
    pub output: Output,
}

/// The environments of one function.
struct Pool {
    function: Function,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Environment>>,
    /// How each living environment can be ended.
    alive: Mutex<BTreeMap<String, Ends>>,
    started: AtomicU32,
}

impl Host {
    /// Makes a host of these functions. Nothing is started before it is asked for.
    #[must_use]
    pub fn new(functions: impl IntoIterator<Item = Function>) -> Self {
        let pool = |function: Function| {
            let permits = Arc::new(Semaphore::new(function.concurrency));
            let name = function.name.clone();
            let (idle, alive, started) = Default::default();
            (name, Arc::new(Pool { function, permits, idle, alive, started }))
        };
        Self { pools: functions.into_iter().map(pool).collect(), output: Output::default() }
    }

    /// Whether there is such a function.
    #[must_use]
    pub fn has(&self, function: &str) -> bool {
        self.pools.contains_key(function)
    }

    /// Invokes a function and waits for its end; it goes on when the caller does not wait.
    ///
    /// # Errors
    /// There is no such function, or its program cannot be started.
    pub async fn invoke(&self, function: &str, payload: impl Into<Bytes>) -> io::Result<Outcome> {
        let Some(pool) = self.pools.get(function).map(Arc::clone) else {
            return Err(io::Error::new(io::ErrorKind::NotFound, format!("no function {function}")));
        };
        let (payload, output) = (payload.into(), self.output.clone());
        tokio::spawn(async move { pool.invoke(payload, output).await }).await.unwrap()
    }

    /// Kills an environment, whatever it is doing; returns once it is dead.
    pub async fn kill(&self, environment: &str) {
        let Some(pool) = self.pools.get(function_of(environment)) else { return };
        loop {
            pool.idle.lock().unwrap().retain(|idle| idle.id() != environment);
            let ends = pool.alive.lock().unwrap().get(environment).cloned();
            let Some(ends) = ends else { return };
            // One that comes to rest meanwhile is found among the idle.
            if tokio::time::timeout(LOOK, ends.kill()).await.is_ok() {
                pool.alive.lock().unwrap().remove(environment);
                return;
            }
        }
    }

    /// Kills those environments of a function that are serving a request; answers how many.
    pub async fn kill_while_busy(&self, function: &str) -> usize {
        let Some(pool) = self.pools.get(function) else { return 0 };
        let idle: Vec<String> =
            pool.idle.lock().unwrap().iter().map(|idle| idle.id().to_owned()).collect();
        let mut busy: Vec<String> = pool.alive.lock().unwrap().keys().cloned().collect();
        busy.retain(|id| !idle.contains(id));
        for environment in &busy {
            self.kill(environment).await;
        }
        busy.len()
    }

    /// Ends all environments of a function once they are at rest, so that the next one is cold.
    pub async fn cool(&self, function: &str) {
        let Some(pool) = self.pools.get(function) else { return };
        let all = u32::try_from(pool.function.concurrency).unwrap();
        let _permits = pool.permits.acquire_many(all).await.unwrap();
        pool.idle.lock().unwrap().clear();
        pool.alive.lock().unwrap().clear();
    }

    /// Tells the environments of a function that are at rest to stop, as Lambda does when it needs
    /// them no more; answers how each ended, if it did in time.
    pub async fn stop(&self, function: &str) -> Vec<Option<ExitStatus>> {
        let Some(pool) = self.pools.get(function) else { return Vec::new() };
        let idle = std::mem::take(&mut *pool.idle.lock().unwrap());
        let mut ended = Vec::new();
        for mut environment in idle {
            ended.push(environment.stop().await);
            pool.alive.lock().unwrap().remove(environment.id());
        }
        ended
    }

    /// Whether a function is serving a request, or has just done so.
    #[must_use]
    pub fn is_busy(&self, function: &str) -> bool {
        let pool = self.pools.get(function);
        pool.is_some_and(|pool| pool.permits.available_permits() < pool.function.concurrency)
    }

    /// The processes of the environments that are at rest, each with its function.
    #[must_use]
    pub fn at_rest(&self) -> Vec<(String, u32)> {
        let of = |(function, pool): (&String, &Arc<Pool>)| -> Vec<(String, u32)> {
            let idle = pool.idle.lock().unwrap();
            idle.iter().filter_map(|one| Some((function.clone(), one.pid()?))).collect()
        };
        self.pools.iter().flat_map(of).collect()
    }

    /// How often environments of a function were started.
    #[must_use]
    pub fn starts(&self, function: &str) -> u32 {
        self.pools.get(function).map_or(0, |pool| pool.started.load(Ordering::Relaxed))
    }
}

impl Pool {
    async fn invoke(self: Arc<Self>, payload: Bytes, output: Output) -> io::Result<Outcome> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.unwrap();
        let idle = self.idle.lock().unwrap().pop();
        let mut environment = match idle {
            Some(warm) => warm,
            None => {
                let number = self.started.fetch_add(1, Ordering::Relaxed) + 1;
                let started = Environment::start(&self.function, number, &output).await?;
                match started {
                    Ok(cold) => cold,
                    Err(outcome) => return Ok(outcome),
                }
            }
        };
        let id = environment.id().to_owned();
        self.alive.lock().unwrap().insert(id.clone(), environment.ends());
        let outcome = environment.invoke(payload, self.function.timeout).await;
        // What follows is not waited for: an answer is an answer.
        tokio::spawn(async move {
            if environment.freeze().await {
                self.idle.lock().unwrap().push(environment);
            } else {
                self.alive.lock().unwrap().remove(&id);
            }
            drop(permit);
        });
        Ok(outcome)
    }
}
