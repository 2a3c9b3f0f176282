//! Reconciles a `FieldMapping`: compiles it and tells every error at once. Needs no Clinch and no
//! other object; whether it fits a contract is told on the exports that use it.

use std::time::Duration;

use super::{
    context::Context,
    publish::{new_request, object_ref, publish, receipt},
};
use crate::{
    api::{ConditionType, FieldMapping, FieldMappingSpec, FieldMappingStatus, MappingProblem},
    cluster::{Cluster, ClusterError, Kind, ObjectKey},
    conditions::{Observation, Verdict, settle},
    domain::Reason,
    mapping::{self, Issue, MappingSpec, Plan},
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

/// Compiles the mapping of an object. Pure.
fn compile(spec: &FieldMappingSpec) -> Result<Plan, Vec<Issue>> {
    mapping::compile(&engine_spec(spec))
}

/// The engine has its own input type with the same members, so that it knows no Kubernetes.
pub(super) fn engine_spec(spec: &FieldMappingSpec) -> MappingSpec {
    let value = serde_json::to_value(spec).expect("a spec serialises");
    serde_json::from_value(value).expect("both types have the same members, a test says so")
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
                Verdict::Ready { reason: Reason::Compiled, message },
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
                Verdict::Stalled { reason, message },
            )
        }
    };
    let request = new_request(&object.metadata, previous.handled.as_ref());
    next.handled = receipt(previous.handled.as_ref(), request);
    let generation = object.metadata.generation.unwrap_or_default();
    settle(previous, &mut next, generation, vec![observation], &verdict, now);
    next
}

fn problem(issue: &Issue) -> MappingProblem {
    MappingProblem {
        path: issue.path.chars().take(256).collect(),
        message: issue.message.chars().take(512).collect(),
    }
}

/// The first error and how many there are: `spec.fields[3].from: ... (and 2 more)`.
pub(super) fn summary(issues: &[Issue]) -> String {
    match issues {
        [] => "the mapping has errors".to_owned(),
        [only] => only.to_string(),
        [first, rest @ ..] => format!("{first} (and {} more)", rest.len()),
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
            "resume": {"attach": true},
            "tags": {"enabled": true, "from": "tags", "activity": "sourcing"},
            "matchKeys": ["email"]
        });
        let object = object(spec.clone());
        let engine = serde_json::to_value(engine_spec(&object.spec)).unwrap();
        for pointer in [
            "/fields/0/from",
            "/fields/1/value/string",
            "/fields/2/writeMode",
            "/fields/2/transforms/0/defaultCountry",
            "/fields/2/transforms/5/otherwise",
            "/fields/3/expression",
            "/resume/attach",
            "/tags/activity",
            "/matchKeys/0",
        ] {
            assert_eq!(engine.pointer(pointer), spec.pointer(pointer), "{pointer}");
            assert!(engine.pointer(pointer).is_some(), "{pointer}");
        }
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
