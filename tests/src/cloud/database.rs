//! DynamoDB, as dynoxide plays it: a process of its own, in memory.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

/// How long it may take to listen.
const START_MAX: Duration = Duration::from_secs(10);

/// A running dynoxide; it ends with this.
pub struct Database {
    /// Where it is.
    pub url: String,
    _child: Child,
}

impl Database {
    /// Starts the program.
    pub async fn start(program: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let child = Command::new(program)
            .args(["serve", "--port", &address.port().to_string(), "--log", "quiet"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let listening = async {
            while TcpStream::connect(address).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(START_MAX, listening).await.expect("dynoxide listens");
        Self { url: format!("http://{address}"), _child: child }
    }
}
