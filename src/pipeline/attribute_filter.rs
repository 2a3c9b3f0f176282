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

    /// Removes what may not leave, and returns it.
    pub fn strip(&self, attributes: &mut Map<String, Value>) -> Map<String, Value> {
        let mut withheld = Map::new();
        let withhold = attributes.keys().filter(|name| !self.permits(name));
        let withhold: Vec<String> = withhold.cloned().collect();
        for name in withhold {
            withheld.extend(attributes.remove_entry(&name));
        }
        withheld
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
        let withheld = only.strip(&mut attributes);
        assert_eq!(attributes.len(), 1);
        assert_eq!(withheld["notes"]["email"], 1);
        assert!(AttributeFilter::All.strip(&mut attributes).is_empty());
        assert_eq!(attributes.len(), 1);
    }
}
