//! A client of its own for the emulator: signs with nothing from the crate.

use base64::{Engine, engine::general_purpose::STANDARD};
use clinch_operator::sandbox::{Options, Sandbox};
use hmac::{Hmac, KeyInit, Mac};
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};
use sha1::Sha1;

/// Access key and secret of the account `first`.
pub const FIRST: (&str, &str) = ("AKFIRST", "secret/one+=");
/// Access key and secret of the account `second`.
pub const SECOND: (&str, &str) = ("AKSECOND", "secret:two");

/// HMAC-SHA1 in Base64.
pub fn sha1(secret: &str, text: &str) -> String {
    let mut mac = <Hmac<Sha1> as KeyInit>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

/// The time as HTTP writes it.
pub fn http_date(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// Set up from texts of the three kinds of file.
pub fn options(contract: &str, faults: &str, seed: &str) -> Options {
    let folder = tempfile::tempdir().unwrap();
    let mut options = Options::default()
        .with_credential("first", FIRST.0, FIRST.1)
        .with_credential("second", SECOND.0, SECOND.1);
    let path = folder.path().join("file.yaml");
    let write = |text: &str| std::fs::write(&path, text).unwrap();
    if !contract.is_empty() {
        write(contract);
        options.read_contract(&path).unwrap();
    }
    if !faults.is_empty() {
        write(faults);
        options.read_faults(&path).unwrap();
    }
    if !seed.is_empty() {
        write(seed);
        options.read_seed(&path).unwrap();
    }
    options
}

/// A running emulator under a contract (YAML), and a client of its account `first`.
pub async fn start(contract: &str) -> (Sandbox, Caller) {
    start_with(contract, "").await
}

/// The same with faults (YAML).
pub async fn start_with(contract: &str, faults: &str) -> (Sandbox, Caller) {
    let sandbox = Sandbox::start(options(contract, faults, "")).await.unwrap();
    let caller = Caller::new(&sandbox.base_url(), FIRST);
    (sandbox, caller)
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    pub fn at(&self, pointer: &str) -> Value {
        self.json().pointer(pointer).cloned().unwrap_or_default()
    }

    /// What the first error points at.
    pub fn points_at(&self) -> String {
        self.at("/errors/0/source/pointer").as_str().unwrap_or_default().to_owned()
    }

    pub fn id(&self) -> String {
        self.at("/data/id").as_str().unwrap().to_owned()
    }

    pub fn count(&self) -> usize {
        self.at("/data").as_array().unwrap().len()
    }
}

/// A client with one credential.
#[derive(Clone)]
pub struct Caller {
    client: reqwest::Client,
    base: String,
    key: &'static str,
    secret: &'static str,
    /// How far its clock is off, in seconds.
    pub skew: i64,
    /// Media type of what it sends.
    pub media_type: &'static str,
}

impl Caller {
    pub fn new(base: &str, (key, secret): (&'static str, &'static str)) -> Self {
        // The first one installs it; TLS is not used here, but the client is built with it.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let policy = reqwest::redirect::Policy::none();
        let client = reqwest::Client::builder().redirect(policy).no_proxy().build().unwrap();
        let media_type = "application/vnd.api+json";
        Self { client, base: base.to_owned(), key, secret, skew: 0, media_type }
    }

    pub async fn try_call(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Reply, reqwest::Error> {
        let url = url::Url::parse(&format!("{}{path}", self.base)).unwrap();
        let date = http_date(Timestamp::now() + self.skew.seconds());
        let sent = body.map_or("", |_| self.media_type);
        let uri = &url[url::Position::BeforePath..];
        let signature = sha1(self.secret, &format!("{method},{sent},,{uri},{date}"));
        let mut request = self
            .client
            .request(method.parse().unwrap(), url)
            .header("date", date)
            .header("authorization", format!("APIAuth {}:{signature}", self.key));
        if let Some(body) = body {
            request = request.header("content-type", sent).body(body.to_string());
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Reply { status, headers, text: response.text().await? })
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.try_call("GET", path, None).await.unwrap()
    }

    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.try_call("POST", path, Some(body)).await.unwrap()
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Reply {
        self.try_call("PATCH", path, Some(body)).await.unwrap()
    }

    /// Without a signature, as the control endpoints are called.
    pub async fn unsigned(&self, method: &str, path: &str, body: &str) -> Reply {
        let url = format!("{}{path}", self.base);
        let request = self.client.request(method.parse().unwrap(), url).body(body.to_owned());
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Reply { status, headers, text: response.text().await.unwrap() }
    }

    /// Creates a person with an e-mail address.
    pub async fn person(&self, email: &str) -> Reply {
        self.post("/v2/candidates", &with(&json!({"email": email}))).await
    }
}

/// A document with attributes.
pub fn with(attributes: &Value) -> Value {
    json!({"data": {"type": "candidate", "attributes": attributes}})
}
