//! A Clinch on a loopback socket that misbehaves on demand, down to the byte: it can cut a
//! connection before or after it has stored what it was sent, or never answer at all.
//!
//! Checks signatures by itself, from the raw request line.

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Map, Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

pub const KEY: &str = "AKCLINCH01";
pub const SECRET: &str = "s3cr3t/Key+with=chars==";

/// What to do to one request instead of, or after, serving it.
#[derive(Clone)]
pub enum Fault {
    /// Answer this, without serving.
    Raw(Vec<u8>),
    /// Serve, then answer this.
    ServeThen(Vec<u8>),
    /// Cut the connection without serving.
    CutBefore,
    /// Serve, then cut the connection.
    CutAfter,
    /// Never answer, without serving.
    Stall,
    /// Cut the connection; serve later.
    CutThenServe(Duration),
    /// Answer this, as a gateway that has passed the request on; serve later.
    AnswerThenServe(Vec<u8>, Duration),
    /// Never answer; serve after the next GET was answered.
    StallUntilRead,
    /// Serve and answer after a delay.
    ServeAfter(Duration),
}

/// How a second person with the same e-mail is answered.
#[derive(Clone, Copy, PartialEq)]
pub enum Duplicate {
    Reject422,
    Conflict409,
    Upsert200,
    Allow,
}

#[allow(clippy::struct_excessive_bools, reason = "independent switches, one per misbehaviour")]
pub struct Behaviour {
    pub people_path: &'static str,
    pub email: &'static str,
    pub filter: bool,
    pub links: bool,
    pub foreign_links: bool,
    pub page_cap: usize,
    pub ignore_page: bool,
    pub duplicate: Duplicate,
    pub accept_credentials: bool,
    /// Answer with this `Date`.
    pub date: String,
    pub document: Option<Value>,
}

#[derive(Default)]
pub struct Account {
    pub people: Vec<(String, Map<String, Value>)>,
    pub parts: Vec<(String, Value)>,
    pub faults: VecDeque<(&'static str, Fault)>,
    pub requests: Vec<String>,
}

pub struct Fake {
    pub address: SocketAddr,
    pub behaviour: Mutex<Behaviour>,
    account: Mutex<Account>,
    /// Requests that wait to be carried out.
    stalled: Mutex<Vec<Request>>,
}

struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Fake {
    pub async fn start() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let behaviour = Behaviour {
            people_path: "/candidates",
            email: "email",
            filter: true,
            links: false,
            foreign_links: false,
            page_cap: 100,
            ignore_page: false,
            duplicate: Duplicate::Reject422,
            accept_credentials: true,
            date: "Thu, 05 Mar 2026 12:00:00 GMT".into(),
            document: None,
        };
        let fake = Arc::new(Self {
            address: listener.local_addr().unwrap(),
            behaviour: Mutex::new(behaviour),
            account: Mutex::default(),
            stalled: Mutex::default(),
        });
        let served = Arc::clone(&fake);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&served).connection(stream));
            }
        });
        fake
    }

    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap()
    }

    pub fn behave(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.behaviour.lock().unwrap());
    }

    /// Applies `fault` to the next request with that method.
    pub fn fault(&self, method: &'static str, fault: Fault) {
        self.account().faults.push_back((method, fault));
    }

    pub fn add(&self, email: &str) -> String {
        let name = self.behaviour.lock().unwrap().email;
        let mut attributes = Map::new();
        attributes.insert(name.into(), email.into());
        self.account().insert(attributes)
    }

    pub fn count(&self, method: &str) -> usize {
        self.account().requests.iter().filter(|line| line.starts_with(method)).count()
    }

    async fn connection(self: Arc<Self>, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        while let Ok(Some(request)) = read(&mut stream).await {
            let fault = {
                let mut account = self.account();
                account.requests.push(format!("{} {}", request.method, request.target));
                let due = account.faults.iter().position(|(method, _)| *method == request.method);
                due.and_then(|at| account.faults.remove(at)).map(|(_, fault)| fault)
            };
            let answer = match fault {
                None => {
                    let answer = self.serve(&request);
                    if request.method == "GET" {
                        let stalled = std::mem::take(&mut *self.stalled.lock().unwrap());
                        stalled.iter().for_each(|request| drop(self.serve(request)));
                    }
                    answer
                }
                Some(Fault::Raw(answer)) => answer,
                Some(Fault::ServeThen(answer)) => {
                    self.serve(&request);
                    answer
                }
                Some(Fault::CutBefore) => return,
                Some(Fault::CutAfter) => {
                    self.serve(&request);
                    return;
                }
                Some(Fault::Stall) => std::future::pending().await,
                Some(Fault::CutThenServe(delay)) => {
                    drop(stream);
                    tokio::time::sleep(delay).await;
                    self.serve(&request);
                    return;
                }
                Some(Fault::AnswerThenServe(answer, delay)) => {
                    let fake = Arc::clone(&self);
                    tokio::spawn(async move {
                        tokio::time::sleep(delay).await;
                        fake.serve(&request);
                    });
                    answer
                }
                Some(Fault::StallUntilRead) => {
                    self.stalled.lock().unwrap().push(request);
                    std::future::pending().await
                }
                Some(Fault::ServeAfter(delay)) => {
                    tokio::time::sleep(delay).await;
                    self.serve(&request)
                }
            };
            if stream.get_mut().write_all(&answer).await.is_err() {
                return;
            }
        }
    }

    fn serve(&self, request: &Request) -> Vec<u8> {
        let behaviour = self.behaviour.lock().unwrap();
        let respond = |status, body: Value| answer(status, &behaviour.date, &body.to_string());
        if !behaviour.accept_credentials || !request.is_signed() {
            return respond(401, json!({"errors": [{"detail": "jane@example.com"}]}));
        }
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        let Some(path) = path.strip_prefix("/v2") else { return respond(404, json!({})) };
        let query: Vec<(String, String)> =
            url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let mut account = self.account();
        if path.is_empty() {
            return match &behaviour.document {
                Some(document) => respond(200, document.clone()),
                None => respond(404, json!({})),
            };
        }
        let rest = path.strip_prefix(behaviour.people_path).map(|rest| rest.trim_matches('/'));
        match (request.method.as_str(), rest) {
            ("GET", Some("")) => respond(200, account.list(&behaviour, &query)),
            ("POST", Some("")) => {
                let (status, body) = account.create(&behaviour, request.attributes());
                respond(status, body)
            }
            (method, Some(rest)) if !rest.contains('/') => {
                let Some((id, attributes)) = account.people.iter_mut().find(|(id, _)| id == rest)
                else {
                    return respond(404, json!({"errors": [{"status": "404"}]}));
                };
                if method != "GET" {
                    attributes.extend(request.attributes());
                }
                respond(200, json!({"data": resource(id, attributes)}))
            }
            ("GET", None) if path == "/jobs" => respond(
                200,
                json!({"data": [
                    {"id": 7, "type": "job", "attributes": {"reference": "R-7", "title": "Smith"}},
                    {"id": 8, "type": "job", "attributes": {"reference": "R-8"}}]}),
            ),
            ("GET", None) if path == "/jobs/7" => {
                respond(200, json!({"data": {"id": "7", "attributes": {"reference": "R-7"}}}))
            }
            ("GET", None) if path == "/jobs/7/stages" => respond(
                200,
                json!({"data": [{"id": "s1", "attributes": {"name": "New"}}],
                    "meta": {"total_count": 1}}),
            ),
            ("GET", Some(_)) => {
                let of = account.parts.iter().filter(|(at, _)| at == path);
                let all: Vec<&Value> = of.map(|(_, part)| part).collect();
                respond(200, json!({"data": all, "meta": {"total_count": all.len()}}))
            }
            ("POST", Some(_)) => {
                let mut part: Value = serde_json::from_slice(&request.body).unwrap();
                let mut part = part["data"].take();
                part["id"] = format!("part{}", account.parts.len()).into();
                account.parts.push((path.to_owned(), part.clone()));
                respond(201, json!({"data": part}))
            }
            _ => respond(404, json!({})),
        }
    }
}

impl Account {
    fn insert(&mut self, attributes: Map<String, Value>) -> String {
        let id = format!("p{}", self.people.len());
        self.people.push((id.clone(), attributes));
        id
    }

    fn create(&mut self, behaviour: &Behaviour, attributes: Map<String, Value>) -> (u16, Value) {
        let same = |people: &Map<String, Value>| {
            people.get(behaviour.email) == attributes.get(behaviour.email)
        };
        let existing = self.people.iter_mut().find(|(_, person)| same(person));
        let pointer = format!("/data/attributes/{}", behaviour.email);
        match (existing, behaviour.duplicate) {
            (Some(_), Duplicate::Reject422) => {
                (422, json!({"errors": [{"source": {"pointer": pointer}}]}))
            }
            (Some(_), Duplicate::Conflict409) => (409, json!({"errors": []})),
            (Some((id, person)), Duplicate::Upsert200) => {
                person.extend(attributes);
                (200, json!({"data": resource(id, person)}))
            }
            (None, _) | (_, Duplicate::Allow) => {
                let id = self.insert(attributes.clone());
                (201, json!({"data": resource(&id, &attributes)}))
            }
        }
    }

    fn list(&self, behaviour: &Behaviour, query: &[(String, String)]) -> Value {
        let get = |names: &[&str]| {
            query.iter().find(|(name, _)| names.contains(&name.as_str())).map(|(_, v)| v.as_str())
        };
        let requested =
            get(&[&format!("filter[{}]", behaviour.email)]).filter(|_| behaviour.filter);
        let email = |person: &Map<String, Value>| {
            person.get(behaviour.email).and_then(Value::as_str).map(str::to_lowercase)
        };
        let matching: Vec<&(String, Map<String, Value>)> = self
            .people
            .iter()
            .filter(|(_, person)| requested.is_none_or(|w| email(person).as_deref() == Some(w)))
            .collect();
        let number = |names: &[&str], default: usize| {
            get(names).map_or(default, |text| text.parse().unwrap())
        };
        let size = number(&["per_page", "page[size]"], 25).min(behaviour.page_cap);
        let page = number(&["page", "page[number]"], 1);
        let skip = if behaviour.ignore_page { 0 } else { (page - 1) * size };
        let data: Vec<Value> = matching
            .iter()
            .skip(skip)
            .take(size)
            .map(|(id, person)| resource(id, person))
            .collect();
        let mut document = json!({"data": data, "meta": {"total_count": matching.len()}});
        let path = behaviour.people_path;
        if behaviour.links && skip + size < matching.len() {
            let next = format!("/v2{path}?page={}&per_page={size}&by=link", page + 1);
            document["links"] = json!({"self": "x", "next": next});
        }
        if behaviour.foreign_links {
            document["links"] = json!({"next": format!("http://evil.example/v2{path}?page=2")});
        }
        document
    }
}

impl Request {
    fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }

    fn attributes(&self) -> Map<String, Value> {
        assert_eq!(self.header("content-type"), "application/vnd.api+json");
        let body: Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(body["data"]["type"], "candidate");
        body["data"]["attributes"].as_object().unwrap().clone()
    }

    fn is_signed(&self) -> bool {
        assert_eq!(self.header("accept"), "application/vnd.api+json");
        assert_eq!(self.header("cache-control"), "no-cache, no-store");
        assert!(self.header("user-agent").starts_with("clinch-operator/"));
        let canonical = format!(
            "{},{},,{},{}",
            self.method,
            self.header("content-type"),
            self.target,
            self.header("date")
        );
        let mut mac = Hmac::<sha1::Sha1>::new_from_slice(SECRET.as_bytes()).unwrap();
        mac.update(canonical.as_bytes());
        let signature = STANDARD.encode(mac.finalize().into_bytes());
        self.header("authorization") == format!("APIAuth {KEY}:{signature}")
    }
}

fn resource(id: &str, attributes: &Map<String, Value>) -> Value {
    json!({"id": id, "type": "candidate", "attributes": attributes})
}

/// A whole answer.
pub fn answer(status: u16, date: &str, body: &str) -> Vec<u8> {
    raw(status, &format!("date: {date}\r\ncontent-type: application/vnd.api+json\r\n"), body)
}

/// A whole answer with these header lines.
pub fn raw(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head = format!("HTTP/1.1 {status} x\r\n{headers}content-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

async fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Request>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let mut first = lines[0].split(' ');
    let (method, target) = (first.next().unwrap().into(), first.next().unwrap());
    // As a proxy gets it, with the origin.
    let target =
        target.strip_prefix("http://").map_or(target, |rest| &rest[rest.find('/').unwrap()..]);
    let target = target.to_owned();
    let headers: Vec<(String, String)> = lines[1..]
        .iter()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let mut body = vec![0; length.map_or(0, |(_, value)| value.parse().unwrap())];
    stream.read_exact(&mut body).await?;
    Ok(Some(Request { method, target, headers, body }))
}
