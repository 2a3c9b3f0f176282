//! The typed client over real sockets, against a server that misbehaves on demand.

use std::{
    collections::HashSet,
    io::Write as _,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use crate::fake_clinch::{Duplicate, Fake, Fault, KEY, SECRET, answer, raw};
use clinch_operator::{
    api::{ApiVersion, Environment, Region},
    clinch::{
        AllowedEndpoints, Attempt, Candidate, Client, ClientConfig, ClientDeps, ClinchError,
        ConnectError, Contract, Creation, Cursor, Doubt, Endpoint, File, Jitter, Limits,
        NotClinchSign, Observer, Op, Overrides, Registry, Timeouts, contract::discover,
    },
    domain::{ClinchId, Clock, Credentials, Fence, MatchKey},
    pipeline::{ClinchCrm, Crm as _, CrmFailure, Ensure, JobStage, ResumeFile, SeenSource},
};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// How long a request in doubt may still be in flight.
const QUIET: Duration = Duration::from_millis(400);
/// When a request is carried out after its answer: later than a look-up that does not wait, and well
/// before one that does.
const LATE: Duration = Duration::from_millis(100);
const DATE: &str = "Thu, 05 Mar 2026 12:00:00 GMT";

#[derive(Default)]
struct Seen {
    attempts: Mutex<Vec<(&'static str, &'static str)>>,
    rejected: Mutex<Vec<String>>,
}

impl Observer for Seen {
    fn attempt(&self, _: &str, attempt: &Attempt) {
        self.attempts.lock().unwrap().push((attempt.operation, attempt.ended.class()));
    }

    fn credentials_rejected(&self, integration: &str) {
        self.rejected.lock().unwrap().push(integration.to_owned());
    }
}

fn deps(origin: &str, seen: &Arc<Seen>) -> ClientDeps {
    ClientDeps {
        allowed: AllowedEndpoints::listed([origin]).unwrap(),
        clock: Clock::fixed("2026-03-05T12:00:00Z".parse().unwrap()),
        jitter: Jitter::new(|| 0.1),
        resolver: Arc::new(clinch_operator::network::SystemResolver),
        observer: Arc::clone(seen) as Arc<dyn Observer>,
        fence: Fence::open(),
    }
}

fn config(origin: &str) -> ClientConfig {
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

struct Bench {
    fake: Arc<Fake>,
    seen: Arc<Seen>,
    client: Client,
}

async fn bench_with(change: impl FnOnce(&mut ClientConfig)) -> Bench {
    let fake = Fake::start().await;
    let seen = Arc::new(Seen::default());
    let mut config = config(&fake.origin());
    change(&mut config);
    let client = Client::connect("uid", config, &deps(&fake.origin(), &seen)).unwrap();
    Bench { fake, seen, client }
}

async fn bench() -> Bench {
    bench_with(|_| {}).await
}

fn key(email: &str) -> MatchKey {
    MatchKey::fold(email).unwrap()
}

fn attributes(email: &str) -> Map<String, Value> {
    let value = json!({"email": email, "first_name": "Jane"});
    value.as_object().unwrap().clone()
}

fn resume() -> ResumeFile {
    ResumeFile {
        name: "cv.pdf".into(),
        content_type: "application/pdf",
        bytes: b"%PDF-".as_slice().into(),
    }
}

async fn everyone(client: &Client) -> Vec<Candidate> {
    let (mut people, mut cursor) = (Vec::new(), Some(Cursor::first()));
    while let Some(at) = cursor {
        let page = client.page(at).await.unwrap();
        people.extend(page.people);
        cursor = page.next;
    }
    people
}

#[tokio::test]
async fn signed_calls_are_accepted_and_people_are_found_created_and_changed() {
    let Bench { fake, seen, client } = bench().await;
    assert_eq!(client.verify().await.unwrap().total, Some(0));
    // Characters that have to be encoded the same way for the signature and for the wire.
    let email = "jane+o'neil [x]@example.com";
    let created = client.create_or_find(&key(email), &attributes(email), false).await.unwrap();
    let Creation::Created(person) = created else { panic!("{created:?}") };
    let change = json!({"first_name": "Joan"}).as_object().unwrap().clone();
    let changed = client.update(&person.id, &change).await.unwrap().unwrap();
    assert_eq!(changed.attributes["first_name"], "Joan");
    assert_eq!(client.get(&person.id).await.unwrap().attributes["first_name"], "Joan");
    fake.add("other@example.com");
    let unknown = ClinchId::parse("nobody").unwrap();
    assert_eq!(client.get(&unknown).await.unwrap_err(), ClinchError::NotFound);
    let operations: HashSet<_> = seen.attempts.lock().unwrap().iter().copied().collect();
    let expected = [
        ("listCandidates", "2xx"),
        ("createCandidate", "2xx"),
        ("updateCandidate", "2xx"),
        ("getCandidate", "2xx"),
        ("getCandidate", "4xx"),
    ];
    assert_eq!(operations, HashSet::from(expected));
}

#[tokio::test]
async fn a_filter_that_is_not_honoured_is_reported_and_its_answer_not_believed() {
    let Bench { fake, client, .. } = bench().await;
    let id = fake.add("Jane@Example.com");
    let found = client.find(&key("jane@example.com")).await.unwrap();
    assert_eq!(found[0].id.as_str(), id);
    fake.behave(|b| b.filter = false);
    assert_eq!(client.find(&key("joe@example.com")).await.unwrap_err(), ClinchError::FilterIgnored);
    let created =
        client.create_or_find(&key("joe@example.com"), &attributes("joe@example.com"), false).await;
    assert_eq!(created.unwrap_err(), ClinchError::FilterIgnored);
    assert_eq!(fake.count("POST"), 0);
}

#[tokio::test]
async fn everyone_is_seen_once_however_the_list_is_paged() {
    let Bench { fake, client, .. } = bench().await;
    let ids: HashSet<String> = (0..250).map(|n| fake.add(&format!("p{n}@example.com"))).collect();
    for (links, foreign_links, page_cap) in
        [(false, false, 100), (true, false, 100), (false, true, 100), (false, false, 30)]
    {
        fake.behave(|b| {
            (b.links, b.foreign_links, b.page_cap) = (links, foreign_links, page_cap);
        });
        let people = everyone(&client).await;
        let seen: HashSet<String> = people.iter().map(|p| p.id.to_string()).collect();
        assert_eq!((people.len(), &seen), (250, &ids), "{links} {foreign_links} {page_cap}");
    }
    let followed = fake.account().requests.iter().filter(|r| r.contains("by=link")).count();
    assert_eq!(followed, 2, "links were followed where they were offered");
    fake.behave(|b| b.ignore_page = true);
    assert_eq!(everyone(&client).await.len(), 30, "a list that repeats itself ends");
}

#[tokio::test]
async fn a_person_created_during_the_walk_hides_no_one() {
    let Bench { fake, client, .. } = bench().await;
    fake.behave(|b| b.page_cap = 2);
    for n in 0..6 {
        fake.add(&format!("p{n}@example.com"));
    }
    let first = client.page(Cursor::first()).await.unwrap();
    // Newest first: everyone moves by one, so the next page starts with one already seen.
    fake.account().people.insert(0, ("new".into(), attributes("new@example.com")));
    let (mut seen, mut cursor) = (first.people.len(), first.next);
    while let Some(at) = cursor {
        let page = client.page(at).await.unwrap();
        seen += page.people.len();
        cursor = page.next;
    }
    assert_eq!(seen, 6);
}

#[tokio::test]
async fn a_create_whose_answer_is_lost_makes_exactly_one_person() {
    let faults = [
        (Fault::CutBefore, "created"),
        (Fault::CutAfter, "recovered"),
        (Fault::CutThenServe(LATE), "recovered"),
        (Fault::Raw(answer(503, DATE, "")), "created"),
        (Fault::ServeThen(answer(502, DATE, "<html>")), "recovered"),
        (Fault::ServeThen(answer(201, DATE, r#"{"data":{"type":"#)), "recovered"),
        (Fault::ServeThen(answer(201, DATE, r#"{"data":{"attributes":{}}}"#)), "recovered"),
        (Fault::ServeThen(answer(202, DATE, "")), "recovered"),
        (Fault::ServeThen(raw(200, "content-type: text/html\r\n", "<html>")), "recovered"),
        (Fault::ServeThen(raw(303, "location: /v2/candidates\r\n", "")), "recovered"),
        (Fault::ServeThen(raw(201, "", vec![b' '; 2 * 1024 * 1024])), "recovered"),
        (Fault::Raw(raw(429, "retry-after: 0\r\n", "")), "created"),
    ];
    for (n, (fault, expected)) in faults.into_iter().enumerate() {
        let Bench { fake, client, .. } = bench().await;
        // No uniqueness on the server: only the client prevents a duplicate after a fault.
        fake.behave(|b| b.duplicate = Duplicate::Allow);
        client.verify().await.unwrap();
        fake.fault("POST", fault);
        let email = "jane@example.com";
        let created = client.create_or_find(&key(email), &attributes(email), false).await;
        let how = match created.unwrap() {
            Creation::Created(_) => "created",
            Creation::Recovered(_) => "recovered",
            other => panic!("fault {n}: {other:?}"),
        };
        assert_eq!((how, fake.account().people.len()), (expected, 1), "fault {n}");
    }
}

/// Every answer that a request may get while it is still being carried out.
fn said_too_early() -> Vec<Fault> {
    let html = "content-type: text/html\r\n";
    let status = |code| answer(code, DATE, "");
    [500, 501, 502, 503, 504, 511, 524, 408, 202]
        .map(status)
        .into_iter()
        .chain([
            raw(200, html, "<html>"),
            raw(403, html, "<html>"),
            raw(303, "location: /v2/candidates\r\n", ""),
            raw(200, "", "OK"),
            raw(201, "", vec![b' '; 2 * 1024 * 1024]),
            answer(201, DATE, r#"{"data":{"type":"#),
        ])
        .map(|answer| Fault::AnswerThenServe(answer, LATE))
        .chain([Fault::CutThenServe(LATE)])
        .collect()
}

/// A bench for each of them, with timeouts so long that only they leave a doubt.
async fn patient_benches() -> Vec<(Fault, Bench)> {
    let mut benches = Vec::new();
    for fault in said_too_early() {
        let bench = bench_with(|config| {
            config.timeouts.attempt = Duration::from_secs(30);
            config.timeouts.operation = Duration::from_secs(90);
        });
        benches.push((fault, bench.await));
    }
    benches
}

#[tokio::test]
async fn a_create_that_is_carried_out_after_its_answer_makes_exactly_one_person() {
    let one_after = async |(n, (fault, Bench { fake, client, .. })): (usize, (Fault, Bench))| {
        fake.behave(|b| b.duplicate = Duplicate::Allow);
        fake.fault("POST", fault);
        let email = "jane@example.com";
        let created = client.create_or_find(&key(email), &attributes(email), false).await.unwrap();
        assert!(matches!(created, Creation::Recovered(_)), "fault {n}: {created:?}");
        assert_eq!((fake.count("POST"), fake.account().people.len()), (1, 1), "fault {n}");
    };
    let all = patient_benches().await.into_iter().enumerate();
    futures::future::join_all(all.map(one_after)).await;
}

#[tokio::test]
async fn a_step_that_is_carried_out_after_its_answer_is_done_exactly_once() {
    let one_after = async |(n, (fault, Bench { fake, client, .. })): (usize, (Fault, Bench))| {
        let crm = ClinchCrm::new(client, SeenSource::new(|| {}));
        let jane = ClinchId::parse(&fake.add("jane@example.com")).unwrap();
        let id = |text| ClinchId::parse(text).unwrap();
        fake.fault("POST", fault.clone());
        assert!(crm.ensure_attachment(&jane, &resume(), Ensure::Missing).await.unwrap());
        assert_eq!((fake.count("POST"), fake.account().parts.len()), (1, 1), "file, fault {n}");
        fake.fault("POST", fault.clone());
        let stage = JobStage { job: id("7"), stage: id("s1") };
        assert!(crm.ensure_application(&jane, &stage, Ensure::Missing).await.unwrap());
        fake.fault("POST", fault);
        assert!(crm.ensure_activity(&jane, "tag", "rust", Ensure::Missing).await.unwrap());
        assert_eq!((fake.count("POST"), fake.account().parts.len()), (3, 3), "fault {n}");
    };
    let all = patient_benches().await.into_iter().enumerate();
    futures::future::join_all(all.map(one_after)).await;
}

#[tokio::test]
async fn a_create_that_is_not_answered_in_time_stays_undecided_unless_it_is_found() {
    let Bench { fake, client, .. } = bench().await;
    fake.fault("POST", Fault::Stall);
    let email = "jane@example.com";
    let lost = client.create_or_find(&key(email), &attributes(email), false).await.unwrap_err();
    assert_eq!(lost, ClinchError::Ambiguous(Doubt::Timeout));
    assert_eq!((fake.count("POST"), fake.account().people.len()), (1, 0), "not sent again");

    // Carried out after the wait for its answer, between the two look-ups that follow.
    fake.fault("POST", Fault::StallUntilRead);
    let created = client.create_or_find(&key(email), &attributes(email), true).await.unwrap();
    assert!(matches!(created, Creation::Recovered(_)), "{created:?}");
    assert_eq!((fake.count("POST"), fake.account().people.len()), (2, 1));
}

#[tokio::test]
async fn a_step_that_is_not_answered_in_time_is_not_written_again() {
    let Bench { fake, client, .. } = bench().await;
    let crm = ClinchCrm::new(client, SeenSource::new(|| {}));
    let jane = ClinchId::parse(&fake.add("jane@example.com")).unwrap();
    fake.fault("POST", Fault::Stall);
    let lost = crm.ensure_attachment(&jane, &resume(), Ensure::Missing).await.unwrap_err();
    assert!(matches!(lost, CrmFailure::Later { .. }), "{lost:?}");
    assert_eq!((fake.count("POST"), fake.account().parts.len()), (1, 0));
}

#[tokio::test]
async fn the_quiet_wait_grows_with_how_long_creates_take() {
    let Bench { fake, client, .. } = bench_with(|config| {
        config.timeouts.attempt = Duration::from_secs(10);
        config.timeouts.orphaned = Duration::from_secs(10);
        config.timeouts.quiet = Duration::from_millis(50);
    })
    .await;
    fake.behave(|b| b.duplicate = Duplicate::Allow);
    assert_eq!(client.lookup_delay(), Duration::from_millis(50));
    assert_eq!(client.longest_request(), Duration::from_secs(10));
    let slow = Duration::from_millis(300);
    fake.fault("POST", Fault::ServeAfter(slow));
    client.create(&attributes("joan@example.com")).await.unwrap();
    assert!(client.lookup_delay() >= 2 * slow, "{:?}", client.lookup_delay());

    fake.fault("POST", Fault::AnswerThenServe(answer(504, DATE, ""), slow));
    let email = "jane@example.com";
    let created = client.create_or_find(&key(email), &attributes(email), false).await.unwrap();
    assert!(matches!(created, Creation::Recovered(_)), "{created:?}");
    assert_eq!(fake.account().people.len(), 2, "Joan and one Jane");
}

#[tokio::test]
async fn the_quiet_wait_is_never_longer_than_an_answer_is_awaited() {
    let Bench { fake, client, .. } =
        bench_with(|config| config.timeouts.attempt = Duration::from_secs(2)).await;
    fake.fault("POST", Fault::ServeAfter(Duration::from_millis(1100)));
    client.create(&attributes("joan@example.com")).await.unwrap();
    assert_eq!(client.lookup_delay(), Duration::from_secs(2));
}

#[tokio::test]
async fn an_answer_of_the_application_without_an_id_needs_no_quiet_wait() {
    let Bench { fake, client, .. } = bench_with(|config| {
        config.timeouts.attempt = Duration::from_secs(120);
        config.timeouts.quiet = Duration::from_secs(60);
    })
    .await;
    let start = Instant::now();
    for (email, status) in [("jane@example.com", 201), ("joan@example.com", 200)] {
        fake.fault("POST", Fault::ServeThen(answer(status, DATE, r#"{"data":{"attributes":{}}}"#)));
        let created = client.create_or_find(&key(email), &attributes(email), false).await.unwrap();
        assert!(matches!(created, Creation::Recovered(_)), "{created:?}");
    }
    client.await_doubt(Doubt::NoId).await;
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
}

#[tokio::test]
async fn the_total_costs_one_small_request_and_pages_count_who_was_seen() {
    let Bench { fake, client, .. } = bench().await;
    for n in 0..70 {
        fake.add(&format!("p{n}@example.com"));
    }
    assert_eq!(client.total().await.unwrap(), Some(70));
    let asked = fake.account().requests.clone();
    assert_eq!(asked, ["GET /v2/candidates?page=1&per_page=1"]);
    fake.behave(|b| b.page_cap = 30);
    let (mut seen, mut cursor) = (Vec::new(), Some(Cursor::first()));
    while let Some(at) = cursor {
        let page = client.page(at).await.unwrap();
        assert!(!page.cut_off);
        seen.push(page.seen);
        cursor = page.next;
    }
    assert_eq!(seen, [30, 60, 70, 70]);
}

#[tokio::test]
async fn integrations_of_one_account_meet_its_outage_together_and_a_401_alone() {
    let fake = Fake::start().await;
    let seen = Arc::new(Seen::default());
    let registry = Registry::new(deps(&fake.origin(), &seen));
    let config = config(&fake.origin());
    let one = registry.client("one", &config).unwrap();
    let other = registry.client("other", &config).unwrap();
    for _ in 0..5 {
        fake.fault("POST", Fault::Raw(answer(503, DATE, "")));
        one.create(&attributes("jane@example.com")).await.unwrap_err();
    }
    let silent = other.create(&attributes("jane@example.com")).await.unwrap_err();
    assert!(matches!(silent, ClinchError::Unavailable { status: None, .. }), "{silent:?}");
    assert_eq!(fake.count("POST"), 5, "nothing was sent for the other");
    other.probe().await.unwrap();

    fake.behave(|b| b.accept_credentials = false);
    assert_eq!(one.verify().await.unwrap_err(), ClinchError::Unauthorized);
    fake.behave(|b| b.accept_credentials = true);
    assert_eq!(one.verify().await.unwrap_err(), ClinchError::Unauthorized, "known as rejected");
    assert!(!*other.rejected().borrow());
    other.verify().await.expect("the rejection is the other client's");
}

#[tokio::test]
async fn the_layer_never_repeats_a_doubtful_create_by_itself() {
    let Bench { fake, client, .. } = bench().await;
    fake.fault("POST", Fault::CutAfter);
    let lost = client.create(&attributes("jane@example.com")).await.unwrap_err();
    assert_eq!(lost, ClinchError::Ambiguous(Doubt::Cut));
    assert_eq!(fake.count("POST"), 1);
    fake.fault("POST", Fault::Stall);
    let lost = client.create(&attributes("joan@example.com")).await.unwrap_err();
    assert_eq!(lost, ClinchError::Ambiguous(Doubt::Timeout));
    assert_eq!(fake.count("POST"), 2);
}

#[tokio::test]
async fn a_person_who_is_there_is_found_under_every_duplicate_rule() {
    for (duplicate, expected) in [
        (Duplicate::Reject422, "found"),
        (Duplicate::Conflict409, "found"),
        (Duplicate::Upsert200, "upserted"),
    ] {
        let Bench { fake, client, .. } = bench().await;
        fake.behave(|b| b.duplicate = duplicate);
        let email = "jane@example.com";
        let id = fake.add(email);
        // The caller's knowledge is stale: the person was created after its look-up.
        let created = client.create_or_find(&key(email), &attributes(email), true).await.unwrap();
        let (how, there) = match created {
            Creation::Found(people) => ("found", people[0].id.to_string()),
            Creation::Upserted(person) => ("upserted", person.id.to_string()),
            other => panic!("{other:?}"),
        };
        assert_eq!((how, there), (expected, id));
        let found = client.create_or_find(&key(email), &attributes(email), false).await.unwrap();
        assert!(matches!(found, Creation::Found(_)));
        assert_eq!(fake.count("POST"), 1);
        assert_eq!(fake.account().people.len(), 1);
    }
}

#[tokio::test]
async fn a_refused_record_is_reported_with_its_fields_and_created_only_when_fixed() {
    let Bench { fake, client, .. } = bench().await;
    let body = r#"{"errors":[{"detail":"Zyzzyva","source":{"pointer":"/data/attributes/email"}}]}"#;
    fake.fault("POST", Fault::Raw(answer(422, DATE, body)));
    let email = "zyzzyva@example.com";
    let error = client.create_or_find(&key(email), &attributes(email), false).await.unwrap_err();
    let expected = ClinchError::Rejected { status: 422, fields: vec!["email".into()] };
    assert_eq!(error, expected);
    assert!(!format!("{error} {error:?}").to_lowercase().contains("zyzzyva"));
}

#[tokio::test]
async fn reads_survive_limits_outages_cuts_and_stalls() {
    let Bench { fake, seen, client } = bench().await;
    fake.add("jane@example.com");
    let start = Instant::now();
    fake.fault("GET", Fault::Raw(raw(429, "retry-after: 1\r\n", "")));
    client.find(&key("jane@example.com")).await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1), "{:?}", start.elapsed());
    for fault in [Fault::Raw(answer(503, DATE, "")), Fault::CutBefore, Fault::Stall] {
        fake.fault("GET", fault);
        assert_eq!(client.find(&key("jane@example.com")).await.unwrap().len(), 1);
    }
    let classes: Vec<_> = seen.attempts.lock().unwrap().iter().map(|(_, class)| *class).collect();
    assert_eq!(classes, ["4xx", "2xx", "5xx", "2xx", "none", "2xx", "abandoned", "2xx"]);
}

#[tokio::test]
async fn answers_that_are_not_clinch_are_named() {
    let Bench { fake, client, .. } = bench().await;
    let html = "content-type: text/html\r\n";
    for (answer, sign) in [
        (raw(302, "location: http://127.0.0.1:9/\r\n", ""), NotClinchSign::Redirect),
        (raw(200, html, "<html>"), NotClinchSign::Html),
        (raw(200, "", r#"{"ok":true}"#), NotClinchSign::NoData),
        (raw(200, "", r#"{"data":[{"id":"#), NotClinchSign::NoData),
        (raw(404, html, "<html>"), NotClinchSign::NoList),
    ] {
        fake.fault("GET", Fault::Raw(answer));
        assert_eq!(client.verify().await.unwrap_err(), ClinchError::NotClinch(sign));
    }
}

#[tokio::test]
async fn an_answer_is_cut_off_at_its_cap_also_when_it_is_compressed() {
    let Bench { fake, client, .. } = bench().await;
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    bomb.write_all(&vec![b' '; 64 * 1024 * 1024]).unwrap();
    let bomb = bomb.finish().unwrap();
    assert!(bomb.len() < 100_000);
    fake.fault("GET", Fault::Raw(raw(200, "content-encoding: gzip\r\n", &bomb)));
    assert_eq!(client.verify().await.unwrap_err(), ClinchError::TooLarge);
    fake.fault("GET", Fault::Raw(raw(200, "", vec![b' '; 5 * 1024 * 1024])));
    assert_eq!(client.verify().await.unwrap_err(), ClinchError::TooLarge);
}

#[tokio::test]
async fn a_401_stops_every_later_call_until_a_probe_is_accepted() {
    let Bench { fake, seen, client } = bench().await;
    let mut rejected = client.rejected();
    fake.behave(|b| b.accept_credentials = false);
    assert_eq!(client.verify().await.unwrap_err(), ClinchError::Unauthorized);
    assert!(*rejected.borrow_and_update());
    assert_eq!(seen.rejected.lock().unwrap().as_slice(), ["uid"]);
    for _ in 0..5 {
        assert_eq!(client.verify().await.unwrap_err(), ClinchError::Unauthorized);
    }
    assert_eq!(fake.count("GET"), 1, "a rejected credential is not sent again");
    assert_eq!(client.probe().await.unwrap_err(), ClinchError::Unauthorized);
    fake.behave(|b| b.accept_credentials = true);
    assert!(client.verify().await.is_err());
    client.probe().await.unwrap();
    client.verify().await.unwrap();
    assert!(!*rejected.borrow_and_update());
    assert_eq!(seen.rejected.lock().unwrap().len(), 1, "reported once");
}

#[tokio::test]
async fn a_wrong_clock_is_distinguished_from_a_wrong_credential() {
    let Bench { fake, client, .. } = bench().await;
    fake.behave(|b| {
        b.accept_credentials = false;
        b.date = "Thu, 05 Mar 2026 12:20:00 GMT".into();
    });
    let skew = client.verify().await.unwrap_err();
    assert_eq!(skew, ClinchError::ClockSkew { seconds: 1200 });
    fake.behave(|b| b.accept_credentials = true);
    client.verify().await.expect("a skew says nothing about the credential");
}

#[tokio::test]
async fn an_outage_is_answered_with_silence_until_it_is_time_to_probe() {
    let Bench { fake, client, .. } = bench().await;
    for _ in 0..20 {
        fake.fault("POST", Fault::Raw(answer(503, DATE, "")));
    }
    for _ in 0..5 {
        let doubt = client.create(&attributes("jane@example.com")).await.unwrap_err();
        assert_eq!(doubt, ClinchError::Ambiguous(Doubt::Status(503)));
    }
    let sent = fake.account().requests.len();
    let silent = client.create(&attributes("jane@example.com")).await.unwrap_err();
    assert!(
        matches!(silent, ClinchError::Unavailable { status: None, retry_after: Some(_) }),
        "{silent:?}"
    );
    assert_eq!(fake.account().requests.len(), sent);
    client.probe().await.unwrap();
    client.verify().await.expect("an accepted probe opens it");
}

#[tokio::test]
async fn an_address_cannot_add_parameters_to_a_look_up() {
    let Bench { fake, client, .. } = bench().await;
    let hostile = "a&per_page=1#b?c=d/../e%26f+g\r\nh;i@example.org";
    // The fake answers nobody, or everybody: the test checks the request.
    let _answer = client.find(&key(hostile)).await;
    let asked = fake.account().requests.pop().unwrap();
    let (method, target) = asked.split_once(' ').unwrap();
    let url = url::Url::parse(&format!("{}{target}", fake.origin())).unwrap();
    assert_eq!((method, url.path(), url.fragment()), ("GET", "/v2/candidates", None));
    let names: Vec<String> = url.query_pairs().map(|(name, _)| name.into_owned()).collect();
    assert_eq!(names, ["page", "per_page", "filter[email]"]);
    let value = url.query_pairs().last().unwrap().1.into_owned();
    assert_eq!(value, key(hostile).expose());
}

#[tokio::test]
async fn nothing_is_sent_to_an_endpoint_that_is_not_allowed() {
    let fake = Fake::start().await;
    let seen = Arc::new(Seen::default());
    let mut around = deps(&fake.origin(), &seen);
    around.allowed = AllowedEndpoints::documented();
    let refused = Client::connect("uid", config(&fake.origin()), &around);
    assert!(matches!(refused, Err(ConnectError::EndpointNotAllowed(_))));
    assert!(fake.account().requests.is_empty());
}

struct Rebound;

impl clinch_operator::network::Resolver for Rebound {
    fn resolve(
        &self,
        _: String,
    ) -> futures::future::BoxFuture<'static, std::io::Result<Vec<std::net::IpAddr>>> {
        Box::pin(async { Ok(vec!["127.0.0.1".parse().unwrap()]) })
    }
}

#[tokio::test]
async fn a_documented_host_that_resolves_to_a_private_address_is_refused() {
    let seen = Arc::new(Seen::default());
    let mut around = deps("https://unused.example", &seen);
    around.allowed = AllowedEndpoints::documented();
    around.resolver = Arc::new(Rebound);
    let mut config = config("https://unused.example");
    config.endpoint = Endpoint::of_region(Region::Us);
    let client = Client::connect("uid", config, &around).unwrap();
    assert_eq!(client.verify().await.unwrap_err(), ClinchError::EndpointNotAllowed);
}

#[tokio::test]
async fn unreachable_and_tls_failures_are_distinguished() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Arc::new(Seen::default());
    // A server that speaks no TLS.
    let answering = tokio::spawn(async move {
        let mut hello = [0; 16];
        let (mut stream, _) = listener.accept().await.unwrap();
        drop(listener);
        stream.read_exact(&mut hello).await.unwrap();
        stream.write_all(b"HTTP/1.1 400 x\r\n\r\n").await.unwrap();
        std::future::pending::<()>().await;
    });
    let origin = format!("https://127.0.0.1:{port}");
    let client = Client::connect("uid", config(&origin), &deps(&origin, &seen)).unwrap();
    assert_eq!(client.verify().await.unwrap_err(), ClinchError::Tls);
    answering.abort();
    let _ = answering.await;
    assert_eq!(client.verify().await.unwrap_err(), ClinchError::Unreachable);
}

#[tokio::test]
async fn a_published_document_and_corrections_rename_everything() {
    let Bench { fake, client, .. } = bench().await;
    let document = json!({"openapi": "3.0.3", "paths": {
        "/people": {
            "get": {"operationId": "listCandidates", "parameters": [
                {"name": "page[number]", "in": "query", "schema": {"type": "integer"}},
                {"name": "page[size]", "in": "query", "schema": {"maximum": 10}},
                {"name": "filter", "in": "query", "style": "deepObject",
                    "schema": {"properties": {"email_address": {}}}}]},
            "post": {"operationId": "createCandidate", "requestBody": {"content": {
                "application/vnd.api+json": {"schema": {"properties": {"data": {"properties": {
                    "attributes": {"required": ["email_address"], "properties": {
                        "email_address": {"type": "string", "format": "email"}}}}}}}}}}},
        },
        "/people/{uuid}": {"patch": {}, "get": {"operationId": "getCandidate"}},
    }});
    fake.behave(|b| {
        (b.people_path, b.email, b.page_cap) = ("/people", "email_address", 10);
        b.document = Some(document);
    });
    let discovered = discover(&client.openapi().await.unwrap()).unwrap();
    let mut overrides = Overrides::default();
    overrides.path("updateCandidate", "/people/{candidate_id}").unwrap();
    let mut config = config(&fake.origin());
    config.contract = Arc::new(discovered.with(&overrides));
    let seen = Arc::new(Seen::default());
    let client = Client::connect("uid", config, &deps(&fake.origin(), &seen)).unwrap();
    for n in 0..25 {
        let email = format!("p{n}@example.com");
        let person = json!({"email_address": email}).as_object().unwrap().clone();
        client.create_or_find(&key(&email), &person, false).await.unwrap();
    }
    let found = client.find(&key("P7@example.com")).await.unwrap();
    let change = json!({"first_name": "Joan"}).as_object().unwrap().clone();
    client.update(&found[0].id, &change).await.unwrap();
    assert_eq!(everyone(&client).await.len(), 25);
    let refused = client.jobs().await.unwrap_err();
    assert!(matches!(refused, ClinchError::Unsupported(what) if what.op() == Op::ListJobs));
}

#[tokio::test]
async fn jobs_applications_files_and_activities_are_read_and_written() {
    let Bench { fake, client, .. } = bench().await;
    let candidate = ClinchId::parse(&fake.add("jane@example.com")).unwrap();
    assert_eq!(client.jobs().await.unwrap().len(), 2);
    assert_eq!(client.job_by("7").await.unwrap().reference.as_deref(), Some("R-7"));
    let job = client.job_by("R-8").await.unwrap();
    assert_eq!(job.id.as_str(), "8");
    assert_eq!(client.job_by("R-9").await.unwrap_err(), ClinchError::NotFound);
    let seven = ClinchId::parse("7").unwrap();
    let stage = client.stages(&seven).await.unwrap().remove(0);
    assert_eq!(stage.name, "New");

    assert!(client.applications(&candidate).await.unwrap().is_empty());
    let application = client.apply(&candidate, &seven, Some(&stage.id)).await.unwrap();
    let there = client.applications(&candidate).await.unwrap().remove(0);
    assert_eq!((there.id, there.job, there.stage), (application, Some(seven), Some(stage.id)));

    let file =
        File { name: "cv.pdf", content_type: "application/pdf", bytes: b"%PDF-", kind: "resume" };
    client.attach(&candidate, &file).await.unwrap();
    let attached = client.attachments(&candidate).await.unwrap().remove(0);
    assert_eq!(attached.file_name.as_deref(), Some("cv.pdf"));
    assert_eq!(fake.account().parts[1].1["attributes"]["content"], "JVBERi0=");

    client.add_activity(&candidate, "tag", "rust").await.unwrap();
    let activity = client.activities(&candidate).await.unwrap().remove(0);
    assert_eq!(activity.body.as_deref(), Some("rust"));

    fake.fault("POST", Fault::CutAfter);
    let lost = client.add_activity(&candidate, "tag", "k8s").await.unwrap_err();
    assert_eq!(lost, ClinchError::Ambiguous(Doubt::Cut));
    assert_eq!(client.activities(&candidate).await.unwrap().len(), 2, "sent once");
}

#[tokio::test]
async fn an_assumed_write_is_not_sent_in_production_without_consent() {
    let Bench { fake, client, .. } =
        bench_with(|config| config.environment = Environment::Production).await;
    let candidate = ClinchId::parse("p0").unwrap();
    let refused = client.add_activity(&candidate, "tag", "rust").await.unwrap_err();
    assert!(matches!(refused, ClinchError::Unsupported(_)));
    assert!(fake.account().requests.is_empty());
}

#[tokio::test]
async fn a_process_without_the_right_to_write_sends_no_write() {
    let fake = Fake::start().await;
    let seen = Arc::new(Seen::default());
    let mut around = deps(&fake.origin(), &seen);
    around.fence = Fence::new(|| false);
    let client = Client::connect("uid", config(&fake.origin()), &around).unwrap();
    client.verify().await.unwrap();
    let refused = client.create(&attributes("jane@example.com")).await.unwrap_err();
    assert_eq!(refused, ClinchError::Fenced);
    assert_eq!(fake.count("POST"), 0);
}

#[tokio::test]
async fn the_same_inputs_give_the_same_client_and_a_new_secret_keeps_what_was_learned() {
    let fake = Fake::start().await;
    let seen = Arc::new(Seen::default());
    let registry = Registry::new(deps(&fake.origin(), &seen));
    let config = config(&fake.origin());
    let client = registry.client("uid", &config).unwrap();
    assert!(client.is_same(&registry.client("uid", &config).unwrap()));
    assert!(!client.is_same(&registry.client("other", &config).unwrap()));

    // The bucket learns of a limit, then the Secret changes.
    fake.fault("GET", Fault::Raw(raw(429, "retry-after: 2\r\n", "")));
    let mut hasty = config.clone();
    hasty.timeouts.operation = Duration::from_secs(1);
    let hasty = registry.client("uid", &hasty).unwrap();
    let limited = hasty.verify().await.unwrap_err();
    assert!(matches!(limited, ClinchError::RateLimited { .. }), "{limited:?}");
    let mut rotated = config.clone();
    rotated.credentials = Credentials::parse(KEY, "another").unwrap();
    let rotated = registry.client("uid", &rotated).unwrap();
    assert!(!client.is_same(&rotated));
    let start = Instant::now();
    assert_eq!(rotated.verify().await.unwrap_err(), ClinchError::Unauthorized);
    assert!(start.elapsed() > Duration::from_secs(1), "the pause is the integration's");

    // The rejection belongs to the client: the right Secret makes another client.
    registry.client("uid", &config).unwrap().verify().await.unwrap();
    registry.forget("uid");
    assert!(registry.current("uid").is_none());
}
