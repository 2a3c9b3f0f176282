//! The mapping of an import: one of its own, or one for exports, read backwards. Pure.

use super::gather::Gathered;
use crate::{
    api::MappingDirection,
    clinch::SOCIAL_PROFILE,
    conditions::Verdict,
    controllers::{
        check::Check,
        mappings::{self, for_imports, invalid, observe, summary},
        references::MappingFound,
    },
    domain::{Cause, Reason},
    mapping::{ImportPlan, Inverse, Issue, MappingSpec, Select, TargetAttributes},
    pipeline::AttributeFilter,
};

/// How many names and places a message lists.
const LISTED: usize = 5;
/// What says which attributes may leave.
const PERMITTED: &str = "spec.readPermission.attributes of the integration";
/// The name by which a selection reads the id of a person.
const ID: &str = "id";

/// The mapping, read backwards as far as that is possible where it is one for exports. `permitted`: what
/// may leave.
pub(super) fn check(gathered: &Gathered, permitted: Option<&AttributeFilter>) -> Check<ImportPlan> {
    let unknown = TargetAttributes::UNKNOWN;
    let target = gathered.connection.as_ref().map_or(&unknown, |open| &open.attributes);
    let (name, spec) = match source(gathered, target) {
        Ok(found) => found,
        Err(check) => return *check,
    };
    let refused = |message: String| {
        invalid(Verdict::Stalled, Cause::new(Reason::MappingInvalid, format!("{name}: {message}")))
    };
    let (plan, mut message) = if is_for_imports(gathered) {
        let compiled = for_imports(&spec.fields).and_then(|plan| {
            let issues = plan.check(target);
            if issues.is_empty() { Ok(plan) } else { Err(issues) }
        });
        match compiled {
            Err(issues) => return refused(summary(&issues)),
            Ok(plan) => (plan, format!("{} fields", spec.fields.len())),
        }
    } else {
        match inverse(&spec) {
            Err(issues) => return refused(summary(&issues)),
            Ok(found) if found.plan.is_empty() => {
                let left_out = left_out(&found, &spec);
                return refused(format!("no field can be read backwards; {left_out}"));
            }
            Ok(found) => {
                let message = left_out(&found, &spec);
                (found.plan, message)
            }
        }
    };
    if let Some(permitted) = permitted {
        let unknown = misspelt(permitted, target);
        // Without a connection the names that Clinch has are not known.
        if gathered.connection.is_some() && reads_nothing(&plan, permitted, target) {
            let unknown = unknown.map(|unknown| format!("; {unknown}")).unwrap_or_default();
            return refused(format!(
                "no field can be read, because {PERMITTED} lists none of the attributes that the \
                 fields are read from, and every profile would be empty; ask its admin to list {}\
                 {unknown}",
                listed(plan.reads().names.iter().map(String::as_str))
            ));
        }
        for note in [lacking(&plan, permitted), unknown].into_iter().flatten() {
            message = format!("{message}; {note}");
        }
    }
    let observation = observe(true, Reason::Resolved, format!("{name}: {message}"));
    Check { value: Some(plan), observation, fault: None }
}

/// Whether the mapping has direction Import, so that it is used as it is.
pub(super) fn is_for_imports(gathered: &Gathered) -> bool {
    matches!(&gathered.mapping, MappingFound::Named(found)
        if found.spec.direction == MappingDirection::Import)
}

/// A mapping, read backwards.
pub(super) fn inverse(spec: &MappingSpec) -> Result<Inverse, Vec<Issue>> {
    ImportPlan::inverse_of(spec)
}

/// `7 of 9 fields; not invertible: spec.fields[3] (expression), ...`
pub(super) fn left_out(found: &Inverse, spec: &MappingSpec) -> String {
    let mut message = format!("{} of {} fields", found.plan.len(), spec.fields.len());
    let left = &found.not_invertible;
    if !left.is_empty() {
        let named: Vec<String> = left.iter().take(LISTED).map(ToString::to_string).collect();
        message = format!("{message}; not invertible: {}", named.join(", "));
        if left.len() > LISTED {
            message = format!("{message} and {} more", left.len() - LISTED);
        }
    }
    message
}

/// The attributes that the mapping reads and that may not leave.
fn lacking(plan: &ImportPlan, permitted: &AttributeFilter) -> Option<String> {
    let reads = plan.reads();
    let names = reads.names.iter().map(String::as_str);
    let names: Vec<&str> = names.filter(|name| !permitted.permits(name)).collect();
    (!names.is_empty()).then(|| format!("{PERMITTED} leaves out {}", listed(names)))
}

/// The attributes that may leave and that reads of people do not show: probably misspelled.
fn misspelt(permitted: &AttributeFilter, target: &TargetAttributes) -> Option<String> {
    let AttributeFilter::Only(names) = permitted else { return None };
    // Profiles are read from it, too, where it is a related resource.
    let names = names.iter().filter(|name| target.hides(name) && *name != SOCIAL_PROFILE);
    let names: Vec<String> = names.map(|name| target.suggest(name)).collect();
    (!names.is_empty()).then(|| {
        let names = listed(names.iter().map(String::as_str));
        format!("{PERMITTED} has names that Clinch does not show: {names}")
    })
}

/// Whether every profile would be empty.
fn reads_nothing(
    plan: &ImportPlan,
    permitted: &AttributeFilter,
    target: &TargetAttributes,
) -> bool {
    !plan.can_read(|name| permitted.permits(name) && !target.hides(name))
}

/// What a selection reads and never sees, so that it may select nobody.
pub(super) fn unseen(
    select: &Select,
    permitted: &AttributeFilter,
    target: &TargetAttributes,
) -> Option<String> {
    let names = select.reads().names;
    let unknown: Vec<String> =
        names.iter().filter(|name| target.hides(name)).map(|name| target.suggest(name)).collect();
    let withheld: Vec<&str> = names
        .iter()
        .map(String::as_str)
        .filter(|name| *name != ID && !target.hides(name) && !permitted.permits(name))
        .collect();
    let mut notes = Vec::new();
    if !unknown.is_empty() {
        let names = listed(unknown.iter().map(String::as_str));
        notes.push(format!("Clinch does not show {names}"));
    }
    if !withheld.is_empty() {
        notes.push(format!("{PERMITTED} leaves out {}", listed(withheld)));
    }
    let place = select.place();
    (!notes.is_empty()).then(|| format!("{place} reads what it never sees: {}", notes.join("; ")))
}

/// The first names, and how many more there are.
fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut names: Vec<&str> = names.into_iter().collect();
    let more = names.len().saturating_sub(LISTED);
    names.truncate(LISTED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", names.join(", "))
}

/// The mapping as the engine reads it, and what to call it.
pub(super) fn source(
    gathered: &Gathered,
    target: &TargetAttributes,
) -> Result<(String, MappingSpec), Box<Check<ImportPlan>>> {
    mappings::source(&gathered.mapping, &gathered.key().namespace, target)
}
