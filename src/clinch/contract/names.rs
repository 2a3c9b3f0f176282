//! Names of attributes that the operator itself reads or writes, independent of any mapping. Pure.

use serde::Serialize;

/// Attribute names by meaning. `None`: the attribute is not offered and not sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Names {
    /// Candidate: the match attribute.
    pub email: String,
    /// Candidate: the name of the credential that created it.
    pub source: String,
    /// Job: the reference that recruiters use.
    pub job_reference: String,
    /// Job: its title.
    pub job_title: String,
    /// Stage: its name.
    pub stage_name: String,
    /// Attachment: the file's name.
    pub file_name: String,
    /// Attachment: the file's media type.
    pub content_type: Option<String>,
    /// Attachment: the kind of file, e.g. `resume`.
    pub attachment_kind: Option<String>,
    /// Attachment: the file's bytes in Base64.
    pub content: String,
    /// Activity: its kind.
    pub activity_kind: Option<String>,
    /// Activity: its text.
    pub activity_body: String,
}

/// The meaning of a name; `as_str` is its key in `contractOverrides.attributes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NameOf {
    /// `email`
    Email,
    /// `source`
    Source,
    /// `job_reference`
    JobReference,
    /// `job_title`
    JobTitle,
    /// `stage_name`
    StageName,
    /// `file_name`
    FileName,
    /// `content_type`
    ContentType,
    /// `attachment_kind`
    AttachmentKind,
    /// `content`
    Content,
    /// `activity_kind`
    ActivityKind,
    /// `activity_body`
    ActivityBody,
}

impl NameOf {
    /// Every meaning.
    pub const ALL: [Self; 11] = [
        Self::Email,
        Self::Source,
        Self::JobReference,
        Self::JobTitle,
        Self::StageName,
        Self::FileName,
        Self::ContentType,
        Self::AttachmentKind,
        Self::Content,
        Self::ActivityKind,
        Self::ActivityBody,
    ];

    /// Its key.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Source => "source",
            Self::JobReference => "job_reference",
            Self::JobTitle => "job_title",
            Self::StageName => "stage_name",
            Self::FileName => "file_name",
            Self::ContentType => "content_type",
            Self::AttachmentKind => "attachment_kind",
            Self::Content => "content",
            Self::ActivityKind => "activity_kind",
            Self::ActivityBody => "activity_body",
        }
    }

    /// The meaning with that key.
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|name| name.as_str() == key)
    }
}

impl Names {
    /// Gives the meaning `of` the attribute `name`.
    pub fn set(&mut self, of: NameOf, name: String) {
        match of {
            NameOf::Email => self.email = name,
            NameOf::Source => self.source = name,
            NameOf::JobReference => self.job_reference = name,
            NameOf::JobTitle => self.job_title = name,
            NameOf::StageName => self.stage_name = name,
            NameOf::FileName => self.file_name = name,
            NameOf::ContentType => self.content_type = Some(name),
            NameOf::AttachmentKind => self.attachment_kind = Some(name),
            NameOf::Content => self.content = name,
            NameOf::ActivityKind => self.activity_kind = Some(name),
            NameOf::ActivityBody => self.activity_body = name,
        }
    }
}

/// Whether a text can be an attribute name: an identifier of at most 64 bytes. Names appear in
/// status and errors, so nothing else is accepted.
pub(crate) fn is_safe_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    name.len() <= 64
        && bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}
