//! What the API server does with an object of our kinds before it stores it: structural checks,
//! defaults, then the CEL rules. Pure; built once from the generated CRDs.

use std::sync::LazyLock;

use kube::core::cel::{CompiledSchema, ErrorKind, Validator, compile_schema};
use serde_json::Value as Json;

use super::{
    check::{check, check_shape, defaulted},
    node::{Entry, Node},
    problem::{Fault, Rule},
    schema::Schema,
};
use crate::cluster::Kind;

/// The field that the rules are about.
const SPEC: &str = "spec";

/// The schemas of one kind.
struct KindSchema {
    kind: Kind,
    spec: Schema,
    status: Schema,
    rules: CompiledSchema,
}

static SCHEMAS: LazyLock<Vec<KindSchema>> = LazyLock::new(|| {
    let mut found = Vec::new();
    for crd in crate::api::crds() {
        let crd = serde_json::to_value(crd).expect("a CRD serialises to JSON");
        let Some(kind) = Kind::ALL.into_iter().find(|k| crd["spec"]["names"]["kind"] == k.as_str())
        else {
            continue;
        };
        let root = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
        let part = |name: &str| -> Schema {
            serde_json::from_value(root[name].clone())
                .expect("generated schemas use the keywords that are checked here")
        };
        found.push(KindSchema {
            kind,
            spec: part(SPEC),
            status: part("status"),
            rules: compile_schema(&root[SPEC]),
        });
    }
    found
});

fn schema_of(kind: Kind) -> &'static KindSchema {
    SCHEMAS.iter().find(|schema| schema.kind == kind).expect("every kind has a CRD")
}

/// Admits the spec of a new object: the spec that would be stored, and every fault.
pub(super) fn admit(kind: Kind, spec: &Entry) -> (Json, Vec<Fault>) {
    let schema = schema_of(kind);
    let (value, mut faults) = check(&schema.spec, &spec.node, SPEC, spec.line);
    if value.is_object() {
        let found = rules(schema, &value, None, &faults);
        faults.extend(found);
    }
    (value, faults)
}

/// The transition rules that a changed spec breaks.
pub(super) fn admit_change(kind: Kind, new: &Json, old: &Json) -> Vec<Fault> {
    rules(schema_of(kind), new, Some(old), &[])
}

/// The status of a new object.
pub(super) fn first_status(kind: Kind) -> Option<Json> {
    let schema = &schema_of(kind).status;
    schema.default.as_ref().map(|default| defaulted(schema, default))
}

/// Why the API server would refuse a status.
pub(super) fn status_faults(kind: Kind, status: &Json) -> Vec<Fault> {
    check(&schema_of(kind).status, &Node::from_json(status), "status", 0).1
}

/// Why the API server would refuse a new object for its status, of which it keeps nothing.
pub(super) fn written_status_faults(kind: Kind, status: &Entry) -> Vec<Fault> {
    check_shape(&schema_of(kind).status, &status.node, "status", status.line)
}

/// Runs the CEL rules. If the object has faults already (`known`), a rule about the same field, or
/// one that cannot be evaluated, is a consequence and not reported.
fn rules(schema: &KindSchema, new: &Json, old: Option<&Json>, known: &[Fault]) -> Vec<Fault> {
    let Err(errors) = Validator::new().validate_compiled(&schema.rules, new, old) else {
        return Vec::new();
    };
    errors
        .into_iter()
        .filter_map(|error| {
            let path = if error.field_path.is_empty() {
                SPEC.to_owned()
            } else if error.field_path.starts_with(['.', '[']) {
                format!("{SPEC}{}", error.field_path)
            } else {
                format!("{SPEC}.{}", error.field_path)
            };
            match error.kind {
                _ if known.iter().any(|fault| fault.path == path) => None,
                ErrorKind::ValidationFailure => {
                    Some(Fault::new(0, &path, error.message).under(Rule::CEL))
                }
                _ if !known.is_empty() => None,
                _ => {
                    let message = format!("rule '{}' cannot be evaluated", error.rule);
                    Some(Fault::new(0, &path, message).under(Rule::CEL))
                }
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every schema below `schema` that has a default.
    fn defaults<'a>(path: &str, schema: &'a Schema, found: &mut Vec<(String, &'a Schema)>) {
        if schema.default.is_some() {
            found.push((path.to_owned(), schema));
        }
        for (name, child) in &schema.properties {
            defaults(&format!("{path}.{name}"), child, found);
        }
        for child in schema.items.iter().chain(&schema.additional_properties) {
            defaults(&format!("{path}[]"), child, found);
        }
    }

    #[test]
    fn every_default_is_itself_valid() {
        for schema in SCHEMAS.iter() {
            let mut found = Vec::new();
            defaults(schema.kind.as_str(), &schema.spec, &mut found);
            assert!(!found.is_empty());
            for (path, node) in found {
                let default = node.default.as_ref().unwrap();
                let (_, faults) = check(node, &Node::from_json(default), &path, 0);
                assert!(faults.is_empty(), "the API server refuses the CRD: {faults:?}");
            }
        }
    }

    #[test]
    fn a_status_beyond_its_bounds_is_refused() {
        let many = vec![serde_json::json!({"path": "x", "message": "y"}); 21];
        let status = serde_json::json!({"problems": many});
        let faults = status_faults(Kind::Mapping, &status);
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert_eq!(faults[0].path, "status.problems");
    }

    #[test]
    fn new_objects_start_unobserved() {
        for kind in Kind::ALL {
            assert_eq!(first_status(kind).unwrap()["observedGeneration"], -1);
        }
    }
}
