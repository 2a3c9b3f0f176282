//! Collects what is shown of the records of one export.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;

use super::{
    super::{output_file::OutputFile, wanted::Wanted},
    recorder::Recorder,
    shown::{Fault, Record, Shown},
};
use crate::{
    domain::{Cause, RecordId, SourcePosition},
    pipeline::{FilePreviewLog, PreviewLog, PreviewStep},
};

/// What was shown so far.
pub(super) struct Log {
    recorder: Arc<Recorder>,
    wanted: Option<Wanted>,
    values: bool,
    seen: usize,
    pub(super) records: Vec<Record>,
    /// Folder and beginning of the names of documents, where each person has one.
    pub(super) documents: Option<(PathBuf, String)>,
    /// What was written.
    pub(super) paths: Vec<PathBuf>,
    /// Why the first document that was not written was not.
    pub(super) failed: Option<anyhow::Error>,
}

impl Log {
    /// `values`: whether values of people are shown.
    pub(super) fn new(recorder: Arc<Recorder>, wanted: Option<Wanted>, values: bool) -> Self {
        Self {
            recorder,
            wanted,
            values,
            seen: 0,
            records: Vec::new(),
            documents: None,
            paths: Vec::new(),
            failed: None,
        }
    }

    fn next(&mut self, position: &SourcePosition, id: Option<RecordId>) -> bool {
        self.seen += 1;
        let position = position.to_string();
        let is_wanted = self.wanted.as_ref().is_none_or(|one| one.is(self.seen, &position, id));
        if is_wanted {
            self.records.push(Record { number: self.seen, position, ..Record::default() });
        }
        is_wanted
    }

    fn reject(&mut self, cause: &Cause) {
        if let Some(record) = self.records.last_mut() {
            record.rejected = Some(fault(cause));
        }
    }
}

impl PreviewLog for Log {
    fn record(&mut self, position: &SourcePosition, id: Option<RecordId>) -> bool {
        self.next(position, id)
    }

    fn rejected(&mut self, cause: &Cause) {
        self.reject(cause);
    }

    fn step(&mut self, step: PreviewStep, refused: Option<Cause>) {
        let Some(record) = self.records.last_mut() else { return };
        let requests = self.recorder.take();
        let shown = requests.iter().map(|request| Shown::of(&step, request, self.values));
        record.requests.extend(shown);
        if requests.is_empty() {
            let refused = refused.map(|cause| format!("{}: {}", cause.reason, cause.message));
            record.requests.push(Shown::without_request(&step, refused));
        }
    }

    fn warning(&mut self, cause: &Cause) {
        if let Some(record) = self.records.last_mut() {
            record.warnings.push(fault(cause));
        }
    }
}

impl FilePreviewLog for Log {
    fn record(&mut self, position: &SourcePosition, id: Option<RecordId>) -> bool {
        self.next(position, id)
    }

    fn rejected(&mut self, cause: &Cause) {
        self.reject(cause);
    }

    fn line(&mut self, text: String) {
        if let Some(record) = self.records.last_mut() {
            record.line = Some(text);
        }
    }

    fn document(&mut self, bytes: Vec<u8>) {
        let Some((folder, name)) = self.documents.as_ref().filter(|_| self.failed.is_none()) else {
            return;
        };
        match write(folder, &format!("{name}-{}.pdf", self.seen), &bytes) {
            Ok(path) => self.paths.push(path),
            Err(error) => self.failed = Some(error),
        }
    }
}

fn fault(cause: &Cause) -> Fault {
    Fault { reason: cause.reason.as_str(), message: cause.message.clone() }
}

/// Writes a file that only the user may read into a folder, which is made where it is missing.
pub(super) fn write(folder: &Path, name: &str, bytes: &[u8]) -> anyhow::Result<PathBuf> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("--out: cannot create the folder {}", folder.display()))?;
    let path = folder.join(name);
    let (file, _) = OutputFile::prepare("the file", &path)?;
    file.write(|file| file.write_all(bytes))?;
    Ok(path)
}
