//! The admin server: `/healthz` (the process is alive), `/readyz` (what it still waits for),
//! `/metrics`.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
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
    Metrics,
    metrics::{OPEN_METRICS, TEXT, classic},
};

/// What the process waits for before it is ready.
#[derive(Debug, Clone)]
pub struct Readiness(Arc<Mutex<Option<String>>>);

impl Default for Readiness {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Some("starting".to_owned()))))
    }
}

impl Readiness {
    /// Not ready: waits for `what`.
    pub fn wait_for(&self, what: impl Into<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(what.into());
    }

    /// Ready.
    pub fn ready(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// What it waits for; `None` when ready.
    pub fn waiting_for(&self) -> Option<String> {
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
        readiness: Readiness,
        metrics: Arc<Metrics>,
        stop: CancellationToken,
    ) -> std::io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let ready = move || {
            let waiting = readiness.waiting_for();
            std::future::ready(match waiting {
                None => (StatusCode::OK, "ready\n".to_owned()),
                Some(what) => (StatusCode::SERVICE_UNAVAILABLE, format!("waiting for {what}\n")),
            })
        };
        let text = move |headers: HeaderMap| {
            let accepts = headers.get(ACCEPT).and_then(|accepts| accepts.to_str().ok());
            let open = accepts.is_some_and(|types| types.contains("application/openmetrics-text"));
            let found = metrics.text();
            let (kind, text) = if open { (OPEN_METRICS, found) } else { (TEXT, classic(&found)) };
            std::future::ready(([(CONTENT_TYPE, kind)], text).into_response())
        };
        let router = Router::new()
            .route("/healthz", get(|| std::future::ready("ok\n")))
            .route("/readyz", get(ready))
            .route("/metrics", get(text));
        tokio::spawn(async move {
            let served =
                axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await;
            if let Err(error) = served {
                tracing::error!(%error, "the admin server failed");
            }
        });
        Ok(Self { address })
    }
}
