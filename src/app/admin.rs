//! The admin server: `/healthz` (the process works), `/readyz` (what it still waits for), `/metrics`, and
//! `/loglevel` for this machine only. It has a thread and an event loop of its own, so that it answers when
//! those of the operator are stuck.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    thread,
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

/// Whether the process is ready: it works, or stands by for the one that does.
#[derive(Debug, Clone)]
pub struct Readiness(Arc<Mutex<Result<String, String>>>);

impl Default for Readiness {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Err("starting".to_owned()))))
    }
}

impl Readiness {
    fn set(&self, state: Result<String, String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = state;
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
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
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

fn router(liveness: Liveness, readiness: Readiness, metrics: Arc<Metrics>) -> Router {
    let alive = move || {
        std::future::ready(match liveness.fault() {
            None => (StatusCode::OK, "ok\n".to_owned()),
            Some(fault) => (StatusCode::SERVICE_UNAVAILABLE, format!("{fault}\n")),
        })
    };
    let ready = move || {
        std::future::ready(match readiness.state() {
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
        time::Duration,
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
