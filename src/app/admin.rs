//! The admin server: `/healthz` (the process works), `/readyz` (what it still waits for), `/metrics`, and
//! `/loglevel` for this machine only. It has a thread and an event loop of its own, so that it answers when
//! those of the operator are stuck.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use axum::{
    Router,
    http::{
        HeaderMap, StatusCode,
        header::{ACCEPT, CONTENT_TYPE},
    },
    response::IntoResponse,
    routing::get,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{
    Liveness, LogFilter, Metrics, log_level,
    metrics::{OPEN_METRICS, TEXT, classic},
};
use crate::k8s::Deafness;

/// How long a watch may fail before the process is not ready any more. An API server that is replaced takes less.
const DEAF: Duration = Duration::from_mins(1);

/// Whether the process is ready: it works, or stands by for the one that does.
#[derive(Debug, Clone)]
pub struct Readiness(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    standing: Result<String, String>,
    /// What it lacks, whatever it is ready for otherwise.
    lack: Option<String>,
}

impl Default for Readiness {
    fn default() -> Self {
        let standing = Err("starting".to_owned());
        Self(Arc::new(Mutex::new(State { standing, lack: None })))
    }
}

impl Readiness {
    fn inner(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, standing: Result<String, String>) {
        self.inner().standing = standing;
    }

    /// Something that it needs is missing, or no longer: then it is not ready, for whatever it is.
    pub fn lacks(&self, lack: Option<String>) {
        self.inner().lack = lack;
    }

    /// Not ready: waits for `what`.
    pub fn wait_for(&self, what: impl Into<String>) {
        self.set(Err(what.into()));
    }

    /// Ready.
    pub fn ready(&self) {
        self.set(Ok("ready".to_owned()));
    }

    /// Ready to take over from `holder`, which holds `lease` now.
    pub fn stand_by(&self, holder: &str, lease: &str) {
        self.set(Ok(format!("standing by: {holder} holds the lease {lease}")));
    }

    /// What it is ready for, or what it waits for.
    pub fn state(&self) -> Result<String, String> {
        let state = self.inner();
        match &state.lack {
            Some(lack) => Err(lack.clone()),
            None => state.standing.clone(),
        }
    }
}

/// The admin server.
pub struct Admin {
    /// Where it listens.
    pub address: SocketAddr,
}

impl Admin {
    /// Binds, and serves until `stop`.
    pub async fn start(
        listen: SocketAddr,
        liveness: Liveness,
        readiness: Readiness,
        metrics: Arc<Metrics>,
        log: &LogFilter,
        stop: CancellationToken,
    ) -> std::io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        // Sockets belong to the event loop on which they were made.
        let listener = listener.into_std()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let router = router(liveness, readiness, metrics)
            .merge(log_level::route(log))
            .into_make_service_with_connect_info::<SocketAddr>();
        thread::Builder::new().name("admin".to_owned()).spawn(move || {
            let served = runtime.block_on(async {
                let listener = TcpListener::from_std(listener)?;
                axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await
            });
            if let Err(error) = served {
                tracing::error!(%error, "the admin server failed");
            }
        })?;
        Ok(Self { address })
    }
}

/// What `/readyz` says of a process with watches that cannot be opened: at the start at once, later once it lasts.
fn answer(state: Result<String, String>, deafness: Option<&Deafness>) -> Result<String, String> {
    match (state, deafness) {
        (Ok(_), Some(deaf)) if deaf.lasts >= DEAF => Err(format!("the API server: {deaf}")),
        (Err(what), Some(deaf)) => Err(format!("{what}: {deaf}")),
        (state, _) => state,
    }
}

fn router(liveness: Liveness, readiness: Readiness, metrics: Arc<Metrics>) -> Router {
    let heard = liveness.clone();
    let alive = move || {
        std::future::ready(match liveness.fault() {
            None => (StatusCode::OK, "ok\n".to_owned()),
            Some(fault) => (StatusCode::SERVICE_UNAVAILABLE, format!("{fault}\n")),
        })
    };
    let ready = move || {
        std::future::ready(match answer(readiness.state(), heard.deafness().as_ref()) {
            Ok(ready) => (StatusCode::OK, format!("{ready}\n")),
            Err(what) => (StatusCode::SERVICE_UNAVAILABLE, format!("waiting for {what}\n")),
        })
    };
    let text = move |headers: HeaderMap| {
        let accepts = headers.get(ACCEPT).and_then(|accepts| accepts.to_str().ok());
        let open = accepts.is_some_and(|types| types.contains("application/openmetrics-text"));
        let found = metrics.text();
        let (kind, text) = if open { (OPEN_METRICS, found) } else { (TEXT, classic(&found)) };
        std::future::ready(([(CONTENT_TYPE, kind)], text).into_response())
    };
    Router::new()
        .route("/healthz", get(alive))
        .route("/readyz", get(ready))
        .route("/metrics", get(text))
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::TcpStream,
        sync::mpsc,
    };

    use super::*;
    use crate::app::LivenessLimits;

    fn asked(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn until(address: SocketAddr, wanted: &str) -> String {
        let since = std::time::Instant::now();
        loop {
            let answer = asked(address, "/healthz");
            if answer.starts_with(wanted) {
                return answer;
            }
            assert!(since.elapsed() < Duration::from_secs(30), "{answer}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn a_standby_that_lacks_something_is_not_ready_until_it_is_there() {
        let readiness = Readiness::default();
        readiness.stand_by("other", "lease");
        assert!(readiness.state().is_ok());
        readiness.lacks(Some("the CRDs".to_owned()));
        readiness.stand_by("other", "lease");
        assert_eq!(readiness.state(), Err("the CRDs".to_owned()));
        readiness.lacks(None);
        assert!(readiness.state().is_ok());
    }

    #[test]
    fn a_deaf_process_is_not_ready_and_says_which_right_is_missing() {
        let deaf = |seconds: u64| Deafness {
            what: "candidateexports".to_owned(),
            cause: "403 Forbidden: the operator may not list it".to_owned(),
            lasts: Duration::from_secs(seconds),
            others: 2,
        };
        let (ready, starting) = (Ok("ready".to_owned()), Err("the first list".to_owned()));
        assert_eq!(answer(ready.clone(), None), ready);
        assert_eq!(answer(ready.clone(), Some(&deaf(59))), ready, "it may pass");
        let expected = "the API server: the watch of candidateexports has failed for 60 s: 403 Forbidden: \
                        the operator may not list it; and so have 2 other watches";
        assert_eq!(answer(ready, Some(&deaf(60))), Err(expected.to_owned()));
        let expected = expected.replace("the API server", "the first list").replace("60 s", "3 s");
        assert_eq!(answer(starting, Some(&deaf(3))), Err(expected));
    }

    #[test]
    fn an_event_loop_that_is_stuck_fails_healthz_until_it_runs_again() {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().unwrap();
        let limits =
            LivenessLimits { event_loop: Duration::from_secs(2), ..LivenessLimits::default() };
        let stop = CancellationToken::new();
        let admin = runtime.block_on(async {
            let (liveness, metrics) = (Liveness::of_this_runtime(limits), Metrics::new());
            let (listen, log) =
                (SocketAddr::from(([127, 0, 0, 1], 0)), LogFilter::unchangeable("info"));
            let ready = Readiness::default();
            Admin::start(listen, liveness, ready, metrics, &log, stop.clone()).await
        });
        let address = admin.unwrap().address;
        assert!(until(address, "HTTP/1.1 200").ends_with("ok\n"));
        let (release, blocked) = mpsc::channel::<()>();
        runtime.spawn(async move { blocked.recv() });
        let answer = until(address, "HTTP/1.1 503");
        assert!(answer.contains("the event loop has not run for"), "{answer}");
        assert!(asked(address, "/metrics").starts_with("HTTP/1.1 200"), "it can be looked into");
        drop(release);
        until(address, "HTTP/1.1 200");
        stop.cancel();
    }
}
