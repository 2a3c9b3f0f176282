//! What a mapping sends of a person, read from the target. Pure.

use serde_json::{Map, Value};

use super::plan::Plan;

impl Plan {
    /// What a push sends of somebody who is as they are in the target: of these attributes, those that the
    /// mapping fills. One without a value counts as cleared where the mapping clears it, else as not sent.
    pub fn as_sent(&self, present: &Map<String, Value>) -> Map<String, Value> {
        let mut sent = Map::new();
        for field in &self.fields {
            match present.get(&*field.to).filter(|value| has_value(value)) {
                Some(value) => {
                    sent.insert(field.to.to_string(), value.clone());
                }
                None if field.clear => {
                    sent.insert(field.to.to_string(), Value::Null);
                }
                None => {}
            }
        }
        sent
    }
}

/// Whether an attribute of a person has a value.
pub fn has_value(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{domain::Profile, mapping::compile};

    #[test]
    fn what_was_sent_is_recognised_in_what_the_target_returns() {
        let spec = json!({"fields": [
            {"to": "email", "from": "emails[0].value"},
            {"to": "title", "from": "title"},
            {"to": "phone", "from": "phone", "whenMissing": "Clear"},
            {"to": "skills", "from": "skills"}]});
        let plan = compile(&serde_json::from_value(spec).unwrap()).unwrap();
        let profile = json!({"emails": [{"value": "a@x.org"}], "skills": ["Rust", "Go"]});
        let sent = plan.apply(&Profile::try_from(profile).unwrap()).unwrap().attributes;
        let mut present = json!({"id": "c1", "email": "a@x.org", "title": "", "phone": null,
            "skills": ["Rust", "Go"], "updated_at": "2026-11-26T00:00:00Z", "notes": "x"});
        let as_sent = |present: &serde_json::Value| plan.as_sent(present.as_object().unwrap());
        assert_eq!(as_sent(&present), sent);
        present["title"] = "Smith".into();
        assert_ne!(as_sent(&present), sent);
    }
}
