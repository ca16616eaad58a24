//! A service that says what it is told to, and remembers what it was asked.

use adapter_aws::Clients;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::HeaderMap;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// The path and what is behind it.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// What is said to a request.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Said {
    pub(crate) fn with(status: u16, body: impl ToString) -> Self {
        Self { status, headers: Vec::new(), body: body.to_string() }
    }

    /// An error by its code, as AWS's JSON protocols and its REST protocols tell it.
    pub(crate) fn error(status: u16, code: &str) -> Self {
        let body = serde_json::json!({"__type": code, "message": "as told", "Message": "as told"});
        Self::with(status, body).header("x-amzn-errortype", code)
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

type Script = Box<dyn Fn(&Asked) -> Said + Send + Sync>;

struct Inner {
    script: Mutex<Script>,
    asked: Mutex<Vec<Asked>>,
    held: watch::Sender<bool>,
}

/// A served double; dropped, it stops.
pub(crate) struct Double {
    pub(crate) clients: Clients,
    inner: Arc<Inner>,
    serving: JoinHandle<()>,
}

impl Double {
    pub(crate) async fn saying(script: impl Fn(&Asked) -> Said + Send + Sync + 'static) -> Self {
        let inner = Arc::new(Inner {
            script: Mutex::new(Box::new(script)),
            asked: Mutex::default(),
            held: watch::Sender::new(false),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let serving = tokio::spawn(serve(listener, Arc::clone(&inner)));
        Self { clients: Clients::at(&url, ("any", "any")).unwrap(), inner, serving }
    }

    /// Says something else from now on.
    pub(crate) fn say(&self, script: impl Fn(&Asked) -> Said + Send + Sync + 'static) {
        *self.inner.script.lock().unwrap() = Box::new(script);
    }

    /// Says nothing until it is released.
    pub(crate) fn hold(&self) {
        self.inner.held.send_replace(true);
    }

    pub(crate) fn release(&self) {
        self.inner.held.send_replace(false);
    }

    /// What it was asked, in order.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.inner.asked.lock().unwrap().clone()
    }

    /// How often it was asked.
    pub(crate) fn times(&self) -> usize {
        self.inner.asked.lock().unwrap().len()
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, inner: Arc<Inner>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let inner = Arc::clone(&inner);
        let answers = service_fn(move |request| answer(Arc::clone(&inner), request));
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), answers);
        tokio::spawn(async move {
            // A client that went away is none of the double's business.
            connection.await.ok();
        });
    }
}

async fn answer(
    inner: Arc<Inner>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let asked = Asked {
        path: parts.uri.to_string(),
        headers: parts.headers,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    };
    inner.asked.lock().unwrap().push(asked.clone());
    inner.held.subscribe().wait_for(|held| !held).await.unwrap();
    let said = (inner.script.lock().unwrap())(&asked);
    let mut response = Response::builder().status(said.status);
    for (name, value) in said.headers {
        response = response.header(name, value);
    }
    Ok(response.body(Full::from(said.body)).unwrap())
}
