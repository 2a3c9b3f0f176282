//! The report of `apply --report`: a file with one JSON line for each record. Does file I/O.
//!
//! The file appears complete or not at all. Until then lines are kept in a file without a name in the
//! same folder, and their order in memory: about 150 bytes a record.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::{self, Write},
    os::unix::fs::FileExt as _,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::Serialize;

use super::output_file::OutputFile;
use crate::{
    cluster::ObjectKey,
    controllers::Reports,
    domain::SourcePosition,
    pipeline::{MatchClass, RecordLine, RecordOutcome, RecordReport},
};

/// A report that is being made.
pub(super) struct ReportFile {
    file: OutputFile,
    kept: Arc<Mutex<Kept>>,
}

/// What was reported so far.
struct Kept {
    lines: File,
    end: u64,
    /// Where the line of each record is.
    order: BTreeMap<(ObjectKey, SourcePosition), Kind>,
    revisions: HashMap<ObjectKey, String>,
    /// The first error; nothing is written after it.
    failed: Option<io::Error>,
}

/// The line of a record.
#[derive(Clone, Copy)]
struct Kind {
    at: u64,
    length: usize,
    outcome: RecordOutcome,
}

/// A line as it is written. Its members are API.
#[derive(Serialize)]
struct Line<'a> {
    export: String,
    position: String,
    record: Option<String>,
    outcome: RecordOutcome,
    reason: Option<&'a str>,
    place: Option<&'a str>,
    message: Option<&'a str>,
    class: Option<MatchClass>,
}

impl ReportFile {
    /// Prepares a report, so that a place that cannot be written is noticed before anything is
    /// pushed. Nothing appears there yet.
    pub(super) fn create(path: &Path) -> anyhow::Result<Self> {
        let (file, lines) = OutputFile::prepare("the report", path)?;
        let kept =
            Kept { lines, end: 0, order: BTreeMap::new(), revisions: HashMap::new(), failed: None };
        Ok(Self { file, kept: Arc::new(Mutex::new(kept)) })
    }

    /// Writes the report, in the order of the records, in place of a file of this name.
    pub(super) fn finish(&self) -> anyhow::Result<()> {
        let mut kept = lock(&self.kept);
        if let Some(error) = kept.failed.take() {
            return Err(self.file.failed(error));
        }
        self.file.write(|file| kept.write(file))
    }
}

impl Kept {
    fn write(&self, file: &mut dyn Write) -> io::Result<()> {
        let mut line = Vec::new();
        for Kind { at, length, .. } in self.order.values() {
            line.resize(*length, 0);
            self.lines.read_exact_at(&mut line, *at)?;
            file.write_all(&line)?;
        }
        Ok(())
    }

    fn add(&mut self, export: &ObjectKey, line: &RecordLine) {
        if self.failed.is_some() {
            return;
        }
        let outcome = line.outcome;
        let key = (export.clone(), line.position.clone());
        // What an earlier attempt did is not undone by the next one, which finds it done.
        let is_done = self.order.get(&key).is_some_and(|earlier| {
            let done = [RecordOutcome::Created, RecordOutcome::Updated];
            outcome == RecordOutcome::Unchanged && done.contains(&earlier.outcome)
        });
        if is_done {
            return;
        }
        let text = text(export, line);
        match self.lines.write_all_at(text.as_bytes(), self.end) {
            Ok(()) => {
                self.order.insert(key, Kind { at: self.end, length: text.len(), outcome });
                self.end += text.len() as u64;
            }
            Err(error) => self.failed = Some(error),
        }
    }
}

fn text(export: &ObjectKey, line: &RecordLine) -> String {
    let line = Line {
        export: export.to_string(),
        position: line.position.to_string(),
        record: line.record.map(|record| record.to_string()),
        outcome: line.outcome,
        reason: line.cause.as_ref().map(|cause| cause.reason.as_str()),
        place: line.place.as_deref(),
        message: line.cause.as_ref().map(|cause| cause.message.as_str()),
        class: line.class,
    };
    let mut text = serde_json::to_string(&line).expect("plain data serialises to JSON");
    text.push('\n');
    text
}

impl Reports for ReportFile {
    fn of(&self, export: &ObjectKey, revision: &str) -> Arc<dyn RecordReport> {
        let mut kept = lock(&self.kept);
        let known = kept.revisions.insert(export.clone(), revision.to_owned());
        if known.is_some_and(|known| known != revision) {
            kept.order.retain(|(of, _), _| of != export);
        }
        Arc::new(OfExport { export: export.clone(), kept: Arc::clone(&self.kept) })
    }
}

/// The report of one export.
struct OfExport {
    export: ObjectKey,
    kept: Arc<Mutex<Kept>>,
}

impl RecordReport for OfExport {
    fn add(&self, line: RecordLine) {
        lock(&self.kept).add(&self.export, &line);
    }
}

fn lock(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::domain::{Cause, Reason};

    fn line(index: u64, outcome: RecordOutcome) -> RecordLine {
        let position = SourcePosition { part: "people.csv".into(), index, line: Some(index + 2) };
        let rejected = outcome == RecordOutcome::Rejected;
        RecordLine {
            position,
            record: None,
            outcome,
            cause: rejected.then(|| Cause::new(Reason::InvalidValue, "not a telephone number")),
            place: rejected.then(|| "spec.fields[3].from".into()),
            class: None,
            person: None,
            changed: Vec::new(),
            source_id: None,
            foretold: false,
        }
    }

    #[test]
    fn a_report_has_one_line_for_each_record_in_order_and_appears_when_it_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.ndjson");
        let report = ReportFile::create(&path).unwrap();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "nothing is seen of it");
        let of = report.of(&ObjectKey::new("talent", "x"), "r1");
        of.add(line(1, RecordOutcome::Rejected));
        of.add(line(0, RecordOutcome::WouldCreate));
        of.add(line(0, RecordOutcome::Created));
        of.add(line(0, RecordOutcome::Unchanged));
        report.finish().unwrap();
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            "{\"export\":\"talent/x\",\"position\":\"people.csv line 2\",\"record\":null,\
             \"outcome\":\"Created\",\"reason\":null,\"place\":null,\"message\":null,\"class\":null}\n\
             {\"export\":\"talent/x\",\"position\":\"people.csv line 3\",\"record\":null,\
             \"outcome\":\"Rejected\",\"reason\":\"InvalidValue\",\"place\":\"spec.fields[3].from\",\
             \"message\":\"not a telephone number\",\"class\":null}\n"
        );
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing is left behind");
    }

    #[test]
    fn another_revision_starts_over_and_other_exports_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.ndjson");
        fs::write(&path, "of the last time").unwrap();
        let report = ReportFile::create(&path).unwrap();
        let (one, two) = (ObjectKey::new("talent", "one"), ObjectKey::new("talent", "two"));
        report.of(&one, "r1").add(line(0, RecordOutcome::Created));
        report.of(&two, "r1").add(line(0, RecordOutcome::Created));
        report.of(&one, "r2").add(line(1, RecordOutcome::Updated));
        report.finish().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert!(lines[0].contains("Updated") && lines[1].contains("talent/two"), "{text}");
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let fault = |path: &Path| format!("{:#}", ReportFile::create(path).err().unwrap());
        let missing = folder.path().join("no/such/folder.ndjson");
        assert!(fault(&missing).starts_with("cannot write the report "), "{}", fault(&missing));
        assert!(fault(folder.path()).ends_with("it exists and is not a file"));
        assert!(fault(Path::new("/dev/null")).ends_with("it exists and is not a file"));
    }
}
