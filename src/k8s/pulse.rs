//! Whether the watches make progress. A watch of a quiet cluster delivers nothing for hours, so what counts is
//! what its connection does: a request, an answer, a failed attempt, or bytes. The API server ends each watch
//! within five minutes, and the client itself begins another one, so that a watch which works is never silent
//! for long; nor is one whose API server is lost. Apart from that: whether the API server grants the watch, without which
//! the operator is deaf. Reads the tokio clock.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::{Request, Response};
use http_body_util::BodyExt as _;
use kube::{Client, client::Body, runtime::watcher};
use tokio::time::{Instant, timeout};
use tower::BoxError;

use super::interruption;

/// How long the API server may take to begin an answer. Without a limit, one that is cut off in the middle of a
/// request would look like a watch that is stuck.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// When something was last seen to work; cheap to clone.
#[derive(Debug, Clone)]
pub struct Pulse {
    epoch: Instant,
    /// The last beat, in milliseconds since the epoch.
    beat: Arc<AtomicU64>,
}

impl Default for Pulse {
    fn default() -> Self {
        Self { epoch: Instant::now(), beat: Arc::default() }
    }
}

impl Pulse {
    /// It works.
    pub fn beat(&self) {
        let millis = u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.beat.fetch_max(millis, Ordering::Relaxed);
    }

    /// How long ago it last worked.
    pub fn silent_for(&self) -> Duration {
        let beat = Duration::from_millis(self.beat.load(Ordering::Relaxed));
        self.epoch.elapsed().saturating_sub(beat)
    }
}

/// Whether a watch is open, as far as this process knows; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Hearing(Arc<Mutex<Option<Deaf>>>);

/// Why a watch is not open.
#[derive(Debug, Clone)]
struct Deaf {
    since: Instant,
    cause: String,
}

impl Hearing {
    fn state(&self) -> MutexGuard<'_, Option<Deaf>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The watch could not be opened. An error of one that is open says nothing: the next attempt does.
    pub(super) fn lost(&self, error: &watcher::Error) {
        if interruption::is_while_open(error) {
            return;
        }
        let mut state = self.state();
        let since = state.as_ref().map_or_else(Instant::now, |deaf| deaf.since);
        *state = Some(Deaf { since, cause: interruption::words(error) });
    }

    /// The API server opened the watch.
    fn opened(&self) {
        *self.state() = None;
    }
}

/// Watches that cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deafness {
    /// The one that has failed for the longest time.
    pub what: String,
    /// Why.
    pub cause: String,
    /// For how long.
    pub lasts: Duration,
    /// How many others fail.
    pub others: usize,
}

impl fmt::Display for Deafness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, cause, lasts, others } = self;
        write!(f, "the watch of {what} has failed for {} s: {cause}", lasts.as_secs())?;
        match others {
            0 => Ok(()),
            1 => write!(f, "; and so has 1 other watch"),
            _ => write!(f, "; and so have {others} other watches"),
        }
    }
}

/// One watch.
#[derive(Debug, Clone)]
struct Watch {
    what: String,
    /// The kind that it watches.
    kind: &'static str,
    pulse: Pulse,
    hearing: Hearing,
}

/// The pulses of all watches; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Pulses(Arc<Mutex<Vec<Watch>>>);

impl Pulses {
    fn watches(&self) -> MutexGuard<'_, Vec<Watch>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A client for one watch, whose requests and answers are the pulse of that watch, and where its failures are
    /// reported. Needs a runtime.
    pub(super) fn observe(
        &self,
        client: &Client,
        kind: &'static str,
        what: impl fmt::Display,
    ) -> (Client, Hearing) {
        let (pulse, hearing) = (Pulse::default(), Hearing::default());
        let (what, opened) = (what.to_string(), hearing.clone());
        let watch = Watch { what, kind, pulse: pulse.clone(), hearing: hearing.clone() };
        self.watches().push(watch);
        let (inner, namespace) = (client.clone(), client.default_namespace().to_owned());
        let service = tower::service_fn(move |request: Request<Body>| {
            let (client, pulse, opened) = (inner.clone(), pulse.clone(), opened.clone());
            let query = request.uri().query().unwrap_or_default();
            let opens = query.split('&').any(|word| word == "watch=true");
            async move {
                pulse.beat();
                let answer = timeout(ANSWER_WITHIN, client.send(request)).await;
                pulse.beat();
                let answer: Response<Body> =
                    answer.map_err(BoxError::from)?.map_err(BoxError::from)?;
                if opens && answer.status().is_success() {
                    opened.opened();
                }
                let (head, body) = answer.into_parts();
                let body = body.map_frame(move |frame| {
                    pulse.beat();
                    frame
                });
                Ok::<_, BoxError>(Response::from_parts(head, body))
            }
        });
        (Client::new(service, namespace), hearing)
    }

    /// The watch that has made no progress for the longest time.
    pub fn slowest(&self) -> Option<(String, Duration)> {
        let watches = self.watches();
        let silent = watches.iter().map(|watch| (&watch.what, watch.pulse.silent_for()));
        let (what, silent) = silent.max_by_key(|(_, silent)| *silent)?;
        Some((what.clone(), silent))
    }

    /// The watches that cannot be opened, if there are any.
    pub fn deafness(&self) -> Option<Deafness> {
        let watches = self.watches();
        let deaf: Vec<(&str, Deaf)> = watches
            .iter()
            .filter_map(|watch| Some((watch.what.as_str(), watch.hearing.state().clone()?)))
            .collect();
        let (what, first) = deaf.iter().min_by_key(|(_, deaf)| deaf.since)?;
        Some(Deafness {
            what: (*what).to_owned(),
            cause: first.cause.clone(),
            lasts: first.since.elapsed(),
            others: deaf.len() - 1,
        })
    }

    /// Per watched kind: for how long a watch of it could not be opened.
    pub(super) fn deaf_for(&self) -> BTreeMap<&'static str, Duration> {
        let mut found = BTreeMap::new();
        for watch in self.watches().iter() {
            let deaf = watch.hearing.state().as_ref().map(|deaf| deaf.since.elapsed());
            let longest: &mut Duration = found.entry(watch.kind).or_default();
            *longest = deaf.unwrap_or_default().max(*longest);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, future::pending, pin::pin};

    use bytes::Bytes;
    use futures::StreamExt as _;
    use http::HeaderMap;
    use http_body_util::{Empty, Full, combinators::UnsyncBoxBody};
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::{
        Api,
        runtime::{WatchStreamExt as _, watcher},
    };
    use tokio::time::{advance, sleep};

    use super::*;
    use crate::k8s::attempts::patient;

    /// As long as a watch may be silent before the process counts as stuck.
    const LIMIT: Duration = Duration::from_mins(10);

    type Answer = Result<Response<UnsyncBoxBody<Bytes, Infallible>>, BoxError>;

    /// An API server with an empty list, whose watches deliver nothing and do not end.
    async fn quiet(request: Request<Body>) -> Answer {
        if request.uri().query().is_some_and(|query| query.contains("watch=true")) {
            let silence = pending::<Option<Result<HeaderMap, Infallible>>>();
            return Ok(Response::new(Empty::new().with_trailers(silence).boxed_unsync()));
        }
        let list = r#"{"kind": "ConfigMapList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"},
            "items": []}"#;
        Ok(Response::new(Full::from(list).boxed_unsync()))
    }

    fn client<F>(answer: impl Fn(Request<Body>) -> F + Send + Sync + Clone + 'static) -> Client
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        Client::new(tower::service_fn(answer), "default")
    }

    /// Watches for two hours; the longest silence that a probe sees.
    async fn longest_silence(client: Client) -> Duration {
        let pulses = Pulses::default();
        let api: Api<ConfigMap> = Api::all(pulses.observe(&client, "ConfigMap", "configmaps").0);
        let watching = tokio::spawn(async move {
            let watch = watcher::watcher(api, watcher::Config::default()).default_backoff();
            pin!(watch).for_each(|_| std::future::ready(())).await;
        });
        let mut longest = Duration::ZERO;
        for _ in 0..720 {
            sleep(Duration::from_secs(10)).await;
            let (what, silent) = pulses.slowest().unwrap();
            assert_eq!(what, "configmaps");
            longest = longest.max(silent);
        }
        watching.abort();
        longest
    }

    #[tokio::test(start_paused = true)]
    async fn a_quiet_cluster_is_progress() {
        let longest = longest_silence(client(quiet)).await;
        assert!(longest > Duration::from_mins(1) && longest < LIMIT, "{longest:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_api_server_that_is_lost_does_not_look_like_a_watch_that_is_stuck() {
        let refused = |_| async { Err(BoxError::from("connection refused")) };
        let longest = longest_silence(client(refused)).await;
        assert!(longest < LIMIT, "{longest:?}");
        let never = |_| pending();
        let longest = longest_silence(client(never)).await;
        assert!(longest >= Duration::from_secs(50) && longest < LIMIT, "{longest:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_nobody_reads_is_stuck() {
        let pulses = Pulses::default();
        let api: Api<ConfigMap> =
            Api::all(pulses.observe(&client(quiet), "ConfigMap", "configmaps").0);
        let watch = watcher::watcher(api, watcher::Config::default()).default_backoff();
        let mut watch = pin!(watch);
        // It has listed, and then its handler does not return.
        assert!(watch.next().await.is_some_and(|event| event.is_ok()));
        assert!(pulses.slowest().unwrap().1 < LIMIT);
        advance(LIMIT).await;
        assert!(pulses.slowest().unwrap().1 >= LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_without_its_right_says_which_one_until_it_is_granted() {
        static REFUSES: AtomicU64 = AtomicU64::new(0);
        static ASKED: AtomicU64 = AtomicU64::new(0);
        let answer = |request: Request<Body>| async move {
            ASKED.fetch_add(1, Ordering::Relaxed);
            if REFUSES.load(Ordering::Relaxed) == 0 {
                return quiet(request).await;
            }
            let status = r#"{"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                "message": "configmaps is forbidden", "reason": "Forbidden", "code": 403}"#;
            let body = Full::from(status).boxed_unsync();
            Ok(Response::builder().status(403).body(body).unwrap())
        };
        REFUSES.store(1, Ordering::Relaxed);
        let pulses = Pulses::default();
        let (observed, hearing) = pulses.observe(&client(answer), "ConfigMap", "configmaps");
        assert_eq!(pulses.deafness(), None, "nothing was tried yet");
        let watching = tokio::spawn(async move {
            let api: Api<ConfigMap> = Api::all(observed);
            let watch = patient(watcher::watcher(api, watcher::Config::default()));
            let mut watch = pin!(watch);
            while let Some(event) = watch.next().await {
                if let Err(error) = event {
                    hearing.lost(&error);
                }
            }
        });
        sleep(Duration::from_mins(10)).await;
        let deaf = pulses.deafness().unwrap();
        assert_eq!((deaf.what.as_str(), deaf.others), ("configmaps", 0));
        assert!(deaf.lasts > Duration::from_mins(9), "{deaf}");
        assert!(deaf.cause.contains("the operator may not list it"), "{deaf}");
        assert!(pulses.deaf_for()["ConfigMap"] > Duration::from_mins(9));
        let asked = ASKED.load(Ordering::Relaxed);
        assert!((20..60).contains(&asked), "not every second: {asked}");
        REFUSES.store(0, Ordering::Relaxed);
        sleep(Duration::from_mins(1)).await;
        assert_eq!(pulses.deafness(), None);
        assert_eq!(pulses.deaf_for()["ConfigMap"], Duration::ZERO);
        watching.abort();
    }

    #[test]
    fn without_a_watch_none_is_silent() {
        assert_eq!(Pulses::default().slowest(), None);
    }
}
