//! The records of a source as rows of a file, one at a time, with a decision on each. Pure, but for the
//! source. Keeps no record.

use std::{collections::VecDeque, sync::Arc};

use serde_json::{Map, Value};

use super::{
    people,
    spec::{Encoding, FileSpec},
};
use crate::{
    domain::{Cause, MatchKey, Profile, Reason, RecordId, SourcePosition},
    ledger::{Keys, Suppressions},
    mapping::{NeverSeen, Plan, RecordIssue, Select},
    pipeline::{
        coverage::{Coverage, CoverageCount, lacking_glyphs},
        document::LaidOut,
        mode::Mode,
        opened::Opened,
        record_log::{RecordLine, RecordReport},
        record_outcome::RecordOutcome,
        records::{decisive, selected, summarize},
        report::{Progress, Rejection},
    },
    source::{Decoded, SourceError, is_root},
};

/// The place of what is wrong with a document.
const PLACE: &str = "spec.destination.file";

/// What is written of a person.
pub(super) enum Row {
    /// The profile as the source gave it.
    Profile(Profile),
    /// The attributes of a mapping.
    Mapped(Map<String, Value>),
}

/// What the records are compared with, and who wants to know of them.
#[derive(Clone)]
pub(super) struct Judge {
    pub(super) keys: Keys,
    pub(super) suppressions: Suppressions,
    pub(super) report: Option<Arc<dyn RecordReport>>,
}

/// The rows of a source, in order.
pub(super) struct Rows<'a> {
    spec: &'a FileSpec<Opened>,
    judge: &'a Judge,
    items: Box<dyn Iterator<Item = Result<Decoded, SourceError>> + Send + 'a>,
    pub(super) progress: Progress,
    /// Records that are profiles.
    decoded: u64,
    /// Records that say who they are about, or at least something known of a profile.
    known: u64,
    /// Records that were read and do not.
    unknown: u64,
    /// Records that could not be read, or not be selected: they may be about anybody.
    pub(super) unidentified: u64,
    /// Who must not leave, as their files are named.
    pub(super) suppressed: Vec<RecordId>,
    /// The first of those whose value is no address: where, and why.
    unusable: Option<Box<str>>,
    coverage: CoverageCount,
    never_seen: Option<NeverSeen>,
}

impl<'a> Rows<'a> {
    pub(super) fn of(spec: &'a FileSpec<Opened>, judge: &'a Judge) -> Self {
        // Members in the order in which the source has them.
        let as_given = spec.encoding == Encoding::Ndjson && spec.mapping.is_none();
        let source = &spec.source;
        Self {
            spec,
            judge,
            items: if as_given { source.records_with_text() } else { source.records() },
            progress: Progress { source: spec.source.info().cloned(), ..Progress::default() },
            decoded: 0,
            known: 0,
            unknown: 0,
            unidentified: 0,
            suppressed: Vec::new(),
            unusable: None,
            coverage: CoverageCount::of(spec.mapping.as_ref()),
            never_seen: spec.select.as_ref().map(Select::never_seen),
        }
    }

    /// The next person to be written. `None` at the end of the source and at the limit.
    pub(super) fn next(&mut self) -> Option<Result<(Written, Row), SourceError>> {
        while !self.is_limited() {
            if let Some(report) = &self.judge.report {
                report.make_room();
            }
            let decoded = match self.items.next()? {
                Ok(decoded) => decoded,
                Err(error) => return Some(Err(error)),
            };
            self.progress.counts.read += 1;
            if let Some(row) = self.judge(decoded) {
                return Some(Ok(row));
            }
        }
        None
    }

    fn is_limited(&self) -> bool {
        self.spec.limit.is_some_and(|limit| self.progress.counts.total >= limit)
    }

    /// Notes that these people, the first of those who wait, were written. Warns of characters without a
    /// shape.
    pub(super) fn written(&mut self, waiting: &mut VecDeque<Written>, laid_out: &LaidOut) {
        let outcome = self.outcome();
        let LaidOut { people, lacking } = laid_out;
        for (_, script) in lacking {
            self.coverage.warn(PLACE, lacking_glyphs(script), 1);
        }
        for (index, Written { position, person }) in
            waiting.drain(..waiting.len().min(*people)).enumerate()
        {
            let of_person = lacking.range((index, "")..(index + 1, ""));
            let scripts: Vec<&str> = of_person.map(|(_, script)| *script).collect();
            let cause = (!scripts.is_empty()).then(|| lacking_glyphs(&scripts.join(", ")));
            let place = cause.as_ref().map(|_| PLACE);
            let record = self.record(person.as_ref());
            self.note(position, record, outcome, cause.as_ref(), place);
        }
    }

    /// What becomes of a person who is written.
    fn outcome(&self) -> RecordOutcome {
        match self.spec.mode {
            Mode::Push => RecordOutcome::Written,
            Mode::DryRun => RecordOutcome::WouldWrite,
        }
    }

    /// Notes that the file of a person is written, or is there already (`is_there`). Warns of characters
    /// without a shape.
    pub(super) fn has_file(
        &mut self,
        record: RecordId,
        written: Written,
        lacking: &[&str],
        is_there: bool,
    ) {
        for script in lacking {
            self.coverage.warn(PLACE, lacking_glyphs(script), 1);
        }
        let outcome = if is_there { RecordOutcome::Unchanged } else { self.outcome() };
        self.progress.counts.unchanged += u64::from(is_there);
        let cause = (!lacking.is_empty()).then(|| lacking_glyphs(&lacking.join(", ")));
        let place = cause.as_ref().map(|_| PLACE);
        self.note(written.position, Some(record), outcome, cause.as_ref(), place);
    }

    /// Counts a file that a dry run does not write.
    pub(super) fn would_write(&mut self, is_new: bool) {
        let counts = &mut self.progress.counts;
        *if is_new { &mut counts.created } else { &mut counts.updated } += 1;
    }

    /// Rejects a record that was judged to be written.
    pub(super) fn no_file(&mut self, record: RecordId, written: Written, cause: Cause) {
        let (position, record) = (written.position, Some(record));
        self.progress.counts.invalid += 1;
        self.note(position.clone(), record, RecordOutcome::Rejected, Some(&cause), Some(PLACE));
        self.progress.reject(Rejection { record, position, place: Some(PLACE.into()), cause });
    }

    fn judge(&mut self, decoded: Decoded) -> Option<(Written, Row)> {
        let position = decoded.position;
        let profile = match decoded.result {
            Ok(profile) => profile,
            Err(error) => {
                self.unidentified += 1;
                let cause = Cause::new(error.reason(), error.to_string());
                self.reject(position, None, None, cause);
                return None;
            }
        };
        self.decoded += 1;
        if let Some(never_seen) = &mut self.never_seen {
            never_seen.note(&profile);
        }
        match selected(self.spec.select.as_ref(), &profile) {
            Ok(false) => {
                self.progress.counts.not_selected += 1;
                return None;
            }
            Ok(true) => {}
            Err(issue) => {
                self.unidentified += 1;
                let cause = Cause::new(issue.reason, issue.to_string());
                self.reject(position, None, Some(&issue.path), cause);
                return None;
            }
        }
        let mut people = people::addresses(&profile);
        let row = match self.row(profile, &mut people) {
            Ok(row) => row,
            Err(issues) => {
                if let Some(why) = people::suppressed(&self.judge.suppressions, &people) {
                    // Says who it is about. A run that leaves somebody out replaces the file.
                    self.known += 1;
                    self.progress.counts.total += 1;
                    self.suppress(position, people.first(), why.cause());
                    return None;
                }
                let decisive = decisive(&issues);
                self.note_key(&position, decisive);
                let place = decisive.map(|issue| issue.path.as_str());
                self.reject(position, people.first(), place, summarize(&issues));
                return None;
            }
        };
        self.progress.counts.total += 1;
        if let Some(why) = people::suppressed(&self.judge.suppressions, &people) {
            self.suppress(position, people.first(), why.cause());
            return None;
        }
        Some((Written { position, person: people.into_iter().next() }, row))
    }

    /// Notes whether a record that cannot be mapped says who it is about.
    fn note_key(&mut self, position: &SourcePosition, issue: Option<&RecordIssue>) {
        let match_place = self.spec.mapping.as_ref().map(Plan::match_place);
        match issue {
            Some(issue) if issue.reason == Reason::MatchKeyMissing => self.unknown += 1,
            Some(issue)
                if issue.reason == Reason::InvalidValue
                    && Some(issue.path.as_str()) == match_place =>
            {
                self.unknown += 1;
                let cause = || format!("{position} {}: {issue}", issue.reason).into();
                self.unusable.get_or_insert_with(cause);
            }
            _ => self.known += 1,
        }
    }

    /// The row of a profile. Adds the person whom the mapping names to `people`, in front, and everybody
    /// whose address is written.
    fn row(
        &mut self,
        profile: Profile,
        people: &mut Vec<MatchKey>,
    ) -> Result<Row, Vec<RecordIssue>> {
        let Some(mapping) = &self.spec.mapping else {
            let has =
                |(name, value): (&String, &Value)| is_root(name) && name != "x" && !value.is_null();
            if profile.members().iter().any(has) {
                self.known += 1;
            } else {
                self.unknown += 1;
            }
            people::add_others(&profile, people);
            return Ok(Row::Profile(profile));
        };
        let mapped = mapping.apply_noting(&profile, &mut self.coverage.record())?;
        self.known += 1;
        people.insert(0, mapped.match_key);
        people::add_written(&mapped.attributes, people);
        Ok(Row::Mapped(mapped.attributes))
    }

    fn suppress(&mut self, position: SourcePosition, person: Option<&MatchKey>, cause: Cause) {
        self.progress.counts.suppressed += 1;
        let record = self.record(person);
        self.suppressed.extend(record);
        self.note(position.clone(), record, RecordOutcome::Suppressed, Some(&cause), None);
        self.progress.list(Rejection { record, position, place: None, cause });
    }

    fn reject(
        &mut self,
        position: SourcePosition,
        person: Option<&MatchKey>,
        place: Option<&str>,
        cause: Cause,
    ) {
        self.progress.counts.total += 1;
        self.progress.counts.invalid += 1;
        let record = self.record(person);
        self.note(position.clone(), record, RecordOutcome::Rejected, Some(&cause), place);
        self.progress.reject(Rejection { record, position, place: place.map(Into::into), cause });
    }

    /// The opaque id of a record.
    pub(super) fn id_of(&self, written: &Written) -> Option<RecordId> {
        self.record(written.person.as_ref())
    }

    fn record(&self, person: Option<&MatchKey>) -> Option<RecordId> {
        person.map(|key| self.judge.keys.record_id(key))
    }

    fn note(
        &self,
        position: SourcePosition,
        record: Option<RecordId>,
        outcome: RecordOutcome,
        cause: Option<&Cause>,
        place: Option<&str>,
    ) {
        if let Some(report) = &self.judge.report {
            let cause = cause.cloned();
            let place = place.map(Into::into);
            let foretold = self.spec.mode == Mode::DryRun;
            let class = None;
            let (person, changed) = (None, Vec::new());
            report.add(RecordLine {
                position,
                record,
                outcome,
                cause,
                place,
                class,
                person,
                changed,
                // It is in the file.
                source_id: None,
                foretold,
            });
        }
    }

    /// Counts the records behind the limit. Returns the first error of the source.
    pub(super) fn count_rest(&mut self) -> Option<SourceError> {
        if !self.is_limited() || !self.spec.guards.counts_all() {
            return None;
        }
        for decoded in self.items.by_ref() {
            match decoded {
                Ok(_) => self.progress.counts.read += 1,
                Err(error) => return Some(error),
            }
        }
        None
    }

    /// The fault of a source of which no record is a person.
    pub(super) fn is_nobody(&self) -> Option<SourceError> {
        let (read, records) = (self.progress.counts.read, self.progress.counts.total);
        if self.known > 0 || (read > 0 && records == 0) {
            return None;
        }
        let outline = self.spec.source.outline()?;
        let nobody = if read == 0 {
            self.spec.source.own_columns().is_some_and(|columns| outline.means_nothing(columns))
        } else {
            self.unknown > 0 || outline.is_wrapper()
        };
        let outline = Box::new(outline);
        nobody.then(|| match &self.spec.mapping {
            Some(mapping) => {
                let attribute = mapping.match_attribute().into();
                let unusable = self.unusable.clone();
                SourceError::Nobody { records, attribute, unusable, outline }
            }
            None => SourceError::NoProfile { records, outline },
        })
    }

    /// How the records filled the mapping, and what was counted.
    pub(super) fn finish(mut self) -> Progress {
        let decoded = self.decoded;
        let missing = self.never_seen.as_ref().map(NeverSeen::paths).unwrap_or_default();
        if let Some(select) = self.spec.select.as_ref().filter(|_| decoded > 0) {
            self.coverage.warn_never_seen(select, missing, decoded);
        }
        let coverage: Coverage = self.coverage.finish(self.spec.mapping.as_ref());
        self.progress.coverage = coverage.into();
        self.progress
    }
}

/// A record that is written: where it is, and who it is about, if that is known.
pub(super) struct Written {
    position: SourcePosition,
    pub(super) person: Option<MatchKey>,
}

impl Written {
    /// Where it is in the source.
    pub(super) const fn position(&self) -> &SourcePosition {
        &self.position
    }
}
