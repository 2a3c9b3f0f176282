//! A collector of traces: takes OTLP over HTTP, and decodes it with the messages of the OpenTelemetry
//! project.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{span::SpanKind, status::StatusCode as SpanStatus},
};
use prost::Message as _;
use tokio::net::TcpListener;

/// A span, as a collector sees it.
#[derive(Debug, Clone)]
pub struct Span {
    pub trace: String,
    pub id: String,
    /// Empty: it is the root of its trace.
    pub parent: String,
    pub name: String,
    pub is_client: bool,
    pub is_error: bool,
    pub attributes: BTreeMap<String, String>,
    pub events: usize,
}

impl Span {
    /// An attribute; empty where it is absent.
    pub fn get(&self, key: &str) -> &str {
        self.attributes.get(key).map_or("", String::as_str)
    }
}

#[derive(Default)]
struct Received {
    bodies: Vec<Bytes>,
    spans: Vec<Span>,
    resources: Vec<BTreeMap<String, String>>,
}

/// A running collector.
pub struct Collector {
    /// Its base URL.
    pub origin: String,
    received: Arc<Mutex<Received>>,
}

impl Collector {
    /// A collector that answers everything with this status.
    pub async fn start(status: StatusCode) -> Self {
        let received = Arc::<Mutex<Received>>::default();
        let into = received.clone();
        let take = move |headers: HeaderMap, body: Bytes| {
            let kind = headers.get("content-type").and_then(|kind| kind.to_str().ok());
            assert_eq!(kind, Some("application/x-protobuf"));
            into.lock().expect("no panic").take(body);
            std::future::ready((status, Bytes::new()))
        };
        let router = Router::new().route("/v1/traces", post(take));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let origin = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { origin, received }
    }

    /// The spans that it received so far.
    pub fn spans(&self) -> Vec<Span> {
        self.received.lock().expect("no panic").spans.clone()
    }

    /// The requests that it received so far, as they were.
    pub fn bodies(&self) -> Vec<Bytes> {
        self.received.lock().expect("no panic").bodies.clone()
    }

    /// What the requests say of their sender.
    pub fn resources(&self) -> Vec<BTreeMap<String, String>> {
        self.received.lock().expect("no panic").resources.clone()
    }
}

impl Received {
    fn take(&mut self, body: Bytes) {
        let request = ExportTraceServiceRequest::decode(body.clone()).expect("OTLP");
        self.bodies.push(body);
        for of in request.resource_spans {
            self.resources.push(attributes(of.resource.unwrap_or_default().attributes));
            for span in of.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                let status = span.status.unwrap_or_default();
                assert!(status.message.is_empty(), "{}", status.message);
                self.spans.push(Span {
                    trace: hex::encode(span.trace_id),
                    id: hex::encode(span.span_id),
                    parent: hex::encode(span.parent_span_id),
                    name: span.name,
                    is_client: span.kind == SpanKind::Client as i32,
                    is_error: status.code == SpanStatus::Error as i32,
                    attributes: attributes(span.attributes),
                    events: span.events.len(),
                });
            }
        }
    }
}

fn attributes(found: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value: Option<Value>| match value {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => panic!("no attribute has such a value: {other:?}"),
    };
    let pair = |found: KeyValue| (found.key, text(found.value.and_then(|value| value.value)));
    found.into_iter().map(pair).collect()
}
