//! Data that is no source, by its first bytes: web pages, workbooks, archives, Base64. Pure.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::Compression;

/// What was found where JSON, NDJSON or CSV was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// HTML.
    WebPage,
    /// Other XML.
    Xml,
    /// A ZIP archive, which `.xlsx` is, too.
    Zip,
    /// A workbook of Excel 97 to 2003.
    Workbook,
    /// PDF.
    Pdf,
    /// Rich text.
    RichText,
    /// Another compression than gzip and zstd.
    Compressed(&'static str),
    /// Compressed data within compressed data.
    CompressedTwice,
    /// A columnar or database file.
    Binary(&'static str),
    /// Base64 text of something that may be a source.
    Base64,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WebPage => f.write_str(
                "an HTML page, not data: does the server ask for a sign-in, or report an error?",
            ),
            Self::Xml => f.write_str("XML: export it as CSV or JSON"),
            Self::Zip => f.write_str(
                "a ZIP archive or an Excel workbook: unpack the archive, or save the sheet as CSV UTF-8",
            ),
            Self::Workbook => f.write_str("an Excel workbook: save the sheet as CSV UTF-8"),
            Self::Pdf => f.write_str("a PDF document: export it as CSV or JSON"),
            Self::RichText => f.write_str("rich text: save it as plain text"),
            Self::Compressed(how) => {
                write!(f, "compressed with {how}: compress it with gzip or zstd instead")
            }
            Self::CompressedTwice => f.write_str("compressed twice: compress it once"),
            Self::Binary(what) => write!(f, "{what}: export it as CSV or JSON"),
            Self::Base64 => f.write_str(
                "Base64 text: put the Base64 of a ConfigMap into binaryData instead of data, or the \
                 text itself into data; a Secret takes text in stringData and Base64 in data, once",
            ),
        }
    }
}

/// The first bytes of formats that are no source.
const SIGNATURES: [(&[u8], Found); 14] = [
    (b"PK\x03\x04", Found::Zip),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Found::Workbook),
    (b"%PDF-", Found::Pdf),
    (b"{\\rtf", Found::RichText),
    (b"BZh", Found::Compressed("bzip2")),
    (b"\xfd7zXZ\0", Found::Compressed("xz")),
    (b"7z\xbc\xaf\x27\x1c", Found::Compressed("7-Zip")),
    (b"\x04\x22\x4d\x18", Found::Compressed("LZ4")),
    (b"\x1f\x9d", Found::Compressed("compress")),
    (b"\x1f\x8b\x08", Found::CompressedTwice),
    (b"\x28\xb5\x2f\xfd", Found::CompressedTwice),
    (b"PAR1", Found::Binary("a Parquet file")),
    (b"Obj\x01", Found::Binary("an Avro file")),
    (b"SQLite format 3\0", Found::Binary("an SQLite database")),
];

/// What HTML begins with.
const HTML: [&[u8]; 8] =
    [b"<!doctype html", b"<html", b"<head", b"<body", b"<script", b"<meta", b"<title", b"<div"];

/// What else markup begins with.
const XML: [&[u8]; 3] = [b"<?xml", b"<!doctype", b"<!--"];

/// The least Base64 that is taken for it: a short word may have the same characters.
const LEAST_BASE64: usize = 24;

/// What data of these first bytes is, if it is no text.
pub(super) fn signature(head: &[u8]) -> Option<Found> {
    let (_, found) = SIGNATURES.iter().find(|(start, _)| head.starts_with(start))?;
    // Three letters that may begin a header.
    let of_letters = matches!(found, Found::Compressed("bzip2"));
    let block = head.get(3).is_some_and(u8::is_ascii_digit) && head[4..].starts_with(b"1AY&SY");
    (!of_letters || block).then_some(*found)
}

/// What text of these first bytes is, if it is no source. `whole`: there are no others.
pub(super) fn look(head: &[u8], whole: bool) -> Option<Found> {
    let text = head.trim_ascii_start();
    let begins =
        |with: &[u8]| text.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with));
    if HTML.into_iter().any(begins) {
        return Some(Found::WebPage);
    }
    if XML.into_iter().any(begins) {
        let lower = text.to_ascii_lowercase();
        let page = lower.windows(5).any(|window| window == b"<html");
        return Some(if page { Found::WebPage } else { Found::Xml });
    }
    is_base64(text, whole).then_some(Found::Base64)
}

/// Whether the text is Base64 of compressed data, JSON or CSV.
fn is_base64(text: &[u8], whole: bool) -> bool {
    // In lines, as `base64` and PEM write it, or in one.
    let mut packed: Vec<u8> =
        text.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    let last = packed.trim_ascii_end().len();
    packed.truncate(last);
    if !whole {
        packed.truncate(packed.len() / 4 * 4);
    }
    if packed.len() < LEAST_BASE64 {
        return false;
    }
    let Ok(data) = STANDARD.decode(&packed) else { return false };
    let compressed = Compression::of(&data).is_some();
    compressed || data.starts_with(b"PK\x03\x04") || is_text_of_a_source(&data)
}

fn is_text_of_a_source(data: &[u8]) -> bool {
    let text = match std::str::from_utf8(data) {
        Ok(text) => text,
        // The sample may end within a character.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&data[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return data.starts_with(&[0xff, 0xfe]) || data.starts_with(&[0xfe, 0xff]),
    };
    let printable = text.chars().all(|c| !c.is_control() || matches!(c, '\r' | '\n' | '\t'));
    let structured = |c: char| matches!(c, ',' | ';' | '\t' | '|' | '\n' | '{' | '[' | '@');
    printable && text.chars().any(structured)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: impl AsRef<[u8]>) -> Option<Found> {
        signature(text.as_ref()).or_else(|| look(text.as_ref(), true))
    }

    #[test]
    fn pages_and_files_of_other_programs_are_recognised() {
        assert_eq!(found("\r\n<!DOCTYPE html>\n<html>"), Some(Found::WebPage));
        assert_eq!(found("<HTML lang=en>"), Some(Found::WebPage));
        assert_eq!(found("<?xml version='1.0'?><!DOCTYPE html><html>"), Some(Found::WebPage));
        assert_eq!(found("<?xml version='1.0'?><Error><Code>x"), Some(Found::Xml));
        assert_eq!(found(b"PK\x03\x04\x14\0"), Some(Found::Zip));
        assert_eq!(found("%PDF-1.7"), Some(Found::Pdf));
        assert_eq!(found(b"BZh91AY&SY"), Some(Found::Compressed("bzip2")));
        assert_eq!(found(b"\x1f\x8b\x08\0"), Some(Found::CompressedTwice));
    }

    #[test]
    fn base64_of_a_source_is_recognised_and_words_are_not() {
        for source in ["First Name,Email\nAnn,ann@example.com\n", "[{\"id\": \"hz-1\", \"x\": 1}]"]
        {
            let text = STANDARD.encode(source);
            assert_eq!(found(&text), Some(Found::Base64), "{text}");
            let lines: Vec<&str> =
                text.as_bytes().chunks(20).map(|c| std::str::from_utf8(c).unwrap()).collect();
            assert_eq!(found(lines.join("\n") + "\n"), Some(Found::Base64));
        }
        assert_eq!(
            found(STANDARD.encode([&b"\x1f\x8b\x08"[..], &[0; 40]].concat())),
            Some(Found::Base64)
        );
        let long = STANDARD.encode("First Name,Email\nAnn,ann@example.com\n".repeat(100));
        assert_eq!(look(&long.as_bytes()[..999], false), Some(Found::Base64));
        for text in [
            "candidateprofileidentifierandothers\n",
            "id\nabcdefghijklmnopqrstuvwxyzabcdef\n",
            "Email\nann@example.com\n",
            "{\"id\": 1}",
            "BZhang,Email\n",
            "PARTY,Email\n",
            "",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }
}
