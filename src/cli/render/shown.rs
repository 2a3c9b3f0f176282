//! What is shown of requests: values are left out unless they are asked for. Pure.

use serde::Serialize;
use serde_json::Value as Json;
use url::Url;

use super::super::text::Thousands;
use crate::{
    clinch::{Contract, Op, Request},
    pipeline::PreviewStep,
};

/// What stands for a value.
pub(super) const MASK: &str = "<redacted>";

/// An export. Its members, and those of what is in it, are API.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Export {
    pub(super) namespace: String,
    pub(super) name: String,
    /// Why nothing is rendered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) not_rendered: Option<String>,
    /// The file that it would write.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file: Option<Written>,
    pub(super) records: Vec<Record>,
}

/// A file that an export would write.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Written {
    /// `csv`, `ndjson` or `pdf`, with `.gz` where it is compressed.
    pub(super) format: &'static str,
    /// The line in front of the first record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) header: Option<String>,
    /// Where it was written by this command; several where each person has a document.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) paths: Vec<String>,
    /// Why it would not be written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refused: Option<String>,
}

/// A selected record.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record {
    /// Its number among the selected records, from 1.
    pub(super) number: usize,
    pub(super) position: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rejected: Option<Fault>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) warnings: Vec<Fault>,
    /// Its line in the file of the export.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) line: Option<String>,
    pub(super) requests: Vec<Shown>,
}

/// A reason and its message.
#[derive(Debug, Serialize)]
pub(super) struct Fault {
    pub(super) reason: &'static str,
    pub(super) message: String,
}

/// A request.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shown {
    /// When it is sent.
    pub(super) when: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) path: Option<String>,
    /// The operation, as `contractOverrides` names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) operation: Option<&'static str>,
    /// How well the operation is established.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) standing: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) body: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file: Option<File>,
    /// Why it would not be sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refused: Option<String>,
}

/// An attached file.
#[derive(Debug, Clone, Serialize)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) bytes: usize,
}

impl Shown {
    /// A step without a request.
    pub(super) fn without_request(step: &PreviewStep, refused: Option<String>) -> Self {
        Self {
            when: when(step),
            method: None,
            path: None,
            operation: None,
            standing: None,
            body: None,
            file: file(step),
            refused,
        }
    }

    /// A request of a step.
    pub(super) fn of(step: &PreviewStep, request: &Request, values: bool) -> Self {
        let file = file(step);
        // The content of a file is not for reading.
        let body = request.body.as_ref().filter(|_| file.is_none());
        let body = body.and_then(|bytes| serde_json::from_slice(bytes).ok());
        Self {
            method: Some(request.method.to_string()),
            path: Some(path(&request.url, values)),
            operation: Some(request.operation),
            body: body.map(|body| if values { body } else { masked(body) }),
            ..Self::without_request(step, None)
        }
    }

    /// Adds how well the operation is established.
    pub(super) fn establish(&mut self, contract: &Contract) {
        let op = self.operation.and_then(Op::from_name);
        self.standing = op.map(|op| contract.operation(op).state.as_str());
    }

    /// The request as text, with its body below it.
    pub(super) fn lines(&self) -> Vec<String> {
        let method = self.method.as_deref().unwrap_or("-");
        let mut line = format!("  {method:<5} {}", self.path.as_deref().unwrap_or_default());
        for note in [self.when.to_owned(), self.note()] {
            if !note.is_empty() {
                line = format!("{}  ({note})", line.trim_end());
            }
        }
        let mut lines = vec![line];
        lines.extend(
            self.file
                .as_ref()
                .map(|file| format!("        {}, {} bytes", file.name, count(file.bytes))),
        );
        lines.extend(self.body.as_ref().map(|body| format!("        {body}")));
        lines.extend(self.refused.as_ref().map(|why| format!("        not sent: {why}")));
        lines
    }

    fn note(&self) -> String {
        match self.standing {
            Some("Assumed") => "assumed operation".to_owned(),
            _ => String::new(),
        }
    }
}

fn file(step: &PreviewStep) -> Option<File> {
    match step {
        PreviewStep::Attachment { name, bytes } => Some(File { name: name.clone(), bytes: *bytes }),
        _ => None,
    }
}

const fn when(step: &PreviewStep) -> &'static str {
    match step {
        PreviewStep::LookUp => "unless the list of all people is read",
        PreviewStep::Create => "if nobody is found",
        PreviewStep::Update => "if one is found: those that differ of these attributes",
        PreviewStep::Application => "application",
        PreviewStep::Attachment { .. } => "attachment",
        PreviewStep::NamedFile => "attachment of a file that the profile names by URL",
        PreviewStep::Activity => "activity",
    }
}

/// Path and query. Of the query, only numbers are shown: the others are values of people.
fn path(url: &Url, values: bool) -> String {
    let path = url.path().replace("candidate-id", "{candidate_id}");
    let pairs = url.query_pairs().map(|(name, value)| {
        let shown = values || value.bytes().all(|byte| byte.is_ascii_digit());
        format!("{name}={}", if shown { &*value } else { MASK })
    });
    let query: Vec<String> = pairs.collect();
    if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) }
}

/// A body whose attributes have no values.
fn masked(mut body: Json) -> Json {
    if let Some(attributes) = body.pointer_mut("/data/attributes") {
        mask(attributes);
    }
    body
}

fn mask(value: &mut Json) {
    match value {
        Json::Object(members) => members.values_mut().for_each(mask),
        Json::Array(items) => items.iter_mut().for_each(mask),
        Json::Null => {}
        Json::Bool(_) | Json::Number(_) | Json::String(_) => *value = MASK.into(),
    }
}

fn count(number: usize) -> Thousands {
    Thousands(i64::try_from(number).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_of_attributes_are_shown_and_values_are_not() {
        let body = json!({"data": {"type": "candidate", "attributes":
            {"email": "zoe@example.com", "skills": ["Rust"], "age": 7, "none": null}}});
        assert_eq!(
            masked(body)["data"]["attributes"],
            json!({"email": MASK, "skills": [MASK], "age": MASK, "none": null})
        );
        let url = "https://x.example/v2/candidates?filter%5Bemail%5D=zoe%40example.com&per_page=50";
        let url: Url = url.parse().unwrap();
        let expected = "/v2/candidates?filter[email]=<redacted>&per_page=50";
        assert_eq!(path(&url, false), expected);
        assert!(path(&url, true).contains("zoe@example.com"));
    }
}
