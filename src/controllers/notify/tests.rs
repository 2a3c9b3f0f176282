//! The notifier against a real receiver on loopback, without a cluster.

use std::time::Instant;

use serde_json::{Value, json};

use super::*;
use crate::{
    api::{CandidateExportStatus, CommonStatus, NotifyReceiver, USE_LABEL, USE_NOTIFY},
    cluster::Bundle,
    conditions::{self, Verdict},
    domain::{Cause, Reason},
    sandbox::{SinkAnswer, SinkOptions, TestSink},
    storage::{AllowedPlaces, StoragePolicy},
};

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// How long a test waits for what has to happen.
const SOON: Duration = Duration::from_secs(20);

fn settings(allowed: &str) -> NotifySettings {
    let allowed = AllowedPlaces::notify([allowed]).unwrap();
    let receivers = Arc::new(StoragePolicy { allowed, ..StoragePolicy::default() });
    NotifySettings { receivers, cluster: None }
}

fn spec_of(format: &str) -> NotifyReceiver {
    let spec = json!({"name": "ops", "format": format, "secretRef": {"name": "hook"}});
    serde_json::from_value(spec).unwrap()
}

fn secret(url: &str, fields: &[(&str, &str)]) -> Bundle {
    let fields = [("url", url)].into_iter().chain(fields.iter().copied());
    Bundle {
        data: fields.map(|(field, value)| (field.to_owned(), value.to_owned().into())).collect(),
        labels: [(USE_LABEL.to_owned(), USE_NOTIFY.to_owned())].into(),
        ..Bundle::default()
    }
}

#[derive(Default)]
struct Counted(Mutex<Vec<&'static str>>);

impl WorkObserver for Counted {
    fn run_started(&self, _: crate::controllers::Work) {}
    fn run_ended(&self, _: &crate::controllers::RunEnd<'_>) {}
    fn import_compared(&self, _: u64, _: u64) {}
    fn credential_verified(&self, _: crate::controllers::VerificationOutcome) {}
    fn notified(&self, outcome: NotificationOutcome) {
        self.0.lock().unwrap().push(outcome.as_str());
    }
    fn forgotten(&self, _: &str) {}
}

/// A notifier, one integration and one export.
struct Stage {
    notifier: Notifier,
    counted: Arc<Counted>,
    enqueued: Arc<Mutex<Vec<(Kind, ObjectKey)>>>,
    integration: ClinchIntegration,
    status: CandidateExportStatus,
    allowed: String,
    seconds: i64,
}

fn integration_key() -> ObjectKey {
    ObjectKey::new("crm", "clinch")
}

fn export() -> ObjectRef {
    ObjectRef { kind: Kind::Export, key: ObjectKey::new("crm", "people"), uid: "e-1".to_owned() }
}

impl Stage {
    fn new(allowed: &str, format: &str) -> Self {
        let enqueued = Arc::<Mutex<Vec<(Kind, ObjectKey)>>>::default();
        let seen = enqueued.clone();
        let enqueue: Enqueue =
            Arc::new(move |kind, key| seen.lock().unwrap().push((kind, key.clone())));
        let counted = Arc::new(Counted::default());
        #[expect(clippy::disallowed_methods, reason = "the receiver compares it with its own")]
        let clock = Clock::new(Timestamp::now);
        let notifier = Notifier::new(
            settings(allowed),
            Shards::default(),
            (clock, Fence::open()),
            enqueue,
            counted.clone(),
            CancellationToken::new(),
        );
        let spec = json!({
            "region": "EU", "environment": "Sandbox", "notify": [spec_of(format)],
            "credentials": {"secretRef": {"name": "c"}}
        });
        let mut integration =
            ClinchIntegration::new("clinch", serde_json::from_value(spec).unwrap());
        integration.metadata.uid = Some("i-1".to_owned());
        let (status, allowed) = (CandidateExportStatus::default(), allowed.to_owned());
        Self { notifier, counted, enqueued, integration, status, allowed, seconds: 0 }
    }

    /// A pass of the integration that finds this Secret.
    fn found(&self, secret: Option<Bundle>) {
        let wanted = &self.integration.spec.notify[0];
        let target = receiver::target(wanted, secret, &settings(&self.allowed));
        self.set(Receiver::found("ops".to_owned(), target));
    }

    fn set(&self, receiver: Receiver) {
        self.notifier.set_receivers("i-1", &integration_key(), &[receiver]);
    }

    /// A pass of the export with this verdict; when the next one is due.
    fn pass(&mut self, verdict: &Verdict) -> Option<Duration> {
        self.seconds += 1;
        let now = Timestamp::from_second(self.seconds).unwrap();
        let mut next = self.status.clone();
        conditions::apply(&self.status, &mut next, 1, Vec::new(), verdict, now);
        let found = (&integration_key(), &self.integration);
        let due = self.notifier.due(found, |_| None, &export(), &mut next);
        self.status = next;
        due.done(None)
    }

    fn is_announced(&self, ready: bool, delivered: bool) -> bool {
        self.status
            .notified
            .iter()
            .any(|entry| (entry.ready, entry.delivered) == (ready, delivered))
    }

    /// Passes until what was announced is as expected.
    async fn until(&mut self, verdict: &Verdict, expected: impl Fn(&Self) -> bool) {
        let started = Instant::now();
        loop {
            self.pass(verdict);
            if expected(self) {
                return;
            }
            assert!(started.elapsed() < SOON, "{:?}", self.status.notified);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn answer(&self) -> Option<NotifyAnswer> {
        Some(self.notifier.answers("i-1", &[]).first()?.last_answer)
    }
}

fn stalled() -> Verdict {
    Verdict::stalled(Reason::MappingInvalid, "the field of canary@marker.example")
}

fn ready() -> Verdict {
    Verdict::ready(Reason::Synced, "200/200")
}

fn retried() -> Verdict {
    Verdict::reconciling(Reason::VendorUnavailable, "the answer to canary@marker.example")
}

/// As if a failure had begun some minutes earlier.
fn age(stage: &mut Stage, minutes: u64) {
    let fault = stage.status.fault.as_mut().expect("a failure");
    fault.since.0 -= Duration::from_mins(minutes);
}

async fn sink() -> TestSink {
    TestSink::start(SinkOptions::new(KEY)).await.unwrap()
}

#[tokio::test]
async fn a_fault_and_its_end_give_two_signed_messages() {
    let sink = sink().await;
    let mut stage = Stage::new(&sink.origin(), "Webhook");
    stage.found(Some(secret(&sink.url(), &[("signingKey", KEY)])));
    stage.until(&stalled(), |stage| stage.is_announced(false, true)).await;
    stage.until(&stalled(), |stage| stage.is_announced(false, true)).await;
    stage.until(&Verdict::reconciling(Reason::Timeout, ""), |_| true).await;
    stage.until(&ready(), |stage| stage.is_announced(true, true)).await;
    stage.pass(&ready());
    let messages = sink.messages();
    let found: Vec<(&Value, &Value)> =
        messages.iter().map(|message| (&message["type"], &message["data"]["reason"])).collect();
    let expected = [
        (&json!("object.stalled"), &json!("MappingInvalid")),
        (&json!("object.ready"), &json!("Synced")),
    ];
    assert_eq!(found, expected);
    let received = sink.received();
    assert_eq!((received.requests, received.unsigned, received.conflicts), (2, 0, 0));
    assert_eq!(*stage.counted.0.lock().unwrap(), ["delivered", "delivered"]);
    assert_eq!(stage.answer(), Some(NotifyAnswer::Taken));
    assert!(!json!(messages).to_string().contains("canary"));
    let first = stage.enqueued.lock().unwrap().first().cloned();
    assert_eq!(first, Some((Kind::Integration, integration_key())), "its status shows the answer");
}

#[tokio::test]
async fn a_failure_that_is_retried_is_announced_once_it_lasts_and_a_blip_is_not() {
    let sink = sink().await;
    let labelled = || Some(secret(&sink.url(), &[("signingKey", KEY)]));
    let mut stage = Stage::new(&sink.origin(), "Webhook");
    stage.found(labelled());
    assert_eq!(stage.pass(&ready()), None);
    let usual = [Reason::Progressing, Reason::ProgressingWithRetry, Reason::DependencyNotReady];
    for verdict in usual.map(|reason| Verdict::reconciling(reason, "")) {
        assert_eq!(stage.pass(&verdict), None, "{verdict:?}");
    }
    // A blip.
    let wait = stage.pass(&retried()).expect("it is looked at again");
    assert!(wait > Duration::from_mins(4) && wait <= Duration::from_mins(5), "{wait:?}");
    stage.pass(&ready());
    assert_eq!((&stage.status.fault, &stage.status.notified), (&None, &Vec::new()));
    // What lasts, also from process to process.
    stage.pass(&retried());
    age(&mut stage, 3);
    let mut next = Stage::new(&sink.origin(), "Webhook");
    (next.status, next.seconds) = (stage.status.clone(), stage.seconds);
    next.found(labelled());
    let wait = next.pass(&retried()).expect("it is looked at again");
    assert!(wait <= Duration::from_mins(2), "{wait:?}");
    age(&mut next, 3);
    // Not while an attempt is in progress.
    next.pass(&Verdict::reconciling(Reason::ProgressingWithRetry, ""));
    assert_eq!(sink.requests(), 0);
    let since = next.status.fault.as_ref().map(|fault| fault.since.0.to_string());
    next.until(&retried(), |stage| stage.is_announced(false, true)).await;
    next.pass(&retried());
    next.until(&ready(), |stage| stage.is_announced(true, true)).await;
    let messages = sink.messages();
    let types: Vec<&Value> = messages.iter().map(|message| &message["type"]).collect();
    assert_eq!(types, ["object.failing", "object.ready"]);
    let data = &messages[0]["data"];
    assert_eq!((&data["reason"], &data["retried"]), (&json!("VendorUnavailable"), &json!(true)));
    assert_eq!((data["since"].as_str(), &data["ready"]), (since.as_deref(), &json!(false)));
    assert!(!json!(messages).to_string().contains("canary"));
    assert_eq!(sink.received().conflicts, 0);
}

#[tokio::test]
async fn each_receiver_says_how_long_a_failure_lasts_before_it_is_sent() {
    let sink = sink().await;
    let mut stage = Stage::new(&sink.origin(), "Slack");
    stage.integration.spec.notify[0].after = "2h".parse().ok();
    stage.found(Some(secret(&sink.slack_url(), &[])));
    stage.pass(&retried());
    age(&mut stage, 100);
    let wait = stage.pass(&retried()).expect("it is looked at again");
    assert!(wait > Duration::from_mins(19) && wait <= Duration::from_mins(20), "{wait:?}");
    stage.integration.spec.notify[0].after = "0s".parse().ok();
    stage.until(&retried(), |stage| stage.is_announced(false, true)).await;
    let text = sink.messages()[0]["text"].to_string();
    assert!(
        text.contains("CandidateExport crm/people fails and is retried: VendorUnavail"),
        "{text}"
    );
    // It needs somebody now.
    stage.until(&stalled(), |stage| stage.status.notified[0].number == 2).await;
    stage.until(&stalled(), |stage| stage.is_announced(false, true)).await;
    assert!(sink.messages()[1]["text"].to_string().contains("crm/people is Stalled: "));
}

#[tokio::test]
async fn a_suspended_object_sends_nothing() {
    let sink = sink().await;
    let mut stage = Stage::new(&sink.origin(), "Slack");
    stage.found(Some(secret(&sink.slack_url(), &[])));
    stage.until(&stalled(), |stage| stage.is_announced(false, true)).await;
    let suspended =
        Verdict::Suspended { standing: conditions::Standing::NothingDue, message: String::new() };
    assert_eq!(stage.pass(&suspended), None);
    assert_eq!((sink.requests(), stage.is_announced(false, true)), (1, true));
    stage.until(&ready(), |stage| stage.is_announced(true, true)).await;
    assert_eq!(sink.requests(), 2);
}

#[tokio::test]
async fn slack_gets_a_text() {
    let sink = sink().await;
    let mut stage = Stage::new(&sink.origin(), "Slack");
    stage.found(Some(secret(&sink.slack_url(), &[])));
    stage.until(&stalled(), |stage| stage.is_announced(false, true)).await;
    let messages = sink.messages();
    let text = messages[0]["text"].as_str().unwrap();
    assert!(text.starts_with("CandidateExport crm/people is Stalled: MappingInvalid. "), "{text}");
    assert_eq!(messages.len(), 1);
}

#[tokio::test]
async fn a_receiver_that_fails_is_tried_again_with_the_same_message() {
    let sink = sink().await;
    sink.set_answers(vec![SinkAnswer::status(500).times(1)]);
    let mut stage = Stage::new(&sink.origin(), "Webhook");
    stage.found(Some(secret(&sink.url(), &[("signingKey", KEY)])));
    stage.until(&stalled(), |stage| stage.answer() == Some(NotifyAnswer::Failed)).await;
    assert!(stage.is_announced(false, false));
    stage.until(&stalled(), |stage| stage.is_announced(false, true)).await;
    let received = sink.received();
    assert_eq!((received.requests, received.deliveries.len()), (2, 1));
    assert_eq!(received.deliveries[0].bodies.len(), 1);
}

#[tokio::test]
async fn what_refuses_or_redirects_is_not_tried_again_until_its_secret_changes() {
    let sink = sink().await;
    for (status, answer) in [(302, NotifyAnswer::Redirected), (403, NotifyAnswer::Refused)] {
        let before = sink.messages().len();
        let elsewhere = format!("{}/elsewhere", sink.origin());
        let scripted = SinkAnswer { location: Some(elsewhere), ..SinkAnswer::status(status) };
        sink.set_answers(vec![scripted]);
        let mut stage = Stage::new(&sink.origin(), "Slack");
        stage.found(Some(secret(&sink.slack_url(), &[])));
        stage.until(&stalled(), |stage| !stage.counted.0.lock().unwrap().is_empty()).await;
        assert_eq!(*stage.counted.0.lock().unwrap(), ["rejected"]);
        assert_eq!(stage.answer(), Some(answer));
        // The end of the delivery is noted right after it is counted.
        stage.until(&stalled(), |stage| !stage.enqueued.lock().unwrap().is_empty()).await;
        let requests = sink.requests();
        let wait = stage.pass(&stalled());
        assert!(wait.is_some_and(|wait| wait > Duration::from_mins(29)), "{wait:?}");
        assert_eq!(sink.requests(), requests);

        sink.set_answers(Vec::new());
        stage.enqueued.lock().unwrap().clear();
        let other = format!("{}?again", sink.slack_url());
        stage.found(Some(secret(&other, &[])));
        assert_eq!(*stage.enqueued.lock().unwrap(), [(Kind::Export, export().key)]);
        assert_eq!(stage.answer(), None, "of the one before");
        stage.until(&stalled(), |stage| stage.is_announced(false, true)).await;
        assert_eq!(sink.messages().len(), before + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_hangs_is_given_up_and_tried_again_later() {
    // It accepts connections, by its backlog, and never answers.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let mut stage = Stage::new(&origin, "Slack");
    stage.found(Some(secret(&format!("{origin}/x"), &[])));
    assert_eq!(stage.pass(&stalled()), None);
    let started = tokio::time::Instant::now();
    while stage.counted.0.lock().unwrap().is_empty() {
        assert_eq!(stage.pass(&stalled()), None, "it is under way");
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(started.elapsed() < Duration::from_mins(20));
    }
    assert_eq!(*stage.counted.0.lock().unwrap(), ["unreachable"]);
    assert_eq!(stage.answer(), Some(NotifyAnswer::NoAnswer));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(stage.pass(&stalled()).is_some_and(|wait| wait > Duration::from_mins(29)));
    assert!(stage.is_announced(false, false));
}

#[tokio::test]
async fn what_is_not_listed_or_not_labelled_gets_nothing_until_it_is() {
    let sink = sink().await;
    let mut stage = Stage::new(&sink.origin(), "Webhook");
    let good = || secret(&sink.url(), &[("signingKey", KEY)]);
    let token = "kubernetes.io/service-account-token".to_owned();
    let elsewhere = secret("https://hooks.example.com/canary", &[("signingKey", KEY)]);
    let weak = secret(&sink.url(), &[("signingKey", "canary")]);
    let without_key = secret(&sink.url(), &[]);
    let (invalid, not_allowed) = (Reason::NotifySecretInvalid, Reason::NotifyNotAllowed);
    for (found, expected) in [
        (None, invalid),
        (Some(Bundle { labels: BTreeMap::new(), ..good() }), invalid),
        (Some(Bundle { secret_type: token, ..good() }), invalid),
        (Some(secret("canary", &[("signingKey", KEY)])), invalid),
        (Some(weak), invalid),
        (Some(without_key), invalid),
        (Some(elsewhere), not_allowed),
    ] {
        let wanted = &stage.integration.spec.notify[0];
        let target = receiver::target(wanted, found.clone(), &settings(&sink.origin()));
        let Cause { reason, message } = target.err().expect("a fault");
        assert_eq!(reason, expected, "{message}");
        assert!(!message.contains("canary") && !message.contains("example.com"), "{message}");
        stage.found(found);
        assert_eq!(stage.pass(&stalled()), None);
        assert!(stage.status.notified.is_empty());
    }
    assert_eq!(sink.requests(), 0);
    stage.enqueued.lock().unwrap().clear();
    stage.found(Some(good()));
    assert_eq!(*stage.enqueued.lock().unwrap(), [(Kind::Export, export().key)]);
    stage.until(&stalled(), |stage| stage.is_announced(false, true)).await;
}

#[tokio::test]
async fn a_namespace_that_is_not_let_in_sends_nothing() {
    let sink = sink().await;
    let mut stage = Stage::new(&sink.origin(), "Slack");
    stage.found(Some(secret(&sink.slack_url(), &[])));
    let stranger = ObjectRef { key: ObjectKey::new("elsewhere", "people"), ..export() };
    conditions::apply(
        &stage.status.clone(),
        &mut stage.status,
        1,
        Vec::new(),
        &stalled(),
        Timestamp::UNIX_EPOCH,
    );
    for (access, expected) in [
        (json!({}), false),
        (json!({"mode": "Approval", "approved": ["team"]}), false),
        (json!({"mode": "Automatic", "denied": ["elsewhere"]}), false),
        (json!({"mode": "Approval", "approved": ["elsewhere"]}), true),
    ] {
        stage.integration.spec.access = serde_json::from_value(access.clone()).unwrap();
        let mut next = stage.status.clone();
        let found = (&integration_key(), &stage.integration);
        let due = stage.notifier.due(found, |_| None, &stranger, &mut next);
        assert_eq!(!due.prepared.is_empty(), expected, "{access}");
        assert_eq!(!next.notified.is_empty(), expected, "{access}");
    }
}

#[tokio::test]
async fn a_process_that_takes_over_repeats_only_what_is_not_known_to_be_delivered() {
    let sink = sink().await;
    let labelled = || Some(secret(&sink.url(), &[("signingKey", KEY)]));
    let mut first = Stage::new(&sink.origin(), "Webhook");
    first.found(labelled());
    // It is killed before a pass writes that the message was delivered.
    first.pass(&stalled());
    let started = Instant::now();
    while first.counted.0.lock().unwrap().is_empty() {
        assert!(started.elapsed() < SOON);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut second = Stage::new(&sink.origin(), "Webhook");
    second.status = first.status.clone();
    second.pass(&stalled());
    assert_eq!(sink.requests(), 1, "the receivers are not known yet");
    second.found(labelled());
    second.until(&stalled(), |stage| stage.is_announced(false, true)).await;
    let received = sink.received();
    assert_eq!((received.deliveries.len(), received.deliveries[0].times), (1, 2), "the same id");
    assert_eq!(received.conflicts, 0, "and the same body");
    let mut third = Stage::new(&sink.origin(), "Webhook");
    third.status = second.status.clone();
    third.found(labelled());
    third.pass(&stalled());
    third.until(&ready(), |stage| stage.is_announced(true, true)).await;
    assert_eq!(sink.requests(), 3);
}

#[tokio::test]
async fn an_integration_is_handed_over_once_what_was_delivered_is_written() {
    let sink = sink().await;
    sink.set_answers(vec![SinkAnswer::status(503).times(1)]);
    let mut stage = Stage::new(&sink.origin(), "Webhook");
    stage.found(Some(secret(&sink.url(), &[("signingKey", KEY)])));
    let shards = stage.notifier.shards.clone();
    stage.pass(&stalled());
    assert!(!shards.is_idle("i-1"));
    stage.until(&stalled(), |stage| stage.answer() == Some(NotifyAnswer::Failed)).await;
    // Between two attempts: the next one is another process's.
    stage.notifier.leave("i-1");
    stage.until(&stalled(), |_| shards.is_idle("i-1")).await;
    assert_eq!(sink.requests(), 1);
    assert!(stage.is_announced(false, false));
    assert!(shards.cede("i-1").is_some());
    stage.notifier.forget_integration("i-1");
    assert_eq!(stage.pass(&stalled()), None);
    // It comes back.
    shards.take("i-1");
    stage.found(Some(secret(&sink.url(), &[("signingKey", KEY)])));
    stage.pass(&stalled());
    let started = Instant::now();
    while stage.counted.0.lock().unwrap().is_empty() {
        assert!(started.elapsed() < SOON);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stage.notifier.leave("i-1");
    assert!(!shards.is_idle("i-1"), "it is delivered, and no status says so");
    stage.until(&stalled(), |stage| stage.is_announced(false, true)).await;
    assert!(shards.is_idle("i-1"));
    assert_eq!(sink.received().deliveries.len(), 1);
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_is_looked_at_again_and_the_receiver_before_is_used() {
    let sink = sink().await;
    let mut stage = Stage::new(&sink.origin(), "Slack");
    let unread =
        || Receiver::unread("ops".to_owned(), "the operator may not get secrets".to_owned());
    let integration_pass = |stage: &mut Stage| {
        let object =
            ObjectRef { kind: Kind::Integration, key: integration_key(), uid: "i-1".into() };
        let found = (&integration_key(), &stage.integration);
        let mut status = crate::api::ClinchIntegrationStatus::default();
        stage.notifier.due(found, |_| None, &object, &mut status).done(None)
    };
    stage.set(unread());
    assert_eq!(integration_pass(&mut stage), Some(AGAIN));
    assert_eq!(stage.pass(&stalled()), None);
    assert!(stage.status.notified.is_empty());
    stage.found(Some(secret(&sink.slack_url(), &[])));
    assert_eq!(integration_pass(&mut stage), None);
    stage.set(unread());
    stage.until(&stalled(), |stage| stage.is_announced(false, true)).await;
    assert_eq!(sink.messages().len(), 1);
}

#[tokio::test]
async fn a_silent_notifier_sends_nothing() {
    let sink = sink().await;
    let mut stage = Stage::new(&sink.origin(), "Slack");
    stage.notifier.silence();
    stage.found(Some(secret(&sink.slack_url(), &[])));
    assert_eq!(stage.pass(&stalled()), None);
    assert!(stage.status.notified.is_empty());
    assert!(
        conditions::find(stage.status.conditions(), crate::api::ConditionType::Stalled).is_some()
    );
}

#[test]
fn the_condition_names_each_receiver_that_cannot_be_used_or_does_not_take_messages() {
    let receiver = |name: &str, target| Receiver::found(name.to_owned(), target);
    let wanted = spec_of("Slack");
    let url = "https://hooks.example.com/canary";
    let usable = || {
        receiver::target(&wanted, Some(secret(url, &[])), &settings("https://hooks.example.com"))
    };
    let answered = |name: &str, last_answer| NotifyStatus { name: name.to_owned(), last_answer };
    assert_eq!(observation(&[], &[]), None);
    let both = [receiver("ops", usable()), receiver("audit", usable())];
    let fine = observation(&both, &[answered("ops", NotifyAnswer::Taken)]).unwrap();
    assert_eq!((fine.status, fine.reason), (Some(true), Reason::Notifying));
    assert_eq!(fine.message, "receivers: ops, audit");
    for (answer, reason) in [
        (NotifyAnswer::Redirected, Reason::NotifyRejected),
        (NotifyAnswer::Refused, Reason::NotifyRejected),
        (NotifyAnswer::Failed, Reason::NotifyUnreachable),
        (NotifyAnswer::NoAnswer, Reason::NotifyUnreachable),
    ] {
        let found = observation(&both, &[answered("audit", answer)]).unwrap();
        assert_eq!((found.status, found.reason), (Some(false), reason));
        assert!(found.message.starts_with("audit: the receiver "), "{}", found.message);
    }
    let refused = receiver::target(&wanted, Some(secret(url, &[])), &NotifySettings::default());
    let some = [receiver("ops", refused), receiver("audit", usable())];
    let found = observation(&some, &[answered("audit", NotifyAnswer::Failed)]).unwrap();
    assert_eq!(found.reason, Reason::NotifyNotAllowed);
    assert!(found.message.contains("--allowed-notify; audit: "), "{}", found.message);
    assert!(!found.message.contains("canary"), "{}", found.message);
}
