//! The mapping of an import: one of its own, or one for exports, read backwards. Pure.

use super::gather::Gathered;
use crate::{
    api::MappingDirection,
    conditions::Verdict,
    controllers::{
        check::Check,
        mappings::{self, for_imports, invalid, observe, summary},
        references::MappingFound,
    },
    domain::{Cause, Reason},
    mapping::{ImportPlan, Inverse, Issue, MappingSpec, TargetAttributes},
    pipeline::AttributeFilter,
};

/// How many names and places a message lists.
const LISTED: usize = 5;

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
    if let Some(lacking) = permitted.and_then(|permitted| lacking(&plan, permitted)) {
        message = format!("{message}; {lacking}");
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
    let mut names: Vec<&str> =
        reads.names.iter().map(String::as_str).filter(|name| !permitted.permits(name)).collect();
    names.sort_unstable();
    let more = names.len().saturating_sub(LISTED);
    names.truncate(LISTED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!names.is_empty()).then(|| {
        format!(
            "spec.readPermission.attributes of the integration leaves out {}{more}",
            names.join(", ")
        )
    })
}

/// The mapping as the engine reads it, and what to call it.
pub(super) fn source(
    gathered: &Gathered,
    target: &TargetAttributes,
) -> Result<(String, MappingSpec), Box<Check<ImportPlan>>> {
    mappings::source(&gathered.mapping, &gathered.key().namespace, target)
}
