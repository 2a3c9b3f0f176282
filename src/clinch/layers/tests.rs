//! All layers over an in-memory transport, on paused time.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::Instant,
};

use super::{
    observe::{Attempt, Ended, Observer},
    transport::Transport,
    *,
};
use crate::{
    clinch::{
        bucket::Limits,
        contract::Effect,
        error::Doubt,
        footing::{Footing, Spent},
        wire::{Request, SignedRequest},
    },
    domain::{Grant, GrantState},
    network::NoAnswer,
};

#[derive(Default)]
struct Seen(Mutex<Vec<(&'static str, Ended)>>);

impl Observer for Seen {
    fn attempt(&self, _: &str, attempt: &Attempt) {
        self.0.lock().unwrap().push((attempt.operation, attempt.ended));
    }
}

/// Hands each attempt to the test and waits for its reply.
struct Manual(mpsc::UnboundedSender<(SignedRequest, Reply)>);

struct Reply(oneshot::Sender<Result<Response, CallError>>);

impl Reply {
    fn respond(self, response: Response) {
        self.0.send(Ok(response)).expect("the attempt waits for its reply");
    }

    fn fail(self, error: CallError) {
        self.0.send(Err(error)).expect("the attempt waits for its reply");
    }
}

impl Transport for Manual {
    fn send(&self, request: SignedRequest) -> BoxFuture<'_, Result<Response, CallError>> {
        let (reply, result) = oneshot::channel();
        self.0.send((request, Reply(reply))).expect("the test receives attempts");
        Box::pin(async move { result.await.expect("the test replies") })
    }
}

/// All layers, on paused time and with a clock that follows it.
struct Bench {
    attempts: mpsc::UnboundedReceiver<(SignedRequest, Reply)>,
    seen: Arc<Seen>,
    writable: Arc<AtomicBool>,
    account: Arc<Account>,
    stack: Arc<Stack>,
}

fn bench() -> Bench {
    let (sender, attempts) = mpsc::unbounded_channel();
    let (seen, writable) = (Arc::new(Seen::default()), Arc::new(AtomicBool::new(true)));
    let limits = Limits { requests_per_second: Some(1000), max_in_flight: 8 };
    let account = Arc::new(Account::new(limits));
    let (start, held) = (Instant::now(), Arc::clone(&writable));
    let epoch: Timestamp = "2026-03-05T12:00:00Z".parse().unwrap();
    let stack = Arc::new(stack(Parts {
        standing: CredentialStanding::default(),
        integration: "uid".into(),
        credentials: Credentials::parse("AKID", "secret").unwrap(),
        timeouts: Timeouts::default(),
        clock: Clock::new(move || epoch + SignedDuration::try_from(start.elapsed()).unwrap()),
        jitter: Jitter::new(|| 0.0),
        fence: Fence::new(move || held.load(Ordering::Relaxed)),
        account: Arc::clone(&account),
        observer: Arc::clone(&seen) as Arc<dyn Observer>,
        transport: Arc::new(Manual(sender)),
    }));
    Bench { attempts, seen, writable, account, stack }
}

fn request(effect: Effect) -> Request {
    let url = "https://api.example.com/v2/candidates".parse().unwrap();
    Request::new("op", effect, Method::GET, url)
}

impl Bench {
    fn send(&self, request: Request) -> JoinHandle<Result<Response, CallError>> {
        let stack = Arc::clone(&self.stack);
        tokio::spawn(async move { stack.call(request).await })
    }

    fn call(&self, effect: Effect) -> JoinHandle<Result<Response, CallError>> {
        self.send(request(effect))
    }

    async fn next(&mut self) -> (SignedRequest, Reply) {
        self.attempts.recv().await.expect("another attempt")
    }
}

fn response(status: u16, headers: &[(&'static str, &str)]) -> Response {
    let mut map = HeaderMap::new();
    map.insert("content-type", crate::jsonapi::MEDIA_TYPE.parse().unwrap());
    for (name, value) in headers {
        map.insert(*name, value.parse().unwrap());
    }
    let status = StatusCode::from_u16(status).unwrap();
    Response { status, headers: map, body: Bytes::from_static(b"{}") }
}

#[tokio::test(start_paused = true)]
async fn only_what_cannot_be_read_each_time_is_not_clinch() {
    for (statuses, expected) in [([200, 200, 200, 200], 200), ([200, 503, 200, 200], 503)] {
        let mut bench = bench();
        let call = bench.call(Effect::Read);
        for status in statuses {
            let (_, reply) = bench.next().await;
            let mut answer = response(status, &[]);
            if status == 200 {
                answer.headers.insert("content-type", "text/html".parse().unwrap());
            }
            reply.respond(answer);
        }
        assert_eq!(call.await.unwrap().unwrap().status.as_u16(), expected, "{statuses:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_read_again_although_the_budget_is_spent() {
    let mut bench = bench();
    for _ in 0..8 {
        let mut call = bench.call(Effect::Read);
        loop {
            tokio::select! {
                (_, reply) = bench.next() => reply.respond(response(503, &[])),
                ended = &mut call => break drop(ended.unwrap()),
            }
        }
    }
    let call = bench.call(Effect::Read);
    let (_, reply) = bench.next().await;
    reply.respond(response(200, &[("content-type", "text/html")]));
    bench.next().await.1.respond(response(200, &[]));
    assert_eq!(call.await.unwrap().unwrap().headers["content-type"], crate::jsonapi::MEDIA_TYPE);
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_respected_and_each_attempt_has_its_own_date() {
    for delay in ["30", "Thu, 05 Mar 2026 12:00:30 GMT"] {
        let mut bench = bench();
        let result = bench.call(Effect::Create);
        let (first, reply) = bench.next().await;
        let start = Instant::now();
        reply.respond(response(429, &[("retry-after", delay)]));
        let (second, reply) = bench.next().await;
        assert!(start.elapsed() >= Duration::from_secs(29), "{delay}: {:?}", start.elapsed());
        assert_ne!(first.signature.date, second.signature.date);
        assert_ne!(first.signature.authorization, second.signature.authorization);
        reply.respond(response(201, &[]));
        assert_eq!(result.await.unwrap().unwrap().status, StatusCode::CREATED);
        let seen = bench.seen.0.lock().unwrap().clone();
        assert_eq!(seen, [("op", Ended::Status(429)), ("op", Ended::Status(201))]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_delay_beyond_the_deadline_fails_at_once() {
    let mut bench = bench();
    let result = bench.call(Effect::Read);
    let start = Instant::now();
    bench.next().await.1.respond(response(429, &[("retry-after", "3000")]));
    assert_eq!(result.await.unwrap().unwrap().status, StatusCode::TOO_MANY_REQUESTS);
    assert!(start.elapsed() < Duration::from_secs(1));
    let waiting = bench.call(Effect::Read).await.unwrap();
    let Err(CallError::NoPermit { retry_after, limited: true }) = waiting else {
        panic!("{waiting:?}")
    };
    assert!(retry_after > Duration::from_secs(2990), "{retry_after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_delay_that_any_response_asks_for_holds_up_every_request() {
    let all = [Effect::Read, Effect::Idempotent, Effect::Create];
    for (status, effect) in [500, 503, 504, 404, 302].into_iter().flat_map(|s| all.map(|e| (s, e)))
    {
        let mut bench = bench();
        let answered = bench.call(effect);
        let (_, reply) = bench.next().await;
        let start = Instant::now();
        reply.respond(response(status, &[("retry-after", "20")]));
        let other = bench.call(Effect::Create);
        for _ in 0..=u8::from(effect != Effect::Create && status != 404) {
            bench.next().await.1.respond(response(200, &[]));
            assert!(start.elapsed() >= Duration::from_secs(20), "{status} to {effect:?}");
        }
        other.await.unwrap().unwrap();
        _ = answered.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_delay_beyond_the_deadline_is_an_outage_unless_it_came_with_a_429() {
    let mut bench = bench();
    let create = bench.call(Effect::Create);
    bench.next().await.1.respond(response(503, &[("retry-after", "3000")]));
    assert_eq!(create.await.unwrap().unwrap_err(), CallError::InDoubt(Doubt::Status(503)));
    let waiting = bench.call(Effect::Read).await.unwrap().unwrap_err();
    let CallError::NoPermit { retry_after, limited: false } = waiting else {
        panic!("{waiting:?}")
    };
    assert!(retry_after > Duration::from_secs(2990), "{retry_after:?}");
}

#[tokio::test(start_paused = true)]
async fn no_create_is_retried_once_its_outcome_is_in_doubt() {
    type End = fn(Reply);
    let ends: [(End, Doubt); 3] = [
        (|reply| reply.fail(CallError::Cut), Doubt::Cut),
        (|reply| reply.respond(response(502, &[])), Doubt::Status(502)),
        (|reply| reply.fail(CallError::TimedOut), Doubt::Timeout),
    ];
    for (end, doubt) in ends {
        let mut bench = bench();
        let result = bench.call(Effect::Create);
        end(bench.next().await.1);
        assert_eq!(result.await.unwrap().unwrap_err(), CallError::InDoubt(doubt));
        assert_eq!(bench.seen.0.lock().unwrap().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_create_without_a_response_is_in_doubt_and_a_read_is_retried() {
    let mut bench = bench();
    let create = bench.call(Effect::Create);
    let (_, unanswered) = bench.next().await;
    assert_eq!(create.await.unwrap().unwrap_err(), CallError::InDoubt(Doubt::Timeout));
    drop(unanswered);
    assert_eq!(bench.seen.0.lock().unwrap().as_slice(), [("op", Ended::Abandoned)]);

    let read = bench.call(Effect::Read);
    let (_, unanswered) = bench.next().await;
    let (_, reply) = bench.next().await;
    drop(unanswered);
    reply.respond(response(200, &[]));
    assert_eq!(read.await.unwrap().unwrap().status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_create_that_was_never_sent_is_retried() {
    let mut bench = bench();
    let result = bench.call(Effect::Create);
    bench.next().await.1.fail(CallError::NoConnection(NoAnswer::ConnectionRefused));
    bench.next().await.1.respond(response(201, &[]));
    assert_eq!(result.await.unwrap().unwrap().status, StatusCode::CREATED);
}

#[tokio::test(start_paused = true)]
async fn attempts_are_bounded() {
    let mut bench = bench();
    let result = bench.call(Effect::Read);
    for _ in 0..4 {
        bench.next().await.1.respond(response(503, &[]));
    }
    assert_eq!(result.await.unwrap().unwrap().status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(bench.seen.0.lock().unwrap().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_redirect_is_looked_at_twice_and_that_of_a_create_never() {
    let mut bench = bench();
    let result = bench.call(Effect::Read);
    bench.next().await.1.respond(response(302, &[]));
    bench.next().await.1.respond(response(200, &[]));
    assert_eq!(result.await.unwrap().unwrap().status, StatusCode::OK, "a stray one");
    let result = bench.call(Effect::Idempotent);
    bench.next().await.1.respond(response(302, &[]));
    bench.next().await.1.respond(response(302, &[]));
    assert_eq!(result.await.unwrap().unwrap().status, StatusCode::FOUND);
    let result = bench.call(Effect::Create);
    bench.next().await.1.respond(response(302, &[]));
    assert_eq!(result.await.unwrap().unwrap().status, StatusCode::FOUND, "it may be carried out");
    assert_eq!(bench.seen.0.lock().unwrap().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn every_attempt_takes_a_permit() {
    let mut bench = bench();
    let limits = Limits { requests_per_second: Some(1), max_in_flight: 8 };
    bench.account.bucket().reconfigure(limits);
    let start = Instant::now();
    let result = bench.call(Effect::Read);
    for _ in 0..3 {
        bench.next().await.1.respond(response(500, &[]));
    }
    bench.next().await.1.respond(response(200, &[]));
    result.await.unwrap().unwrap();
    assert!(start.elapsed() >= Duration::from_millis(2900), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn no_write_is_sent_once_the_fence_is_closed() {
    let mut bench = bench();
    let result = bench.call(Effect::Idempotent);
    let (_, reply) = bench.next().await;
    bench.writable.store(false, Ordering::Relaxed);
    reply.respond(response(503, &[]));
    assert_eq!(result.await.unwrap().unwrap_err(), CallError::Fenced);
    let read = bench.call(Effect::Read);
    bench.next().await.1.respond(response(200, &[]));
    read.await.unwrap().expect("reads ignore the fence");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_once_access_is_revoked_and_other_callers_are_unaffected() {
    let mut bench = bench();
    let holds = Arc::new(AtomicBool::new(true));
    let asked = Arc::clone(&holds);
    let mut under = request(Effect::Read);
    under.grant = Some(Grant::new(move || {
        if asked.load(Ordering::Relaxed) { GrantState::Valid } else { GrantState::Revoked }
    }));
    let result = bench.send(under.clone());
    let (_, reply) = bench.next().await;
    holds.store(false, Ordering::Relaxed);
    reply.respond(response(429, &[("retry-after", "1")]));
    assert_eq!(result.await.unwrap().unwrap_err(), CallError::GrantRevoked, "not retried");
    assert_eq!(bench.send(under).await.unwrap().unwrap_err(), CallError::GrantRevoked);
    let other = bench.call(Effect::Read);
    bench.next().await.1.respond(response(200, &[]));
    other.await.unwrap().expect("another caller may still send");
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_ends_does_not_wait_for_the_end_of_a_pause() {
    let mut bench = bench();
    let ends = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&ends);
    let mut under = request(Effect::Create);
    let grant = Grant::new(|| GrantState::Valid);
    under.grant = Some(grant.waiting_until(move || asked.load(Ordering::Relaxed)));
    let waits = bench.send(under.clone());
    bench.next().await.1.respond(response(429, &[("retry-after", "20")]));
    let queued = bench.send(under);
    let other = bench.call(Effect::Create);
    let start = Instant::now();
    ends.store(true, Ordering::Relaxed);
    assert_eq!(waits.await.unwrap().unwrap().status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(queued.await.unwrap().unwrap_err(), CallError::GrantRevoked);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    bench.next().await.1.respond(response(201, &[]));
    other.await.unwrap().expect("another caller waits");
    assert!(start.elapsed() >= Duration::from_secs(20));
}

#[tokio::test(start_paused = true)]
async fn no_attempt_starts_while_access_is_paused_and_the_fault_is_not_counted() {
    let mut bench = bench();
    let paused = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&paused);
    let mut under = request(Effect::Create);
    under.grant = Some(Grant::new(move || {
        if asked.load(Ordering::Relaxed) { GrantState::Paused } else { GrantState::Valid }
    }));
    let result = bench.send(under.clone());
    let (_, reply) = bench.next().await;
    paused.store(true, Ordering::Relaxed);
    reply.respond(response(429, &[("retry-after", "1")]));
    assert_eq!(result.await.unwrap().unwrap_err(), CallError::GrantPaused, "not retried");
    assert_eq!(bench.send(under.clone()).await.unwrap().unwrap_err(), CallError::GrantPaused);
    paused.store(false, Ordering::Relaxed);
    let result = bench.send(under);
    bench.next().await.1.respond(response(201, &[]));
    assert_eq!(result.await.unwrap().unwrap().status, StatusCode::CREATED);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_call_releases_its_permit() {
    let mut bench = bench();
    bench
        .account
        .bucket()
        .reconfigure(Limits { requests_per_second: Some(1000), max_in_flight: 1 });
    let gone = bench.call(Effect::Read);
    let held = bench.next().await;
    gone.abort();
    let other = bench.call(Effect::Read);
    bench.next().await.1.respond(response(200, &[]));
    other.await.unwrap().unwrap();
    drop(held);
    assert_eq!(bench.seen.0.lock().unwrap()[0].1, Ended::Abandoned);
}

#[tokio::test(start_paused = true)]
async fn a_call_with_a_time_limit_ends_within_it_whatever_the_responses_say() {
    let mut bench = bench();
    let with = |time_limit| {
        let mut request = request(Effect::Read);
        request.time_limit = time_limit;
        request
    };
    let start = Instant::now();
    let limited = bench.send(with(Some(Duration::from_secs(10))));
    bench.next().await.1.respond(response(429, &[("retry-after", "12")]));
    assert_eq!(limited.await.unwrap().unwrap().status, StatusCode::TOO_MANY_REQUESTS);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());

    let start = Instant::now();
    let unlimited = bench.send(with(None));
    let (_, reply) = bench.next().await;
    assert!(start.elapsed() >= Duration::from_secs(11), "{:?}", start.elapsed());
    reply.respond(response(200, &[]));
    assert_eq!(unlimited.await.unwrap().unwrap().status, StatusCode::OK);

    let start = Instant::now();
    let stalled = bench.send(with(Some(Duration::from_secs(10))));
    let (_, unanswered) = bench.next().await;
    assert!(stalled.await.unwrap().is_err());
    assert!(start.elapsed() <= Duration::from_secs(11), "{:?}", start.elapsed());
    drop(unanswered);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_waited_is_not_sent_with_what_was_read_before() {
    let mut bench = bench();
    let spent = Spent::default();
    let on_what_was_read = || {
        let mut write = request(Effect::Idempotent);
        write.footing = Some(Footing::new(|| true, Some(Instant::now()), spent.clone()));
        write
    };
    let start = Instant::now();
    // Its attempts are as many as without reading again.
    for _ in 0..3 {
        let result = bench.send(on_what_was_read());
        let unavailable = response(503, &[("retry-after", "5")]);
        bench.next().await.1.respond(unavailable);
        assert_eq!(result.await.unwrap().unwrap_err(), CallError::Outdated);
    }
    assert!(start.elapsed() >= Duration::from_secs(15), "{:?}", start.elapsed());
    let result = bench.send(on_what_was_read());
    bench.next().await.1.respond(response(503, &[("retry-after", "5")]));
    assert_eq!(result.await.unwrap().unwrap().status, StatusCode::SERVICE_UNAVAILABLE);
    // Nobody waits for their own answer only.
    let write = on_what_was_read();
    bench
        .account
        .bucket()
        .acquire(Instant::now() + Duration::from_secs(60))
        .await
        .unwrap()
        .limited(Some(Duration::from_secs(3)));
    assert_eq!(bench.send(write).await.unwrap().unwrap_err(), CallError::Outdated);
    let result = bench.send(on_what_was_read());
    bench.next().await.1.respond(response(200, &[]));
    result.await.unwrap().expect("it was read again");
}

#[tokio::test(start_paused = true)]
async fn a_write_of_somebody_who_must_not_be_written_any_more_is_not_sent() {
    let mut bench = bench();
    let listed = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&listed);
    let mut write = request(Effect::Create);
    let allowed = move || !asked.load(Ordering::Relaxed);
    write.footing = Some(Footing::new(allowed, None, Spent::default()));
    let result = bench.send(write.clone());
    let (_, reply) = bench.next().await;
    listed.store(true, Ordering::Relaxed);
    reply.respond(response(429, &[("retry-after", "1")]));
    assert_eq!(result.await.unwrap().unwrap_err(), CallError::Outdated);
    assert_eq!(bench.send(write).await.unwrap().unwrap_err(), CallError::Outdated);
    assert!(bench.attempts.try_recv().is_err(), "nothing was sent");
}
