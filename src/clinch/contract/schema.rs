//! Reading schemas of an OpenAPI document: local references and `allOf` resolved, depth bounded,
//! nothing fetched. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Attribute, AttributeKind, Verb, names::is_safe_name};

/// Maximum depth of references and `allOf`; also ends a cycle of them.
const MAX_DEPTH: usize = 16;
/// Maximum schemas visited to flatten one: nested `allOf` would grow exponentially without it.
const MAX_VISITS: usize = 1024;
/// Maximum attributes read from one schema.
const MAX_ATTRIBUTES: usize = 512;

/// One operation as the document describes it.
pub(super) struct OperationObject<'a> {
    pub(super) verb: Verb,
    pub(super) path: String,
    /// The Path Item Object that holds it.
    pub(super) item: &'a Value,
    /// The Operation Object itself.
    pub(super) body: &'a Value,
}

/// An object schema, flattened.
#[derive(Default)]
struct Flat<'a> {
    properties: BTreeMap<&'a str, &'a Value>,
    required: BTreeSet<&'a str>,
    visits: usize,
}

/// Follows `$ref` within the document. `None` for any other reference, and for a cycle.
pub(super) fn resolve<'a>(document: &'a Value, mut value: &'a Value) -> Option<&'a Value> {
    for _ in 0..MAX_DEPTH {
        let Some(reference) = value.get("$ref") else { return Some(value) };
        value = document.pointer(reference.as_str()?.strip_prefix('#')?)?;
    }
    None
}

fn flatten<'a>(document: &'a Value, schema: &'a Value, depth: usize, into: &mut Flat<'a>) {
    let Some(schema) = resolve(document, schema) else { return };
    into.visits += 1;
    if depth == MAX_DEPTH || into.visits > MAX_VISITS {
        return;
    }
    for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
        flatten(document, part, depth + 1, into);
    }
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        into.properties.extend(properties.iter().map(|(name, value)| (name.as_str(), value)));
    }
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
    into.required.extend(required.filter_map(Value::as_str));
}

/// The flattened property of an object schema.
pub(super) fn property<'a>(
    document: &'a Value,
    schema: &'a Value,
    name: &str,
) -> Option<&'a Value> {
    let mut flat = Flat::default();
    flatten(document, schema, 0, &mut flat);
    flat.properties.get(name).copied()
}

/// Names of an object schema's properties.
pub(super) fn property_names<'a>(document: &'a Value, schema: &'a Value) -> Vec<&'a str> {
    let mut flat = Flat::default();
    flatten(document, schema, 0, &mut flat);
    flat.properties.into_keys().collect()
}

/// The schema of a body: of the JSON:API media type, otherwise JSON, otherwise the first one.
fn body_schema<'a>(document: &'a Value, body: &'a Value) -> Option<&'a Value> {
    let content = resolve(document, body)?.get("content")?.as_object()?;
    let entry = content
        .get(crate::jsonapi::MEDIA_TYPE)
        .or_else(|| content.get("application/json"))
        .or_else(|| content.values().next())?;
    entry.get("schema")
}

/// The attributes that an operation's request body accepts.
pub(super) fn request_attributes(
    document: &Value,
    operation: &Value,
) -> Option<BTreeMap<String, Attribute>> {
    let schema = body_schema(document, operation.get("requestBody")?)?;
    attributes(document, property(document, schema, "data")?)
}

/// The attributes that an operation's 200 response holds.
pub(super) fn response_attributes(
    document: &Value,
    operation: &Value,
) -> Option<BTreeMap<String, Attribute>> {
    let schema = body_schema(document, operation.get("responses")?.get("200")?)?;
    let data = resolve(document, property(document, schema, "data")?)?;
    attributes(document, data.get("items").unwrap_or(data))
}

/// The attributes of a resource schema, without properties that cannot be attribute names.
fn attributes(document: &Value, resource: &Value) -> Option<BTreeMap<String, Attribute>> {
    let schema = property(document, resource, "attributes")?;
    let mut flat = Flat::default();
    flatten(document, schema, 0, &mut flat);
    let required = std::mem::take(&mut flat.required);
    let named = flat.properties.into_iter().filter(|(name, _)| is_safe_name(name));
    let read = |(name, schema): (&str, &Value)| {
        (name.to_owned(), attribute(document, schema, required.contains(name)))
    };
    Some(named.take(MAX_ATTRIBUTES).map(read).collect())
}

fn attribute(document: &Value, schema: &Value, required: bool) -> Attribute {
    // The keywords of a schema with `allOf` are spread over its parts: the first occurrence counts.
    let mut parts = Vec::new();
    collect_parts(document, schema, 0, &mut parts);
    let first = |key: &str| parts.iter().find_map(|part| part.get(key));
    Attribute {
        kind: first("type").map_or(AttributeKind::Unknown, kind),
        format: first("format").and_then(Value::as_str).map(str::to_owned),
        required,
        read_only: first("readOnly").and_then(Value::as_bool).unwrap_or(false),
        max_length: first("maxLength").and_then(Value::as_u64),
    }
}

fn collect_parts<'a>(
    document: &'a Value,
    schema: &'a Value,
    depth: usize,
    parts: &mut Vec<&'a Value>,
) {
    let Some(schema) = resolve(document, schema) else { return };
    if depth == MAX_DEPTH || parts.len() > MAX_DEPTH {
        return;
    }
    parts.push(schema);
    for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
        collect_parts(document, part, depth + 1, parts);
    }
}

/// The JSON type; in a list such as `[string, "null"]` the first that is not `null`.
fn kind(value: &Value) -> AttributeKind {
    let word = match value {
        Value::Array(words) => words.iter().filter_map(Value::as_str).find(|w| *w != "null"),
        other => other.as_str(),
    };
    match word {
        Some("string") => AttributeKind::String,
        Some("number") => AttributeKind::Number,
        Some("integer") => AttributeKind::Integer,
        Some("boolean") => AttributeKind::Boolean,
        Some("array") => AttributeKind::Array,
        Some("object") => AttributeKind::Object,
        _ => AttributeKind::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cycle_of_references_ends() {
        let document = json!({"a": {"$ref": "#/b"}, "b": {"$ref": "#/a"},
            "c": {"allOf": [{"$ref": "#/c"}, {"$ref": "#/c"}, {"properties": {"x": {}}}]}});
        assert!(resolve(&document, &document["a"]).is_none());
        assert_eq!(property_names(&document, &document["c"]), ["x"]);
        let mut flat = Flat::default();
        flatten(&document, &document["c"], 0, &mut flat);
        assert!(flat.visits < 4 * MAX_VISITS, "{}", flat.visits);
    }

    #[test]
    fn references_to_other_documents_are_not_followed() {
        let document = json!({"a": {"$ref": "https://evil.example/x.json#/b"}});
        assert!(resolve(&document, &document["a"]).is_none());
    }

    #[test]
    fn keywords_below_all_of_and_nullable_types_are_read() {
        let document = json!({"s": {"type": "string", "maxLength": 9}});
        let schema = json!({"allOf": [{"$ref": "#/s"}, {"readOnly": true}]});
        let document = json!({"s": document["s"], "x": schema});
        let read = attribute(&document, &document["x"], true);
        assert_eq!(read.kind, AttributeKind::String);
        assert_eq!((read.max_length, read.read_only, read.required), (Some(9), true, true));
        assert_eq!(kind(&json!(["null", "integer"])), AttributeKind::Integer);
    }
}
