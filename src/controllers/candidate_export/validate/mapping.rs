//! The mapping of an export. Pure.

use crate::{
    conditions::Verdict,
    controllers::{
        candidate_export::gather::Gathered,
        check::Check,
        mappings::{self, invalid, not_for_exports, observe, summary},
        references::MappingFound,
    },
    domain::{Cause, Reason},
    mapping::{self, Issue, MappingSpec, Plan, TargetAttributes},
};

/// The compiled mapping, as far as it fits the contract. A file has none where none is named: then it
/// holds the fields of profiles. And it need not fit a contract. A document has none at all, but where one
/// is named, it decides whether profiles may leave.
pub(super) fn check(gathered: &Gathered) -> Check<Option<Plan>> {
    if gathered.is_file() && matches!(gathered.mapping, MappingFound::Default) {
        let what = if gathered.is_document() { "profiles" } else { "the fields of profiles" };
        let message = format!("no mapping is named: {what} are written");
        let observation = observe(true, Reason::Resolved, message);
        return Check { value: Some(None), observation, fault: None };
    }
    let unknown = TargetAttributes::UNKNOWN;
    let connection = gathered.connection.as_ref().filter(|_| !gathered.is_file());
    let target = connection.map_or(&unknown, |connection| &connection.attributes);
    let (name, engine) = match named(gathered, target) {
        Ok(found) => found,
        Err(check) => return *check,
    };
    match compiled(gathered, engine, target) {
        Ok(plan) if gathered.is_document() => document(&name, &plan),
        Ok(plan) => Check {
            value: Some(Some(plan)),
            observation: observe(true, Reason::Resolved, format!("{name} is usable")),
            fault: None,
        },
        Err(issues) => {
            let message = format!("{name}: {}", summary(&issues));
            invalid(Verdict::Stalled, Cause::new(Reason::MappingInvalid, message))
        }
    }
}

/// A mapping names what may leave, and a document shows whole profiles: so it must name those.
fn document(name: &str, plan: &Plan) -> Check<Option<Plan>> {
    if let Some(message) = refuses_documents(name, plan) {
        return invalid(Verdict::Stalled, Cause::new(Reason::NotPermitted, message));
    }
    let message =
        format!("{name} permits rendered profiles; its fields do not limit what a document shows");
    Check { value: Some(None), observation: observe(true, Reason::Resolved, message), fault: None }
}

/// Why documents may not be written with this mapping, if so.
pub(in crate::controllers::candidate_export) fn refuses_documents(
    name: &str,
    plan: &Plan,
) -> Option<String> {
    (!plan.resume_from().renders()).then(|| {
        format!(
            "{name} names what may leave, and a PDF document shows more: its spec.resume.from must be \
             RenderedProfile or ResumeOrRenderedProfile; spec.fieldMappingRef may name such a mapping"
        )
    })
}

/// The compiled mapping for these attributes, if there is a mapping to compile.
pub(in crate::controllers::candidate_export) fn mapping_for(
    gathered: &Gathered,
    target: &TargetAttributes,
) -> Result<Plan, Vec<Issue>> {
    match named(gathered, target) {
        Ok((_, engine)) => compiled(gathered, engine, target),
        Err(_) => Err(Vec::new()),
    }
}

/// Compiles a mapping with what the export overrides of it.
fn compiled(
    gathered: &Gathered,
    mut engine: MappingSpec,
    target: &TargetAttributes,
) -> Result<Plan, Vec<Issue>> {
    let spec = &gathered.export.spec;
    if let Some(resume) = &spec.resume {
        engine.resume.attach = resume.attach;
        engine.resume.required = resume.required.unwrap_or(engine.resume.required);
    }
    if let Some(tags) = &spec.tags {
        engine.tags.enabled = tags.enabled;
    }
    mapping::compile(&engine).and_then(|plan| {
        let issues = plan.check(target);
        if issues.is_empty() { Ok(plan.for_target(target)) } else { Err(issues) }
    })
}

/// The mapping as the engine reads it, and what to call it.
fn named(
    gathered: &Gathered,
    target: &TargetAttributes,
) -> Result<(String, MappingSpec), Box<Check<Option<Plan>>>> {
    if let Some(message) = refused_direction(gathered) {
        let cause = Cause::new(Reason::MappingInvalid, message);
        return Err(Box::new(invalid(Verdict::Stalled, cause)));
    }
    mappings::source(&gathered.mapping, &gathered.key().namespace, target)
}

/// Why the mapping is not one for exports, if so.
pub(in crate::controllers::candidate_export) fn refused_direction(
    gathered: &Gathered,
) -> Option<String> {
    let named_in = if gathered.export.spec.field_mapping_ref.is_some() {
        "spec.fieldMappingRef"
    } else {
        "spec.defaults.fieldMappingRef of the integration"
    };
    not_for_exports(&gathered.mapping, named_in)
}
