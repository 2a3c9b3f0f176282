//! Reading schemas of an OpenAPI document: local references and `allOf` resolved, depth bounded,
//! nothing fetched. Pure.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
};

use serde_json::Value;

use super::{Attribute, AttributeKind, Verb, names::is_safe_name};

/// Maximum depth of references and `allOf`; also ends a cycle of references.
const MAX_DEPTH: usize = 16;
/// Maximum length of a `format` that is kept.
const MAX_FORMAT: usize = 64;
/// Maximum attributes read from one schema.
pub(super) const MAX_ATTRIBUTES: usize = 512;
/// Maximum values of an `enum` that is kept.
const MAX_VALUES: usize = 512;
/// Maximum steps to read one document. A step is a path, parameter, schema, reference or property;
/// a long name or reference counts as several.
pub(super) const MAX_STEPS: usize = 100_000;
/// The bytes of a name or reference that count as one step.
const BYTES_OF_STEP: usize = 64;

/// One operation as the document describes it.
pub(super) struct OperationObject<'a> {
    pub(super) verb: Verb,
    pub(super) path: String,
    /// The Path Item Object that holds it.
    pub(super) item: &'a Value,
    /// The Operation Object itself.
    pub(super) body: &'a Value,
}

/// A document, and how much work was spent on it: a few references can stand for any amount. Once
/// [`MAX_STEPS`] are spent nothing more is found, and what was found is not to be used.
pub(super) struct Reader<'a> {
    document: &'a Value,
    steps: Cell<usize>,
}

/// An object schema, flattened.
#[derive(Default)]
struct Flat<'a> {
    properties: BTreeMap<&'a str, &'a Value>,
    required: BTreeSet<&'a str>,
    /// The schemas that are part of it: each counts once, so that a cycle ends.
    parts: BTreeSet<*const Value>,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(document: &'a Value) -> Self {
        Self { document, steps: Cell::new(0) }
    }

    /// Whether [`MAX_STEPS`] were spent: the document was not read to its end.
    pub(super) const fn is_spent(&self) -> bool {
        self.steps.get() >= MAX_STEPS
    }

    /// Spends a step, and more for a long text. False: none is left.
    fn spend(&self, bytes: usize) -> bool {
        let spent = self.steps.get().saturating_add(1 + bytes / BYTES_OF_STEP);
        self.steps.set(spent.min(MAX_STEPS));
        !self.is_spent()
    }

    /// The paths of the document.
    pub(super) fn paths(&self) -> impl Iterator<Item = (&'a str, &'a Value)> {
        self.members(self.document.get("paths"))
    }

    /// The members of an object, as long as there are steps left.
    fn members(&self, object: Option<&'a Value>) -> impl Iterator<Item = (&'a str, &'a Value)> {
        let members = object.and_then(Value::as_object).into_iter().flatten();
        members
            .map(|(name, value)| (name.as_str(), value))
            .take_while(|(name, _)| self.spend(name.len()))
    }

    /// The items of an array, as long as there are steps left.
    fn items(&self, array: Option<&'a Value>) -> impl Iterator<Item = &'a Value> {
        let items = array.and_then(Value::as_array).into_iter().flatten();
        items.take_while(|_| self.spend(0))
    }

    /// Follows `$ref` within the document. `None` for any other reference, and for a cycle.
    pub(super) fn resolve(&self, mut value: &'a Value) -> Option<&'a Value> {
        for _ in 0..MAX_DEPTH {
            let Some(reference) = value.get("$ref") else { return Some(value) };
            let pointer = reference.as_str()?.strip_prefix('#')?;
            if !self.spend(pointer.len()) {
                return None;
            }
            value = self.document.pointer(pointer)?;
        }
        None
    }

    fn flat(&self, schema: &'a Value) -> Flat<'a> {
        let mut flat = Flat::default();
        self.flatten(schema, 0, &mut flat);
        flat
    }

    fn flatten(&self, schema: &'a Value, depth: usize, into: &mut Flat<'a>) {
        let Some(schema) = self.resolve(schema) else { return };
        if depth == MAX_DEPTH || !into.parts.insert(std::ptr::from_ref(schema)) {
            return;
        }
        for part in self.items(schema.get("allOf")) {
            self.flatten(part, depth + 1, into);
        }
        into.properties.extend(self.members(schema.get("properties")));
        let required = self.items(schema.get("required")).filter_map(Value::as_str);
        into.required.extend(required.take_while(|name| self.spend(name.len())));
    }

    /// The flattened property of an object schema.
    fn property(&self, schema: &'a Value, name: &str) -> Option<&'a Value> {
        self.flat(schema).properties.get(name).copied()
    }

    /// Names of an object schema's properties.
    pub(super) fn property_names(&self, schema: &'a Value) -> Vec<&'a str> {
        self.flat(schema).properties.into_keys().collect()
    }

    /// The schema of a body: of the JSON:API media type, otherwise JSON, otherwise the first one.
    fn body_schema(&self, body: &'a Value) -> Option<&'a Value> {
        let content = self.resolve(body)?.get("content")?.as_object()?;
        let entry = content
            .get(crate::jsonapi::MEDIA_TYPE)
            .or_else(|| content.get("application/json"))
            .or_else(|| content.values().next())?;
        entry.get("schema")
    }

    /// The attributes that an operation's request body accepts.
    pub(super) fn request_attributes(
        &self,
        operation: &'a Value,
    ) -> Option<BTreeMap<String, Attribute>> {
        let schema = self.body_schema(operation.get("requestBody")?)?;
        self.attributes(self.property(schema, "data")?)
    }

    /// The attributes that an operation's 200 response holds.
    pub(super) fn response_attributes(
        &self,
        operation: &'a Value,
    ) -> Option<BTreeMap<String, Attribute>> {
        let schema = self.body_schema(operation.get("responses")?.get("200")?)?;
        let data = self.resolve(self.property(schema, "data")?)?;
        self.attributes(data.get("items").unwrap_or(data))
    }

    /// The attributes of a resource schema, without properties that cannot be attribute names.
    fn attributes(&self, resource: &'a Value) -> Option<BTreeMap<String, Attribute>> {
        let Flat { properties, required, .. } = self.flat(self.property(resource, "attributes")?);
        let named = properties.into_iter().filter(|(name, _)| is_safe_name(name));
        let read = |(name, schema): (&str, &'a Value)| {
            (name.to_owned(), self.attribute(schema, required.contains(name)))
        };
        Some(named.take(MAX_ATTRIBUTES).map(read).collect())
    }

    fn attribute(&self, schema: &'a Value, required: bool) -> Attribute {
        self.described(schema, required, true)
    }

    fn described(&self, schema: &'a Value, required: bool, with_items: bool) -> Attribute {
        // The keywords of a schema with `allOf` are spread over its parts: the first occurrence
        // counts.
        let mut parts = Vec::new();
        self.collect_parts(schema, 0, &mut parts);
        let first =
            |key: &str| parts.iter().filter(|part| !is_null(part)).find_map(|part| part.get(key));
        let values = first("enum").and_then(Value::as_array);
        let items = first("items").filter(|_| with_items);
        Attribute {
            kind: first("type").map_or(AttributeKind::Unknown, kind),
            items: items.map(|items| Box::new(self.described(items, false, false))),
            format: first("format")
                .and_then(Value::as_str)
                .filter(|format| format.len() <= MAX_FORMAT)
                .map(str::to_owned),
            required,
            read_only: first("readOnly").and_then(Value::as_bool).unwrap_or(false),
            nullable: parts.iter().any(|part| is_null(part) || takes_null(part)),
            max_length: first("maxLength").and_then(Value::as_u64),
            values: values.and_then(|values| self.values(values)),
        }
    }

    /// The values of an `enum` as text; `None` if they cannot be compared or are too many.
    fn values(&self, values: &'a [Value]) -> Option<BTreeSet<String>> {
        if values.len() > MAX_VALUES {
            return None;
        }
        let stated = values.iter().filter(|value| !value.is_null());
        stated
            .map(|value| {
                let text = match value {
                    Value::String(text) => text.clone(),
                    Value::Number(_) | Value::Bool(_) => value.to_string(),
                    Value::Null | Value::Array(_) | Value::Object(_) => return None,
                };
                self.spend(text.len()).then_some(text)
            })
            .collect()
    }

    fn collect_parts(&self, schema: &'a Value, depth: usize, parts: &mut Vec<&'a Value>) {
        let Some(schema) = self.resolve(schema) else { return };
        if depth == MAX_DEPTH {
            return;
        }
        parts.push(schema);
        let all = self.items(schema.get("allOf"));
        for part in all.chain(self.only_choice(schema)) {
            if parts.len() > MAX_DEPTH {
                break;
            }
            self.collect_parts(part, depth + 1, parts);
        }
    }

    /// The parts of `anyOf` or `oneOf`, if all but one of them are null: `[string, "null"]` in other
    /// words. A real choice says nothing for certain.
    fn only_choice(&self, schema: &'a Value) -> Vec<&'a Value> {
        let choices = ["anyOf", "oneOf"].into_iter().find_map(|key| schema.get(key));
        let choices: Vec<_> = self.items(choices).take(3).collect();
        match choices[..] {
            [_] => choices,
            [a, b] if is_null(a) != is_null(b) => choices,
            _ => Vec::new(),
        }
    }
}

/// Whether a schema is that of null.
fn is_null(schema: &Value) -> bool {
    schema.get("type").and_then(Value::as_str) == Some("null")
}

/// Whether the keywords of a schema accept null: `nullable` (OpenAPI 3.0), a type `"null"`, an `enum`
/// with null.
fn takes_null(schema: &Value) -> bool {
    let holds = |key: &str, null: &Value| {
        schema.get(key).and_then(Value::as_array).is_some_and(|items| items.contains(null))
    };
    schema.get("nullable").and_then(Value::as_bool) == Some(true)
        || holds("type", &"null".into())
        || holds("enum", &Value::Null)
}

/// The JSON type; of a list such as `[string, "null"]` the only one that is not `null`.
fn kind(value: &Value) -> AttributeKind {
    let word = match value {
        Value::Array(words) => {
            let mut words =
                words.iter().take(MAX_DEPTH).filter_map(Value::as_str).filter(|w| *w != "null");
            words.next().filter(|_| words.next().is_none())
        }
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
        let reader = Reader::new(&document);
        assert!(reader.resolve(&document["a"]).is_none());
        assert_eq!(reader.property_names(&document["c"]), ["x"]);
        assert!(reader.steps.get() < 100, "{}", reader.steps.get());
    }

    #[test]
    fn references_to_other_documents_are_not_followed() {
        let document = json!({"a": {"$ref": "https://evil.example/x.json#/b"}});
        assert!(Reader::new(&document).resolve(&document["a"]).is_none());
    }

    #[test]
    fn keywords_below_all_of_and_nullable_types_are_read() {
        let document = json!({"s": {"type": "string", "maxLength": 9}});
        let schema = json!({"allOf": [{"$ref": "#/s"}, {"readOnly": true}]});
        let document = json!({"s": document["s"], "x": schema});
        let read = Reader::new(&document).attribute(&document["x"], true);
        assert_eq!(read.kind, AttributeKind::String);
        assert_eq!((read.max_length, read.read_only, read.required), (Some(9), true, true));
        assert_eq!(kind(&json!(["null", "integer"])), AttributeKind::Integer);
        assert_eq!(kind(&json!(["string", "integer"])), AttributeKind::Unknown);
    }

    #[test]
    fn values_items_and_the_ways_to_say_null_are_read() {
        let document = json!({});
        let reader = Reader::new(&document);
        let read = |schema: &Value| Reader::new(schema).attribute(schema, false);
        let level = read(&json!({"type": "string", "enum": ["junior", "senior", null]}));
        assert_eq!(level.values, Some(["junior", "senior"].map(str::to_owned).into()));
        assert!(level.nullable);
        assert_eq!(
            read(&json!({"enum": [1, true]})).values,
            Some(["1", "true"].map(str::to_owned).into())
        );
        assert_eq!(read(&json!({"enum": [{"a": 1}]})).values, None, "not comparable");
        assert_eq!(reader.values(&vec![json!("a"); MAX_VALUES + 1]), None);
        for schema in [
            json!({"type": ["string", "null"], "maxLength": 3}),
            json!({"type": "string", "nullable": true, "maxLength": 3}),
            json!({"anyOf": [{"type": "string", "maxLength": 3}, {"type": "null"}]}),
            json!({"oneOf": [{"type": "null"}, {"type": "string", "maxLength": 3}]}),
        ] {
            let read = read(&schema);
            let found = (read.kind, read.max_length, read.nullable);
            assert_eq!(found, (AttributeKind::String, Some(3), true), "{schema}");
        }
        let either = read(&json!({"oneOf": [{"type": "string"}, {"type": "integer"}]}));
        assert_eq!((either.kind, either.nullable), (AttributeKind::Unknown, false));
        let list =
            json!({"type": "array", "items": {"type": "array", "items": {"type": "string"}}});
        let items = read(&list).items.unwrap();
        assert_eq!((items.kind, items.items), (AttributeKind::Array, None));
    }

    #[test]
    fn all_look_ups_in_a_document_share_its_steps_and_end_with_them() {
        let wide: Vec<Value> = (0..MAX_STEPS / 4).map(|_| json!(1)).collect();
        let document = json!({"wide": {"allOf": wide, "properties": {"x": {}}}});
        let reader = Reader::new(&document);
        for _ in 0..3 {
            assert_eq!(reader.property_names(&document["wide"]), ["x"]);
            assert!(!reader.is_spent());
        }
        // Thousands more cost nothing.
        for _ in 0..10_000 {
            reader.property_names(&document["wide"]);
            reader.attribute(&document["wide"], false);
        }
        assert!(reader.is_spent());
        assert_eq!(reader.steps.get(), MAX_STEPS);
        assert!(reader.property_names(&document["wide"]).is_empty());
    }

    #[test]
    fn a_long_name_costs_more_than_a_short_one() {
        let document = json!({"x": {"$ref": format!("#/{}", "x".repeat(BYTES_OF_STEP * 10))}});
        let reader = Reader::new(&document);
        assert!(reader.resolve(&document["x"]).is_none());
        assert_eq!(reader.steps.get(), 11);
    }
}
