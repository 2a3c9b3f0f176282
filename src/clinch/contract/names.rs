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
    /// Candidate: the time of the last change; `None`: the usual name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<String>,
    /// Candidate: the id of the person into whom this one was merged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub merged_into: Option<String>,
    /// Candidate: the address of their LinkedIn profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub linkedin_url: Option<String>,
    /// Candidate: the address of their GitHub profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub github_url: Option<String>,
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
    /// `updated_at`
    UpdatedAt,
    /// `merged_into`
    MergedInto,
    /// `linkedin_url`
    LinkedinUrl,
    /// `github_url`
    GithubUrl,
}

impl NameOf {
    /// Every meaning.
    pub const ALL: [Self; 15] = [
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
        Self::UpdatedAt,
        Self::MergedInto,
        Self::LinkedinUrl,
        Self::GithubUrl,
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
            Self::UpdatedAt => "updated_at",
            Self::MergedInto => "merged_into",
            Self::LinkedinUrl => "linkedin_url",
            Self::GithubUrl => "github_url",
        }
    }

    /// The meaning with that key.
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|name| name.as_str() == key)
    }
}

impl Names {
    /// The attribute with the time of the last change of a person.
    pub fn updated_at(&self) -> &str {
        self.updated_at.as_deref().unwrap_or("updated_at")
    }

    /// The attribute that has the meaning `of`, if there is one.
    pub fn name(&self, of: NameOf) -> Option<&str> {
        match of {
            NameOf::Email => Some(&self.email),
            NameOf::Source => Some(&self.source),
            NameOf::JobReference => Some(&self.job_reference),
            NameOf::JobTitle => Some(&self.job_title),
            NameOf::StageName => Some(&self.stage_name),
            NameOf::FileName => Some(&self.file_name),
            NameOf::ContentType => self.content_type.as_deref(),
            NameOf::AttachmentKind => self.attachment_kind.as_deref(),
            NameOf::Content => Some(&self.content),
            NameOf::ActivityKind => self.activity_kind.as_deref(),
            NameOf::ActivityBody => Some(&self.activity_body),
            NameOf::UpdatedAt => Some(self.updated_at()),
            NameOf::MergedInto => self.merged_into.as_deref(),
            NameOf::LinkedinUrl => self.linkedin_url.as_deref(),
            NameOf::GithubUrl => self.github_url.as_deref(),
        }
    }

    /// The attributes with addresses of a person's profiles, as far as they are offered.
    pub fn profile_urls(&self) -> impl Iterator<Item = &str> {
        self.linkedin_url.iter().chain(&self.github_url).map(String::as_str)
    }

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
            NameOf::UpdatedAt => self.updated_at = Some(name),
            NameOf::MergedInto => self.merged_into = Some(name),
            NameOf::LinkedinUrl => self.linkedin_url = Some(name),
            NameOf::GithubUrl => self.github_url = Some(name),
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

/// Whether a text can be a query parameter's name, e.g. `page[number]`.
pub(super) fn is_parameter_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_-.[]".contains(&b);
    (1..=64).contains(&name.len()) && name.bytes().all(allowed)
}
