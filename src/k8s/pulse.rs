//! Whether the watches make progress. A watch of a quiet cluster delivers nothing for hours, so what counts is
//! what its connection does: a request, an answer, a failed attempt, or bytes. The API server ends each watch
//! within five minutes, and the client itself begins another one, so that a watch which works is never silent
//! for long; nor is one whose API server is lost. Reads the tokio clock.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::{Request, Response};
use http_body_util::BodyExt as _;
use kube::{Client, client::Body};
use tokio::time::{Instant, timeout};
use tower::BoxError;

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

/// The pulses of all watches; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Pulses(Arc<Mutex<Vec<(String, Pulse)>>>);

impl Pulses {
    /// A client for one watch, whose requests and answers are the pulse of that watch. Needs a runtime.
    pub(super) fn observe(&self, client: &Client, what: impl fmt::Display) -> Client {
        let pulse = Pulse::default();
        let entry = (what.to_string(), pulse.clone());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
        let (inner, namespace) = (client.clone(), client.default_namespace().to_owned());
        let service = tower::service_fn(move |request: Request<Body>| {
            let (client, pulse) = (inner.clone(), pulse.clone());
            async move {
                pulse.beat();
                let answer = timeout(ANSWER_WITHIN, client.send(request)).await;
                pulse.beat();
                let answer: Response<Body> =
                    answer.map_err(BoxError::from)?.map_err(BoxError::from)?;
                let (head, body) = answer.into_parts();
                let body = body.map_frame(move |frame| {
                    pulse.beat();
                    frame
                });
                Ok::<_, BoxError>(Response::from_parts(head, body))
            }
        });
        Client::new(service, namespace)
    }

    /// The watch that has made no progress for the longest time.
    pub fn slowest(&self) -> Option<(String, Duration)> {
        let pulses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let silent = pulses.iter().map(|(what, pulse)| (what, pulse.silent_for()));
        let (what, silent) = silent.max_by_key(|(_, silent)| *silent)?;
        Some((what.clone(), silent))
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
        let api: Api<ConfigMap> = Api::all(pulses.observe(&client, "configmaps"));
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
        let api: Api<ConfigMap> = Api::all(pulses.observe(&client(quiet), "configmaps"));
        let watch = watcher::watcher(api, watcher::Config::default()).default_backoff();
        let mut watch = pin!(watch);
        // It has listed, and then its handler does not return.
        assert!(watch.next().await.is_some_and(|event| event.is_ok()));
        assert!(pulses.slowest().unwrap().1 < LIMIT);
        advance(LIMIT).await;
        assert!(pulses.slowest().unwrap().1 >= LIMIT);
    }

    #[test]
    fn without_a_watch_none_is_silent() {
        assert_eq!(Pulses::default().slowest(), None);
    }
}
