//! Responses: JSON:API documents and errors. Pure.

use bytes::Bytes;
use serde_json::{Value, json};

/// A response before it is sent.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Bytes,
}

const JSON_API: &str = "application/vnd.api+json";

impl Answer {
    pub(super) fn json(status: u16, body: &Value) -> Self {
        let body = Bytes::from(body.to_string());
        Self { status, content_type: JSON_API, headers: Vec::new(), body }
    }

    pub(super) fn html(status: u16, body: &str) -> Self {
        let body = Bytes::from(body.to_owned());
        Self { status, content_type: "text/html; charset=utf-8", headers: Vec::new(), body }
    }

    pub(super) fn plain_json(body: &Value) -> Self {
        Self { content_type: "application/json", ..Self::json(200, body) }
    }

    pub(super) fn error(status: u16, title: &str, pointer: Option<&str>) -> Self {
        let mut error = json!({"status": status.to_string(), "title": title});
        if let Some(pointer) = pointer {
            error["source"] = json!({"pointer": pointer});
        }
        Self::json(status, &json!({"errors": [error]}))
    }

    pub(super) fn with(mut self, header: &'static str, value: String) -> Self {
        self.headers.push((header, value));
        self
    }
}
