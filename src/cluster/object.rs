//! How the port names objects, and the parts of them that it passes on.

use std::{collections::BTreeMap, fmt};

use bytes::Bytes;

use super::Kind;
use crate::domain::Reason;

/// Namespace and name of an object whose kind is known.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl ObjectKey {
    /// Namespace and name.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// Another object of the same namespace.
    #[must_use]
    pub fn sibling(&self, name: impl Into<String>) -> Self {
        Self { namespace: self.namespace.clone(), name: name.into() }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// An object as Events and status writes name it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObjectRef {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace and name.
    pub key: ObjectKey,
    /// Its UID.
    pub uid: String,
}

/// The data of a ConfigMap or Secret. `Debug` shows keys and sizes only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Bundle {
    /// Values by key; Base64 already decoded.
    pub data: BTreeMap<String, Bytes>,
    /// Labels of the object.
    pub labels: BTreeMap<String, String>,
    /// Annotations of the object.
    pub annotations: BTreeMap<String, String>,
    /// A Secret's `type`; empty for ConfigMaps.
    pub secret_type: String,
}

impl fmt::Debug for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (key, value) in &self.data {
            map.entry(key, &format_args!("{} bytes", value.len()));
        }
        map.finish()
    }
}

/// Normal or Warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeType {
    /// Nothing to do.
    Normal,
    /// A human may have to act.
    Warning,
}

/// An Event to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Normal or Warning.
    pub kind: NoticeType,
    /// The reason, from the closed list.
    pub reason: Reason,
    /// What the controller was doing, one word: `Verify`, `Compile`, `Push`.
    pub action: &'static str,
    /// One sentence. No candidate value, no secret, no response body.
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_of_a_bundle_shows_no_value() {
        let bundle = Bundle {
            data: BTreeMap::from([("secretKey".to_owned(), Bytes::from_static(b"hunter2"))]),
            ..Bundle::default()
        };
        let shown = format!("{bundle:?}");
        assert!(shown.contains("7 bytes") && !shown.contains("hunter2"), "{shown}");
    }
}
