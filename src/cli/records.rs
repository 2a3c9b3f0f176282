//! What `apply` prints about the records of its exports and imports: rejections, coverage and warnings.
//! Pure.

use super::text::count_of;
use crate::api::{CandidateExportStatus, CandidateImportStatus, DriftPosition, FieldCoverage};

/// Lists are wrapped before this column.
const WIDTH: usize = 80;

/// One line for each rejected record that the status lists.
pub(super) fn failures(name: &str, status: &CandidateExportStatus) -> Vec<String> {
    let mut lines: Vec<String> = status
        .failures
        .iter()
        .map(|failure| {
            format!("{name}: {} {}: {}", failure.position, failure.reason, failure.message)
        })
        .collect();
    lines.extend(status.failures_omitted.map(|omitted| format!("{name}: and {omitted} more")));
    lines
}

/// Where the latest run of an import wrote, and a line for each person who could not be mapped and whom
/// the status lists.
pub(super) fn imported(name: &str, status: &CandidateImportStatus) -> Vec<String> {
    let manifest = status.last_manifest.as_ref();
    let mut lines: Vec<String> =
        manifest.map(|last| format!("{name}: manifest {}", last.url)).into_iter().collect();
    lines.extend(status.failures.iter().map(|failure| {
        let person = failure.record.as_ref().map(|id| format!("person {id} ")).unwrap_or_default();
        format!("{name}: {person}{}: {}", failure.reason, failure.message)
    }));
    let listed = i64::try_from(status.failures.len()).unwrap_or(i64::MAX);
    let more = status.rejected.unwrap_or_default().saturating_sub(listed);
    lines.extend((more > 0).then(|| format!("{name}: and {more} more")));
    lines
}

/// One line for each person whom the last verification found different, and whom the status lists.
pub(super) fn drift(name: &str, status: &CandidateExportStatus) -> Vec<String> {
    let Some(drift) = &status.drift else { return Vec::new() };
    let line = |one: &DriftPosition| {
        let differing = match &*one.attributes {
            [] => String::new(),
            names => format!(": {}", names.join(", ")),
        };
        format!("{name}: {} {}{differing}", one.position, one.kind)
    };
    let mut lines: Vec<String> = drift.positions.iter().map(line).collect();
    let omitted = drift.positions_omitted;
    lines.extend(omitted.map(|omitted| format!("{name}: and {omitted} more differ")));
    lines
}

/// The digest of the plan, if the run was a dry run or a guard held it back.
pub(super) fn plan(name: &str, status: &CandidateExportStatus) -> Option<String> {
    status.plan.as_ref().map(|plan| format!("{name}: plan {plan}"))
}

/// In how many records each field had a value, and the warnings.
pub(super) fn coverage(name: &str, coverage: &FieldCoverage) -> Vec<String> {
    let FieldCoverage { records, fields, fields_omitted, warnings, warnings_omitted } = coverage;
    let mut filled: Vec<String> = fields
        .iter()
        .map(|field| format!("{} {} of {records}", field.attribute, field.filled))
        .collect();
    filled.extend(
        fields_omitted
            .map(|omitted| format!("and {}", count_of(omitted, "more field", "more fields"))),
    );
    let mut lines = match records {
        0 => Vec::new(),
        _ => wrapped(format!("{name}: filled:"), &filled),
    };
    lines.extend(warnings.iter().map(|warning| {
        let (place, reason, message) = (&warning.place, &warning.reason, &warning.message);
        format!("{name}: warning: {reason}: {place}: {message}")
    }));
    let more = |omitted| count_of(omitted, "more warning", "more warnings");
    lines.extend(warnings_omitted.map(|omitted| format!("{name}: and {}", more(omitted))));
    lines
}

/// Items after a first word, with commas, over as many lines as needed; later lines are indented.
fn wrapped(mut line: String, items: &[String]) -> Vec<String> {
    let mut lines = Vec::new();
    let last = items.len().saturating_sub(1);
    for (number, item) in items.iter().enumerate() {
        let comma = if number < last { "," } else { "" };
        if line.chars().count() + 1 + item.chars().count() + comma.len() > WIDTH {
            lines.push(std::mem::replace(&mut line, "   ".to_owned()));
        }
        line = format!("{line} {item}{comma}");
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{FilledField, RecordWarning};

    #[test]
    fn coverage_is_listed_without_values_and_wrapped() {
        let field =
            |attribute: &str, filled| FilledField { attribute: attribute.to_owned(), filled };
        let shown = coverage(
            "engineers",
            &FieldCoverage {
                records: 60,
                fields: vec![
                    field("email", 60),
                    field("first_name", 58),
                    field("last_name", 60),
                    field("current_job_title", 0),
                ],
                fields_omitted: Some(2),
                warnings: vec![RecordWarning {
                    place: "spec.fields[3].from".to_owned(),
                    reason: "NeverFilled".to_owned(),
                    records: 60,
                    message: "'current_job_title' has a value in none of 60 records".to_owned(),
                }],
                warnings_omitted: Some(1),
            },
        );
        let expected = [
            "engineers: filled: email 60 of 60, first_name 58 of 60, last_name 60 of 60,",
            "    current_job_title 0 of 60, and 2 more fields",
            "engineers: warning: NeverFilled: spec.fields[3].from: 'current_job_title' has a value in none of 60 \
             records",
            "engineers: and 1 more warning",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn where_nothing_was_mapped_only_warnings_are_listed() {
        let warning = RecordWarning {
            place: "spec.select".to_owned(),
            reason: "NeverFilled".to_owned(),
            records: 2,
            message: "'candidate.skill' has a value in none of 2 records".to_owned(),
        };
        let shown = FieldCoverage {
            records: 0,
            fields: vec![FilledField { attribute: "email".to_owned(), filled: 0 }],
            fields_omitted: None,
            warnings: vec![warning],
            warnings_omitted: None,
        };
        assert_eq!(
            coverage("x", &shown),
            [
                "x: warning: NeverFilled: spec.select: 'candidate.skill' has a value in none of 2 records"
            ]
        );
    }
}
