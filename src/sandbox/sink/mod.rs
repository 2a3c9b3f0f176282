//! A sink for tests of imports and notifications: takes signed batches and messages over HTTP, keeps them, and
//! answers as it is scripted to. It shares no code with the operator. Does network I/O.

mod answers;
mod check;
mod kept;

use std::{
    io,
    net::SocketAddr,
    path::Path,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    answers::next,
    check::{key_bytes, verified},
    kept::{Kept, Known},
};
use super::{
    options::{OptionsError, parse, read},
    received::Cut,
    respond::Answer,
};

pub use answers::{SinkAnswer, SinkCut};
pub use kept::{SinkDelivery, SinkReceived, SinkRecord};

/// The path of texts as incoming webhooks of Slack take them; they are not signed.
const SLACK: &str = "/slack";
/// The largest body.
const MAX_BODY: usize = 32 << 20;

/// A test sink's options.
#[derive(Debug, Clone)]
pub struct SinkOptions {
    /// The address to listen on; port 0 picks a free port.
    pub listen: SocketAddr,
    /// The signing keys that it knows.
    pub keys: Vec<String>,
    /// Scripted answers.
    pub answers: Vec<SinkAnswer>,
}

impl SinkOptions {
    /// On a free port of loopback, with one key.
    pub fn new(key: &str) -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        Self { listen, keys: vec![key.to_owned()], answers: Vec::new() }
    }

    /// Reads the answers from a file.
    pub fn read_answers(&mut self, path: &Path) -> Result<(), OptionsError> {
        self.answers = read(path)?;
        Ok(())
    }
}

struct State {
    keys: Vec<Vec<u8>>,
    answers: Mutex<Vec<SinkAnswer>>,
    kept: Mutex<Kept>,
    stop: CancellationToken,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running test sink; stops when dropped.
pub struct TestSink {
    state: Arc<State>,
    address: SocketAddr,
}

impl TestSink {
    /// Binds and serves on the present runtime.
    pub async fn start(options: SinkOptions) -> io::Result<Self> {
        let keys: Option<Vec<_>> = options.keys.iter().map(|key| key_bytes(key)).collect();
        let keys = keys.ok_or_else(|| io::Error::other("a key is not whsec_ and Base64"))?;
        let listener = TcpListener::bind(options.listen).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            keys,
            answers: Mutex::new(options.answers),
            kept: Mutex::default(),
            stop: CancellationToken::new(),
        });
        tokio::spawn(accept(listener, state.clone()));
        Ok(Self { state, address })
    }

    /// The URL that batches are sent to.
    pub fn url(&self) -> String {
        format!("{}/people", self.origin())
    }

    /// The URL that texts are sent to as to Slack.
    pub fn slack_url(&self) -> String {
        format!("{}{SLACK}", self.origin())
    }

    /// The origin, without a path.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Replaces the scripted answers.
    pub fn set_answers(&self, answers: Vec<SinkAnswer>) {
        *lock(&self.state.answers) = answers;
    }

    /// How many requests with batches it has received.
    pub fn requests(&self) -> u64 {
        lock(&self.state.kept).requests()
    }

    /// What it has received.
    pub fn received(&self) -> SinkReceived {
        lock(&self.state.kept).received()
    }

    /// The bodies that were kept and are no batches, in order: notifications.
    pub fn messages(&self) -> Vec<Value> {
        let bodies = lock(&self.state.kept).bodies();
        let read = bodies.iter().map(|body| serde_json::from_slice(body).unwrap_or_default());
        read.filter(|body: &Value| body["records"].is_null()).collect()
    }

    /// The records of the batches that were kept, in order.
    pub fn records(&self) -> Vec<Value> {
        records(&lock(&self.state.kept))
    }
}

impl Drop for TestSink {
    fn drop(&mut self) {
        self.state.stop.cancel();
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    let tasks = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = state.stop.cancelled() => return,
        };
        let Ok((stream, peer)) = accepted else { continue };
        let _slow = stream.set_nodelay(true).is_err();
        let own = state.clone();
        tasks.spawn(async move {
            let service = service_fn(|request| serve(&own, peer, request));
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            let mut connection = pin!(connection);
            tokio::select! {
                // A connection closed on purpose ends with the error that closed it.
                _ended = &mut connection => {}
                () = own.stop.cancelled() => {}
            }
        });
    }
}

async fn serve(
    state: &Arc<State>,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Cut> {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, MAX_BODY).collect().await else { return Err(Cut) };
    let body = body.to_bytes();
    let path = head.uri.path();
    let answer = if path.starts_with("/_sandbox/") {
        if peer.ip().is_loopback() {
            control(state, &head.method, path, &body)
        } else {
            Answer::error(404, "not found", None)
        }
    } else {
        take(state, &head, &body)?
    };
    let mut response =
        Response::builder().status(answer.status).header("content-type", answer.content_type);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    response.body(Full::new(answer.body)).map_err(|_| Cut)
}

#[expect(clippy::disallowed_methods, reason = "the receiver has a clock of its own")]
fn take(state: &State, head: &http::request::Parts, body: &Bytes) -> Result<Answer, Cut> {
    if head.method != Method::POST {
        return Ok(Answer::error(405, "send a batch with POST", None));
    }
    let read: Value = serde_json::from_slice(body).unwrap_or_default();
    if head.uri.path() == SLACK {
        return take_text(state, &read, body);
    }
    let id = match verified(&head.headers, body, &state.keys, Timestamp::now()) {
        Ok(id) => id,
        Err(because) => {
            lock(&state.kept).unsigned(because);
            return Ok(Answer::error(401, because, None));
        }
    };
    let records: &[Value] = match (&read["records"], &read["type"]) {
        (Value::Array(records), _) => records,
        // A notification.
        (Value::Null, Value::String(_)) => &[],
        _ => return Ok(Answer::error(400, "the body has neither records nor a type", None)),
    };
    let scripted = next(&mut lock(&state.answers), records);
    let mut kept = lock(&state.kept);
    let known = kept.came(&id, body, records.len());
    if let Some(answer) = scripted {
        match (answer.cut, answer.status) {
            (Some(SinkCut::BeforeCommit), _) => return Err(Cut),
            (Some(SinkCut::AfterCommit), _) => {
                if known == Known::New {
                    kept.keep(&id, body.clone(), records);
                }
                return Err(Cut);
            }
            (None, Some(status)) => return Ok(with_status(status, answer)),
            (None, None) => {}
        }
    }
    Ok(match known {
        Known::New => {
            kept.keep(&id, body.clone(), records);
            Answer::plain_json(&json!({"kept": records.len()}))
        }
        Known::Same => Answer::plain_json(&json!({"kept": 0, "known": true})),
        Known::Other => Answer::error(422, "another body was kept with this id", None),
    })
}

/// Takes a text, and answers as Slack does.
fn take_text(state: &State, read: &Value, body: &Bytes) -> Result<Answer, Cut> {
    if !read["text"].is_string() {
        return Ok(Answer::error(400, "no_text", None));
    }
    let scripted = next(&mut lock(&state.answers), &[]);
    let mut kept = lock(&state.kept);
    kept.text_came();
    match scripted.map(|answer| (answer.cut, answer.status, answer)) {
        Some((Some(SinkCut::BeforeCommit), ..)) => return Err(Cut),
        Some((Some(SinkCut::AfterCommit), ..)) => {
            kept.keep_text(body.clone());
            return Err(Cut);
        }
        Some((None, Some(status), answer)) => return Ok(with_status(status, answer)),
        _ => {}
    }
    kept.keep_text(body.clone());
    Ok(Answer::plain_json(&json!("ok")))
}

/// A scripted answer.
fn with_status(status: u16, answer: SinkAnswer) -> Answer {
    let mut scripted = Answer::error(status, "scripted", None);
    if let Some(seconds) = answer.retry_after {
        scripted = scripted.with("retry-after", seconds.to_string());
    }
    if let Some(location) = answer.location {
        scripted = scripted.with("location", location);
    }
    scripted
}

/// The control endpoints: unsigned, served to loopback only.
fn control(state: &State, method: &Method, path: &str, body: &[u8]) -> Answer {
    match (method.as_str(), path) {
        ("GET", "/_sandbox/sink") => {
            let received = lock(&state.kept).received();
            Answer::plain_json(&serde_json::to_value(received).unwrap_or_default())
        }
        ("GET", "/_sandbox/sink/records") => {
            Answer::plain_json(&Value::Array(records(&lock(&state.kept))))
        }
        ("POST", "/_sandbox/sink/answers") => {
            let text = String::from_utf8_lossy(body);
            match parse::<Vec<SinkAnswer>>(&text) {
                Ok(answers) => {
                    *lock(&state.answers) = answers;
                    Answer::plain_json(&json!({"ok": true}))
                }
                Err(problem) => Answer::error(400, &problem, None),
            }
        }
        ("POST", "/_sandbox/sink/reset") => {
            *lock(&state.kept) = Kept::default();
            lock(&state.answers).clear();
            Answer::plain_json(&json!({"ok": true}))
        }
        _ => Answer::error(404, "no such control endpoint", None),
    }
}

fn records(kept: &Kept) -> Vec<Value> {
    let bodies = kept.bodies();
    let read = |body: &Bytes| -> Vec<Value> {
        let mut read: Value = serde_json::from_slice(body).unwrap_or_default();
        read["records"].as_array_mut().map(std::mem::take).unwrap_or_default()
    };
    bodies.iter().flat_map(read).collect()
}
