//! A plan for people, in lines of at most 80 columns; only digests are longer. Pure.

use crate::{
    api::FieldCoverage,
    cli::{
        plan_file::{Obstacle, PlanCounts, PlanFile, PlanResult, PlannedExport},
        text::{WIDTH, count_of, wrapped},
    },
    domain::Reason,
};

/// How a plan of an export with an interval or a schedule is approved.
pub(super) const PERIODIC: &str = "by apply --plan only: spec.approvedPlan cannot be set with spec.interval or \
                                   spec.schedule";

/// The lines.
pub(super) fn text(plan: &PlanFile) -> Vec<String> {
    let mut lines: Vec<String> = plan.exports.iter().flat_map(export).collect();
    lines.extend(plan.obstacles.iter().flat_map(obstacle));
    lines.extend(wrapped(&summary(plan), "", "  ", WIDTH));
    lines
}

/// What all exports together would do.
pub(super) fn summary(plan: &PlanFile) -> String {
    let of = |is: fn(&PlannedExport) -> bool, of: fn(&PlanCounts) -> i64| -> i64 {
        let exports = plan.exports.iter().filter(|export| is(export));
        exports.filter_map(|export| export.counts.as_ref()).map(of).sum()
    };
    let to_clinch = |export: &PlannedExport| export.result != PlanResult::File;
    let mut parts = vec![
        format!("{} to create", of(to_clinch, |counts| counts.create)),
        format!("{} to update", of(to_clinch, |counts| counts.update)),
        format!("{} unchanged", of(to_clinch, |counts| counts.unchanged)),
    ];
    let rows = of(|export| export.result == PlanResult::File, |counts| counts.create);
    parts.extend((rows > 0).then(|| format!("{} to write", count_of(rows, "row", "rows"))));
    let rejected = of(|_| true, |counts| counts.rejected);
    parts.extend((rejected > 0).then(|| format!("{rejected} rejected")));
    let missing =
        plan.exports.iter().filter(|export| export.result == PlanResult::NotPlanned).count();
    parts.extend(
        (missing > 0).then(|| format!("{} not planned", count_of(missing, "export", "exports"))),
    );
    format!("Plan: {}. Nothing was written.", parts.join(", "))
}

/// What one export would do, as a word and more for each line.
pub(super) fn facts(export: &PlannedExport) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    match export.result {
        PlanResult::Planned => {}
        PlanResult::HeldBack => facts.push(("held back", export.message.clone())),
        PlanResult::File => facts.push(("file", export.message.clone())),
        PlanResult::Suspended => facts.push(("suspended", "spec.suspend is set".to_owned())),
        PlanResult::NotPlanned => {
            facts.push(("not planned", format!("{}: {}", export.reason, export.message)));
        }
    }
    if export.result != PlanResult::File {
        facts.extend(export.counts.iter().flat_map(counted));
    }
    if !export.changes.is_empty() {
        let names = export.changes.iter().map(|(name, people)| format!("{name} {people}"));
        facts.push(("changes", names.collect::<Vec<_>>().join(", ")));
    }
    for rejected in &export.rejected_by_reason {
        let place = rejected.place.as_ref().map(|place| format!(" at {place}")).unwrap_or_default();
        facts.push(("rejected", format!("{} {}{place}", rejected.count, rejected.reason)));
    }
    facts.extend(export.coverage.iter().flat_map(coverage));
    if export.periodic && export.digest.is_some() {
        facts.push(("approval", PERIODIC.to_owned()));
    }
    facts
}

fn counted(counts: &PlanCounts) -> Vec<(&'static str, String)> {
    let PlanCounts { read, not_selected, selected, .. } = counts;
    let left_out =
        if *not_selected > 0 { format!(", {not_selected} not selected") } else { String::new() };
    let mut facts = vec![("records", format!("{selected} of {read}{left_out}"))];
    let all = [
        ("create", counts.create),
        ("update", counts.update),
        ("unchanged", counts.unchanged),
        ("skipped", counts.skipped),
        ("suppressed", counts.suppressed),
        ("undecided", counts.undecided),
    ];
    facts.extend(all.into_iter().filter(|(_, n)| *n > 0).map(|(word, n)| (word, n.to_string())));
    facts
}

fn coverage(coverage: &FieldCoverage) -> Vec<(&'static str, String)> {
    let FieldCoverage { records, fields, fields_omitted, warnings, warnings_omitted } = coverage;
    let mut filled: Vec<String> =
        fields.iter().map(|field| format!("{} {}", field.attribute, field.filled)).collect();
    filled.extend(
        fields_omitted
            .map(|omitted| format!("and {}", count_of(omitted, "more field", "more fields"))),
    );
    let mut facts = Vec::new();
    if *records > 0 {
        facts.push(("filled", format!("of {records}: {}", filled.join(", "))));
    }
    // A field without any value is among those above.
    let counted = |place: &str| fields_omitted.is_none() && place.starts_with("spec.fields[");
    let shown = warnings.iter().filter(|warning| {
        warning.reason != Reason::NeverFilled.as_str() || !counted(&warning.place)
    });
    facts.extend(shown.map(|warning| {
        let (place, reason, message) = (&warning.place, &warning.reason, &warning.message);
        ("warning", format!("{reason}: {place}: {message}"))
    }));
    facts.extend(warnings_omitted.map(|omitted| ("warning", format!("and {omitted} more"))));
    facts
}

fn export(export: &PlannedExport) -> Vec<String> {
    let PlannedExport { namespace, name, .. } = export;
    let mut lines = vec![format!("export/{name} ({namespace})")];
    for (word, more) in facts(export) {
        lines.extend(wrapped(&more, &format!("  {word:<12}"), &" ".repeat(14), WIDTH));
    }
    lines.extend(export.digest.iter().map(|digest| format!("  plan {digest}")));
    lines.extend(export.approved.map(|approved| {
        let which = if approved { "this plan" } else { "another plan: a push would be refused" };
        format!("  spec.approvedPlan names {which}")
    }));
    lines.push(String::new());
    lines
}

fn obstacle(obstacle: &Obstacle) -> Vec<String> {
    let Obstacle { kind, namespace, name, reason, message } = obstacle;
    let mut lines = wrapped(
        &format!("{reason}: {message}"),
        &format!("{kind} {namespace}/{name}: "),
        "  ",
        WIDTH,
    );
    lines.push(String::new());
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_without_any_value_is_named_once() {
        let found: FieldCoverage = serde_json::from_value(serde_json::json!({
            "records": 3,
            "fields": [{"attribute": "email", "filled": 3}, {"attribute": "phone", "filled": 0}],
            "warnings": [
                {"place": "spec.fields[1].from", "reason": "NeverFilled", "message": "none", "records": 3},
                {"place": "spec.select", "reason": "NeverFilled", "message": "'visa' is missing", "records": 3},
            ],
        }))
        .unwrap();
        let facts = coverage(&found);
        assert_eq!(facts[0], ("filled", "of 3: email 3, phone 0".to_owned()));
        assert_eq!(facts[1].1, "NeverFilled: spec.select: 'visa' is missing");
        assert_eq!(facts.len(), 2);
    }
}
