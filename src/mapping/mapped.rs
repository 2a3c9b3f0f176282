//! The result of mapping one profile. Pure; `Debug` shows names and counts, never a value.

use std::fmt;

use serde_json::{Map, Value};

use super::accept::Beyond;
use crate::domain::MatchKey;

/// One mapped profile, ready to be compared and sent.
#[derive(Clone, PartialEq)]
pub struct Mapped {
    /// Target attributes by name; null clears.
    pub attributes: Map<String, Value>,
    /// The attributes that are sent only where the target has no value.
    pub only_if_empty: Vec<String>,
    /// Identifies the person.
    pub match_key: MatchKey,
    /// The resume to attach, if the mapping asks for it and the profile has one.
    pub resume: Option<ResumeRef>,
    /// Values that are sent although they are beyond what the target states.
    pub doubts: Vec<Doubt>,
    /// Attributes that the target requires of a new person and the record does not fill.
    pub lacking: Vec<Box<str>>,
    /// The tags, if the mapping sends them: trimmed, without repetitions, in the profile's order.
    pub tags: Vec<String>,
}

impl fmt::Debug for Mapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.attributes.keys().collect();
        f.debug_struct("Mapped")
            .field("attributes", &names)
            .field("only_if_empty", &self.only_if_empty)
            .field("resume", &self.resume.is_some())
            .field("tags", &self.tags.len())
            .finish_non_exhaustive()
    }
}

/// A value beyond what the target states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doubt {
    /// Index among the fields of the spec: `spec.fields[3]`.
    pub field: usize,
    /// What it is beyond.
    pub beyond: Beyond,
}

impl Doubt {
    /// The field: `spec.fields[3]`.
    pub fn place(&self) -> String {
        format!("spec.fields[{}]", self.field)
    }
}

/// The profile's `resume` member.
#[derive(Clone, PartialEq, Eq)]
pub struct ResumeRef {
    /// `resume.name`: the file's name.
    pub name: Option<String>,
    /// `resume.mime`: the declared media type. Not trusted.
    pub mime: Option<String>,
    /// The file, or where it is.
    pub content: ResumeContent,
}

/// The file of a resume, or where it is.
#[derive(Clone, PartialEq, Eq)]
pub enum ResumeContent {
    /// `resume.bytes`: Base64, not decoded here. Takes precedence over a URL.
    Base64(String),
    /// `resume.url`.
    Url(String),
    /// A resume with neither bytes nor a URL: reported, never silently dropped.
    Unusable,
}

impl ResumeRef {
    /// The resume of a profile; `None` when it has none.
    pub(super) fn of(members: &Map<String, Value>) -> Option<Self> {
        let resume = members.get("resume").filter(|resume| !resume.is_null())?;
        let text = |name: &str| {
            let text = resume.get(name).and_then(Value::as_str)?;
            (!text.trim().is_empty()).then(|| text.to_owned())
        };
        let content = match (text("bytes"), text("url")) {
            (Some(bytes), _) => ResumeContent::Base64(bytes),
            (None, Some(url)) => ResumeContent::Url(url),
            (None, None) => ResumeContent::Unusable,
        };
        Some(Self { name: text("name"), mime: text("mime"), content })
    }
}

impl fmt::Debug for ResumeRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.content {
            ResumeContent::Base64(_) => "Base64",
            ResumeContent::Url(_) => "Url",
            ResumeContent::Unusable => "Unusable",
        };
        write!(f, "ResumeRef({kind})")
    }
}
