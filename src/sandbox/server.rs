//! The socket side: connections, signatures, faults, and the shared state behind them. A
//! connection is one task, so that cutting it is dropping it.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, RwLock,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    api::Call,
    contract::{Duplicates, Operation, SandboxContract},
    control,
    faults::{Action, Fault, strike},
    openapi,
    options::{Credential, Options, Seed},
    paging::Query,
    respond::Answer,
    signature::{SignatureCheck, SignedRequest, http_date},
    state::{Account, PersonDump, RequestCounts, SavedAccount, default_jobs, lock},
};

/// The largest body taken, in bytes: a resume of 5 MiB in Base64 fits.
const MAX_BODY: usize = 16 << 20;

/// A running emulator; stops when dropped.
pub struct Sandbox {
    shared: Arc<Shared>,
    address: SocketAddr,
    data: Option<PathBuf>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Sandbox {
    /// Binds and serves on the present runtime.
    pub async fn start(options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind(options.listen).await?;
        let address = listener.local_addr()?;
        let data = options.data.clone();
        let shared = Arc::new(Shared::new(options, address));
        if let Some(path) = &data {
            shared.load(path)?;
        }
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn(accept(listener, shared.clone(), stop.clone(), tasks.clone()));
        Ok(Self { shared, address, data, stop, tasks })
    }

    /// The origin, without a path.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The people of an account, with everything attached to them.
    pub fn people(&self, account: &str) -> Vec<PersonDump> {
        let dump = self.shared.dump(Some(account));
        dump.pointer("/people").and_then(Value::as_array).cloned().unwrap_or_default()
    }

    /// How many requests were answered.
    pub fn requests(&self) -> RequestCounts {
        self.shared.counts()
    }

    /// Replaces the scripted faults.
    pub fn set_faults(&self, faults: Vec<Fault>) {
        self.shared.set_faults(faults);
    }

    /// How long every answer takes at least.
    pub fn set_latency(&self, latency: Duration) {
        self.shared.set_latency(latency);
    }

    /// Moves the emulator's clock.
    pub fn set_clock_offset(&self, seconds: i64) {
        self.shared.set_offset(seconds);
    }

    /// Revokes a credential.
    pub fn revoke(&self, access_key: &str) {
        self.shared.revoke(access_key);
    }

    /// Adds a credential.
    pub fn add_credential(&self, credential: Credential) {
        self.shared.add_credential(credential);
    }

    /// Stops listening and cuts every connection; then keeps the data, where asked to.
    pub async fn stop(self) -> io::Result<()> {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.data.as_ref().map_or(Ok(()), |path| self.shared.save(path))
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Everything the connections share.
pub(super) struct Shared {
    contract: RwLock<SandboxContract>,
    credentials: RwLock<HashMap<String, Credential>>,
    accounts: RwLock<BTreeMap<String, Arc<Mutex<Account>>>>,
    seeds: BTreeMap<String, Seed>,
    faults: Mutex<Vec<Fault>>,
    counts: Mutex<RequestCounts>,
    concurrent: AtomicU64,
    offset_seconds: AtomicI64,
    latency_ms: AtomicU64,
    bucket: Mutex<(f64, Instant)>,
    base: String,
}

impl Shared {
    fn new(options: Options, address: SocketAddr) -> Self {
        let mut credentials = options.credentials;
        if credentials.is_empty() {
            credentials.push(Credential::new("hireEZ", "AKSANDBOX", "sandbox-secret"));
        }
        let burst = options.contract.rate_limit.map_or(0.0, |limit| limit.burst.max(1.0));
        let shared = Self {
            contract: RwLock::new(options.contract),
            credentials: RwLock::default(),
            accounts: RwLock::default(),
            seeds: options.seeds,
            faults: Mutex::new(options.faults),
            counts: Mutex::default(),
            concurrent: AtomicU64::new(0),
            offset_seconds: AtomicI64::new(0),
            latency_ms: AtomicU64::new(0),
            bucket: Mutex::new((burst, Instant::now())),
            base: format!("http://{address}"),
        };
        shared.set_latency(options.latency);
        for credential in credentials {
            shared.add_credential(credential);
        }
        shared
    }

    fn now(&self) -> Timestamp {
        let offset = SignedDuration::from_secs(self.offset_seconds.load(Ordering::Relaxed));
        Timestamp::now().checked_add(offset).unwrap_or(Timestamp::MAX)
    }

    fn fresh_account(&self, name: &str) -> Account {
        let seed = self.seeds.get(name).cloned().unwrap_or_default();
        let jobs = if seed.jobs.is_empty() { default_jobs() } else { seed.jobs };
        let mut account = Account::with_jobs(jobs);
        for person in seed.people {
            account.add(person, "seed", Duration::ZERO, self.now());
        }
        account
    }

    fn save(&self, path: &Path) -> io::Result<()> {
        let accounts: BTreeMap<String, SavedAccount> = read(&self.accounts)
            .iter()
            .map(|(name, account)| (name.clone(), lock(account).save()))
            .collect();
        std::fs::write(path, serde_json::to_vec(&accounts)?)
    }

    fn load(&self, path: &Path) -> io::Result<()> {
        let text = match std::fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            text => text?,
        };
        let saved: BTreeMap<String, SavedAccount> = serde_json::from_slice(&text)?;
        let mut accounts = write(&self.accounts);
        for (name, account) in saved {
            accounts.insert(name, Arc::new(Mutex::new(account.into())));
        }
        Ok(())
    }

    pub(super) fn add_credential(&self, credential: Credential) {
        let account = credential.account().to_owned();
        let fresh = self.fresh_account(&account);
        write(&self.accounts).entry(account).or_insert_with(|| Arc::new(Mutex::new(fresh)));
        write(&self.credentials).insert(credential.access_key.clone(), credential);
    }

    pub(super) fn revoke(&self, access_key: &str) {
        write(&self.credentials).remove(access_key);
    }

    pub(super) fn set_faults(&self, faults: Vec<Fault>) {
        *lock(&self.faults) = faults;
    }

    pub(super) fn set_offset(&self, seconds: i64) {
        self.offset_seconds.store(seconds, Ordering::Relaxed);
    }

    pub(super) fn set_latency(&self, latency: Duration) {
        let ms = u64::try_from(latency.as_millis()).unwrap_or(u64::MAX);
        self.latency_ms.store(ms, Ordering::Relaxed);
    }

    pub(super) fn set_duplicates(&self, policy: Duplicates) {
        write(&self.contract).duplicate_email = policy;
    }

    pub(super) fn reset(&self) {
        let names: Vec<String> = read(&self.accounts).keys().cloned().collect();
        for name in names {
            let fresh = self.fresh_account(&name);
            write(&self.accounts).insert(name, Arc::new(Mutex::new(fresh)));
        }
        *lock(&self.counts) = RequestCounts::default();
    }

    pub(super) fn counts(&self) -> RequestCounts {
        let under_way = self.concurrent.load(Ordering::Relaxed);
        RequestCounts { under_way, ..lock(&self.counts).clone() }
    }

    /// One account's data, or every account's by name.
    pub(super) fn dump(&self, account: Option<&str>) -> Value {
        let accounts = read(&self.accounts);
        let dump = |account: &Arc<Mutex<Account>>| {
            let account = lock(account);
            json!({"people": account.people, "jobs": account.jobs})
        };
        match account {
            Some(name) => accounts.get(name).map(dump).unwrap_or_default(),
            None => accounts.iter().map(|(name, account)| (name.clone(), dump(account))).collect(),
        }
    }

    fn count(&self, operation: &str, status: Option<u16>) {
        let status = status.map_or_else(|| "-".to_owned(), |status| status.to_string());
        let mut counts = lock(&self.counts);
        counts.total += 1;
        *counts.by_operation.entry(format!("{operation} {status}")).or_default() += 1;
    }

    /// Seconds to wait, if the rate limit refuses the request.
    fn limited(&self) -> Option<u64> {
        let limit = read(&self.contract).rate_limit?;
        let mut bucket = lock(&self.bucket);
        let now = Instant::now();
        let gained = now.duration_since(bucket.1).as_secs_f64() * limit.requests_per_second;
        *bucket = ((bucket.0 + gained).min(limit.burst.max(1.0)), now);
        if bucket.0 >= 1.0 {
            bucket.0 -= 1.0;
            return None;
        }
        let wait = (1.0 - bucket.0) / limit.requests_per_second;
        Some(Duration::try_from_secs_f64(wait.ceil()).map_or(u64::MAX, |wait| wait.as_secs()))
    }
}

fn read<T>(lock: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(std::sync::PoisonError::into_inner)
}

async fn accept(
    listener: TcpListener,
    shared: Arc<Shared>,
    stop: CancellationToken,
    tasks: TaskTracker,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        let Ok((stream, peer)) = accepted else { continue };
        let _slow = stream.set_nodelay(true).is_err();
        let (shared, stop) = (shared.clone(), stop.clone());
        tasks.spawn(async move {
            let service = service_fn(|request| serve(&shared, peer, request));
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::select! {
                // A cut connection ends with the error that cut it.
                _ended = connection => {}
                () = stop.cancelled() => {}
            }
        });
    }
}

/// Told to the connection to make it end without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is cut on purpose")]
struct Cut;

/// A request under way. Counted down by dropping: a client that hangs up drops the handler too.
struct UnderWay<'a>(&'a Shared);

impl<'a> UnderWay<'a> {
    fn enter(shared: &'a Shared) -> Self {
        let concurrent = shared.concurrent.fetch_add(1, Ordering::Relaxed) + 1;
        let mut counts = lock(&shared.counts);
        counts.max_concurrent = counts.max_concurrent.max(concurrent);
        Self(shared)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.concurrent.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn serve(
    shared: &Shared,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Cut> {
    let control = request.uri().path().starts_with("/_sandbox/");
    let under_way = (!control).then(|| UnderWay::enter(shared));
    let served = handle(shared, peer, request).await;
    drop(under_way);
    let (answer, date_offset) = served?;
    let date = shared.now() + SignedDuration::from_secs(date_offset);
    let mut response = Response::builder()
        .status(answer.status)
        .header("content-type", answer.content_type)
        .header("date", http_date(date));
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    response.body(Full::new(answer.body)).map_err(|_| Cut)
}

async fn handle(
    shared: &Shared,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Result<(Answer, i64), Cut> {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let query = head.uri.query().unwrap_or_default().to_owned();
    let body = match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => return Ok((Answer::error(413, "the body is too large", None), 0)),
    };
    if path.starts_with("/_sandbox/") {
        let answer = if peer.ip().is_loopback() {
            control::answer(shared, head.method.as_str(), &path, &query, &body)
        } else {
            Answer::error(404, "not found", None)
        };
        return Ok((answer, 0));
    }
    let latency = shared.latency_ms.load(Ordering::Relaxed);
    if latency > 0 {
        tokio::time::sleep(Duration::from_millis(latency)).await;
    }
    let contract = read(&shared.contract).clone();
    let Some((version, rest)) = ["v1", "v2"]
        .iter()
        .find_map(|version| Some((*version, path.strip_prefix(&format!("/{version}"))?)))
    else {
        return Ok((Answer::error(404, "not found", None), 0));
    };
    if let Some(answer) = published(&contract, shared, version, rest, head.method.as_str()) {
        shared.count("openapi", Some(answer.status));
        return Ok((answer, 0));
    }
    let routed = contract.route(head.method.as_str(), rest);
    let name = routed.as_ref().map_or("unknown", |(operation, _)| operation.id());
    let fault = strike(&mut lock(&shared.faults), name);
    let before = before_commit(fault.as_ref()).await;
    let early = match before {
        Err(cut) => {
            shared.count(name, None);
            return Err(cut);
        }
        Ok(early) => early,
    };
    if let Some(answer) = early {
        shared.count(name, Some(answer.status));
        return Ok((answer, 0));
    }
    let answer = match shared.limited() {
        Some(seconds) => {
            Answer::error(429, "too many requests", None).with("retry-after", seconds.to_string())
        }
        None => signed(shared, &contract, &head, &path, &query, routed, &body),
    };
    after_commit(shared, name, fault.as_ref(), answer)
}

fn published(
    contract: &SandboxContract,
    shared: &Shared,
    version: &str,
    rest: &str,
    method: &str,
) -> Option<Answer> {
    if method != "GET" || contract.hide_open_api {
        return None;
    }
    match rest {
        "" | "/" => Some(Answer::plain_json(&openapi::document(contract, &shared.base, version))),
        "/openapi" => Some(Answer::html(
            200,
            "<!doctype html><title>clinch-sandbox</title><p>The document is at <a href=\"./\">the base URL</a>.",
        )),
        _ => None,
    }
}

/// What a fault does instead of carrying the request out.
async fn before_commit(fault: Option<&Action>) -> Result<Option<Answer>, Cut> {
    match fault {
        Some(Action::Stall { ms }) => {
            tokio::time::sleep(Duration::from_millis(*ms)).await;
            Ok(None)
        }
        Some(Action::ResetBeforeCommit {}) => Err(Cut),
        Some(Action::Status { code, retry_after, html }) => {
            let mut answer = if *html {
                Answer::html(*code, "<html><body>Bad gateway</body></html>")
            } else {
                Answer::error(*code, "scripted", None)
            };
            if let Some(seconds) = retry_after {
                answer = answer.with("retry-after", seconds.to_string());
            }
            Ok(Some(answer))
        }
        Some(Action::Redirect { location }) => {
            Ok(Some(Answer::html(302, "").with("location", location.clone())))
        }
        _ => Ok(None),
    }
}

/// Checks the signature, then carries the request out.
fn signed(
    shared: &Shared,
    contract: &SandboxContract,
    head: &http::request::Parts,
    path: &str,
    query: &str,
    routed: Option<(Operation, Vec<String>)>,
    body: &Bytes,
) -> Answer {
    let check =
        SignatureCheck { generation: contract.generation, legacy: contract.legacy_signatures };
    let request = SignedRequest {
        method: head.method.as_str(),
        path_and_query: head.uri.path_and_query().map_or("/", |uri| uri.as_str()),
        headers: &head.headers,
        body,
    };
    let now = shared.now();
    let (source, account) = {
        let credentials = read(&shared.credentials);
        let secret_of = |key: &str| credentials.get(key).map(|found| found.secret.as_str());
        let signer = check.verify(&request, secret_of, now);
        let Some(credential) = signer.and_then(|key| credentials.get(&key)) else {
            return Answer::error(401, "invalid API credentials", None);
        };
        (credential.name.clone(), credential.account().to_owned())
    };
    let Some((operation, ids)) = routed else {
        return Answer::error(404, "not found", None);
    };
    let content_type = head.headers.get("content-type").and_then(|value| value.to_str().ok());
    let call = Call {
        contract,
        operation,
        ids,
        path,
        query: Query::parse(query),
        content_type: content_type.unwrap_or_default(),
        body,
        source: &source,
        now,
    };
    let Some(account) = read(&shared.accounts).get(&account).cloned() else {
        return Answer::error(404, "not found", None);
    };
    let mut account = lock(&account);
    call.answer(&mut account)
}

/// What a fault does to an answer.
fn after_commit(
    shared: &Shared,
    name: &str,
    fault: Option<&Action>,
    answer: Answer,
) -> Result<(Answer, i64), Cut> {
    let (answer, offset) = match fault {
        Some(Action::ResetAfterCommit {}) => {
            shared.count(name, None);
            return Err(Cut);
        }
        Some(Action::Truncated {}) => {
            let body = answer.body.slice(..answer.body.len() / 2);
            (Answer { body, ..answer }, 0)
        }
        Some(Action::Html {}) => (Answer::html(200, "<html><body>Maintenance</body></html>"), 0),
        Some(Action::WrongDate { offset_seconds }) => (answer, *offset_seconds),
        Some(Action::Oversized { bytes }) => {
            (Answer { body: Bytes::from(vec![b' '; *bytes]), ..answer }, 0)
        }
        _ => (answer, 0),
    };
    shared.count(name, Some(answer.status));
    Ok((answer, offset))
}
