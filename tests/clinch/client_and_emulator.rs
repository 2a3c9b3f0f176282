//! The typed client against the emulator: two implementations of one reading of the API, each
//! with signature code of its own.

use std::{collections::BTreeMap, io::Write as _, path::Path, sync::Arc, time::Duration};

use clinch_operator::{
    api::{ApiVersion, Environment},
    clinch::{
        AllowedEndpoints, Client, ClientConfig, ClientDeps, ClinchError, Contract, Creation,
        Cursor, Endpoint, File, Jitter, Limits, Op, Overrides, Timeouts, Unobserved,
        contract::{Origin, State, discover},
    },
    domain::{Clock, Credentials, Fence, MatchKey},
    sandbox::{Action, Duplicates, Fault, Options, Sandbox},
};
use futures::{StreamExt as _, stream};
use serde_json::{Map, Value, json};

const ACCOUNT: &str = "hireEZ";

fn options() -> Options {
    Options::default().with_credential(ACCOUNT, "AKTEST", "s3cr3t/Key+with=chars==")
}

fn options_with(contract: &str) -> Options {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(contract.as_bytes()).unwrap();
    let mut options = options();
    options.read_contract(file.path()).unwrap();
    options
}

fn client(sandbox: &Sandbox, contract: Contract) -> Client {
    let origin = sandbox.base_url();
    let config = ClientConfig {
        endpoint: Endpoint::parse(&origin, Environment::Sandbox).unwrap(),
        version: ApiVersion::V2,
        environment: Environment::Sandbox,
        credentials: Credentials::parse("AKTEST", "s3cr3t/Key+with=chars==\n").unwrap(),
        contract: Arc::new(contract),
        accepted_writes: Vec::new(),
        limits: Limits { requests_per_second: Some(5000), max_in_flight: 8 },
        timeouts: Timeouts {
            operation: Duration::from_secs(20),
            attempt: Duration::from_millis(500),
            connect: Duration::from_secs(1),
            quiet: Duration::from_millis(100),
            orphaned: Duration::from_millis(100),
        },
    };
    let deps = ClientDeps {
        allowed: AllowedEndpoints::listed([origin.as_str()]).unwrap(),
        clock: Clock::new(jiff::Timestamp::now),
        jitter: Jitter::new(|| 0.1),
        resolver: Arc::new(clinch_operator::network::SystemResolver),
        proxy: clinch_operator::network::OutboundProxy::default(),
        observer: Arc::new(Unobserved),
        fence: Fence::open(),
    };
    Client::connect("uid", config, &deps).unwrap()
}

fn key(email: &str) -> MatchKey {
    MatchKey::fold(email).unwrap()
}

fn person(email: &str) -> Map<String, Value> {
    json!({"email": email, "first_name": "Jane"}).as_object().unwrap().clone()
}

/// How many people of the account have each e-mail address.
fn people(sandbox: &Sandbox) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for person in sandbox.people(ACCOUNT) {
        let email = person["attributes"]["email"].as_str().unwrap().to_lowercase();
        *counts.entry(email).or_default() += 1;
    }
    counts
}

/// Pushes `count` people, as a caller that continues after a failure.
async fn bring_in(client: &Client, count: usize) {
    let bring = |n: usize| async move {
        let email = format!("person{n}@example.com");
        for _ in 0..60 {
            match client.create_or_find(&key(&email), &person(&email), false).await {
                Ok(_) => return,
                Err(error) => {
                    let after = match error.disposition() {
                        clinch_operator::domain::Disposition::Retry { after, .. } => after,
                        other => panic!("{error}: {other:?}"),
                    };
                    let pause = after.clamp(Duration::from_millis(50), Duration::from_secs(2));
                    tokio::time::sleep(pause).await;
                }
            }
        }
        panic!("person {n} never came in");
    };
    stream::iter(0..count).map(bring).buffer_unordered(8).collect::<Vec<()>>().await;
}

#[tokio::test]
async fn the_built_in_contract_fits_the_emulator_and_its_document_agrees() {
    let sandbox = Sandbox::start(options()).await.unwrap();
    let built_in = client(&sandbox, Contract::built_in());
    let discovered = discover(&built_in.openapi().await.unwrap()).unwrap();
    assert_eq!(discovered.origin, Origin::Discovered);
    for op in Op::ALL {
        let (ours, theirs) = (Contract::built_in(), discovered.operation(op));
        assert_eq!(theirs.path, ours.operation(op).path, "{op}");
        assert_eq!(theirs.state, State::Discovered, "{op}");
    }
    // Nothing is assumed of profiles; the emulator offers those of LinkedIn.
    let mut offered = Overrides::default();
    offered.attribute("linkedin_url", "linkedin_url").unwrap();
    assert_eq!(discovered.names, Contract::built_in().with(&offered).names);
    assert_eq!(discovered.filter, Contract::built_in().filter);
    assert!(discovered.candidate_attributes.as_ref().unwrap()["email"].required);
    for contract in [Contract::built_in(), discovered] {
        let client = client(&sandbox, contract);
        client.create_or_find(&key("jane@x.org"), &person("jane@x.org"), false).await.unwrap();
        let found = client.find(&key("Jane@X.org")).await.unwrap().remove(0);
        assert_eq!(found.source.as_deref(), Some(ACCOUNT), "the credential's name is the source");
    }
    assert_eq!(people(&sandbox), BTreeMap::from([("jane@x.org".to_owned(), 1)]));
}

#[tokio::test]
async fn a_contract_that_renames_everything_is_discovered_and_corrected() {
    let mut options = options();
    options.read_contract(Path::new("tests/data/variant-contract.yaml")).unwrap();
    let sandbox = Sandbox::start(options).await.unwrap();
    let document = client(&sandbox, Contract::built_in()).openapi().await.unwrap();
    let discovered = discover(&document).unwrap();
    assert_eq!(discovered.names.email, "email_address");
    assert_eq!(discovered.paging.max_per_page, 10);
    assert_eq!(discovered.operation(Op::CreateActivity).state, State::NotOffered);
    // What a document cannot state, because its answers have no schema.
    let mut overrides = Overrides::default();
    overrides.attribute("source", "origin").unwrap();
    overrides.attribute("job_reference", "code").unwrap();
    overrides.attribute("stage_name", "label").unwrap();
    let client = client(&sandbox, discovered.with(&overrides));

    for n in 0..25 {
        let email = format!("p{n}@x.org");
        let attributes = json!({"email_address": email, "given_name": "Jane"});
        let attributes = attributes.as_object().unwrap();
        let created = client.create_or_find(&key(&email), attributes, false).await.unwrap();
        assert!(matches!(created, Creation::Created(_)), "{created:?}");
    }
    let (mut seen, mut cursor) = (0, Some(Cursor::first()));
    while let Some(at) = cursor {
        let page = client.page(at).await.unwrap();
        seen += page.people.len();
        cursor = page.next;
    }
    assert_eq!(seen, 25);
    let jane = client.find(&key("p3@x.org")).await.unwrap().remove(0);
    assert_eq!(jane.source.as_deref(), Some(ACCOUNT));
    let job = client.jobs().await.unwrap().remove(0);
    let reference = job.reference.clone().expect("every job has a reference");
    assert_eq!(client.job_by(&reference).await.unwrap().id, job.id);
    let stage = client.stages(&job.id).await.unwrap().remove(0);
    assert!(!stage.name.is_empty());
    client.apply(&jane.id, &job.id, Some(&stage.id)).await.unwrap();
    let application = client.applications(&jane.id).await.unwrap().remove(0);
    assert_eq!((application.job, application.stage), (Some(job.id), Some(stage.id)));
    let file =
        File { name: "cv.pdf", content_type: "application/pdf", bytes: b"%PDF-", kind: "resume" };
    client.attach(&jane.id, &file).await.unwrap();
    let attached = client.attachments(&jane.id).await.unwrap().remove(0);
    assert_eq!(attached.file_name.as_deref(), Some("cv.pdf"));
    let refused = client.add_activity(&jane.id, "tag", "rust").await.unwrap_err();
    assert!(matches!(refused, ClinchError::Unsupported(_)));
}

#[tokio::test]
async fn under_every_fault_at_once_each_person_comes_in_exactly_once() {
    let mut options = options();
    options.contract.duplicate_email = Duplicates::Allow;
    let on = |action| Fault::always("createCandidate", action);
    options.faults = vec![
        on(Action::ResetBeforeCommit {}).with_probability(0.06, 1),
        on(Action::ResetAfterCommit {}).with_probability(0.06, 2),
        on(Action::Truncated {}).with_probability(0.06, 3),
        on(Action::Html {}).with_probability(0.06, 4),
        on(Action::Oversized { bytes: 2 << 20 }).with_probability(0.03, 5),
        on(Action::Status { code: 503, retry_after: None, html: false }).with_probability(0.06, 6),
        on(Action::Status { code: 429, retry_after: Some(0), html: true })
            .with_probability(0.06, 7),
        on(Action::Redirect { location: "/elsewhere".into() }).with_probability(0.03, 8),
        Fault::always("listCandidates", Action::ResetBeforeCommit {}).with_probability(0.06, 9),
        Fault::always("listCandidates", Action::Truncated {}).with_probability(0.04, 10),
        Fault::always(
            "listCandidates",
            Action::Status { code: 500, retry_after: None, html: true },
        )
        .with_probability(0.06, 11),
    ];
    let sandbox = Sandbox::start(options).await.unwrap();
    bring_in(&client(&sandbox, Contract::built_in()), 150).await;
    let people = people(&sandbox);
    assert_eq!(people.len(), 150);
    let twice: Vec<_> = people.iter().filter(|(_, count)| **count != 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
}

#[tokio::test]
async fn a_look_up_that_lags_needs_the_settle_time_of_the_contract() {
    let mut options = options();
    options.contract.duplicate_email = Duplicates::Allow;
    options.contract.search_lag_ms = 200;
    options.faults = vec![Fault::always("createCandidate", Action::ResetAfterCommit {}).nth(1)];
    let sandbox = Sandbox::start(options).await.unwrap();
    let mut overrides = Overrides::default();
    overrides.lookup_settle = Some(Duration::from_millis(300));
    let client = client(&sandbox, Contract::built_in().with(&overrides));
    let created = client.create_or_find(&key("j@x.org"), &person("j@x.org"), false).await.unwrap();
    assert!(matches!(created, Creation::Recovered(_)), "{created:?}");
    assert_eq!(people(&sandbox), BTreeMap::from([("j@x.org".to_owned(), 1)]));
}

#[tokio::test]
async fn the_real_limit_is_found_and_no_one_is_lost_to_it() {
    let limited = options_with("rateLimit: {requestsPerSecond: 60, burst: 5}\n");
    let sandbox = Sandbox::start(limited).await.unwrap();
    bring_in(&client(&sandbox, Contract::built_in()), 60).await;
    assert_eq!(people(&sandbox).len(), 60);
    let counts = sandbox.requests();
    let refused = counts.with("createCandidate", 429) + counts.with("listCandidates", 429);
    assert!(refused > 0, "the limit was never met: {counts:?}");
    assert!(refused < 60, "the client did not slow down: {counts:?}");
}

#[tokio::test]
async fn skew_revocation_and_duplicates_are_reported_as_such() {
    let sandbox = Sandbox::start(options()).await.unwrap();
    let client = client(&sandbox, Contract::built_in());
    sandbox.set_clock_offset(1200);
    let skewed = client.verify().await.unwrap_err();
    assert!(matches!(skewed, ClinchError::ClockSkew { seconds: 1199..=1201 }), "{skewed:?}");
    sandbox.set_clock_offset(0);
    client.create(&person("jane@x.org")).await.unwrap();
    let taken = client.create(&person("jane@x.org")).await.unwrap_err();
    let expected =
        matches!(&taken, ClinchError::Rejected { status: 422, fields, .. } if fields == &["email"]);
    assert!(expected, "{taken:?}");
    let found = client.create_or_find(&key("jane@x.org"), &person("jane@x.org"), true).await;
    assert!(matches!(found.unwrap(), Creation::Found(people) if people.len() == 1));
    sandbox.revoke("AKTEST");
    assert_eq!(client.verify().await.unwrap_err(), ClinchError::Unauthorized);
    assert!(*client.rejected().borrow());
}
