//! Whether the target takes a value: its type always, and what else its document states. Pure; messages
//! hold kinds and limits, never a value.

use serde_json::{Number, Value};

use super::{
    shape::AttributeKind,
    target::{TargetAttribute, kind_of},
};

/// Largest whole number that a double holds exactly.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// What a value is beyond, besides the type. A document that is out of date may state less than the
/// target takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beyond {
    /// It does not have the stated format.
    Format(&'static str),
    /// It has more characters.
    MaxLength(usize),
    /// It is not among so many values.
    Values(usize),
    /// It is null.
    Null,
}

impl Beyond {
    /// What is wrong, in words.
    pub fn words(self) -> String {
        match self {
            Self::Format(name) => format!("Clinch takes the format {name}, the value has another"),
            Self::MaxLength(most) => {
                format!("Clinch takes at most {most} characters, the value has more; use truncate")
            }
            Self::Values(count) => {
                format!("Clinch takes one of {count} values, the value is none of them")
            }
            Self::Null => "Clinch does not state that the attribute can be empty".to_owned(),
        }
    }
}

impl TargetAttribute {
    /// The value as the target takes it: numbers and booleans become text where text is taken, and a
    /// whole number without a fraction where a whole one is. Otherwise says what is wrong with its type.
    /// `beyond` is called with everything else that is wrong.
    pub(super) fn accept(
        &self,
        value: Value,
        beyond: &mut impl FnMut(Beyond),
    ) -> Result<Value, String> {
        if value.is_null() {
            if self.not_null {
                beyond(Beyond::Null);
            }
            return Ok(value);
        }
        let value = match (self.kind, value) {
            (AttributeKind::List, Value::Array(items)) => {
                let Some(described) = &self.items else { return Ok(Value::Array(items)) };
                let items = items.into_iter().map(|item| {
                    described.accept(item, beyond).map_err(|wrong| format!("in a list, {wrong}"))
                });
                return Ok(Value::Array(items.collect::<Result<_, _>>()?));
            }
            (kind, value) => of_kind(kind, value)?,
        };
        self.find_beyond(&value, beyond);
        Ok(value)
    }

    fn find_beyond(&self, value: &Value, beyond: &mut impl FnMut(Beyond)) {
        if let Some(format) = self.format.filter(|format| !format.holds(value)) {
            beyond(Beyond::Format(format.name()));
        }
        if let (Some(most), Value::String(text)) = (self.max_length, value)
            && text.chars().count() > most
        {
            beyond(Beyond::MaxLength(most));
        }
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        if let Some(values) = self.values.as_ref().filter(|values| !values.contains(&text)) {
            beyond(Beyond::Values(values.len()));
        }
    }
}

/// The value in the type that is taken.
fn of_kind(kind: AttributeKind, value: Value) -> Result<Value, String> {
    let fits = match kind {
        AttributeKind::Any => true,
        AttributeKind::String => match value {
            Value::Number(number) => return Ok(Value::String(number.to_string())),
            Value::Bool(truth) => return Ok(Value::String(truth.to_string())),
            _ => value.is_string(),
        },
        AttributeKind::Number => value.is_number(),
        AttributeKind::Integer => match whole(&value) {
            Some(number) => return Ok(Value::Number(number)),
            None => false,
        },
        AttributeKind::Boolean => value.is_boolean(),
        AttributeKind::List => value.is_array(),
        AttributeKind::Object => value.is_object(),
    };
    if fits {
        return Ok(value);
    }
    let found = match (kind, &value) {
        (AttributeKind::Integer, Value::Number(_)) => "a number with a fraction",
        (_, value) => kind_of(value),
    };
    Err(format!("Clinch takes {}, the value is {found}", kind.words()))
}

/// A whole number, also one that came as a double (`5.0`).
fn whole(value: &Value) -> Option<Number> {
    let Value::Number(number) = value else { return None };
    if number.is_i64() || number.is_u64() {
        return Some(number.clone());
    }
    let double = number.as_f64().filter(|double| double.fract() == 0.0 && double.abs() <= EXACT)?;
    #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
    Some(Number::from(double as i64))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::value_format::ValueFormat, *};

    fn kind(kind: AttributeKind) -> TargetAttribute {
        TargetAttribute { kind, ..TargetAttribute::default() }
    }

    fn accept(attribute: &TargetAttribute, value: &Value) -> (Result<Value, String>, Vec<Beyond>) {
        let mut beyond = Vec::new();
        let accepted = attribute.accept(value.clone(), &mut |found| beyond.push(found));
        (accepted, beyond)
    }

    #[test]
    fn scalars_become_text_and_every_other_wrong_type_is_refused() {
        use AttributeKind as Kind;
        let refused =
            |taken: &str, value: &str| Err(format!("Clinch takes {taken}, the value is {value}"));
        let table = [
            (Kind::String, json!("a"), Ok(json!("a"))),
            (Kind::String, json!(14_155_552_671_i64), Ok(json!("14155552671"))),
            (Kind::String, json!(2.5), Ok(json!("2.5"))),
            (Kind::String, json!(true), Ok(json!("true"))),
            (Kind::String, json!(["CTO"]), refused("a text", "a list")),
            (Kind::String, json!({"name": "Berlin"}), refused("a text", "an object")),
            (Kind::Number, json!(2.5), Ok(json!(2.5))),
            (Kind::Number, json!("2.5"), refused("a number", "a text")),
            (Kind::Integer, json!(5.0), Ok(json!(5))),
            (Kind::Integer, json!(2.5), refused("a whole number", "a number with a fraction")),
            (Kind::Integer, json!(true), refused("a whole number", "a boolean")),
            (Kind::Boolean, json!("true"), refused("a boolean", "a text")),
            (Kind::List, json!(["a", 1]), Ok(json!(["a", 1]))),
            (Kind::List, json!("a"), refused("a list", "a text")),
            (Kind::Object, json!({"a": 1}), Ok(json!({"a": 1}))),
            (Kind::Object, json!([]), refused("an object", "a list")),
            (Kind::Any, json!([{"a": 1}]), Ok(json!([{"a": 1}]))),
            (Kind::Integer, Value::Null, Ok(Value::Null)),
        ];
        for (taken, value, expected) in table {
            assert_eq!(accept(&kind(taken), &value), (expected, Vec::new()), "{taken:?}: {value}");
        }
    }

    #[test]
    fn items_are_checked_as_values_are() {
        let items = TargetAttribute { max_length: Some(3), ..kind(AttributeKind::String) };
        let tags = TargetAttribute { items: Some(Box::new(items)), ..kind(AttributeKind::List) };
        assert_eq!(accept(&tags, &json!(["a", 1])), (Ok(json!(["a", "1"])), Vec::new()));
        assert_eq!(accept(&tags, &json!(["long"])).1, [Beyond::MaxLength(3)]);
        let wrong = accept(&tags, &json!(["a", ["b"]])).0.unwrap_err();
        assert_eq!(wrong, "in a list, Clinch takes a text, the value is a list");
    }

    #[test]
    fn what_the_document_states_beyond_the_type_is_reported_and_not_refused() {
        let text = || kind(AttributeKind::String);
        let values = ["junior", "senior"].map(str::to_owned);
        let table = [
            (TargetAttribute { max_length: Some(2), ..text() }, json!("äöü"), Beyond::MaxLength(2)),
            (TargetAttribute { max_length: Some(2), ..text() }, json!(123), Beyond::MaxLength(2)),
            (
                TargetAttribute { format: Some(ValueFormat::Date), ..text() },
                json!("31/12/1835"),
                Beyond::Format("date"),
            ),
            (
                TargetAttribute { values: Some(values.into()), ..text() },
                json!("Senior"),
                Beyond::Values(2),
            ),
            (
                TargetAttribute {
                    values: Some(["1".to_owned()].into()),
                    ..kind(AttributeKind::Integer)
                },
                json!(2),
                Beyond::Values(1),
            ),
            (TargetAttribute { not_null: true, ..text() }, Value::Null, Beyond::Null),
        ];
        for (attribute, value, expected) in table {
            let (accepted, beyond) = accept(&attribute, &value);
            assert!(accepted.is_ok() && beyond == [expected], "{value}: {beyond:?}");
        }
        let fits = TargetAttribute { max_length: Some(3), not_null: true, ..text() };
        assert_eq!(accept(&fits, &json!("äöü")).1, []);
    }
}
