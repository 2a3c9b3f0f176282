//! Every answer of an endpoint, on paused time and without a socket.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::{domain::ClinchId, network::NoAnswer, storage::ServerFault};

type Script = Box<dyn FnMut(usize, &Value) -> Result<Posted, WriteFault> + Send>;

/// Answers by number of the request and body.
struct Scripted {
    script: Mutex<Script>,
    seen: Mutex<Vec<(HeaderMap, Bytes)>>,
}

impl Poster for &Scripted {
    async fn post(&self, headers: HeaderMap, body: Bytes) -> Result<Posted, WriteFault> {
        tokio::task::yield_now().await;
        let at = {
            let mut seen = self.seen.lock().unwrap();
            seen.push((headers, body.clone()));
            seen.len() - 1
        };
        let read = serde_json::from_slice(&body).unwrap();
        (self.script.lock().unwrap())(at, &read)
    }

    fn shown(&self) -> String {
        "https://hooks.example.com/in".to_owned()
    }
}

impl Scripted {
    fn new(
        script: impl FnMut(usize, &Value) -> Result<Posted, WriteFault> + Send + 'static,
    ) -> Self {
        Self { script: Mutex::new(Box::new(script)), seen: Mutex::default() }
    }

    /// The bodies by webhook id.
    fn bodies(&self) -> BTreeMap<String, BTreeSet<Bytes>> {
        let mut found: BTreeMap<String, BTreeSet<Bytes>> = BTreeMap::new();
        for (headers, body) in self.seen.lock().unwrap().iter() {
            let id = headers["webhook-id"].to_str().unwrap().to_owned();
            assert_eq!(headers["idempotency-key"], format!("\"{id}\"").as_str());
            found.entry(id).or_default().insert(body.clone());
        }
        found
    }

    fn requests(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

#[expect(clippy::unnecessary_wraps, reason = "as a poster answers")]
fn answer(status: u16) -> Result<Posted, WriteFault> {
    Ok(Posted { status, retry_after: None })
}

fn gate() -> SinkGate {
    SinkGate {
        fence: Fence::open(),
        grant: Grant::new(|| GrantState::Valid),
        cancel: CancellationToken::new(),
        reports: watch::Sender::new(ImportProgress::default()),
    }
}

fn sink(poster: &Scripted, gate: SinkGate) -> HttpSink<&Scripted> {
    let fields = [("key".to_owned(), Bytes::from_static(b"0123456789abcdef01234567"))];
    let settings = HttpSinkSettings {
        import: ImportName { namespace: "a".into(), name: "b".into(), uid: "uid".into() },
        max_records: 4,
        max_bytes: 1 << 20,
        keys: WebhookKeys::of_fields(&fields.into()).unwrap(),
    };
    let start = Instant::now();
    let epoch = Timestamp::from_second(1_790_000_000).unwrap();
    HttpSink::new(poster, settings, gate, Clock::new(move || epoch + start.elapsed()))
}

fn batch(people: usize) -> Batch {
    let ids = (0..people).map(|n| ClinchId::parse(&format!("c{n}")).unwrap()).collect();
    let lines: Vec<String> = (0..people).map(|n| format!("{}\n", json!({ "n": n }))).collect();
    let lines = lines.concat();
    Batch { number: 7, ids, lines: lines.into() }
}

async fn deliver(sink: &HttpSink<&Scripted>, batch: &Batch) -> Result<Delivered, SinkFault> {
    sink.deliver(batch, &mut Patience { refused: 0, most: 1000 }).await
}

fn failed(result: Result<Delivered, SinkFault>) -> (Disposition, String) {
    match result {
        Err(SinkFault::Failed { disposition, message }) => (disposition, message),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn batches_are_numbered_signed_and_taken() {
    let poster = Scripted::new(|_, _| answer(202));
    let sink = sink(&poster, gate());
    let delivered = deliver(&sink, &batch(10)).await.unwrap();
    assert_eq!((delivered.last, delivered.refused), (9, Vec::new()));
    let seen = poster.seen.lock().unwrap();
    let numbers: Vec<Value> = seen
        .iter()
        .map(|(_, body)| serde_json::from_slice::<Value>(body).unwrap()["batch"].clone())
        .collect();
    assert_eq!(numbers, [7, 8, 9]);
    let (headers, body) = &seen[0];
    assert_eq!(headers["content-type"], "application/json");
    let (id, at) = (headers["webhook-id"].to_str().unwrap(), 1_790_000_000);
    assert_eq!(headers["webhook-timestamp"], at.to_string().as_str());
    let expected = sink.settings.keys.sign(id, at, body);
    assert_eq!(headers["webhook-signature"], expected.as_str());
}

#[tokio::test(start_paused = true)]
async fn what_passes_is_tried_again_with_the_same_bytes_and_a_new_signature() {
    let cut = || Err(WriteFault::Server(ServerFault::NoAnswer(NoAnswer::Cut)));
    let poster = Scripted::new(move |at, _| match at {
        0..3 => answer(500),
        3 => Ok(Posted { status: 429, retry_after: Some("60".to_owned()) }),
        4 => cut(),
        5 => Err(WriteFault::TimedOut(Duration::from_secs(30))),
        _ => answer(200),
    });
    let started = Instant::now();
    deliver(&sink(&poster, gate()), &batch(3)).await.unwrap();
    let took = started.elapsed();
    assert!(took >= Duration::from_secs(60) && took < Duration::from_secs(90), "{took:?}");
    let bodies = poster.bodies();
    assert_eq!((bodies.len(), poster.requests()), (1, 7));
    assert!(bodies.values().all(|bodies| bodies.len() == 1));
    let seen = poster.seen.lock().unwrap();
    let signature = |at: usize| seen[at].0["webhook-signature"].clone();
    assert_ne!(signature(0), signature(6), "the time is signed");
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_stays_away_ends_the_run_after_a_quarter_of_an_hour() {
    let poster = Scripted::new(|_, _| answer(503));
    let started = Instant::now();
    let (disposition, message) = failed(deliver(&sink(&poster, gate()), &batch(3)).await);
    assert_eq!(disposition, Disposition::retry(Reason::DestinationUnreachable));
    let expected = "https://hooks.example.com/in answers with status 503; attempts: ";
    assert!(message.starts_with(expected), "{message}");
    let took = started.elapsed();
    assert!(took > Duration::from_mins(13) && took <= Duration::from_mins(15), "{took:?}");
    assert!(poster.requests() < 40, "{}", poster.requests());
    // More than that is not waited for in the run.
    let asks = || Ok(Posted { status: 503, retry_after: Some("3600".to_owned()) });
    let poster = Scripted::new(move |_, _| asks());
    let (disposition, _) = failed(deliver(&sink(&poster, gate()), &batch(3)).await);
    let (reason, after) = (Reason::DestinationUnreachable, Duration::from_hours(1));
    assert_eq!((disposition, poster.requests()), (Disposition::Retry { reason, after }, 1));
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_refused_is_halved_down_to_the_record_at_fault() {
    for status in [400, 413, 422] {
        let poster = Scripted::new(move |_, body| {
            let records = body["records"].as_array().unwrap();
            let at_fault = records.iter().any(|record| record["n"] == 5);
            answer(if at_fault { status } else { 200 })
        });
        let delivered = deliver(&sink(&poster, gate()), &batch(10)).await.unwrap();
        let [refused] = &delivered.refused[..] else { panic!("{:?}", delivered.refused) };
        assert_eq!((refused.at, refused.id.as_str()), (5, "c5"));
        assert_eq!(refused.cause.reason, Reason::SinkRejected);
        assert!(refused.cause.message.contains(&status.to_string()));
        assert_eq!(delivered.last, 9, "halves have the number of their batch");
        // Two whole batches; and one, its halves, and the halves of the one at fault.
        assert_eq!((poster.requests(), poster.bodies().len()), (7, 7));
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_refuses_everybody_gets_no_more_than_it_may_refuse() {
    let poster = Scripted::new(|_, _| answer(422));
    let mut patience = Patience { refused: 0, most: 300 };
    let sink = sink(&poster, gate());
    let delivered = sink.deliver(&batch(500), &mut patience).await.unwrap();
    let gave_up = delivered.gave_up.unwrap();
    assert_eq!(gave_up.disposition, Disposition::Stalled { reason: Reason::SinkRejected });
    assert!(gave_up.message.contains("300 people in a row"), "{}", gave_up.message);
    assert_eq!((delivered.refused.len(), gave_up.from), (300, 300));
    assert_eq!(delivered.last, 7 + 75, "four of a batch");
    // Batches, their halves and their records up to a hundred; then batches and records.
    let expected = 25 * 7 + 50 * 5 + 2;
    assert_eq!(poster.requests(), expected);
    // One who is taken sets the count back to 0.
    let poster = Scripted::new(|_, body| {
        let taken = body["records"].as_array().unwrap().iter().all(|one| one["n"] == 299);
        answer(if taken { 200 } else { 422 })
    });
    let mut patience = Patience { refused: 0, most: 300 };
    let delivered = self::sink(&poster, gate()).deliver(&batch(500), &mut patience).await.unwrap();
    assert_eq!((delivered.refused.len(), delivered.gave_up, patience.refused), (499, None, 200));
}

#[tokio::test(start_paused = true)]
async fn what_the_last_attempt_met_is_shown_until_one_is_answered() {
    let gate = gate();
    let mut seen = gate.reports.subscribe();
    let poster = Scripted::new(|at, _| answer(if at < 3 { 503 } else { 200 }));
    let sink = sink(&poster, gate);
    let started = Instant::now();
    let watching = async {
        let shown = seen.wait_for(|progress| progress.trouble.is_some()).await.unwrap().clone();
        (shown.trouble.unwrap(), started.elapsed())
    };
    let batch = batch(3);
    let (delivered, (trouble, after)) = tokio::join!(deliver(&sink, &batch), watching);
    assert_eq!(delivered.unwrap().last, 7);
    assert_eq!(trouble.cause.reason, Reason::DestinationUnreachable);
    assert_eq!(trouble.cause.message, "https://hooks.example.com/in answers with status 503");
    assert!(trouble.until > trouble.since && after < Duration::from_secs(1), "{after:?}");
    assert_eq!(seen.borrow().trouble, None, "one was answered");
}

#[tokio::test(start_paused = true)]
async fn what_only_a_person_can_mend_is_not_tried_again() {
    for (status, says) in [
        (302, "redirects"),
        (308, "redirects"),
        (401, "signing key"),
        (403, "signing key"),
        (404, "path"),
        (410, "path"),
        (405, "URL"),
    ] {
        let poster = Scripted::new(move |_, _| answer(status));
        let (disposition, message) = failed(deliver(&sink(&poster, gate()), &batch(3)).await);
        assert_eq!(disposition, Disposition::Stalled { reason: Reason::DestinationDenied });
        assert!(message.contains(says) && message.contains(&status.to_string()), "{message}");
        assert_eq!(poster.requests(), 1);
    }
    let refused = || Err(WriteFault::Server(ServerFault::NoAnswer(NoAnswer::AddressRefused)));
    let poster = Scripted::new(move |_, _| refused());
    let (disposition, _) = failed(deliver(&sink(&poster, gate()), &batch(3)).await);
    assert_eq!(disposition, Disposition::Stalled { reason: Reason::DestinationNotAllowed });
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_once_the_run_may_not() {
    let closed = [
        SinkGate { fence: Fence::new(|| false), ..gate() },
        SinkGate { grant: Grant::new(|| GrantState::Revoked), ..gate() },
    ];
    for gate in closed {
        let poster = Scripted::new(|_, _| answer(200));
        let stopped = deliver(&sink(&poster, gate), &batch(3)).await;
        assert_eq!((stopped, poster.requests()), (Err(SinkFault::Stopped), 0));
    }
    // A run that is ended does not wait for the next attempt.
    let gate = gate();
    let cancel = gate.cancel.clone();
    let poster = Scripted::new(move |_, _| {
        cancel.cancel();
        answer(503)
    });
    let started = Instant::now();
    let stopped = deliver(&sink(&poster, gate), &batch(3)).await;
    assert_eq!((stopped, poster.requests()), (Err(SinkFault::Stopped), 1));
    assert!(started.elapsed() < Duration::from_millis(10));
}
