//! A hireEZ candidate profile, as delivered by a source. Pure.

use std::fmt;

use serde_json::{Map, Value};

/// One candidate profile: a JSON object whose unknown members are kept.
///
/// `Debug` shows member names only, never a value: a profile is personal data.
#[derive(Clone, Default)]
pub struct Profile {
    members: Map<String, Value>,
    /// The JSON text, kept where a file is written from it. The members do not show their order.
    text: Option<Box<str>>,
}

/// The text does not count: the same members are the same profile.
impl PartialEq for Profile {
    fn eq(&self, other: &Self) -> bool {
        self.members == other.members
    }
}

impl Profile {
    /// Wraps the members of one profile.
    pub fn new(members: Map<String, Value>) -> Self {
        Self { members, text: None }
    }

    /// Keeps the JSON text that the profile was read from.
    #[must_use]
    pub fn with_text(self, text: &str) -> Self {
        Self { text: Some(text.into()), ..self }
    }

    /// The JSON text that the profile was read from, if it was kept.
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// The members of the profile.
    pub fn members(&self) -> &Map<String, Value> {
        &self.members
    }

    /// Takes the members out, for conversion into other value models.
    pub fn into_members(self) -> Map<String, Value> {
        self.members
    }

    /// The profile's own `id`, where the source gives one.
    pub fn id(&self) -> Option<&str> {
        self.members.get("id").and_then(Value::as_str)
    }
}

impl TryFrom<Value> for Profile {
    type Error = &'static str;

    fn try_from(value: Value) -> Result<Self, Self::Error> {
        match value {
            Value::Object(members) => Ok(Self::new(members)),
            Value::Null => Err("null"),
            Value::Bool(_) => Err("a boolean"),
            Value::Number(_) => Err("a number"),
            Value::String(_) => Err("a string"),
            Value::Array(_) => Err("an array"),
        }
    }
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Profile{")?;
        for (i, name) in self.members.keys().enumerate() {
            write!(f, "{}{name}", if i == 0 { "" } else { ", " })?;
        }
        f.write_str("}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_member_names_and_no_value() {
        let profile = Profile::try_from(serde_json::json!({"firstName": "Zyzzyva"})).unwrap();
        let shown = format!("{profile:?}");
        assert!(shown.contains("firstName"), "{shown}");
        assert!(!shown.contains("Zyzzyva"), "{shown}");
    }
}
