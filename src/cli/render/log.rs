//! Collects what is shown of the records of one export.

use std::sync::Arc;

use super::{
    recorder::Recorder,
    shown::{Fault, Record, Shown},
    wanted::Wanted,
};
use crate::{
    domain::{Cause, SourcePosition},
    pipeline::{FilePreviewLog, PreviewLog, PreviewStep},
};

/// What was shown so far.
pub(super) struct Log {
    recorder: Arc<Recorder>,
    wanted: Option<Wanted>,
    values: bool,
    seen: usize,
    pub(super) records: Vec<Record>,
}

impl Log {
    /// `values`: whether values of people are shown.
    pub(super) fn new(recorder: Arc<Recorder>, wanted: Option<Wanted>, values: bool) -> Self {
        Self { recorder, wanted, values, seen: 0, records: Vec::new() }
    }

    fn next(&mut self, position: &SourcePosition) -> bool {
        self.seen += 1;
        let position = position.to_string();
        let is_wanted = self.wanted.as_ref().is_none_or(|one| one.is(self.seen, &position));
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
    fn record(&mut self, position: &SourcePosition) -> bool {
        self.next(position)
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
    fn record(&mut self, position: &SourcePosition) -> bool {
        self.next(position)
    }

    fn rejected(&mut self, cause: &Cause) {
        self.reject(cause);
    }

    fn line(&mut self, text: String) {
        if let Some(record) = self.records.last_mut() {
            record.line = Some(text);
        }
    }
}

fn fault(cause: &Cause) -> Fault {
    Fault { reason: cause.reason.as_str(), message: cause.message.clone() }
}
