//! One environment: a process that serves one request at a time.
//!
//! Owns: its start, its freezing between requests, its end.
//! Does not own: which request it serves ([`super::Host`]), the wire ([`super::runtime_api`]).

use super::runtime_api::{Invocation, RuntimeApi, Told};
use super::{Function, Outcome, Output};
use axum::body::Bytes;
use rustix::process::{Pid, Signal, kill_process};
use std::io;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{Notify, watch};

/// How long a function may take until it polls for the first time; Lambda's own limit.
const INIT_MAX: Duration = Duration::from_secs(10);
/// How long a process that was told to stop may take; as Lambda without external extensions.
const STOP_MAX: Duration = Duration::from_millis(500);
/// How long a process may take to poll again once it has answered; it does nothing else.
const POLL_MAX: Duration = Duration::from_secs(10);
/// The account and the region of every name.
const PLACE: &str = "us-east-1:000000000000";

/// A process, started, that serves requests.
pub struct Environment {
    id: String,
    arn: String,
    api: RuntimeApi,
    child: Child,
    ends: Ends,
    init: Duration,
    /// How many requests it was given.
    served: u32,
}

/// How an environment is ended from outside.
#[derive(Clone)]
pub(crate) struct Ends {
    kill: Arc<Notify>,
    dead: Arc<watch::Sender<bool>>,
}

impl Ends {
    fn new() -> Self {
        Self { kill: Arc::default(), dead: Arc::new(watch::channel(false).0) }
    }

    /// Returns once the process is dead.
    pub(crate) async fn kill(&self) {
        self.kill.notify_one();
        self.dead.subscribe().wait_for(|is_dead| *is_dead).await.unwrap();
    }
}

impl Environment {
    /// Starts a process and waits for its first poll; the inner error is why it never came.
    ///
    /// # Errors
    /// The program cannot be started.
    pub async fn start(
        function: &Function,
        number: u32,
        output: &Output,
    ) -> io::Result<Result<Self, Outcome>> {
        let api = RuntimeApi::open(&function.name).await?;
        let id = format!("{}/{number}", function.name);
        let mut command = command(function, &id, &api);
        let since = Instant::now();
        let mut child = command.spawn().map_err(|error| {
            io::Error::new(error.kind(), format!("start {}: {error}", function.program.display()))
        })?;
        read_lines(child.stdout.take().unwrap(), &id, output);
        read_lines(child.stderr.take().unwrap(), &id, output);
        let arn = format!("arn:aws:lambda:{PLACE}:function:{}", function.name);
        let (ends, init) = (Ends::new(), Duration::ZERO);
        let mut environment = Self { id, arn, api, child, ends, init, served: 0 };
        let init = environment.initialized(since).await;
        Ok(init.map(|init| {
            environment.init = init;
            environment
        }))
    }

    /// Waits for the first poll; answers how long it took.
    async fn initialized(&mut self, since: Instant) -> Result<Duration, Outcome> {
        let mut told = self.api.told.clone();
        let heard = told.wait_for(|told| told.first_poll.is_some() || told.init_error.is_some());
        let first = tokio::select! {
            // A process that says why it ends is believed before its end.
            biased;
            heard = heard => heard.unwrap().clone(),
            status = self.child.wait() => {
                let why = exited(&status);
                return Err(Outcome::failed("Runtime.ExitError", &why));
            }
            () = tokio::time::sleep(INIT_MAX) => {
                return Err(Outcome::failed("Sandbox.Timedout", "the function did not initialize"));
            }
        };
        match first {
            Told { init_error: Some(error), .. } => Err(Outcome::Failed(error)),
            Told { first_poll: Some(at), .. } => Ok(at.duration_since(since)),
            Told { .. } => unreachable!("one of them was waited for"),
        }
    }

    /// Its name: `<function>/<number>`; functions give it to AWS as their session's token.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// How long it took from its start to its first poll.
    #[must_use]
    pub const fn init(&self) -> Duration {
        self.init
    }

    /// The process, while it lives.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    pub(crate) fn ends(&self) -> Ends {
        self.ends.clone()
    }

    /// Serves one request; one that takes longer than `timeout` ends the process.
    pub async fn invoke(&mut self, payload: impl Into<Bytes>, timeout: Duration) -> Outcome {
        self.signal(Signal::CONT);
        let id = uuid::Uuid::new_v4().to_string();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let invocation = Invocation {
            id: id.clone(),
            payload: payload.into(),
            deadline_ms: (now + timeout).as_millis(),
            trace: trace(now),
            arn: self.arn.clone(),
        };
        self.served += 1;
        let answered = self.api.give(invocation).await;
        let failed = |kind, what: &str| Outcome::failed(kind, &format!("RequestId: {id} {what}"));
        let outcome = tokio::select! {
            biased;
            Ok(outcome) = answered => return outcome,
            status = self.child.wait() => failed("Runtime.ExitError", &exited(&status)),
            () = self.ends.kill.notified() => {
                failed("Runtime.ExitError", "Error: Runtime exited with error: signal: killed")
            }
            () = tokio::time::sleep(timeout) => {
                let seconds = timeout.as_secs_f32();
                failed("Sandbox.Timedout", &format!("Error: Task timed out after {seconds:.2} seconds"))
            }
        };
        self.kill().await;
        outcome
    }

    /// Stops the process between two requests, as Lambda does, once it polls again; answers whether
    /// it can serve another.
    pub async fn freeze(&mut self) -> bool {
        let (mut told, served) = (self.api.told.clone(), self.served);
        let is_polling = tokio::select! {
            told = told.wait_for(|told| told.polls > served) => told.is_ok(),
            _ = self.child.wait() => false,
            () = self.ends.kill.notified() => false,
            () = tokio::time::sleep(POLL_MAX) => false,
        };
        if is_polling {
            self.signal(Signal::STOP);
        } else {
            self.kill().await;
        }
        is_polling
    }

    /// Kills the process.
    pub async fn kill(&mut self) {
        // One that has ended already is what is wanted.
        drop(self.child.kill().await);
        self.ends.dead.send_replace(true);
    }

    /// Tells the process to stop, and waits as long as Lambda does; then it is killed.
    pub async fn stop(&mut self) -> Option<ExitStatus> {
        self.signal(Signal::CONT);
        self.signal(Signal::TERM);
        let ended = tokio::time::timeout(STOP_MAX, self.child.wait()).await;
        self.kill().await;
        ended.ok()?.ok()
    }

    /// Sends a signal to the process, which this has not waited for: the number is still its own.
    fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // It may have ended by itself, which the next wait tells.
            kill_process(pid, signal).ok();
        }
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        // The child is killed by its own drop.
        self.ends.dead.send_replace(true);
    }
}

fn command(function: &Function, id: &str, api: &RuntimeApi) -> Command {
    let (region, account) = PLACE.split_once(':').unwrap();
    let name = function.name.as_str();
    let (address, memory_mb) = (api.address.to_string(), function.memory_mb.to_string());
    let (group, root) = (format!("/aws/lambda/{name}"), "/var/task");
    let own = [
        ("AWS_LAMBDA_RUNTIME_API", address.as_str()),
        ("AWS_LAMBDA_FUNCTION_NAME", name),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &memory_mb),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", &group),
        ("AWS_LAMBDA_LOG_STREAM_NAME", id),
        ("AWS_REGION", region),
        ("AWS_DEFAULT_REGION", region),
        ("AWS_ACCOUNT_ID", account),
        // Who calls AWS: the function, and which of its environments.
        ("AWS_ACCESS_KEY_ID", name),
        ("AWS_SECRET_ACCESS_KEY", "of-the-local-cloud"),
        ("AWS_SESSION_TOKEN", id),
        ("_HANDLER", "bootstrap"),
        ("LAMBDA_TASK_ROOT", root),
        ("TZ", ":UTC"),
    ];
    let mut command = Command::new(&function.program);
    command
        .args(&function.arguments)
        .env_clear()
        .envs(own)
        .envs(&function.variables)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A group of its own: one that is frozen when this process ends is not left behind, because
        // the kernel hangs up on stopped groups that have lost their parent.
        .process_group(0)
        .kill_on_drop(true);
    command
}

/// Reads what a process writes until it ends.
fn read_lines(from: impl AsyncRead + Unpin + Send + 'static, id: &str, output: &Output) {
    let (id, output) = (id.to_owned(), output.clone());
    tokio::spawn(async move {
        let mut lines = BufReader::new(from).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            output.push(&id, line);
        }
    });
}

fn exited(status: &io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => format!("Error: Runtime exited with error: {status}"),
        Err(error) => format!("Error: Runtime cannot be waited for: {error}"),
    }
}

/// A trace that nobody samples, as X-Ray writes it.
fn trace(now: Duration) -> String {
    let random = uuid::Uuid::new_v4().simple().to_string();
    let seconds = now.as_secs() & u64::from(u32::MAX);
    format!("Root=1-{seconds:08x}-{};Parent={};Sampled=0", &random[..24], &random[16..])
}
