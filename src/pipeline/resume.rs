//! A profile's resume as a file to attach. Only bytes inside the profile count: data never picks a
//! host to fetch them from. Pure.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use thiserror::Error;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum ResumeError {
    #[error("the resume has a url but no inline bytes; fetching is not permitted")]
    NotInline,
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

/// Decodes a resume and detects its type. Its name in Clinch is derived from its content, so that the
/// same resume is recognised and the name carries no candidate value.
pub(super) fn attachment(base64: Option<&str>, digest: &[u8]) -> Result<ResumeFile, ResumeError> {
    let text = base64.ok_or(ResumeError::NotInline)?;
    if text.len() / 4 * 3 > MAX_RESUME_BYTES + 3 {
        return Err(ResumeError::TooLarge);
    }
    let bytes = STANDARD.decode(text.trim()).map_err(|_| ResumeError::NotBase64)?;
    if bytes.len() > MAX_RESUME_BYTES {
        return Err(ResumeError::TooLarge);
    }
    if bytes.is_empty() {
        return Err(ResumeError::Empty);
    }
    let (content_type, extension) = sniff(&bytes).ok_or(ResumeError::UnknownType)?;
    let name = format!("resume-{}.{extension}", hex::encode(&digest[..digest.len().min(4)]));
    Ok(ResumeFile { name, content_type, bytes: Bytes::from(bytes) })
}

/// Media type and extension by the first bytes; a name or declared type is not trusted.
fn sniff(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    const DOCX: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
    const ODT: &str = "application/vnd.oasis.opendocument.text";
    let starts = |magic: &[u8]| bytes.starts_with(magic);
    if starts(b"%PDF-") {
        Some(("application/pdf", "pdf"))
    } else if starts(b"PK\x03\x04") {
        let head = &bytes[..bytes.len().min(128)];
        let odt = head.windows(ODT.len()).any(|window| window == ODT.as_bytes());
        Some(if odt { (ODT, "odt") } else { (DOCX, "docx") })
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
        attachment(Some(&STANDARD.encode(bytes)), &[1, 2, 3, 4, 5])
    }

    #[test]
    fn the_type_comes_from_the_bytes_and_the_name_from_the_digest() {
        let pdf = of(b"%PDF-1.7 ...").unwrap();
        assert_eq!(
            (pdf.content_type, pdf.name.as_str()),
            ("application/pdf", "resume-01020304.pdf")
        );
        assert_eq!(of(b"{\\rtf1}").unwrap().content_type, "application/rtf");
    }

    #[test]
    fn each_unusable_resume_has_its_own_error() {
        assert_eq!(attachment(None, &[]).unwrap_err(), ResumeError::NotInline);
        assert_eq!(attachment(Some("%%"), &[]).unwrap_err(), ResumeError::NotBase64);
        assert_eq!(of(b"").unwrap_err(), ResumeError::Empty);
        assert_eq!(of(b"MZ\x90").unwrap_err(), ResumeError::UnknownType);
        let mut large = b"%PDF-".to_vec();
        large.resize(MAX_RESUME_BYTES + 1, b' ');
        assert_eq!(of(&large).unwrap_err(), ResumeError::TooLarge);
    }
}
