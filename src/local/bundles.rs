//! The data of Secrets and ConfigMaps in manifests. Pure. Messages name keys and
//! sizes, never a value.

use std::collections::{BTreeMap, HashMap};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;

use super::{
    check::unknown,
    metadata::{Metadata, is_data_key},
    node::{Entry, Node, Value},
    problem::{Fault, keyed, member},
};
use crate::cluster::Bundle;

/// The most data that one Secret or ConfigMap holds, in bytes.
const MAX_BYTES: usize = 1024 * 1024;

/// Which of the two kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BundleKind {
    ConfigMap,
    Secret,
}

impl BundleKind {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
        }
    }

    /// The members that hold data: name, whether Base64, whether it overrides the other.
    const fn parts(self) -> [(&'static str, bool, bool); 2] {
        match self {
            Self::ConfigMap => [("data", false, false), ("binaryData", true, false)],
            Self::Secret => [("data", true, false), ("stringData", false, true)],
        }
    }
}

/// Reads the data of a Secret or ConfigMap.
pub(super) fn read(
    kind: BundleKind,
    object: &Node,
    metadata: Metadata,
    faults: &mut Vec<Fault>,
) -> Bundle {
    let mut data: BTreeMap<String, Bytes> = BTreeMap::new();
    let mut lines: HashMap<String, usize> = HashMap::new();
    for (part, base64, overrides) in kind.parts() {
        let Some(values) = object.get(part) else { continue };
        if !matches!(values.node.value, Value::Map(_) | Value::Null) {
            faults.push(Fault::new(values.line, part, "must be of type object"));
        }
        for entry in values.node.entries() {
            let path = keyed(part, &entry.key);
            if !is_data_key(&entry.key) {
                let message = "the key must be 1 to 253 letters, digits, '-', '_' and '.'";
                faults.push(Fault::new(entry.line, &path, message));
            }
            match (lines.get(&entry.key), overrides) {
                (Some(first), false) => {
                    let message = format!("duplicate key; first on line {first}");
                    faults.push(Fault::new(entry.line, &path, message));
                }
                _ => {
                    lines.insert(entry.key.clone(), entry.line);
                }
            }
            match bytes(entry, base64) {
                Ok(bytes) => {
                    data.insert(entry.key.clone(), bytes);
                }
                Err(message) => faults.push(Fault::new(entry.line, &path, message)),
            }
        }
    }
    let total: usize = data.values().map(Bytes::len).sum();
    if total > MAX_BYTES {
        let message = format!("too large: {total} bytes; at most {MAX_BYTES}");
        faults.push(Fault::new(object.line, "data", message));
    }
    let secret_type = other_members(kind, object, faults);
    let Metadata { labels, annotations, .. } = metadata;
    Bundle { data, labels, annotations, secret_type }
}

fn bytes(entry: &Entry, base64: bool) -> Result<Bytes, String> {
    let Some(text) = entry.node.text() else {
        let hint = if matches!(entry.node.value, Value::Map(_) | Value::List(_)) {
            ""
        } else {
            ": put it in quotes"
        };
        return Err(format!("must be of type string, not {}{hint}", entry.node.type_name()));
    };
    if !base64 {
        return Ok(Bytes::copy_from_slice(text.as_bytes()));
    }
    // The API server's decoder skips line breaks.
    let compact: String = text.chars().filter(|c| !matches!(c, '\n' | '\r')).collect();
    STANDARD
        .decode(compact)
        .map(Bytes::from)
        .map_err(|_| "not valid Base64; plain text of a Secret belongs into stringData".to_owned())
}

/// Checks the members without values; a Secret's type.
fn other_members(kind: BundleKind, object: &Node, faults: &mut Vec<Fault>) -> String {
    let mut secret_type = match kind {
        BundleKind::Secret => "Opaque".to_owned(),
        BundleKind::ConfigMap => String::new(),
    };
    let [(first, ..), (second, ..)] = kind.parts();
    for entry in object.entries() {
        match entry.key.as_str() {
            "apiVersion" | "kind" | "metadata" => {}
            key if key == first || key == second => {}
            "immutable" => {
                if !matches!(entry.node.value, Value::Bool(_) | Value::Null) {
                    faults.push(Fault::new(entry.line, "immutable", "must be of type boolean"));
                }
            }
            "type" if kind == BundleKind::Secret => match entry.node.text() {
                Some(text) => text.clone_into(&mut secret_type),
                None => faults.push(Fault::new(entry.line, "type", "must be of type string")),
            },
            key => {
                let known = [first, second, "immutable", "metadata"].into_iter();
                faults.push(Fault::new(entry.line, &member("", key), unknown(key, known)));
            }
        }
    }
    secret_type
}
