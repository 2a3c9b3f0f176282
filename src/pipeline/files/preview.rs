//! What a run would write to its file, for the command `render`: nothing is contacted, and nobody is known
//! who must not leave. Pure, but for the source.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value};

use super::{
    encode::{Encoder, RowText},
    rows::{Judge, Row, Rows},
    run::open,
    spec::{Encoding, FileSpec},
};
use crate::{
    domain::{Cause, Profile, RecordId, SourcePosition},
    ledger::{Keys, Suppressions},
    output::Compression,
    pipeline::{
        document::single,
        opened::Opened,
        record_log::{RecordLine, RecordReport},
        record_outcome::RecordOutcome,
        rendered::Renderer,
    },
    source::SourceError,
};

/// How a file is previewed.
#[derive(Debug, Clone, Copy)]
pub struct FilePreview {
    /// What stands for each value of a person; `None`: the values are shown.
    pub mask: Option<&'static str>,
    /// Whether the bytes of the file are wanted.
    pub whole: bool,
    /// Whether each person has a document of their own.
    pub per_candidate: bool,
}

/// Takes the lines of a file.
pub trait FilePreviewLog: Send {
    /// The next selected record, with its opaque id; false: it is left out.
    fn record(&mut self, position: &SourcePosition, id: Option<RecordId>) -> bool;
    /// The record is rejected and has no line.
    fn rejected(&mut self, cause: &Cause);
    /// The line of the record. A document has none.
    fn line(&mut self, text: String);
    /// The document of the record, where each person has one.
    fn document(&mut self, bytes: Vec<u8>);
}

/// What is known of a file as a whole.
#[derive(Debug, Default)]
pub struct PreviewedFile {
    /// How its name ends: `csv`, `ndjson` or `pdf`, with `.gz` where it is compressed.
    pub format: &'static str,
    /// The line in front of the first record.
    pub header: Option<String>,
    /// The bytes, if they are wanted, and if it is one file.
    pub bytes: Option<Vec<u8>>,
    /// Why the file would not be written.
    pub refused: Option<Cause>,
}

/// Makes the lines of the records that the log takes, and the file of these. Fails if the source cannot be
/// read.
pub async fn preview_file(
    spec: FileSpec,
    keys: Keys,
    renderer: &Renderer,
    preview: FilePreview,
    log: &mut impl FilePreviewLog,
) -> Result<PreviewedFile, SourceError> {
    match open(spec).await? {
        Some(spec) => of_records(&spec, keys, renderer, preview, log),
        None => Ok(PreviewedFile::default()),
    }
}

fn of_records(
    spec: &FileSpec<Opened>,
    keys: Keys,
    renderer: &Renderer,
    FilePreview { mask, whole, per_candidate }: FilePreview,
    log: &mut impl FilePreviewLog,
) -> Result<PreviewedFile, SourceError> {
    let rejections = Arc::new(Rejections::default());
    let suppressions = Suppressions::in_memory(keys.clone());
    let judge = Judge { keys, suppressions, report: Some(rejections.clone()) };
    let mut rows = Rows::of(spec, &judge);
    let has_columns = matches!(spec.encoding, Encoding::Csv(_));
    let mut text = RowText::of(spec);
    let header = text.as_mut().map(RowText::header).filter(|header| !header.is_empty());
    let one_file = whole && !per_candidate;
    let mut encoder = one_file.then(|| Encoder::of(spec, renderer));
    let style = match &spec.encoding {
        Encoding::Pdf(style) if whole && per_candidate => Some(style),
        _ => None,
    };
    let (mut bytes, mut refused) = (Vec::new(), None);
    loop {
        let next = rows.next();
        for line in rejections.take() {
            if let (true, Some(cause)) = (log.record(&line.position, line.record), &line.cause) {
                log.rejected(cause);
            }
        }
        let Some(next) = next else { break };
        let (written, row) = next?;
        if !log.record(written.position(), rows.id_of(&written)) {
            continue;
        }
        if let Some(encoder) = encoder.as_mut().filter(|_| refused.is_none()) {
            match encoder.row(&row) {
                Ok(encoded) => bytes.extend(encoded.piece.into_iter().flatten()),
                Err(cause) => refused = Some(cause),
            }
        }
        if let (Some(style), Row::Profile(profile)) = (style, &row) {
            match single(renderer, style, profile) {
                Ok(bytes) => log.document(bytes),
                Err(cause) => log.rejected(&cause),
            }
        }
        if let Some(text) = &mut text {
            let masked = mask.map(|mask| masked(&row, mask, has_columns));
            let shown = text.row(masked.as_ref().unwrap_or(&row));
            log.line(shown);
        }
    }
    if let Some(fault) = rows.is_nobody() {
        return Err(fault);
    }
    match encoder.filter(|_| refused.is_none()).map(Encoder::finish) {
        Some(Ok(finished)) => bytes.extend(finished.pieces.into_iter().flatten()),
        Some(Err(cause)) => refused = Some(cause),
        None => {}
    }
    let bytes = (one_file && refused.is_none()).then_some(bytes);
    Ok(PreviewedFile { format: format(spec), header, bytes, refused })
}

const fn format(spec: &FileSpec<Opened>) -> &'static str {
    match (&spec.encoding, spec.compression) {
        (Encoding::Csv(_), Compression::None) => "csv",
        (Encoding::Csv(_), Compression::Gzip) => "csv.gz",
        (Encoding::Ndjson, Compression::None) => "ndjson",
        (Encoding::Ndjson, Compression::Gzip) => "ndjson.gz",
        (Encoding::Pdf(_), _) => "pdf",
    }
}

/// The rejected records since the last look.
#[derive(Default)]
struct Rejections(Mutex<Vec<RecordLine>>);

impl Rejections {
    fn take(&self) -> Vec<RecordLine> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl RecordReport for Rejections {
    fn add(&self, line: RecordLine) {
        if line.outcome == RecordOutcome::Rejected {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    }
}

/// A row with the same members and without values. Names of members inside a value may be values, too: they
/// remain only where columns are taken from them.
fn masked(row: &Row, mask: &str, has_columns: bool) -> Row {
    let without = |members: &Map<String, Value>, deep: bool| -> Map<String, Value> {
        let hidden = |value: &Value| if deep { hidden(value, mask) } else { whole(value, mask) };
        members.iter().map(|(name, value)| (name.clone(), hidden(value))).collect()
    };
    match row {
        Row::Mapped(members) => Row::Mapped(without(members, false)),
        Row::Profile(profile) => {
            let members = without(profile.members(), has_columns);
            let profile = Profile::try_from(Value::Object(members.clone()));
            profile.map_or(Row::Mapped(members), Row::Profile)
        }
    }
}

fn whole(value: &Value, mask: &str) -> Value {
    if value.is_null() { Value::Null } else { mask.into() }
}

fn hidden(value: &Value, mask: &str) -> Value {
    match value {
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), hidden(value, mask))).collect()
        }
        Value::Array(items) => items.iter().map(|value| hidden(value, mask)).collect(),
        other => whole(other, mask),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_masked_row_has_the_same_members_and_no_value() {
        let profile = json!({"firstName": "Zoe", "none": null,
            "emails": [{"value": "zoe@x.org", "outdated": true, "by zoe@x.org": 1}]});
        let row = Row::Profile(Profile::try_from(profile).unwrap());
        let text = |has_columns| {
            let Row::Profile(hidden) = masked(&row, "<redacted>", has_columns) else {
                panic!("a profile stays one");
            };
            Value::Object(hidden.members().clone())
        };
        let deep = text(true);
        assert_eq!(deep["emails"][0]["value"], "<redacted>");
        assert!(!deep.to_string().contains("Zoe") && !deep.to_string().contains("true"));
        let expected = json!({"firstName": "<redacted>", "none": null, "emails": "<redacted>"});
        assert_eq!(text(false), expected);
        let mapped = json!({"a": {"zoe@x.org": 1}, "b": 2});
        let mapped = Row::Mapped(mapped.as_object().unwrap().clone());
        let Row::Mapped(hidden) = masked(&mapped, "-", true) else { panic!("it stays mapped") };
        assert_eq!(Value::Object(hidden), json!({"a": "-", "b": "-"}));
    }
}
