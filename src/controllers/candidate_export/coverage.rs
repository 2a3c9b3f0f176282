//! How the status shows the coverage of a mapping. Pure.

use crate::{
    api::{FieldCoverage, FilledField, RecordWarning},
    pipeline::Coverage,
};

/// How many fields are listed.
const LISTED_FIELDS: usize = 64;

/// The coverage of a run; `None` where nothing was mapped and nothing deserves attention.
pub(super) fn shown(coverage: &Coverage) -> Option<FieldCoverage> {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let some = |count: u64| (count > 0).then(|| number(count));
    if coverage.records == 0 && coverage.warnings.is_empty() {
        return None;
    }
    let fields = coverage.fields.iter().take(LISTED_FIELDS).map(|field| FilledField {
        attribute: field.attribute.chars().take(128).collect(),
        filled: number(field.filled),
    });
    let warnings = coverage.warnings.iter().map(|warning| RecordWarning {
        place: warning.place.chars().take(128).collect(),
        reason: warning.cause.reason.as_str().to_owned(),
        records: number(warning.records),
        message: warning.cause.message.chars().take(512).collect(),
    });
    Some(FieldCoverage {
        records: number(coverage.records),
        fields: fields.collect(),
        fields_omitted: some(coverage.fields.len().saturating_sub(LISTED_FIELDS) as u64),
        warnings: warnings.collect(),
        warnings_omitted: some(coverage.warnings_omitted),
    })
}
