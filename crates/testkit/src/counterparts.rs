//! Processes that answer as services of AWS do: dynoxide for DynamoDB, moto for most, Redis for
//! ElastiCache.
//!
//! Owns: finding them, starting them on a free port, waiting until they answer, stopping them.
//! Does not own: installing them (`just test-aws` does), and what they do differently from AWS
//! (`docs/guides/aws-counterparts.md`).
//!
//! A test whose counterpart is absent is skipped, loudly: the line `SKIPPED: …` goes straight to
//! standard error, past the test harness. With `ORDERSAGA_COUNTERPARTS=required` it fails instead.

use std::env;
use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a counterpart may take until it answers: moto imports half of Python first, on a
/// machine that may be busy.
const START_WITHIN: Duration = Duration::from_secs(120);
/// How long to wait between two looks.
const LOOK: Duration = Duration::from_millis(25);
/// How long one look may take.
const LOOK_TIMEOUT: Duration = Duration::from_secs(5);
/// How often another port is tried when somebody else took the first.
const PORTS_TRIED: u32 = 4;

/// Where `just test-aws` puts what it installs, under the home directory.
const CACHE: &str = ".cache/ordersaga";
/// What every Redis says to `PING`.
const PONG: &[u8] = b"+PONG";

/// A program that answers as AWS does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// DynamoDB, with its streams: `ORDERSAGA_DYNOXIDE`, or where `just test-aws` installs it.
    Dynoxide,
    /// Most services: `ORDERSAGA_MOTO` (the path of `moto_server`), or where `just test-aws`
    /// installs it.
    Moto,
    /// A cache: `ORDERSAGA_REDIS`, else `redis-server` on `PATH`.
    Redis,
}

impl Program {
    const fn name(self) -> &'static str {
        match self {
            Self::Dynoxide => "dynoxide",
            Self::Moto => "moto_server",
            Self::Redis => "redis-server",
        }
    }

    const fn variable(self) -> &'static str {
        match self {
            Self::Dynoxide => "ORDERSAGA_DYNOXIDE",
            Self::Moto => "ORDERSAGA_MOTO",
            Self::Redis => "ORDERSAGA_REDIS",
        }
    }

    const fn place(self) -> &'static str {
        match self {
            Self::Dynoxide => "dynoxide/bin/dynoxide",
            Self::Moto => "aws-tools/bin/moto_server",
            Self::Redis => "redis/bin/redis-server",
        }
    }

    /// Where the program is: where the variable says, else where it is installed, else on `PATH`.
    #[must_use]
    pub fn find(self) -> Option<PathBuf> {
        if let Some(said) = env::var_os(self.variable()) {
            return Some(PathBuf::from(said)).filter(|path| path.is_file());
        }
        let home = env::var_os("HOME").map(PathBuf::from);
        let installed = home.map(|home| home.join(CACHE).join(self.place()));
        let path = env::var_os("PATH").unwrap_or_default();
        let on_path = env::split_paths(&path).map(|dir| dir.join(self.name()));
        installed.into_iter().chain(on_path).find(|path| path.is_file())
    }

    const fn how_to_get_it(self) -> &'static str {
        match self {
            Self::Dynoxide | Self::Moto => "`just test-aws` installs it",
            Self::Redis => "it is the package redis-server, which `just test-aws` installs",
        }
    }

    fn arguments(self, port: u16) -> Vec<OsString> {
        let port = port.to_string();
        let arguments: &[&str] = match self {
            Self::Dynoxide => &["--port", &port, "--log", "quiet"],
            Self::Moto => &["--host", "127.0.0.1", "--port", &port],
            Self::Redis => &["--bind", "127.0.0.1", "--port", &port, "--save", ""],
        };
        arguments.iter().map(OsString::from).collect()
    }

    /// What is said to it to see whether it answers, and how its answer begins.
    const fn greeting(self) -> (&'static [u8], &'static [u8]) {
        match self {
            Self::Dynoxide | Self::Moto => {
                (b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", b"HTTP/")
            }
            Self::Redis => (b"PING\r\n", PONG),
        }
    }
}

/// A running counterpart; dropped, it stops.
#[derive(Debug)]
pub struct Counterpart {
    process: Child,
    address: SocketAddr,
}

impl Counterpart {
    /// Starts a program for the test with this title; `None` when it is absent and may be.
    ///
    /// # Panics
    /// When the program does not answer in time, and when it is absent where all are required.
    #[must_use]
    pub fn start(program: Program, title: &str) -> Option<Self> {
        let Some(path) = program.find() else {
            skip(title, &format!("{} is absent; {}", program.name(), program.how_to_get_it()));
            return None;
        };
        for _ in 0..PORTS_TRIED {
            if let Some(running) = Self::try_start(program, &path) {
                return Some(running);
            }
        }
        panic!("{} ended {PORTS_TRIED} times before it answered", path.display());
    }

    /// Starts it on a free port; `None` when it ends at once, as when somebody took the port.
    fn try_start(program: Program, path: &PathBuf) -> Option<Self> {
        let address = free_address();
        let process = Command::new(path)
            .args(program.arguments(address.port()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("start {}: {error}", path.display()));
        let mut running = Self { process, address };
        let since = Instant::now();
        while !answers(program, address) {
            if running.process.try_wait().is_ok_and(|ended| ended.is_some()) {
                return None;
            }
            let waited = since.elapsed();
            assert!(waited < START_WITHIN, "{} does not answer: {waited:?}", path.display());
            std::thread::sleep(LOOK);
        }
        Some(running)
    }

    /// Where it answers: `http://127.0.0.1:…`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it answers.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Counterpart {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to stop.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// Says that a test is skipped, past the harness that would swallow it.
///
/// # Panics
/// Where counterparts are required: then what is missing is a failure.
pub fn skip(title: &str, why: &str) {
    let is_required = env::var("ORDERSAGA_COUNTERPARTS").is_ok_and(|value| value == "required");
    assert!(!is_required, "{title}: {why}, and ORDERSAGA_COUNTERPARTS=required");
    // Who cannot be told of it because standard error is closed is not told.
    std::io::stderr().write_all(format!("SKIPPED: {title}: {why}\n").as_bytes()).ok();
}

/// An address that nobody listens at, at this moment.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    listener.local_addr().expect("a listener has an address")
}

/// Whether somebody speaks as this program does there, whatever is said.
fn answers(program: Program, address: SocketAddr) -> bool {
    let (asked, expected) = program.greeting();
    let ask = || {
        let mut stream = TcpStream::connect_timeout(&address, LOOK_TIMEOUT)?;
        stream.set_read_timeout(Some(LOOK_TIMEOUT))?;
        stream.write_all(asked)?;
        let mut answer = vec![0; expected.len()];
        stream.read_exact(&mut answer)?;
        std::io::Result::Ok(answer == expected)
    };
    ask().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_address_is_answered_by_nobody() {
        assert!(!answers(Program::Moto, free_address()));
    }

    #[test]
    fn what_is_asked_of_a_program_names_its_port() {
        for program in [Program::Dynoxide, Program::Moto, Program::Redis] {
            let arguments = program.arguments(4_566);
            assert!(arguments.contains(&OsString::from("4566")), "{arguments:?}");
        }
    }
}
