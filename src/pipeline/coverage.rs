//! How the records of a source fill the mapped attributes, and what deserves attention although no
//! record is rejected for it. Pure; holds no candidate value.
//!
//! This is the one place for warnings about records: [`CoverageCount::warn`].

use std::collections::BTreeMap;

use crate::{
    domain::{Cause, Reason},
    mapping::{Plan, Select},
};

/// How many warnings a run reports.
pub const LISTED_WARNINGS: usize = 20;
/// How many different warnings are counted. A mapping has 64 fields at most.
const COUNTED_WARNINGS: usize = 512;

/// How the selected records fill the mapping.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Records that were mapped: those selected, also if they were rejected then.
    pub records: u64,
    /// The fields of the mapping, in its order.
    pub fields: Vec<FieldCoverage>,
    /// The first warnings, by place.
    pub warnings: Vec<Warning>,
    /// Warnings that are not listed.
    pub warnings_omitted: u64,
}

/// How often a field of the mapping had a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldCoverage {
    /// The target attribute.
    pub attribute: Box<str>,
    /// In how many records.
    pub filled: u64,
}

/// Something to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The place in the mapping or the spec: `spec.fields[3].from`.
    pub place: Box<str>,
    /// What is the case; the same text for every record.
    pub cause: Cause,
    /// In how many records.
    pub records: u64,
}

/// That rendered profiles have characters of a script for which no font has a shape.
pub(super) fn lacking_glyphs(script: &str) -> Cause {
    let message = format!(
        "rendered profiles lack characters ({script}) for which the operator has no font; add one with \
         --font-path"
    );
    Cause::new(Reason::MissingGlyph, message)
}

/// Counts while a source is read.
#[derive(Debug)]
pub(super) struct CoverageCount {
    records: u64,
    filled: Vec<u64>,
    warnings: BTreeMap<(Box<str>, Reason, String), u64>,
}

impl CoverageCount {
    /// Nothing read yet.
    pub(super) fn of(plan: Option<&Plan>) -> Self {
        let filled = vec![0; plan.map_or(0, |plan| plan.attributes().len())];
        Self { records: 0, filled, warnings: BTreeMap::new() }
    }

    /// Notes that a record is mapped; returns what notes each field that has a value.
    pub(super) fn record(&mut self) -> impl FnMut(usize) {
        self.records += 1;
        |field: usize| {
            if let Some(count) = self.filled.get_mut(field) {
                *count += 1;
            }
        }
    }

    /// Warns of this many records. The message says nothing that differs from record to record:
    /// the records of equal warnings are added up.
    pub(super) fn warn(&mut self, place: &str, cause: Cause, records: u64) {
        let warning = (place.into(), cause.reason, cause.message);
        if self.warnings.len() < COUNTED_WARNINGS || self.warnings.contains_key(&warning) {
            *self.warnings.entry(warning).or_default() += records;
        }
    }

    /// Warns of operands of a selection that none of these records had.
    pub(super) fn warn_never_seen(&mut self, select: &Select, missing: Vec<String>, records: u64) {
        for path in missing {
            let message = format!("'{path}' has a value in none of {records} records");
            self.warn(select.place(), Cause::new(Reason::NeverFilled, message), records);
        }
    }

    /// What was counted, with a warning for each field that never had a value.
    pub(super) fn finish(mut self, plan: Option<&Plan>) -> Coverage {
        let records = self.records;
        let filled = std::mem::take(&mut self.filled);
        let named = || plan.into_iter().flat_map(Plan::fields);
        for ((place, attribute), filled) in named().zip(&filled) {
            if *filled == 0 && records > 0 {
                let message = format!("'{attribute}' has a value in none of {records} records");
                self.warn(place, Cause::new(Reason::NeverFilled, message), records);
            }
        }
        let fields = named().zip(filled);
        let fields = fields
            .map(|((_, attribute), filled)| FieldCoverage { attribute: attribute.into(), filled })
            .collect();
        let warnings_omitted = self.warnings.len().saturating_sub(LISTED_WARNINGS) as u64;
        let warnings = self.warnings.into_iter().take(LISTED_WARNINGS);
        let warnings = warnings
            .map(|((place, reason, message), records)| Warning {
                place,
                cause: Cause { reason, message },
                records,
            })
            .collect();
        Coverage { records, fields, warnings, warnings_omitted }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        domain::Profile,
        mapping::{MappingSpec, compile},
    };

    fn plan() -> Plan {
        let spec: MappingSpec = serde_json::from_value(json!({"fields": [
            {"to": "email", "from": "email"},
            {"to": "last_name", "from": "lastName"},
            {"to": "city", "from": "city", "whenMissing": "Clear"},
        ]}))
        .unwrap();
        compile(&spec).unwrap()
    }

    #[test]
    fn filled_fields_are_counted_also_in_rejected_records() {
        let plan = plan();
        let mut count = CoverageCount::of(Some(&plan));
        for profile in [
            json!({"email": "a@x.org", "lastName": "A"}),
            json!({"email": "b@x.org", "lastName": " "}),
            json!({"lastName": "C"}),
        ] {
            let profile = Profile::try_from(profile).unwrap();
            let _outcome = plan.apply_noting(&profile, &mut count.record());
        }
        let coverage = count.finish(Some(&plan));
        let filled: Vec<_> = coverage.fields.iter().map(|f| (&*f.attribute, f.filled)).collect();
        assert_eq!(coverage.records, 3);
        assert_eq!(filled, [("email", 2), ("last_name", 2), ("city", 0)], "cleared is not filled");
        let [warning] = &coverage.warnings[..] else { panic!("{:?}", coverage.warnings) };
        assert_eq!(
            (&*warning.place, warning.cause.reason),
            ("spec.fields[2].from", Reason::NeverFilled)
        );
        assert_eq!(warning.cause.message, "'city' has a value in none of 3 records");
        assert_eq!(warning.records, 3);
    }

    #[test]
    fn a_source_without_records_warns_of_nothing() {
        let plan = plan();
        assert_eq!(CoverageCount::of(Some(&plan)).finish(Some(&plan)).warnings, []);
    }

    #[test]
    fn equal_warnings_are_counted_together_and_only_some_are_listed() {
        let plan = plan();
        let mut count = CoverageCount::of(Some(&plan));
        for place in 0..1000 {
            for _ in 0..2 {
                count.warn(&format!("p{place:03}"), Cause::new(Reason::InvalidValue, "long"), 1);
            }
        }
        let coverage = count.finish(Some(&plan));
        assert_eq!(coverage.warnings.len(), LISTED_WARNINGS);
        assert!(coverage.warnings.iter().all(|warning| warning.records == 2));
        assert_eq!(coverage.warnings_omitted, (COUNTED_WARNINGS - LISTED_WARNINGS) as u64);
    }
}
