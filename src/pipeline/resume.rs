//! A profile's resume as a file to attach: its type comes from its bytes, its name from a digest. Pure.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::storage::{NameError, NamedFault};

/// The largest resume accepted, in bytes.
pub const MAX_RESUME_BYTES: usize = 5 * 1024 * 1024;

/// A file to attach.
#[derive(Clone, PartialEq, Eq)]
pub struct ResumeFile {
    /// File name, made by the operator: no candidate value.
    pub name: String,
    /// Media type, detected from the bytes.
    pub content_type: &'static str,
    /// The bytes.
    pub bytes: Bytes,
}

impl fmt::Debug for ResumeFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ResumeFile({}, {} bytes)", self.content_type, self.bytes.len())
    }
}

/// Why a resume cannot be attached. Never carries its name or content.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum ResumeError {
    #[error("the resume has neither bytes nor a url")]
    Nothing,
    #[error("the url of the resume {0}")]
    Url(NameError),
    #[error("the file at the url of the resume {0}")]
    Unread(NamedFault),
    #[error("the file at the url of the resume {0}, in {1} attempts")]
    GivenUp(NamedFault, u32),
    #[error("the resume's bytes are not Base64")]
    NotBase64,
    #[error("the resume is larger than 5 MiB")]
    TooLarge,
    #[error("the resume is empty")]
    Empty,
    #[error("the resume is not a PDF, DOC, DOCX, ODT, RTF, PNG, JPEG or GIF file")]
    UnknownType,
    #[cfg(feature = "pdf")]
    #[error("the rendered profile is larger than 5 MiB")]
    DocumentTooLarge,
    #[error("the profile could not be rendered as a PDF document")]
    NotRendered,
}

impl From<NamedFault> for ResumeError {
    fn from(fault: NamedFault) -> Self {
        match fault {
            NamedFault::Name(error) => Self::Url(error),
            other => Self::Unread(other),
        }
    }
}

/// A file that was read from a URL.
pub(super) fn of_file(bytes: Bytes) -> Result<ResumeFile, ResumeError> {
    let digest = Sha256::digest(&bytes);
    file(bytes, &digest)
}

/// Decodes a resume and detects its type. Its name in Clinch is derived from its content, so that the
/// same resume is recognised and the name carries no candidate value.
pub(super) fn attachment(text: &str, digest: &[u8]) -> Result<ResumeFile, ResumeError> {
    if text.len() / 4 * 3 > MAX_RESUME_BYTES + 3 {
        return Err(ResumeError::TooLarge);
    }
    let bytes = STANDARD.decode(text.trim()).map_err(|_| ResumeError::NotBase64)?;
    file(bytes.into(), digest)
}

fn file(bytes: Bytes, digest: &[u8]) -> Result<ResumeFile, ResumeError> {
    if bytes.len() > MAX_RESUME_BYTES {
        return Err(ResumeError::TooLarge);
    }
    if bytes.is_empty() {
        return Err(ResumeError::Empty);
    }
    let (content_type, extension) = sniff(&bytes).ok_or(ResumeError::UnknownType)?;
    let name = format!("resume-{}.{extension}", hex::encode(&digest[..digest.len().min(4)]));
    Ok(ResumeFile { name, content_type, bytes })
}

/// Media type and extension by the first bytes; a name or declared type is not trusted.
fn sniff(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    const DOCX: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
    const ODT: &str = "application/vnd.oasis.opendocument.text";
    let starts = |magic: &[u8]| bytes.starts_with(magic);
    if starts(b"%PDF-") {
        Some(("application/pdf", "pdf"))
    } else if starts(b"PK\x03\x04") {
        let has = |part: &[u8], name: &[u8]| part.windows(name.len()).any(|found| found == name);
        let head = &bytes[..bytes.len().min(128)];
        if has(head, ODT.as_bytes()) {
            Some((ODT, "odt"))
        } else {
            // Any other archive begins like this, too. Names within one are not compressed.
            has(bytes, b"word/").then_some((DOCX, "docx"))
        }
    } else if starts(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1") {
        Some(("application/msword", "doc"))
    } else if starts(b"{\\rtf") {
        Some(("application/rtf", "rtf"))
    } else if starts(b"\x89PNG\r\n\x1a\n") {
        Some(("image/png", "png"))
    } else if starts(b"\xFF\xD8\xFF") {
        Some(("image/jpeg", "jpg"))
    } else if starts(b"GIF8") {
        Some(("image/gif", "gif"))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8]) -> Result<ResumeFile, ResumeError> {
        attachment(&STANDARD.encode(bytes), &[1, 2, 3, 4, 5])
    }

    #[test]
    fn the_type_comes_from_the_bytes_and_the_name_from_the_digest() {
        let pdf = of(b"%PDF-1.7 ...").unwrap();
        assert_eq!(
            (pdf.content_type, pdf.name.as_str()),
            ("application/pdf", "resume-01020304.pdf")
        );
        assert_eq!(of(b"{\\rtf1}").unwrap().content_type, "application/rtf");
        let docx = of(b"PK\x03\x04 [Content_Types].xml PK\x01\x02 word/document2.xml").unwrap();
        assert_eq!(docx.name, "resume-01020304.docx");
        let archive = b"PK\x03\x04 [Content_Types].xml PK\x01\x02 xl/workbook.xml";
        assert_eq!(of(archive).unwrap_err(), ResumeError::UnknownType);
    }

    #[test]
    fn each_unusable_resume_has_its_own_error() {
        assert_eq!(attachment("%%", &[]).unwrap_err(), ResumeError::NotBase64);
        assert_eq!(of(b"").unwrap_err(), ResumeError::Empty);
        assert_eq!(of(b"MZ\x90").unwrap_err(), ResumeError::UnknownType);
        let mut large = b"%PDF-".to_vec();
        large.resize(MAX_RESUME_BYTES + 1, b' ');
        assert_eq!(of(&large).unwrap_err(), ResumeError::TooLarge);
    }
}
