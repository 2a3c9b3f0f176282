//! Which attributes of people may leave Clinch. Pure.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// The attributes of people that may leave Clinch. Others are removed before anything looks at them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttributeFilter {
    /// All of them.
    All,
    /// Those with these names.
    Only(BTreeSet<String>),
}

impl AttributeFilter {
    /// Whether an attribute may leave.
    pub fn permits(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(name),
        }
    }

    /// Removes what may not leave.
    pub fn strip(&self, attributes: &mut Map<String, Value>) {
        if let Self::Only(names) = self {
            attributes.retain(|name, _| names.contains(name));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_permitted_is_removed() {
        let Value::Object(mut attributes) = json!({"email": "a", "notes": {"email": 1}}) else {
            unreachable!("an object")
        };
        let only = AttributeFilter::Only(["email".to_owned()].into());
        assert!(only.permits("email") && !only.permits("notes"));
        only.strip(&mut attributes);
        assert_eq!(attributes.len(), 1);
        AttributeFilter::All.strip(&mut attributes);
        assert_eq!(attributes.len(), 1);
    }
}
