//! Keeps a status small: a cluster stores it with every change. Pure.

use crate::api::CandidateExportStatus;

/// The most bytes of a status, as JSON.
const MAX_STATUS_BYTES: usize = 32 << 10;

/// How many bytes of a URL are kept.
const LEAST_URL: usize = 512;

/// How much is left of each list and text.
struct Room {
    failures: usize,
    /// People who differ.
    drifted: usize,
    fields: usize,
    warnings: usize,
    /// Bytes of each text about records.
    text: usize,
    /// Bytes of the message of each condition.
    message: usize,
    /// Runs of the history whose plan is kept.
    plans: usize,
}

/// What is tried, one after the other. The messages of conditions are kept the longest.
const ROOMS: [Room; 4] = [
    Room {
        failures: 20,
        drifted: 20,
        fields: 64,
        warnings: 20,
        text: 160,
        message: 4096,
        plans: 5,
    },
    Room {
        failures: 20,
        drifted: 10,
        fields: 32,
        warnings: 10,
        text: 160,
        message: 1024,
        plans: 5,
    },
    Room { failures: 10, drifted: 5, fields: 16, warnings: 5, text: 128, message: 512, plans: 5 },
    Room { failures: 5, drifted: 1, fields: 8, warnings: 2, text: 24, message: 104, plans: 1 },
];

/// Shortens lists and texts of a status that is too large.
pub(super) fn fit(status: &mut CandidateExportStatus) {
    for room in &ROOMS {
        if bytes(status) <= MAX_STATUS_BYTES {
            return;
        }
        shorten(status, room);
    }
}

fn bytes(status: &CandidateExportStatus) -> usize {
    serde_json::to_vec(status).expect("plain data serialises to JSON").len()
}

fn shorten(status: &mut CandidateExportStatus, room: &Room) {
    shorten_list(&mut status.failures, room.failures, &mut status.failures_omitted);
    for failure in &mut status.failures {
        cut(&mut failure.position, room.text);
        cut(&mut failure.message, room.text);
    }
    if let Some(drift) = &mut status.drift {
        shorten_list(&mut drift.positions, room.drifted, &mut drift.positions_omitted);
        for position in &mut drift.positions {
            cut(&mut position.position, room.text);
            position.attributes.truncate(room.fields / 16);
        }
        drift.first_unread.iter_mut().for_each(|why| cut(why, room.text));
    }
    if let Some(coverage) = &mut status.coverage {
        shorten_list(&mut coverage.fields, room.fields, &mut coverage.fields_omitted);
        shorten_list(&mut coverage.warnings, room.warnings, &mut coverage.warnings_omitted);
        for warning in &mut coverage.warnings {
            cut(&mut warning.message, room.text);
        }
    }
    if let Some(file) = &mut status.file {
        // One that is cut is written again by the next run.
        cut(&mut file.url, room.message.max(LEAST_URL));
    }
    if let Some(report) = &mut status.report {
        cut(&mut report.url, room.message.max(LEAST_URL / 2));
    }
    if let Some(written) = &mut status.written {
        written.message.iter_mut().for_each(|message| cut(message, room.message));
        if let Some(report) = &mut written.report {
            cut(&mut report.url, room.message.max(LEAST_URL / 2));
        }
    }
    for condition in &mut status.conditions {
        cut(&mut condition.message, room.message);
    }
    status.history.iter_mut().skip(room.plans).for_each(|run| run.plan = None);
}

fn shorten_list<T>(list: &mut Vec<T>, most: usize, omitted: &mut Option<i64>) {
    let left_out = list.len().saturating_sub(most);
    list.truncate(most);
    if left_out > 0 {
        let left_out = i64::try_from(left_out).unwrap_or(i64::MAX);
        *omitted = Some(omitted.unwrap_or_default().saturating_add(left_out));
    }
}

/// Shortens a text to this many bytes.
fn cut(text: &mut String, bytes: usize) {
    if text.len() > bytes {
        let end = (0..=bytes).rev().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

    use super::*;
    use crate::api::{
        ConditionType, DriftPosition, DriftSeen, DuplicatesSeen, ExportCounts, ExportMode,
        FieldCoverage, FileFormat, FileSeen, FilledField, LedgerSeen, RecordFailure, RecordWarning,
        RediscoveryCounts, RejectionCount, ReportSeen, RunRecord, SourceSeen,
    };

    fn largest_drift(character: &str) -> DriftSeen {
        let position = DriftPosition {
            position: character.repeat(320),
            record: "w".repeat(32),
            kind: "w".repeat(32),
            attributes: vec!["w".repeat(128); 16],
        };
        DriftSeen {
            checked_at: Time(Timestamp::UNIX_EPOCH),
            people: i64::MAX,
            missing: i64::MAX,
            changed: i64::MAX,
            anonymised: i64::MAX,
            corrected: Some(i64::MAX),
            normalised: Some(i64::MAX),
            unread: Some(i64::MAX),
            first_unread: Some(character.repeat(512)),
            held_back: Some("w".repeat(256)),
            positions: vec![position; 20],
            positions_omitted: Some(i64::MAX - 20),
        }
    }

    /// Every list full, every text as long as the schema allows, made of this.
    fn largest(character: &str) -> CandidateExportStatus {
        let text = |length: usize| character.repeat(length);
        let word = |length: usize| "w".repeat(length);
        let counts = ExportCounts { read: i64::MAX, total: i64::MAX, ..ExportCounts::default() };
        let now = Time(Timestamp::UNIX_EPOCH);
        CandidateExportStatus {
            observed_generation: Some(i64::MAX),
            conditions: ConditionType::ALL
                .iter()
                .take(16)
                .map(|kind| Condition {
                    type_: kind.as_str().to_owned(),
                    status: "Unknown".to_owned(),
                    reason: word(64),
                    message: text(1024),
                    observed_generation: Some(i64::MAX),
                    last_transition_time: now.clone(),
                })
                .collect(),
            counts: Some(counts),
            rediscovery: Some(RediscoveryCounts { known: i64::MAX, ..Default::default() }),
            delivered: Some(word(48)),
            rejected: Some(i64::MAX),
            progress: Some(100),
            failures: vec![
                RecordFailure {
                    position: text(320),
                    record: Some(word(32)),
                    reason: word(64),
                    message: text(512),
                };
                20
            ],
            failures_omitted: Some(i64::MAX - 20),
            rejected_by_reason: vec![
                RejectionCount {
                    reason: word(64),
                    place: Some(word(128)),
                    count: i64::MAX,
                };
                20
            ],
            plan: Some(word(100)),
            coverage: Some(FieldCoverage {
                records: i64::MAX,
                fields: vec![FilledField { attribute: word(128), filled: i64::MAX }; 64],
                fields_omitted: Some(64),
                warnings: vec![
                    RecordWarning {
                        place: word(128),
                        reason: word(64),
                        records: i64::MAX,
                        message: text(512),
                    };
                    20
                ],
                warnings_omitted: Some(9),
            }),
            last_applied_revision: Some(word(64)),
            last_attempted_revision: Some(word(64)),
            source: Some(SourceSeen { version: Some(word(64)), ..SourceSeen::default() }),
            file: Some(FileSeen {
                url: text(1280),
                format: FileFormat::Ndjson,
                rows: i64::MAX,
                bytes: i64::MAX,
                sha256: Some(word(64)),
                files: i64::MAX,
                deleted: Some(i64::MAX),
                altered: Some(i64::MAX),
                version: Some(word(64)),
                written_at: now.clone(),
            }),
            report: Some(ReportSeen {
                url: text(1280),
                lines: i64::MAX,
                bytes: i64::MAX,
                sha256: word(64),
                written_at: now.clone(),
            }),
            duplicates: Some(DuplicatesSeen { found: 99, records: vec![word(16); 20] }),
            drift: Some(largest_drift(character)),
            ledger: Some(LedgerSeen::default()),
            history: vec![
                RunRecord {
                    revision: word(64),
                    mode: ExportMode::DryRun,
                    started_at: now.clone(),
                    finished_at: now.clone(),
                    outcome: word(64),
                    counts,
                    plan: Some(word(100)),
                };
                5
            ],
            ..CandidateExportStatus::default()
        }
    }

    #[test]
    fn the_largest_status_fits_into_32_kib() {
        // Plain, of several bytes each, and escaped in JSON.
        for character in ["x", "é", "\u{1f600}", "\"", "\u{1}"] {
            let mut status = largest(character);
            assert!(bytes(&status) > MAX_STATUS_BYTES);
            fit(&mut status);
            assert!(bytes(&status) <= MAX_STATUS_BYTES, "{character:?}: {}", bytes(&status));
            assert!(!status.failures.is_empty() && status.conditions.len() == 16);
            let mut again = status.clone();
            fit(&mut again);
            assert_eq!(again, status, "and stays as it is");
        }
    }

    #[test]
    fn an_ordinary_status_is_not_changed_and_what_is_left_out_is_counted() {
        let mut status = largest("x");
        status.drift = None;
        status.conditions.truncate(8);
        status.conditions.iter_mut().for_each(|condition| condition.message.truncate(100));
        status.failures.truncate(4);
        status.coverage.as_mut().unwrap().warnings.truncate(2);
        let before = status.clone();
        fit(&mut status);
        assert_eq!(status, before);
        let mut status = largest("\u{1f600}");
        fit(&mut status);
        let drift = status.drift.as_ref().unwrap();
        let omitted = drift.positions_omitted.unwrap() - (i64::MAX - 20);
        assert_eq!(usize::try_from(omitted).unwrap() + drift.positions.len(), 20);
        let omitted = status.failures_omitted.unwrap() - (i64::MAX - 20);
        assert_eq!(usize::try_from(omitted).unwrap() + status.failures.len(), 20);
    }
}
