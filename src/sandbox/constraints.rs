//! What the published document says of candidate attributes besides their names, and the checks of a
//! server that means it. Pure; code of its own, shared with nothing in the operator.

use serde::Deserialize;
use serde_json::{Value, json};

/// What a document says of one attribute.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Constraint {
    /// `string`, `integer`, `number`, `boolean`, `array` or `object`; absent: the built-in type.
    #[serde(rename = "type")]
    kind: Option<Kind>,
    /// The items of an array.
    items: Option<Box<Constraint>>,
    format: Option<String>,
    max_length: Option<usize>,
    /// The only values.
    #[serde(rename = "enum")]
    values: Option<Vec<Value>>,
    /// Whether a create needs it.
    pub(super) required: bool,
    /// Whether what a client sends is ignored.
    pub(super) read_only: bool,
    /// Whether null is accepted. Default: true, except for the e-mail address.
    nullable: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Kind {
    String,
    Integer,
    Number,
    Boolean,
    Array,
    Object,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Array => "array",
            Self::Object => "object",
        }
    }
}

impl Constraint {
    /// Writes it into the schema of the attribute.
    pub(super) fn describe(&self, schema: &mut Value) {
        if let Some(kind) = self.kind {
            schema["type"] = kind.word().into();
        }
        if let Some(items) = &self.items {
            let mut described = json!({});
            items.describe(&mut described);
            schema["items"] = described;
        }
        if let Some(format) = &self.format {
            schema["format"] = format.as_str().into();
        }
        if let Some(most) = self.max_length {
            schema["maxLength"] = most.into();
        }
        if let Some(values) = &self.values {
            schema["enum"] = values.clone().into();
        }
        if self.read_only {
            schema["readOnly"] = true.into();
        }
        if let Some(nullable) = self.nullable {
            schema["nullable"] = nullable.into();
        }
    }

    /// The type, if it is not the built-in one.
    pub(super) fn kind(&self) -> Option<&'static str> {
        self.kind.map(Kind::word)
    }

    /// Whether it says what the items of a list are.
    pub(super) fn describes_items(&self) -> bool {
        self.items.is_some()
    }

    /// Why a value of the right type is refused.
    pub(super) fn fault(&self, value: &Value) -> Option<&'static str> {
        if value.is_null() {
            return (self.nullable == Some(false)).then_some("must not be null");
        }
        if let (Some(constraint), Some(items)) = (&self.items, value.as_array()) {
            let wrong = |item: &Value| constraint.kind().is_some_and(|kind| !is_of(kind, item));
            if items.iter().any(wrong) {
                return Some("wrong type of an item");
            }
            return items.iter().find_map(|item| constraint.fault(item));
        }
        if let (Some(most), Some(text)) = (self.max_length, value.as_str())
            && text.chars().count() > most
        {
            return Some("is too long");
        }
        if self.values.as_ref().is_some_and(|values| !values.contains(value)) {
            return Some("is not one of the values");
        }
        let format = self.format.as_deref().unwrap_or_default();
        value.as_str().is_some_and(|text| !has_format(format, text)).then_some("has another format")
    }
}

/// Whether a value has a JSON type.
pub(super) fn is_of(kind: &str, value: &Value) -> bool {
    match kind {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        _ => value.is_object(),
    }
}

/// Whether a value has the built-in type of an attribute. The items of a list are strings.
pub(super) fn fits(kind: &str, value: &Value) -> bool {
    is_of(kind, value) && value.as_array().is_none_or(|items| items.iter().all(Value::is_string))
}

fn has_format(format: &str, text: &str) -> bool {
    match format {
        "email" => text.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty() && !domain.is_empty() && !domain.contains('@') && !text.contains(' ')
        }),
        "date" => jiff::civil::Date::strptime("%Y-%m-%d", text).is_ok(),
        "date-time" => text.parse::<jiff::Timestamp>().is_ok(),
        "uri" | "url" => url::Url::parse(text).is_ok(),
        _ => true,
    }
}
