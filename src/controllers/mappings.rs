//! How a `FieldMapping` becomes input of the mapping engine. Pure.

use super::{check::Check, finding::no_member, references::MappingFound};
use crate::{
    api::{ConditionType, FieldMappingSpec, MappingDirection},
    conditions::{Observation, Verdict},
    domain::{Cause, Reason},
    mapping::{FieldSpec, ImportPlan, Issue, IssueCode, MappingSpec, TargetAttributes},
};

/// The engine's input. It has its own type with the same members, so that it knows no Kubernetes. It has no
/// direction, which decides how it is compiled: the revisions of exports are what they were without one.
pub(super) fn engine_spec(spec: &FieldMappingSpec) -> MappingSpec {
    let mut value = serde_json::to_value(spec).expect("a spec serialises");
    if let Some(members) = value.as_object_mut() {
        members.remove("direction");
    }
    serde_json::from_value(value).expect("both types have the same members, a test says so")
}

/// Why a mapping cannot be used by an export, if so. `named_in`: the field that names it.
pub(super) fn not_for_exports(found: &MappingFound, named_in: &str) -> Option<String> {
    let MappingFound::Named(object) = found else { return None };
    (object.spec.direction == MappingDirection::Import).then(|| {
        format!(
            "FieldMapping {}, which {named_in} names, has direction: Import, so only imports can use it; \
             name a mapping of direction: Export",
            object.metadata.name.as_deref().unwrap_or_default()
        )
    })
}

/// Compiles a mapping of direction Import. What it fills must be a member of hireEZ profiles: nothing else
/// is read by who receives them.
pub(super) fn for_imports(fields: &[FieldSpec]) -> Result<ImportPlan, Vec<Issue>> {
    let plan = ImportPlan::compile(fields)?;
    let unknown = plan.members().filter_map(|(index, member)| {
        let hint = no_member(member)?;
        let message = format!("{hint}; put what is not of hireEZ below 'x', as in x.{member}");
        Some(Issue::new(format!("spec.fields[{index}].to"), IssueCode::UnknownPath, message))
    });
    let unknown: Vec<Issue> = unknown.collect();
    if unknown.is_empty() { Ok(plan) } else { Err(unknown) }
}

/// The first error and how many there are: `spec.fields[3].from: ... (and 2 more)`.
pub(super) fn summary(issues: &[Issue]) -> String {
    match issues {
        [] => "the mapping has errors".to_owned(),
        [only] => only.to_string(),
        [first, rest @ ..] => format!("{first} (and {} more)", rest.len()),
    }
}

/// The mapping that an object of `namespace` refers to, as the engine reads it, and what to call it.
pub(super) fn source<T>(
    found: &MappingFound,
    namespace: &str,
    target: &TargetAttributes,
) -> Result<(String, MappingSpec), Box<Check<T>>> {
    match found {
        MappingFound::Withheld => {
            let message = "read once the integration may be used";
            let observation = observe(None, Reason::DependencyNotReady, message.to_owned());
            Err(Box::new(Check { value: None, observation, fault: None }))
        }
        MappingFound::Forbidden(message) => {
            let cause = Cause::new(Reason::ReferenceForbidden, message.clone());
            Err(Box::new(invalid(Verdict::Stalled, cause)))
        }
        MappingFound::Missing(named) => {
            let message = if named.namespace == namespace {
                format!("FieldMapping {} is not in this namespace", named.name)
            } else {
                format!("FieldMapping {named} does not exist; fix spec.fieldMappingRef")
            };
            let cause = Cause::new(Reason::DependencyNotFound, message);
            Err(Box::new(invalid(Verdict::Reconciling, cause)))
        }
        MappingFound::Default => {
            Ok(("the default mapping".to_owned(), MappingSpec::default_for(target)))
        }
        MappingFound::Named(object) => {
            let name = object.metadata.name.as_deref().unwrap_or_default();
            Ok((format!("FieldMapping {name}"), engine_spec(&object.spec)))
        }
    }
}

/// A mapping that prevents a run.
pub(super) fn invalid<T>(verdict: fn(Cause) -> Verdict, cause: Cause) -> Check<T> {
    let observation = observe(false, cause.reason, cause.message.clone());
    Check { value: None, observation, fault: Some(verdict(cause)) }
}

/// The condition on a mapping.
pub(super) fn observe(
    status: impl Into<Option<bool>>,
    reason: Reason,
    message: String,
) -> Observation {
    Observation::new(ConditionType::MappingReady, status, reason, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_member_of_the_spec_reaches_the_engine() {
        let spec = serde_json::json!({
            "fields": [
                {"to": "email", "from": "emails[0].value", "required": true},
                {"to": "source_kind", "value": {"string": "sourced"}},
                {"to": "phone", "from": "phones[0].value", "whenMissing": "Clear",
                 "writeMode": "OnlyIfEmpty",
                 "transforms": [
                    {"name": "e164", "defaultCountry": "IE"},
                    {"name": "date", "from": ["%Y"], "to": "%Y-%m-%d"},
                    {"name": "join", "separator": ", "},
                    {"name": "replace", "pattern": "a", "with": "b"},
                    {"name": "truncate", "length": 3},
                    {"name": "map", "values": {"a": "b"}, "otherwise": "Skip"},
                    {"name": "default", "value": "x"},
                    {"name": "prefix", "text": "x"}
                 ]},
                {"to": "title", "expression": "candidate.title"}
            ],
            "resume": {"attach": true, "from": "RenderedProfile", "required": true},
            "tags": {"enabled": true, "from": "tags", "activity": "sourcing"},
            "matchKeys": ["email"]
        });
        let parsed = serde_json::from_value(spec.clone()).unwrap();
        let engine = serde_json::to_value(engine_spec(&parsed)).unwrap();
        for pointer in [
            "/fields/0/from",
            "/fields/1/value/string",
            "/fields/2/writeMode",
            "/fields/2/transforms/0/defaultCountry",
            "/fields/2/transforms/5/otherwise",
            "/fields/3/expression",
            "/resume/attach",
            "/resume/from",
            "/tags/activity",
            "/matchKeys/0",
        ] {
            assert_eq!(engine.pointer(pointer), spec.pointer(pointer), "{pointer}");
            assert!(engine.pointer(pointer).is_some(), "{pointer}");
        }
    }
}
