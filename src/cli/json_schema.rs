//! JSON Schemas of the kinds, for editors. Pure.

use anyhow::Context as _;
use serde_json::{Map, Value, json};

use crate::cluster::Kind;

/// The name and the text of a JSON Schema for each kind.
pub(super) fn schemas() -> anyhow::Result<Vec<(String, String)>> {
    // Only the operator writes the others.
    let is_written = |kind: &str| Kind::ALL.iter().any(|known| known.as_str() == kind);
    crate::api::crds()
        .into_iter()
        .filter(|crd| is_written(&crd.spec.names.kind))
        .map(|crd| {
            let crd = serde_json::to_value(crd).context("cannot write the CRD as JSON")?;
            let (spec, version) = (&crd["spec"], &crd["spec"]["versions"][0]);
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let (kind, group) = (text(&spec["names"]["kind"]), text(&spec["group"]));
            let version_name = text(&version["name"]);
            let schema = document(
                &version["schema"]["openAPIV3Schema"],
                &kind,
                &format!("{group}/{version_name}"),
            );
            let name = format!("{}_{version_name}.json", kind.to_lowercase());
            let text = serde_json::to_string_pretty(&schema).context("cannot write JSON")?;
            Ok((name, format!("{text}\n")))
        })
        .collect()
}

/// The schema of a manifest of one kind.
fn document(schema: &Value, kind: &str, api_version: &str) -> Value {
    let mut document = converted(schema);
    if let Value::Object(members) = &mut document {
        members.insert("$schema".into(), "http://json-schema.org/draft-07/schema#".into());
        members.insert("title".into(), kind.into());
        members.insert("required".into(), json!(["apiVersion", "kind", "metadata", "spec"]));
        if let Some(Value::Object(properties)) = members.get_mut("properties") {
            properties.insert("apiVersion".into(), json!({"const": api_version}));
            properties.insert("kind".into(), json!({"const": kind}));
            properties.insert("metadata".into(), json!({"type": "object", "required": ["name"]}));
            properties.remove("status");
        }
    }
    document
}

/// A structural schema as a JSON Schema: unknown fields are refused, as in strict validation.
fn converted(schema: &Value) -> Value {
    let Value::Object(members) = schema else { return schema.clone() };
    let mut result = Map::new();
    for (name, value) in members {
        let value = match name.as_str() {
            "properties" => {
                let children = value.as_object().into_iter().flatten();
                let children = children.map(|(name, child)| (name.clone(), converted(child)));
                Value::Object(children.collect())
            }
            "items" | "additionalProperties" => converted(value),
            // Rules and list types have no counterpart; the others are handled below.
            name if name.starts_with("x-kubernetes-") => continue,
            _ => value.clone(),
        };
        result.insert(name.clone(), value);
    }
    let is_set = |name: &str| members.get(name).and_then(Value::as_bool) == Some(true);
    let opens = is_set("x-kubernetes-preserve-unknown-fields")
        || result.contains_key("additionalProperties");
    if result.contains_key("properties") && !opens {
        result.insert("additionalProperties".into(), false.into());
    }
    if is_set("x-kubernetes-int-or-string") {
        result.insert("type".into(), json!(["integer", "string"]));
    }
    Value::Object(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_that_people_write_has_a_schema_that_refuses_unknown_fields() {
        let schemas = schemas().unwrap();
        let named = |name: &str| -> Value {
            let found = schemas.iter().find(|(known, _)| known == name);
            serde_json::from_str(&found.unwrap().1).unwrap()
        };
        let export = named("candidateexport_v1alpha1.json");
        assert_eq!(export["properties"]["apiVersion"]["const"], "clinch.hireez.dev/v1alpha1");
        let spec = &export["properties"]["spec"];
        assert_eq!(spec["additionalProperties"], false);
        assert_eq!(spec["properties"]["failureBudget"]["type"], json!(["integer", "string"]));
        assert_eq!(spec["properties"]["mode"]["enum"], json!(["Push", "DryRun"]));
        assert_eq!(schemas.len(), 4);
        named("clinchintegration_v1alpha1.json");
        named("fieldmapping_v1alpha1.json");
        named("candidateimport_v1alpha1.json");
        let text = schemas.iter().map(|(_, text)| text.as_str()).collect::<String>();
        assert!(!text.contains("x-kubernetes"));
    }
}
