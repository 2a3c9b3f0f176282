//! Checks a value against a structural schema as the API server does on create: nulls dropped,
//! unknown fields refused (strict field validation), defaults filled in, bounds checked. Pure.
//! Returns all faults at once, and the value that would be stored.

use serde_json::{Map, Number, Value as Json};

use super::{
    duration,
    node::{Entry, Node, Value},
    problem::{Fault, Rule, indexed, keyed, member},
    schema::{Format, ListType, Schema, Type},
};
use crate::domain::did_you_mean;

/// The longest value repeated in a message, in characters.
const MAX_ECHO: usize = 48;

/// Checks one object against its schema. `path` and `line` are those of the object.
pub(super) fn check(schema: &Schema, node: &Node, path: &str, line: usize) -> (Json, Vec<Fault>) {
    let mut faults = Vec::new();
    let value = Check { faults: &mut faults, shape_only: false }.value(schema, node, path, line);
    (value, faults)
}

/// Checks only what the API server checks of a part that it then drops, such as the status of a new
/// object: types and unknown fields.
pub(super) fn check_shape(schema: &Schema, node: &Node, path: &str, line: usize) -> Vec<Fault> {
    let mut faults = Vec::new();
    Check { faults: &mut faults, shape_only: true }.value(schema, node, path, line);
    faults
}

/// A default with the defaults of its own members filled in.
pub(super) fn defaulted(schema: &Schema, default: &Json) -> Json {
    let Json::Object(members) = default else { return default.clone() };
    let mut members = members.clone();
    for (name, child) in &schema.properties {
        let value = members.get(name).or(child.default.as_ref());
        if let Some(value) = value.map(|value| defaulted(child, value)) {
            members.insert(name.clone(), value);
        }
    }
    Json::Object(members)
}

struct Check<'a> {
    faults: &'a mut Vec<Fault>,
    /// Only types and unknown fields.
    shape_only: bool,
}

impl Check<'_> {
    fn fault(&mut self, line: usize, path: &str, message: impl Into<String>) {
        self.faults.push(Fault::new(line, path, message));
    }

    fn unknown(&mut self, line: usize, path: &str, message: impl Into<String>) {
        self.faults.push(Fault::new(line, path, message).under(Rule::UNKNOWN_FIELD));
    }

    /// A fault of a value that has the right shape.
    fn bound(&mut self, line: usize, path: &str, message: impl Into<String>) {
        if !self.shape_only {
            self.fault(line, path, message);
        }
    }

    fn value(&mut self, schema: &Schema, node: &Node, path: &str, line: usize) -> Json {
        if !self.type_fits(schema, node, path, line) {
            return Json::Null;
        }
        let value = match &node.value {
            Value::Map(entries) => self.object(schema, entries, path, line),
            Value::List(items) => self.list(schema, items, path, line),
            Value::String(text) => {
                self.string(schema, text, path, line);
                Json::String(text.clone())
            }
            Value::Number(number) => Json::Number(self.number(schema, number, path, line)),
            Value::Null | Value::Bool(_) => node.to_json(),
        };
        if !schema.allowed.is_empty() && !schema.allowed.contains(&value) {
            let known: Vec<String> = schema.allowed.iter().map(Json::to_string).collect();
            let message = format!(
                "unsupported value {}: supported values: {}",
                echo(&value),
                known.join(", ")
            );
            self.bound(line, path, message);
        }
        value
    }

    fn type_fits(&mut self, schema: &Schema, node: &Node, path: &str, line: usize) -> bool {
        let integral =
            |number: &Number| number.as_f64().is_some_and(|number| number.fract() == 0.0);
        let expected = match (schema.kind, schema.int_or_string) {
            (_, true) => {
                let fits = match &node.value {
                    Value::Number(number) => integral(number),
                    Value::String(_) => true,
                    _ => false,
                };
                if fits {
                    return true;
                }
                "integer or string"
            }
            (None, false) => return true,
            (Some(kind), false) => {
                let fits = match (kind, &node.value) {
                    (Type::Object, Value::Map(_))
                    | (Type::Array, Value::List(_))
                    | (Type::String, Value::String(_))
                    | (Type::Number, Value::Number(_))
                    | (Type::Boolean, Value::Bool(_)) => true,
                    (Type::Integer, Value::Number(number)) => integral(number),
                    _ => false,
                };
                if fits {
                    return true;
                }
                kind.as_str()
            }
        };
        let mut message = format!("must be of type {expected}, not {}", node.type_name());
        if expected == "string" && !matches!(node.value, Value::Map(_) | Value::List(_)) {
            message.push_str(": put the value in quotes");
        }
        self.fault(line, path, message);
        false
    }

    fn object(&mut self, schema: &Schema, entries: &[Entry], path: &str, line: usize) -> Json {
        let mut members = Map::new();
        for entry in entries {
            if let Some(child) = schema.properties.get(&entry.key) {
                if entry.node.value == Value::Null {
                    self.null(schema, child, entry, path);
                } else {
                    let path = member(path, &entry.key);
                    let value = self.value(child, &entry.node, &path, entry.line);
                    members.insert(entry.key.clone(), value);
                }
            } else if schema.max_properties == Some(0) {
                self.unknown(entry.line, &member(path, &entry.key), "unknown field: it has none");
            } else if let Some(child) = &schema.additional_properties {
                let value = self.value(child, &entry.node, &keyed(path, &entry.key), entry.line);
                members.insert(entry.key.clone(), value);
            } else if schema.preserve_unknown {
                members.insert(entry.key.clone(), entry.node.to_json());
            } else {
                let names = schema.properties.keys().map(String::as_str);
                self.unknown(entry.line, &member(path, &entry.key), unknown(&entry.key, names));
            }
        }
        for name in &schema.required {
            let defaulted = schema.properties.get(name).is_some_and(|p| p.default.is_some());
            if !members.contains_key(name) && !defaulted && !self.shape_only {
                let missing = Fault::new(line, &member(path, name), "required value is missing");
                self.faults.push(missing.under(Rule::REQUIRED));
            }
        }
        if let Some(most) = schema.max_properties.filter(|most| members.len() > *most) {
            let message = format!("too many: {}; must have at most {most} entries", members.len());
            self.bound(line, path, message);
        }
        for (name, child) in &schema.properties {
            if let (false, Some(default)) = (members.contains_key(name), &child.default) {
                members.insert(name.clone(), defaulted(child, default));
            }
        }
        Json::Object(members)
    }

    /// A null member, as server-side apply takes it: the default where there is one, else refused. No field is
    /// nullable.
    fn null(&mut self, parent: &Schema, child: &Schema, entry: &Entry, path: &str) {
        // Reported as missing.
        let required = parent.required.contains(&entry.key);
        if child.default.is_none() && !required {
            self.bound(entry.line, &member(path, &entry.key), "must not be null: leave it out");
        }
    }

    fn list(&mut self, schema: &Schema, items: &[Node], path: &str, line: usize) -> Json {
        if let Some(most) = schema.max_items.filter(|most| items.len() > *most) {
            let message = format!("too many: {}; must have at most {most} items", items.len());
            self.bound(line, path, message);
        }
        if let Some(least) = schema.min_items.filter(|least| items.len() < *least) {
            self.bound(line, path, format!("must have at least {least} items"));
        }
        let values: Vec<Json> = match &schema.items {
            None => items.iter().map(Node::to_json).collect(),
            Some(child) => items
                .iter()
                .enumerate()
                .map(|(index, item)| self.value(child, item, &indexed(path, index), item.line))
                .collect(),
        };
        let identity = |value: &Json| match schema.list_type {
            Some(ListType::Set) => Some(value.clone()),
            Some(ListType::Map) => {
                schema.list_map_keys.iter().map(|key| value.get(key).cloned()).collect()
            }
            Some(ListType::Atomic) | None => None,
        };
        let mut seen: Vec<Json> = Vec::new();
        for (index, value) in values.iter().enumerate() {
            let Some(identity) = identity(value) else { continue };
            if let Some(first) = seen.iter().position(|other| *other == identity) {
                let keys = schema.list_map_keys.join(", ");
                let what = if keys.is_empty() { "value".to_owned() } else { format!("\"{keys}\"") };
                let message = format!(
                    "duplicate {what}: also {} (line {})",
                    indexed(path, first),
                    items[first].line
                );
                self.fault(items[index].line, &indexed(path, index), message);
            }
            seen.push(identity);
        }
        Json::Array(values)
    }

    fn string(&mut self, schema: &Schema, text: &str, path: &str, line: usize) {
        let length = text.chars().count();
        if let Some(most) = schema.max_length.filter(|most| length > *most) {
            self.bound(line, path, format!("too long: {length} characters; at most {most}"));
        }
        if let Some(least) = schema.min_length.filter(|least| length < *least) {
            let message = if length == 0 {
                "must not be empty".to_owned()
            } else {
                format!("too short: {length} characters; at least {least}")
            };
            self.bound(line, path, message);
        }
        if let Some(pattern) = schema.pattern.as_ref().filter(|pattern| !pattern.is_match(text)) {
            let expected = duration::expected(pattern.as_str(), text);
            let message = expected.unwrap_or_else(|| format!("must match '{pattern}'"));
            self.bound(line, path, message);
        }
        if schema.format == Some(Format::DateTime) && text.parse::<jiff::Timestamp>().is_err() {
            self.bound(line, path, "must be a date and time such as 2025-05-01T10:00:00Z");
        }
    }

    fn number(&mut self, schema: &Schema, number: &Number, path: &str, line: usize) -> Number {
        let value = number.as_f64().unwrap_or(f64::NAN);
        if let Some(least) = schema.minimum.filter(|least| value < *least) {
            self.bound(line, path, format!("must be {least} or more"));
        }
        if let Some(most) = schema.maximum.filter(|most| value > *most) {
            self.bound(line, path, format!("must be {most} or less"));
        }
        if schema.kind != Some(Type::Integer) && !schema.int_or_string {
            return number.clone();
        }
        // `5.0` is the integer 5.
        let whole = number.as_i64().or_else(|| format!("{value:.0}").parse().ok());
        let narrow = schema.format == Some(Format::Int32) || schema.int_or_string;
        if let Some(whole) = whole.filter(|whole| !narrow || i32::try_from(*whole).is_ok()) {
            return whole.into();
        }
        let bits = if narrow { 32 } else { 64 };
        self.bound(line, path, format!("does not fit {bits} bits"));
        number.clone()
    }
}

/// A value, shortened for a message. Only for fields with a closed set of values.
fn echo(value: &Json) -> String {
    let text = value.to_string();
    if text.chars().count() <= MAX_ECHO {
        return text;
    }
    let short: String = text.chars().take(MAX_ECHO).collect();
    format!("{short}...")
}

/// The message for an unknown field, with the most similar known one.
pub(super) fn unknown<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    match did_you_mean(name, known) {
        Some(known) => format!("unknown field; did you mean \"{known}\"?"),
        None => "unknown field".to_owned(),
    }
}
