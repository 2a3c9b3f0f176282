//! The whole stack over a mock transport, on paused time.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use tower::{Service, ServiceExt as _};
use tower_test::mock::{self, Handle, SendResponse};

use super::{
    observe::{Attempt, Ended, Observer},
    sign::Signed,
    *,
};
use crate::{
    clinch::{bucket::Limits, contract::Effect, error::Doubt, wire::Outgoing},
    domain::Leave,
};

#[derive(Default)]
struct Seen(Mutex<Vec<(&'static str, Ended)>>);

impl Observer for Seen {
    fn attempt(&self, _: &str, attempt: &Attempt) {
        self.0.lock().unwrap().push((attempt.operation, attempt.ended));
    }
}

/// A stack on paused time whose clock follows it.
struct Bench {
    handle: Handle<Signed, Answer>,
    seen: Arc<Seen>,
    writable: Arc<AtomicBool>,
    account: Arc<Account>,
    send: Box<dyn Fn(Outgoing) -> tokio::task::JoinHandle<Result<Answer, Failure>> + Send>,
}

fn bench() -> Bench {
    let (mock, handle) = mock::pair::<Signed, Answer>();
    let transport =
        mock.map_err(|error| *error.downcast::<Failure>().expect("tests send failures"));
    let (seen, writable) = (Arc::new(Seen::default()), Arc::new(AtomicBool::new(true)));
    let limits = Limits { requests_per_second: Some(1000), max_in_flight: 8 };
    let account = Arc::new(Account::new(limits));
    let (start, held) = (Instant::now(), Arc::clone(&writable));
    let epoch: Timestamp = "2026-03-05T12:00:00Z".parse().unwrap();
    let parts = Parts {
        shutter: Shutter::default(),
        integration: "uid".into(),
        credentials: Credentials::parse("AKID", "secret").unwrap(),
        timeouts: Timeouts::default(),
        clock: Clock::new(move || epoch + SignedDuration::try_from(start.elapsed()).unwrap()),
        jitter: Jitter::new(|| 0.0),
        fence: Fence::new(move || held.load(Ordering::Relaxed)),
        account: Arc::clone(&account),
        observer: Arc::clone(&seen) as Arc<dyn Observer>,
    };
    let service = stack(parts, transport);
    let send = Box::new(move |outgoing| {
        let mut service = service.clone();
        tokio::spawn(async move { service.call(outgoing).await })
    });
    Bench { handle, seen, writable, account, send }
}

fn outgoing(effect: Effect) -> Outgoing {
    let url = "https://api.example.com/v2/candidates".parse().unwrap();
    Outgoing::new("op", effect, Method::GET, url)
}

impl Bench {
    fn call(&self, effect: Effect) -> tokio::task::JoinHandle<Result<Answer, Failure>> {
        (self.send)(outgoing(effect))
    }

    async fn next(&mut self) -> (Signed, SendResponse<Answer>) {
        self.handle.next_request().await.expect("another attempt")
    }
}

fn answer(status: u16, headers: &[(&'static str, &str)]) -> Answer {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, value.parse().unwrap());
    }
    let status = StatusCode::from_u16(status).unwrap();
    Answer { status, headers: map, body: Bytes::new() }
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_obeyed_and_every_attempt_has_its_own_date() {
    for delay in ["30", "Thu, 05 Mar 2026 12:00:30 GMT"] {
        let mut bench = bench();
        let result = bench.call(Effect::Create);
        let (first, reply) = bench.next().await;
        let start = Instant::now();
        reply.send_response(answer(429, &[("retry-after", delay)]));
        let (second, reply) = bench.next().await;
        assert!(start.elapsed() >= Duration::from_secs(29), "{delay}: {:?}", start.elapsed());
        assert_ne!(first.signature.date, second.signature.date);
        assert_ne!(first.signature.authorization, second.signature.authorization);
        reply.send_response(answer(201, &[]));
        assert_eq!(result.await.unwrap().unwrap().status, StatusCode::CREATED);
        let seen = bench.seen.0.lock().unwrap().clone();
        assert_eq!(seen, [("op", Ended::Status(429)), ("op", Ended::Status(201))]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_delay_beyond_the_deadline_is_told_at_once() {
    let mut bench = bench();
    let result = bench.call(Effect::Read);
    let start = Instant::now();
    bench.next().await.1.send_response(answer(429, &[("retry-after", "3000")]));
    assert_eq!(result.await.unwrap().unwrap().status, StatusCode::TOO_MANY_REQUESTS);
    assert!(start.elapsed() < Duration::from_secs(1));
    let waiting = bench.call(Effect::Read).await.unwrap();
    let Err(Failure::NoPermit { retry_after }) = waiting else { panic!("{waiting:?}") };
    assert!(retry_after > Duration::from_secs(2990), "{retry_after:?}");
}

#[tokio::test(start_paused = true)]
async fn no_create_is_repeated_once_its_outcome_is_in_doubt() {
    type Send = fn(SendResponse<Answer>);
    let ends: [(Send, Doubt); 3] = [
        (|reply| reply.send_error(Failure::Cut), Doubt::Cut),
        (|reply| reply.send_response(answer(502, &[])), Doubt::Status(502)),
        (|reply| reply.send_error(Failure::TimedOut), Doubt::Timeout),
    ];
    for (end, doubt) in ends {
        let mut bench = bench();
        let result = bench.call(Effect::Create);
        end(bench.next().await.1);
        assert_eq!(result.await.unwrap().unwrap_err(), Failure::InDoubt(doubt));
        assert_eq!(bench.seen.0.lock().unwrap().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_create_that_is_never_answered_is_in_doubt_and_a_read_is_tried_again() {
    let mut bench = bench();
    let create = bench.call(Effect::Create);
    let (_, unanswered) = bench.next().await;
    assert_eq!(create.await.unwrap().unwrap_err(), Failure::InDoubt(Doubt::Timeout));
    drop(unanswered);
    assert_eq!(bench.seen.0.lock().unwrap().as_slice(), [("op", Ended::Abandoned)]);

    let read = bench.call(Effect::Read);
    let (_, unanswered) = bench.next().await;
    let (_, reply) = bench.next().await;
    drop(unanswered);
    reply.send_response(answer(200, &[]));
    assert_eq!(read.await.unwrap().unwrap().status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_create_that_was_never_sent_is_repeated() {
    let mut bench = bench();
    let result = bench.call(Effect::Create);
    bench.next().await.1.send_error(Failure::NoConnection);
    bench.next().await.1.send_response(answer(201, &[]));
    assert_eq!(result.await.unwrap().unwrap().status, StatusCode::CREATED);
}

#[tokio::test(start_paused = true)]
async fn attempts_are_bounded() {
    let mut bench = bench();
    let result = bench.call(Effect::Read);
    for _ in 0..4 {
        bench.next().await.1.send_response(answer(503, &[]));
    }
    assert_eq!(result.await.unwrap().unwrap().status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(bench.seen.0.lock().unwrap().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn every_attempt_takes_a_permit() {
    let mut bench = bench();
    let limits = Limits { requests_per_second: Some(1), max_in_flight: 8 };
    bench.account.bucket().reconfigure(limits);
    let start = Instant::now();
    let result = bench.call(Effect::Read);
    for _ in 0..3 {
        bench.next().await.1.send_response(answer(500, &[]));
    }
    bench.next().await.1.send_response(answer(200, &[]));
    result.await.unwrap().unwrap();
    assert!(start.elapsed() >= Duration::from_millis(2900), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_write_is_not_sent_once_the_right_to_write_is_gone() {
    let mut bench = bench();
    let result = bench.call(Effect::Idempotent);
    let (_, reply) = bench.next().await;
    bench.writable.store(false, Ordering::Relaxed);
    reply.send_response(answer(503, &[]));
    assert_eq!(result.await.unwrap().unwrap_err(), Failure::Fenced);
    let read = bench.call(Effect::Read);
    bench.next().await.1.send_response(answer(200, &[]));
    read.await.unwrap().expect("reading needs no right to write");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_once_the_leave_is_withdrawn_and_others_go_on() {
    let mut bench = bench();
    let holds = Arc::new(AtomicBool::new(true));
    let asked = Arc::clone(&holds);
    let mut under = outgoing(Effect::Read);
    under.leave = Some(Leave::new(move || asked.load(Ordering::Relaxed)));
    let result = (bench.send)(under.clone());
    let (_, reply) = bench.next().await;
    holds.store(false, Ordering::Relaxed);
    reply.send_response(answer(429, &[("retry-after", "1")]));
    assert_eq!(result.await.unwrap().unwrap_err(), Failure::Withdrawn, "not repeated");
    assert_eq!((bench.send)(under).await.unwrap().unwrap_err(), Failure::Withdrawn);
    let other = bench.call(Effect::Read);
    bench.next().await.1.send_response(answer(200, &[]));
    other.await.unwrap().expect("somebody else may still ask");
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_gives_its_permit_back() {
    let mut bench = bench();
    bench
        .account
        .bucket()
        .reconfigure(Limits { requests_per_second: Some(1000), max_in_flight: 1 });
    let gone = bench.call(Effect::Read);
    let held = bench.next().await;
    gone.abort();
    let other = bench.call(Effect::Read);
    bench.next().await.1.send_response(answer(200, &[]));
    other.await.unwrap().unwrap();
    drop(held);
    assert_eq!(bench.seen.0.lock().unwrap()[0].1, Ended::Abandoned);
}

#[tokio::test(start_paused = true)]
async fn an_impatient_call_is_over_in_its_time_whatever_the_answers_say() {
    let mut bench = bench();
    let with = |patience| {
        let mut outgoing = outgoing(Effect::Read);
        outgoing.patience = patience;
        outgoing
    };
    let start = Instant::now();
    let asked = (bench.send)(with(Some(Duration::from_secs(10))));
    bench.next().await.1.send_response(answer(429, &[("retry-after", "12")]));
    assert_eq!(asked.await.unwrap().unwrap().status, StatusCode::TOO_MANY_REQUESTS);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());

    let start = Instant::now();
    let patient = (bench.send)(with(None));
    let (_, reply) = bench.next().await;
    assert!(start.elapsed() >= Duration::from_secs(11), "{:?}", start.elapsed());
    reply.send_response(answer(200, &[]));
    assert_eq!(patient.await.unwrap().unwrap().status, StatusCode::OK);

    let start = Instant::now();
    let stalled = (bench.send)(with(Some(Duration::from_secs(10))));
    let (_, unanswered) = bench.next().await;
    assert!(stalled.await.unwrap().is_err());
    assert!(start.elapsed() <= Duration::from_secs(11), "{:?}", start.elapsed());
    drop(unanswered);
}
