//! Names, labels and annotations of a manifest, checked as the API server checks them. Pure.

use std::{collections::BTreeMap, sync::LazyLock};

use super::{
    check::{check, unknown},
    node::{Entry, Node, Value},
    problem::{Fault, keyed},
    schema::Schema,
};

/// Members that the API server sets. They are checked and then ignored, as in the output of
/// `kubectl get -o yaml`.
static SERVER_SET: LazyLock<Schema> = LazyLock::new(|| {
    let text = serde_json::json!({"type": "string"});
    let (whole, flag) =
        (serde_json::json!({"type": "integer"}), serde_json::json!({"type": "boolean"}));
    let time = serde_json::json!({"type": "string", "format": "date-time"});
    serde_json::from_value(serde_json::json!({
        "type": "object",
        "properties": {
            "creationTimestamp": time,
            "deletionGracePeriodSeconds": whole,
            "deletionTimestamp": time,
            "finalizers": {"type": "array", "items": text},
            "generation": whole,
            "generateName": text,
            "managedFields": {"type": "array", "maxItems": 0},
            "ownerReferences": {"type": "array", "items": {
                "type": "object",
                "required": ["apiVersion", "kind", "name", "uid"],
                "properties": {
                    "apiVersion": text, "kind": text, "name": text, "uid": text,
                    "controller": flag, "blockOwnerDeletion": flag,
                }
            }},
            "resourceVersion": text,
            "selfLink": text,
            "uid": text,
        }
    }))
    .expect("a schema of keywords that are known")
});

/// The most that keys and values of all annotations may have together, in bytes.
const MAX_ANNOTATIONS: usize = 256 * 1024;

/// The part of an object's metadata that is used.
#[derive(Debug, Clone, Default)]
pub(super) struct Metadata {
    pub name: String,
    pub namespace: String,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
}

/// Reads `metadata`; `None` when the object cannot be named.
pub(super) fn read(
    object: &Node,
    default_namespace: &str,
    faults: &mut Vec<Fault>,
) -> Option<Metadata> {
    let Some(metadata) = object.get("metadata").filter(|e| e.node.value != Value::Null) else {
        faults.push(Fault::new(object.line, "metadata.name", "required value is missing"));
        return None;
    };
    if !matches!(metadata.node.value, Value::Map(_)) {
        faults.push(Fault::new(metadata.line, "metadata", "must be of type object"));
        return None;
    }
    let mut found = Metadata { namespace: default_namespace.to_owned(), ..Metadata::default() };
    let before = faults.len();
    let mut name = None;
    for entry in metadata.node.entries() {
        match entry.key.as_str() {
            "name" => name = checked_text(entry, "metadata.name", is_subdomain, SUBDOMAIN, faults),
            // Null and empty mean none.
            "namespace" if entry.node.text() == Some("") || entry.node.value == Value::Null => {}
            "namespace" => {
                let path = "metadata.namespace";
                if let Some(text) = checked_text(entry, path, is_label, LABEL, faults) {
                    found.namespace = text;
                }
            }
            "labels" => found.labels = texts(entry, "metadata.labels", true, faults),
            "annotations" => {
                found.annotations = texts(entry, "metadata.annotations", false, faults);
            }
            "managedFields" if entry.node.value != Value::Null => {
                let message = "must not be set: server-side apply refuses it; remove it";
                faults.push(Fault::new(entry.line, "metadata.managedFields", message));
            }
            // Ignored beside a name.
            "generateName" if metadata.node.get("name").is_some() => server_set(entry, faults),
            "generateName" => {
                let message = "names are not generated here: set metadata.name";
                faults.push(Fault::new(entry.line, "metadata.generateName", message));
            }
            key if SERVER_SET.properties.contains_key(key) => server_set(entry, faults),
            key => {
                let known = ["name", "namespace", "labels", "annotations"].into_iter();
                let path = format!("metadata.{key}");
                faults.push(Fault::new(entry.line, &path, unknown(key, known)));
            }
        }
    }
    if name.is_none() && faults.len() == before {
        faults.push(Fault::new(metadata.line, "metadata.name", "required value is missing"));
    }
    found.name = name?;
    Some(found)
}

const SUBDOMAIN: &str = "must be a DNS-1123 subdomain: lower-case letters, digits, '-' and '.', \
                         starting and ending with a letter or digit, at most 253 characters";
const LABEL: &str = "must be a DNS-1123 label: lower-case letters, digits and '-', starting and \
                     ending with a letter or digit, at most 63 characters";

fn checked_text(
    entry: &Entry,
    path: &str,
    valid: fn(&str) -> bool,
    rule: &str,
    faults: &mut Vec<Fault>,
) -> Option<String> {
    match entry.node.text() {
        Some(text) if valid(text) => return Some(text.to_owned()),
        Some(_) => faults.push(Fault::new(entry.line, path, rule)),
        None => {
            let message =
                format!("must be of type string, not {}: put it in quotes", entry.node.type_name());
            faults.push(Fault::new(entry.line, path, message));
        }
    }
    None
}

fn texts(
    entry: &Entry,
    path: &str,
    labels: bool,
    faults: &mut Vec<Fault>,
) -> BTreeMap<String, String> {
    if !matches!(entry.node.value, Value::Map(_) | Value::Null) {
        faults.push(Fault::new(entry.line, path, "must be of type object"));
    }
    let mut found = BTreeMap::new();
    let mut size = 0;
    for item in entry.node.entries() {
        let here = keyed(path, &item.key);
        // Null is the empty text.
        let text = if item.node.value == Value::Null { Some("") } else { item.node.text() };
        let Some(text) = text else {
            let message =
                format!("must be of type string, not {}: put it in quotes", item.node.type_name());
            faults.push(Fault::new(item.line, &here, message));
            continue;
        };
        // Only annotations are compared without their case.
        let qualified = |key: &str| {
            if labels { is_qualified(key) } else { is_qualified(&key.to_lowercase()) }
        };
        if !qualified(&item.key) {
            let message = "the key must be a qualified name such as app or example.com/app";
            faults.push(Fault::new(item.line, &here, message));
        }
        if labels && !(text.is_empty() || is_name_part(text)) {
            let message = "must be at most 63 letters, digits, '-', '_' and '.', starting and \
                           ending with a letter or digit";
            faults.push(Fault::new(item.line, &here, message));
        }
        size += item.key.len() + text.len();
        found.insert(item.key.clone(), text.to_owned());
    }
    if !labels && size > MAX_ANNOTATIONS {
        let message = format!("too large: {size} bytes; at most {MAX_ANNOTATIONS} in all");
        faults.push(Fault::new(entry.line, path, message));
    }
    found
}

/// Checks the type of a member that is otherwise ignored.
fn server_set(entry: &Entry, faults: &mut Vec<Fault>) {
    let Some(schema) = SERVER_SET.properties.get(&entry.key) else { return };
    if entry.node.value != Value::Null {
        let path = format!("metadata.{}", entry.key);
        faults.append(&mut check(schema, &entry.node, &path, entry.line).1);
    }
}

/// A DNS-1123 label.
pub(super) fn is_label(text: &str) -> bool {
    text.len() <= 63 && is_dns_part(text)
}

/// A DNS-1123 subdomain. Its parts have no length limit of their own.
pub(super) fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_dns_part)
}

fn is_dns_part(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.iter().all(|b| plain(*b) || *b == b'-')
        && bytes.first().is_some_and(|b| plain(*b))
        && bytes.last().is_some_and(|b| plain(*b))
}

/// The key of a label or annotation: an optional DNS prefix, then a name.
fn is_qualified(key: &str) -> bool {
    match key.split_once('/') {
        Some((prefix, name)) => is_subdomain(prefix) && is_name_part(name),
        None => is_name_part(key),
    }
}

fn is_name_part(text: &str) -> bool {
    let bytes = text.as_bytes();
    (1..=63).contains(&bytes.len())
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
        && bytes[0].is_ascii_alphanumeric()
        && bytes[bytes.len() - 1].is_ascii_alphanumeric()
}

/// The key of a ConfigMap's or Secret's value.
pub(super) fn is_data_key(key: &str) -> bool {
    (1..=253).contains(&key.len())
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        && key != "."
        && !key.starts_with("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_kubernetes() {
        for good in ["a", "a-b", "a.b-c.1", &"a".repeat(253)] {
            assert!(is_subdomain(good), "{good}");
        }
        for bad in ["", "A", "-a", "a-", "a..b", "a_b", "a/b", "..", &"a".repeat(254)] {
            assert!(!is_subdomain(bad), "{bad}");
        }
        assert!(is_label("talent") && !is_label("a.b") && !is_label(&"a".repeat(64)));
    }

    #[test]
    fn data_keys_stay_within_their_folder() {
        assert!(is_data_key("candidates.ndjson") && is_data_key("_a"));
        for bad in ["", "..", "..a", ".", "a/b", "a b"] {
            assert!(!is_data_key(bad), "{bad}");
        }
    }
}
