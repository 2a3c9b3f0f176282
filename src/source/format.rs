//! The formats of a part, and how they are detected: by the name, else by the first buffered bytes.

use super::{input::Input, json::Scan};

/// How the records of a part are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One profile, or an array of profiles.
    Json,
    /// One profile per line.
    Ndjson,
    /// A header line, then one profile per row.
    Csv,
}

impl Format {
    /// The name as in the spec.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Ndjson => "NDJSON",
            Self::Csv => "CSV",
        }
    }
}

/// The extension of a name in lower case, ignoring `.gz` and `.zst`.
fn extension(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name);
    name.rsplit_once('.').map_or(String::new(), |(_, extension)| extension.to_owned())
}

/// Whether the name of a file tells what it holds.
pub fn is_told_by_name(name: &str) -> bool {
    matches!(extension(name).as_str(), "ndjson" | "jsonl" | "json" | "csv")
}

/// The format by the part's name, or else by its first bytes.
pub(super) fn detect(name: &str, input: &mut Input) -> Format {
    let extension = extension(name);
    match extension.as_str() {
        "ndjson" | "jsonl" => return Format::Ndjson,
        "csv" => return Format::Csv,
        // `.json` is ambiguous: NDJSON files have it, too.
        _ => {}
    }
    let bytes = input.look_ahead().trim_ascii_start();
    match bytes.first() {
        Some(b'{') if ends_its_line(bytes) => Format::Ndjson,
        Some(b'{' | b'[') => Format::Json,
        Some(_) if extension != "json" => Format::Csv,
        // Empty, or not JSON despite its name: the JSON decoder has the best error for it.
        _ => Format::Json,
    }
}

/// Whether the first line is a whole object: that of a JSON document of several lines leaves
/// brackets open. A line longer than the buffer counts as one: formatted JSON has short lines.
fn ends_its_line(bytes: &[u8]) -> bool {
    let Some(end) = bytes.iter().position(|b| *b == b'\n') else { return true };
    let mut scan = Scan::default();
    let (used, complete) = scan.feed(&bytes[..end]);
    complete && bytes[used..end].trim_ascii().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Limits;

    fn detected(name: &str, data: &'static str) -> Format {
        let reader = Box::new(data.as_bytes());
        detect(name, &mut Input::open(&name.into(), reader, None, &Limits::default()).unwrap())
    }

    #[test]
    fn an_unambiguous_name_decides() {
        assert_eq!(detected("a.csv", "[]"), Format::Csv);
        assert_eq!(detected("A.CSV.GZ", "[]"), Format::Csv);
        assert_eq!(detected("a.ndjson", "[]"), Format::Ndjson);
        assert_eq!(detected("a.jsonl.gz", "x"), Format::Ndjson);
        assert_eq!(detected("a.json", "oops"), Format::Json);
    }

    #[test]
    fn without_one_the_first_bytes_decide() {
        assert_eq!(detected("data", "\u{feff} \n["), Format::Json);
        assert_eq!(detected("data", "{\n  \"id\": 1\n}"), Format::Json);
        assert_eq!(detected("data", "{\"a\": {\"b\": \"}\"}} \r\n{}"), Format::Ndjson);
        assert_eq!(detected("export.json", "{\"id\": 1}\n{\"id\": 2}\n"), Format::Ndjson);
        assert_eq!(detected("data", "First Name,Email\n"), Format::Csv);
        assert_eq!(detected("data", " \n"), Format::Json);
    }
}
