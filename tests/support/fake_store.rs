//! A server that answers as a test wants, and records what it was asked.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{Response, StatusCode},
};
use tokio::net::TcpListener;

/// A running server.
pub struct FakeStore {
    /// Where it is.
    pub origin: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl FakeStore {
    /// Starts a server. `answer`: takes method and target, e.g. `GET /bucket?list-type=2`.
    pub async fn start(
        answer: impl Fn(&str) -> Response<Body> + Clone + Send + Sync + 'static,
    ) -> Self {
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let record = asked.clone();
        let router = Router::new().fallback(move |request: Request| {
            let target = format!("{} {}", request.method(), request.uri());
            let answered = answer(&target);
            record.lock().expect("no panic").push(target);
            async move {
                // All of it is read: otherwise the connection would be cut under the sender.
                let _ = axum::body::to_bytes(request.into_body(), usize::MAX).await;
                answered
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let origin = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { origin, asked }
    }

    /// What it was asked so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no panic").clone()
    }
}

/// An answer.
pub fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<String>) -> Response<Body> {
    let mut response = Response::builder().status(StatusCode::from_u16(status).expect("a status"));
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(Body::from(body.into())).expect("an answer")
}

/// An error of a store that speaks S3's language.
pub fn error(status: u16, code: &str) -> Response<Body> {
    let body =
        format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>m</Message></Error>");
    answer(status, &[("content-type", "application/xml")], body)
}

/// A page of S3's and Google's list, of keys as they are written in XML, and sizes.
pub fn page(keys: &[(&str, u64)]) -> Response<Body> {
    let object = |(key, size): &(&str, u64)| {
        format!(
            "<Contents><Key>{key}</Key><LastModified>2026-11-26T10:00:00.000Z</LastModified>\
             <ETag>\"e\"</ETag><Size>{size}</Size></Contents>"
        )
    };
    let objects: String = keys.iter().map(object).collect();
    let body = format!(
        "<?xml version=\"1.0\"?><ListBucketResult><Name>people</Name>{objects}</ListBucketResult>"
    );
    answer(200, &[("content-type", "application/xml")], body)
}
