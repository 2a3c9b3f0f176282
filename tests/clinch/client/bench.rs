//! A client of the fake Clinch, and what its observer saw.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use clinch_operator::{
    api::{ApiVersion, Environment},
    clinch::{
        AllowedEndpoints, Attempt, Candidate, Client, ClientConfig, ClientDeps, Contract, Cursor,
        Endpoint, Jitter, Limits, Observer, Timeouts,
    },
    domain::{Clock, Credentials, Fence, MatchKey},
    pipeline::ResumeFile,
};
use serde_json::{Map, Value, json};

use crate::fake_clinch::{Fake, KEY, SECRET};

/// How long a request in doubt may still be in flight.
pub const QUIET: Duration = Duration::from_millis(400);
pub const DATE: &str = "Thu, 05 Mar 2026 12:00:00 GMT";

#[derive(Default)]
pub struct Seen {
    pub attempts: Mutex<Vec<(&'static str, &'static str)>>,
    pub rejected: Mutex<Vec<String>>,
    pub paused: Mutex<Duration>,
}

impl Observer for Seen {
    fn attempt(&self, _: &str, attempt: &Attempt) {
        self.attempts.lock().unwrap().push((attempt.operation, attempt.ended.class()));
    }

    fn credentials_rejected(&self, integration: &str) {
        self.rejected.lock().unwrap().push(integration.to_owned());
    }

    fn rate_limited(&self, _: &str, pause: Duration) {
        *self.paused.lock().unwrap() += pause;
    }
}

pub fn deps(origin: &str, seen: &Arc<Seen>) -> ClientDeps {
    ClientDeps {
        allowed: AllowedEndpoints::listed([origin]).unwrap(),
        clock: Clock::fixed("2026-03-05T12:00:00Z".parse().unwrap()),
        jitter: Jitter::new(|| 0.1),
        resolver: Arc::new(clinch_operator::network::SystemResolver),
        proxy: clinch_operator::network::OutboundProxy::default(),
        observer: Arc::clone(seen) as Arc<dyn Observer>,
        fence: Fence::open(),
    }
}

pub fn config(origin: &str) -> ClientConfig {
    ClientConfig {
        endpoint: Endpoint::parse(origin, Environment::Sandbox).unwrap(),
        version: ApiVersion::V2,
        environment: Environment::Sandbox,
        credentials: Credentials::parse(KEY, SECRET).unwrap(),
        contract: Arc::new(Contract::built_in()),
        accepted_writes: Vec::new(),
        limits: Limits { requests_per_second: Some(10_000), max_in_flight: 8 },
        timeouts: Timeouts {
            operation: Duration::from_secs(5),
            attempt: Duration::from_millis(800),
            connect: Duration::from_secs(1),
            quiet: QUIET,
            orphaned: QUIET,
        },
    }
}

pub struct Bench {
    pub fake: Arc<Fake>,
    pub seen: Arc<Seen>,
    pub client: Client,
}

pub async fn bench_with(change: impl FnOnce(&mut ClientConfig)) -> Bench {
    let fake = Fake::start().await;
    let seen = Arc::new(Seen::default());
    let mut config = config(&fake.origin());
    change(&mut config);
    let client = Client::connect("uid", config, &deps(&fake.origin(), &seen)).unwrap();
    Bench { fake, seen, client }
}

pub async fn bench() -> Bench {
    bench_with(|_| {}).await
}

pub fn key(email: &str) -> MatchKey {
    MatchKey::fold(email).unwrap()
}

pub fn attributes(email: &str) -> Map<String, Value> {
    let value = json!({"email": email, "first_name": "Jane"});
    value.as_object().unwrap().clone()
}

pub fn resume() -> ResumeFile {
    ResumeFile {
        name: "cv.pdf".into(),
        content_type: "application/pdf",
        bytes: b"%PDF-".as_slice().into(),
    }
}

pub async fn everyone(client: &Client) -> Vec<Candidate> {
    let (mut people, mut cursor) = (Vec::new(), Some(Cursor::first()));
    while let Some(at) = cursor {
        let page = client.page(at).await.unwrap();
        people.extend(page.people);
        cursor = page.next;
    }
    people
}
