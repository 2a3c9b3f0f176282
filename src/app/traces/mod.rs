//! Traces, as OTLP over HTTP to a collector that the admin names. Off by default. Whatever the collector
//! does, no run waits for it and none fails because of it.

mod http;
mod queue;

use std::time::Duration;

use opentelemetry::{KeyValue, trace::TracerProvider as _};
use opentelemetry_otlp::{
    ExporterBuildError, Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::{
    Resource,
    resource::EnvResourceDetector,
    trace::{Sampler, SdkTracerProvider, SpanData, SpanExporter as _},
};
use thiserror::Error;
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::{Layer, Registry, filter::filter_fn};
use url::Url;

use self::{http::Http, queue::Queue};
use crate::{domain::SPANS, network::OutboundProxy};

/// How long the end of the process waits for spans to be exported.
pub const FLUSH: Duration = Duration::from_secs(5);
/// How long one export may take, with its retries.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);
/// Spans that may wait for their export.
const WAITING: usize = 2048;

/// Which traces are exported. No request brings a trace from outside, so the two forms of each name
/// mean the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum TraceSampler {
    /// All of them.
    #[value(name = "always_on")]
    AlwaysOn,
    /// None.
    #[value(name = "always_off")]
    AlwaysOff,
    /// A share of them.
    #[value(name = "traceidratio")]
    TraceIdRatio,
    /// All of them.
    #[value(name = "parentbased_always_on")]
    ParentBasedAlwaysOn,
    /// None.
    #[value(name = "parentbased_always_off")]
    ParentBasedAlwaysOff,
    /// A share of them.
    #[value(name = "parentbased_traceidratio")]
    ParentBasedTraceIdRatio,
}

/// Where traces go, and which.
#[derive(Debug, Clone)]
pub struct TraceSettings {
    /// Base URL of the collector; traces are sent to `v1/traces` below it.
    pub endpoint: String,
    /// Which traces are exported.
    pub sampler: TraceSampler,
    /// The share of traces, from 0 to 1, for the samplers that take one.
    pub ratio: f64,
    /// `service.name` of the traces.
    pub service: String,
    /// `service.instance.id` of the traces.
    pub instance: String,
}

/// Why no traces can be exported.
#[derive(Debug, Error)]
pub enum TraceError {
    /// The endpoint is no URL to which OTLP can be sent. It is not repeated: it may hold a password.
    #[error(
        "the endpoint must be http://HOST:PORT or https://HOST, without user, password, query or fragment"
    )]
    Endpoint,
    /// The exporter refuses its settings.
    #[error("the settings of the exporter cannot be used")]
    Exporter(#[from] ExporterBuildError),
    /// The HTTP client could not be set up.
    #[error("cannot set up the HTTP client")]
    Http(#[source] reqwest::Error),
}

/// The layer that makes spans into traces.
pub type SpanLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// Traces of this process. Spans wait until [`Traces::export`].
pub struct Traces {
    endpoint: Url,
    resource: Resource,
    provider: SdkTracerProvider,
    waiting: mpsc::Receiver<SpanData>,
}

impl Traces {
    /// Traces with these settings.
    pub fn new(settings: &TraceSettings) -> Result<Self, TraceError> {
        let endpoint = endpoint(&settings.endpoint)?;
        // Later ones win: the environment may name other attributes, and this service otherwise.
        let resource = Resource::builder_empty()
            .with_attributes([
                KeyValue::new("service.name", settings.service.clone()),
                KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
                KeyValue::new("service.instance.id", settings.instance.clone()),
            ])
            .with_detector(Box::new(EnvResourceDetector::new()))
            .build();
        let (queue, waiting) = Queue::new(WAITING);
        let provider = SdkTracerProvider::builder()
            .with_sampler(sampler(settings))
            .with_resource(resource.clone())
            .with_span_processor(queue)
            .build();
        Ok(Self { endpoint, resource, provider, waiting })
    }

    /// The layer of the subscriber that makes spans into traces. It sees [`SPANS`] and no event.
    pub fn layer(&self) -> SpanLayer {
        let spans = filter_fn(|found| found.is_span() && found.target() == SPANS);
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("clinch-operator"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_level(false)
            .with_tracked_inactivity(false)
            // Parents are those of `tracing`, also across tasks.
            .with_context_activation(false)
            .with_filter(spans)
            .boxed()
    }

    /// Exports spans on a task of its own, through the proxy that other requests take.
    pub fn export(self, proxy: &OutboundProxy) -> Result<Exporting, TraceError> {
        let http = Http::new(EXPORT_TIMEOUT, proxy).map_err(TraceError::Http)?;
        let mut exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(http)
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(EXPORT_TIMEOUT)
            .with_endpoint(self.endpoint.as_str())
            .build()?;
        exporter.set_resource(&self.resource);
        let origin = self.endpoint.origin().ascii_serialization();
        tracing::info!(collector = origin, "exporting traces");
        let stop = CancellationToken::new();
        let task = tokio::spawn(queue::export(self.waiting, exporter, stop.clone()));
        Ok(Exporting { task, stop, _provider: self.provider })
    }
}

/// The export of traces.
pub struct Exporting {
    task: JoinHandle<()>,
    stop: CancellationToken,
    _provider: SdkTracerProvider,
}

impl Exporting {
    /// Exports the spans that wait, for [`FLUSH`] at most.
    pub async fn end(mut self) {
        self.stop.cancel();
        if timeout(FLUSH, &mut self.task).await.is_err() {
            self.task.abort();
            tracing::warn!("the collector did not take the last spans in time; they are discarded");
        }
    }
}

/// The URL that traces are sent to.
fn endpoint(base: &str) -> Result<Url, TraceError> {
    let mut url = Url::parse(base.trim()).map_err(|_| TraceError::Endpoint)?;
    let plain = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if !plain || !matches!(url.scheme(), "http" | "https") {
        return Err(TraceError::Endpoint);
    }
    let path = format!("{}/v1/traces", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(url)
}

fn sampler(settings: &TraceSettings) -> Sampler {
    Sampler::ParentBased(Box::new(match settings.sampler {
        TraceSampler::AlwaysOn | TraceSampler::ParentBasedAlwaysOn => Sampler::AlwaysOn,
        TraceSampler::AlwaysOff | TraceSampler::ParentBasedAlwaysOff => Sampler::AlwaysOff,
        TraceSampler::TraceIdRatio | TraceSampler::ParentBasedTraceIdRatio => {
            Sampler::TraceIdRatioBased(settings.ratio)
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_go_below_the_base_url_and_other_urls_are_refused_without_being_repeated() {
        for (base, expected) in [
            ("http://otel:4318", "http://otel:4318/v1/traces"),
            (" https://otel.example.com/team/ ", "https://otel.example.com/team/v1/traces"),
        ] {
            assert_eq!(endpoint(base).unwrap().as_str(), expected);
        }
        for refused in [
            "otel:4318",
            "grpc://otel:4317",
            "https://user:hunter2@otel",
            "https://otel/?key=hunter2",
            "https://otel/#hunter2",
            "",
        ] {
            let said = endpoint(refused).unwrap_err().to_string();
            assert!(!said.contains("hunter2") && said.contains("http://HOST:PORT"), "{said}");
        }
    }
}
