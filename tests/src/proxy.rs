//! A proxy between the system and its gateway that counts what goes through.
//!
//! Owns: copying bytes, and counting the requests among them. Does not own: what they mean.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};

/// What ends the first line of a request. A client of ours sends head and body in one piece.
const REQUEST: &[u8] = b" HTTP/1.1\r\n";

/// A proxy that counts requests.
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    requests: Arc<AtomicU64>,
}

impl Proxy {
    /// Starts a proxy before `target`.
    pub async fn before(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, requests) = (listener.local_addr().unwrap(), Arc::new(AtomicU64::new(0)));
        let counted = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let counted = Arc::clone(&counted);
                // A connection that breaks is what this is for.
                tokio::spawn(async move { forward(client, target, &counted).await.ok() });
            }
        });
        Self { address, requests }
    }

    /// How many requests have come so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }
}

async fn forward(mut client: TcpStream, target: SocketAddr, counted: &AtomicU64) -> io::Result<()> {
    let mut bytes = vec![0; 64 * 1024];
    // The request is counted before the gateway is connected to, which may take for ever.
    let mut read = count(&mut client, &mut bytes, counted).await?;
    let mut server = TcpStream::connect(target).await?;
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let asking = async {
        while read > 0 {
            to_server.write_all(&bytes[..read]).await?;
            read = count(&mut from_client, &mut bytes, counted).await?;
        }
        io::Result::Ok(())
    };
    tokio::select! {
        asked = asking => asked,
        answered = copy(&mut from_server, &mut to_client) => answered.map(drop),
    }
}

/// Reads what a client sends, and counts the requests in it.
async fn count(
    client: &mut (impl AsyncRead + Unpin),
    bytes: &mut [u8],
    counted: &AtomicU64,
) -> io::Result<usize> {
    let read = client.read(bytes).await?;
    let requests = bytes[..read].windows(REQUEST.len()).filter(|part| *part == REQUEST).count();
    counted.fetch_add(requests as u64, Ordering::Relaxed);
    Ok(read)
}
