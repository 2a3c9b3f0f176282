//! Reconciles a `FieldMapping`: compiles it and reports every error at once. Needs no Clinch and no
//! other object; whether it fits a contract is reported on the exports that use it.

use std::time::Duration;

use super::{
    context::Context,
    finding::{Finding, not_of_profiles},
    mappings::{engine_spec, for_imports, summary},
    publish::{new_request, object_ref, publish, receipt},
    spans,
};
use crate::{
    api::{
        ConditionType, FieldMapping, FieldMappingSpec, FieldMappingStatus, FieldNotInvertible,
        MappingDirection, MappingField, MappingInverse, MappingProblem,
    },
    cluster::{Cluster, ClusterError, Kind, ObjectKey},
    conditions::{self, Observation, Verdict},
    domain::Reason,
    mapping::{self, ImportPlan, Inverse, Issue, IssueCode, Plan, TargetAttributes},
};

/// How many errors, and fields that cannot be read backwards, are listed in the status.
const LISTED: usize = 20;

/// A compiled mapping.
enum Compiled {
    /// For exports, and how imports read it.
    Export(Plan, Inverse),
    Import(ImportPlan),
}

/// One pass over one mapping.
pub(super) async fn reconcile<C: Cluster>(
    context: &Context<C>,
    key: &ObjectKey,
) -> Result<Option<Duration>, ClusterError> {
    let Some(object) = context.cluster.read::<FieldMapping>(key).await? else { return Ok(None) };
    if object.metadata.deletion_timestamp.is_some() {
        return Ok(None);
    }
    let previous = object.status.clone().unwrap_or_default();
    let next = status(&object, &previous, compile(&object.spec), context.clock.now());
    let reference = object_ref(Kind::Mapping, key, &object.metadata);
    spans::identify(&reference);
    publish::<FieldMapping>(&context.cluster, &reference, &previous, next, "Compile").await?;
    Ok(None)
}

/// What is wrong with one mapping. `target`: the attributes that it may fill, as far as they are known.
pub(super) async fn review<C: Cluster>(
    context: &Context<C>,
    key: &ObjectKey,
    target: &TargetAttributes,
) -> Result<Vec<Finding>, ClusterError> {
    let Some(object) = context.cluster.read::<FieldMapping>(key).await? else {
        return Ok(Vec::new());
    };
    let direction = object.spec.direction;
    let issues = match compile(&object.spec) {
        Ok(Compiled::Export(plan, _)) => plan.check(target),
        Ok(Compiled::Import(plan)) => plan.check(target),
        Err(issues) => issues,
    };
    let rule = |issue: &Issue| match issue.code {
        IssueCode::UnknownAttribute => "mapping/unknown-attribute",
        IssueCode::UnknownPath => "mapping/unknown-path",
        IssueCode::InvalidPath => "mapping/path",
        IssueCode::InvalidExpression | IssueCode::ExpressionTooLarge => "mapping/expression",
        IssueCode::InvalidTransform => "mapping/transform",
        _ => "mapping/field",
    };
    let mut findings: Vec<Finding> =
        issues.iter().map(|issue| Finding::issue(rule(issue), issue)).collect();
    let fields = object.spec.fields.iter().enumerate();
    if direction == MappingDirection::Export {
        findings.extend(fields.filter_map(|(index, field)| unknown_path(index, field)));
    }
    Ok(findings)
}

/// A field that names something that hireEZ profiles do not have. Other sources may have it.
fn unknown_path(index: usize, field: &MappingField) -> Option<Finding> {
    let message = not_of_profiles(field.from.as_deref()?)?;
    Some(Finding::warning("mapping/unknown-path", &format!("spec.fields[{index}].from"), message))
}

/// Compiles the mapping of an object. Pure.
fn compile(spec: &FieldMappingSpec) -> Result<Compiled, Vec<Issue>> {
    let engine = engine_spec(spec);
    match spec.direction {
        MappingDirection::Export => {
            let plan = mapping::compile(&engine)?;
            Ok(Compiled::Export(plan, ImportPlan::inverse_of(&engine)?))
        }
        MappingDirection::Import => for_imports(&engine.fields).map(Compiled::Import),
    }
}

/// How imports read a mapping for exports. Pure.
fn inverse(found: &Inverse) -> MappingInverse {
    let listed = found
        .not_invertible
        .iter()
        .take(LISTED)
        .map(|field| FieldNotInvertible { path: cut(&field.path, 256), why: cut(&field.why, 256) });
    MappingInverse {
        fields: i64::try_from(found.plan.len()).unwrap_or(i64::MAX),
        not_invertible: listed.collect(),
    }
}

fn cut(text: &str, characters: usize) -> String {
    text.chars().take(characters).collect()
}

/// The status of this pass. Pure.
fn status(
    object: &FieldMapping,
    previous: &FieldMappingStatus,
    compiled: Result<Compiled, Vec<Issue>>,
    now: jiff::Timestamp,
) -> FieldMappingStatus {
    let mut next = previous.clone();
    let fields = object.spec.fields.len();
    next.fields = i64::try_from(fields).ok();
    let (observation, verdict) = match compiled {
        Ok(compiled) => {
            next.errors = Some(0);
            next.problems = Vec::new();
            let (digest, read_backwards) = match &compiled {
                Compiled::Export(plan, found) => (plan.digest(), Some(inverse(found))),
                Compiled::Import(plan) => (plan.digest(), None),
            };
            next.revision = Some(digest.short());
            next.inverse = read_backwards;
            let message = match fields {
                1 => "1 field compiles".to_owned(),
                fields => format!("{fields} fields compile"),
            };
            (
                Observation::new(ConditionType::Compiled, true, Reason::Compiled, message.clone()),
                Verdict::ready(Reason::Compiled, message),
            )
        }
        Err(issues) => {
            next.errors = i64::try_from(issues.len()).ok();
            next.problems = issues.iter().take(LISTED).map(problem).collect();
            next.revision = None;
            next.inverse = None;
            let message = summary(&issues);
            let reason = Reason::MappingInvalid;
            (
                Observation::new(ConditionType::Compiled, false, reason, message.clone()),
                Verdict::stalled(reason, message),
            )
        }
    };
    let request = new_request(&object.metadata, previous.handled.as_ref());
    next.handled = receipt(previous.handled.as_ref(), request);
    let generation = object.metadata.generation.unwrap_or_default();
    conditions::apply(previous, &mut next, generation, vec![observation], &verdict, now);
    next
}

fn problem(issue: &Issue) -> MappingProblem {
    MappingProblem { path: cut(&issue.path, 256), message: cut(&issue.message, 512) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(spec: serde_json::Value) -> FieldMapping {
        let mut object = FieldMapping::new("m", serde_json::from_value(spec).unwrap());
        object.metadata.generation = Some(2);
        object
    }

    fn pass(object: &FieldMapping, previous: &FieldMappingStatus) -> FieldMappingStatus {
        let now = jiff::Timestamp::from_second(10).unwrap();
        status(object, previous, compile(&object.spec), now)
    }

    #[test]
    fn errors_stall_with_their_places_and_a_fix_makes_ready() {
        let bad = object(serde_json::json!({"fields": [
            {"to": "email", "from": "emails[0"},
            {"to": "title", "expression": "candidate."}
        ]}));
        let first = pass(&bad, &FieldMappingStatus::default());
        assert_eq!(first.errors, Some(2), "{:?}", first.problems);
        assert_eq!(first.problems[0].path, "spec.fields[0].from");
        assert!(first.conditions.iter().any(|c| c.type_ == "Stalled"));
        assert_eq!(pass(&bad, &first), first, "a quiet pass changes nothing");

        let good =
            object(serde_json::json!({"fields": [{"to": "email", "from": "emails[0].value"}]}));
        let second = pass(&good, &first);
        assert_eq!((second.errors, second.fields), (Some(0), Some(1)));
        assert!(second.problems.is_empty() && second.revision.is_some());
        assert!(!second.conditions.iter().any(|c| c.type_ == "Stalled"));
    }

    #[test]
    fn the_status_says_how_imports_read_a_mapping_and_nothing_of_that_for_one_of_their_own() {
        let both = object(serde_json::json!({"fields": [
            {"to": "email", "from": "emails[0].value"},
            {"to": "name", "expression": "candidate.firstName + ' ' + candidate.lastName"}
        ]}));
        let found = pass(&both, &FieldMappingStatus::default()).inverse.unwrap();
        assert_eq!(found.fields, 1);
        let left: Vec<String> =
            found.not_invertible.iter().map(|f| format!("{} {}", f.path, f.why)).collect();
        assert_eq!(left, ["spec.fields[1] expression"]);

        let own = object(serde_json::json!({"direction": "Import", "fields": [
            {"to": "emails[0].value", "from": "email"},
            {"to": "skills[]", "from": "skills"}
        ]}));
        let status = pass(&own, &FieldMappingStatus::default());
        assert_eq!((status.errors, status.fields), (Some(0), Some(2)));
        assert!(status.revision.is_some() && status.inverse.is_none());
        let bad = object(serde_json::json!({"direction": "Import", "fields": [
            {"to": "emails[*].value", "from": "email"}
        ]}));
        let status = pass(&bad, &FieldMappingStatus::default());
        assert_eq!(status.problems[0].path, "spec.fields[0].to");
        let bad = object(serde_json::json!({"direction": "Import", "fields": [
            {"to": "emails[0].value", "from": "email"},
            {"to": "fristName", "from": "first_name"},
            {"to": "notice_period", "from": "notice_period"},
            {"to": "x.notice_period", "from": "notice"}
        ]}));
        let status = pass(&bad, &FieldMappingStatus::default());
        let found: Vec<(&str, &str)> = status
            .problems
            .iter()
            .map(|problem| (problem.path.as_str(), problem.message.as_str()))
            .collect();
        let [(first, suggested), (second, below)] = found[..] else { panic!("{found:?}") };
        assert_eq!((first, second), ("spec.fields[1].to", "spec.fields[2].to"));
        assert!(suggested.contains("did you mean \"firstName\"?"), "{suggested}");
        assert!(below.contains("x.notice_period"), "{below}");
    }
}
