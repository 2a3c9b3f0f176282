//! Values that are stored in another form than they were sent in, as many systems do with names and
//! telephone numbers. Pure.

use serde::Deserialize;
use serde_json::Value;

/// The form in which an attribute is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum StoredForm {
    /// Text in upper case.
    UpperCase,
    /// Only the digits of a text.
    Digits,
}

impl StoredForm {
    /// The value as it is stored.
    pub(super) fn of(self, value: Value) -> Value {
        let Value::String(text) = value else { return value };
        match self {
            Self::UpperCase => text.to_uppercase().into(),
            Self::Digits => text.chars().filter(char::is_ascii_digit).collect::<String>().into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_text_has_forms() {
        assert_eq!(StoredForm::UpperCase.of("Ann".into()), "ANN");
        assert_eq!(StoredForm::Digits.of("+1 (555) 0100".into()), "15550100");
        assert_eq!(StoredForm::Digits.of(7.into()), 7);
    }
}
