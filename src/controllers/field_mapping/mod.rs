//! Reconciles a `FieldMapping`: compiles it and reports every error at once. Needs no Clinch and no
//! other object; whether it fits a contract is reported on the exports that use it.

use std::time::Duration;

use super::{
    context::Context,
    finding::{Finding, not_of_profiles},
    mappings::{engine_spec, summary},
    publish::{new_request, object_ref, publish, receipt},
};
use crate::{
    api::{
        ConditionType, FieldMapping, FieldMappingSpec, FieldMappingStatus, MappingField,
        MappingProblem,
    },
    cluster::{Cluster, ClusterError, Kind, ObjectKey},
    conditions::{self, Observation, Verdict},
    domain::Reason,
    mapping::{self, Issue, IssueCode, Plan, TargetAttributes},
};

/// How many errors are listed in the status.
const LISTED_PROBLEMS: usize = 20;

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
    let issues = match compile(&object.spec) {
        Ok(plan) => plan.check(target),
        Err(issues) => issues,
    };
    let rule = |issue: &Issue| match issue.code {
        IssueCode::UnknownAttribute => "mapping/unknown-attribute",
        IssueCode::InvalidPath => "mapping/path",
        IssueCode::InvalidExpression | IssueCode::ExpressionTooLarge => "mapping/expression",
        IssueCode::InvalidTransform => "mapping/transform",
        _ => "mapping/field",
    };
    let mut findings: Vec<Finding> =
        issues.iter().map(|issue| Finding::issue(rule(issue), issue)).collect();
    findings.extend(object.spec.fields.iter().enumerate().filter_map(unknown_path));
    Ok(findings)
}

/// A field that reads something that hireEZ profiles do not have. Other sources may have it.
fn unknown_path((index, field): (usize, &MappingField)) -> Option<Finding> {
    let message = not_of_profiles(field.from.as_deref()?)?;
    Some(Finding::warning("mapping/unknown-path", &format!("spec.fields[{index}].from"), message))
}

/// Compiles the mapping of an object. Pure.
fn compile(spec: &FieldMappingSpec) -> Result<Plan, Vec<Issue>> {
    mapping::compile(&engine_spec(spec))
}

/// The status of this pass. Pure.
fn status(
    object: &FieldMapping,
    previous: &FieldMappingStatus,
    compiled: Result<Plan, Vec<Issue>>,
    now: jiff::Timestamp,
) -> FieldMappingStatus {
    let mut next = previous.clone();
    let fields = object.spec.fields.len();
    next.fields = i64::try_from(fields).ok();
    let (observation, verdict) = match compiled {
        Ok(plan) => {
            next.errors = Some(0);
            next.problems = Vec::new();
            next.revision = Some(plan.digest().short());
            let message = format!("{fields} fields compile");
            (
                Observation::new(ConditionType::Compiled, true, Reason::Compiled, message.clone()),
                Verdict::ready(Reason::Compiled, message),
            )
        }
        Err(issues) => {
            next.errors = i64::try_from(issues.len()).ok();
            next.problems = issues.iter().take(LISTED_PROBLEMS).map(problem).collect();
            next.revision = None;
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
    MappingProblem {
        path: issue.path.chars().take(256).collect(),
        message: issue.message.chars().take(512).collect(),
    }
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
}
