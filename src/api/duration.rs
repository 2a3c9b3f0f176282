//! Durations as Kubernetes writes them, parsed when an object is read. Pure.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// The longest text, in bytes: what the schema of every duration allows. A number that fits into
/// it cannot overflow.
const MAX_LENGTH: usize = 16;

/// A duration such as `10m`, `1h30m` or `500ms`. Keeps its spelling: what is written back, or
/// compared with what was stored, is the text of the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duration {
    text: String,
    value: std::time::Duration,
}

impl Duration {
    /// A duration of whole minutes.
    pub fn from_mins(minutes: u64) -> Self {
        let value = std::time::Duration::from_mins(minutes);
        Self { text: format!("{minutes}m"), value }
    }

    /// A duration of whole hours.
    pub fn from_hours(hours: u64) -> Self {
        let value = std::time::Duration::from_hours(hours);
        Self { text: format!("{hours}h"), value }
    }

    /// The value.
    pub const fn get(&self) -> std::time::Duration {
        self.value
    }
}

impl FromStr for Duration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fault = |why: &str| format!("{text:?} is not a duration such as 10m: {why}");
        if text.is_empty() || text.len() > MAX_LENGTH {
            return Err(fault("1 to 16 characters are expected"));
        }
        // Go's format also has signs and fractions, which no schema here allows.
        if !text.chars().all(|c| c.is_ascii_alphanumeric()) {
            return Err(fault("only whole numbers with units are expected"));
        }
        let parsed: kube::core::Duration = text
            .parse()
            .map_err(|error: kube::core::duration::ParseError| fault(&error.to_string()))?;
        Ok(Self { text: text.to_owned(), value: parsed.into() })
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// A string; pattern and bounds are at each field.
impl JsonSchema for Duration {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        String::json_schema(generator)
    }

    fn inline_schema() -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_keep_their_spelling() {
        for (text, millis) in [
            ("10m", 600_000),
            ("1h30m", 5_400_000),
            ("90m", 5_400_000),
            ("1500ms", 1500),
            ("0s", 0),
        ] {
            let read: Duration = serde_json::from_value(serde_json::json!(text)).unwrap();
            assert_eq!(read.get().as_millis(), millis, "{text}");
            assert_eq!(serde_json::to_value(&read).unwrap(), serde_json::json!(text));
        }
        assert!("999999999999999h".parse::<Duration>().is_ok(), "as long as the schema allows");
        assert_eq!(Duration::from_mins(5), "5m".parse().unwrap());
    }

    #[test]
    fn anything_else_is_an_error_that_repeats_the_text() {
        for text in ["", "10", "m", "-5m", "1h-5m", "1.5h", "1 day", "99999999999999999h"] {
            let fault = text.parse::<Duration>().unwrap_err();
            assert!(fault.starts_with(&format!("{text:?} is not a duration")), "{fault}");
        }
        let read = serde_json::from_value::<Duration>(serde_json::json!("soon"));
        assert!(read.unwrap_err().to_string().contains("\"soon\" is not a duration"));
    }
}
