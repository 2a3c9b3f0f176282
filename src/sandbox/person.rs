//! A person with everything attached to them.

use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One person.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Person {
    pub(super) id: String,
    /// By built-in name.
    pub(super) attributes: Map<String, Value>,
    pub(super) applications: Vec<Application>,
    pub(super) attachments: Vec<Attachment>,
    pub(super) activities: Vec<Activity>,
    #[serde(skip)]
    pub(super) found_from: Option<Instant>,
}

/// A person as dumped for tests.
pub type PersonDump = Value;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Application {
    pub(super) id: String,
    pub(super) job: String,
    pub(super) stage: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Attachment {
    pub(super) id: String,
    pub(super) file_name: String,
    pub(super) content_type: String,
    pub(super) kind: String,
    pub(super) byte_size: usize,
    pub(super) sha256: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Activity {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) body: String,
}

impl Person {
    pub(super) fn is_anonymised(&self) -> bool {
        self.attributes.get("anonymized") == Some(&Value::Bool(true))
    }

    pub(super) fn is_archived(&self) -> bool {
        self.attributes.get("archived") == Some(&Value::Bool(true))
    }

    pub(super) fn is_found(&self) -> bool {
        self.found_from.is_none_or(|from| Instant::now() >= from)
    }
}

/// The form in which e-mail addresses are compared.
pub(super) fn folded(email: &str) -> String {
    email.trim().to_lowercase()
}
