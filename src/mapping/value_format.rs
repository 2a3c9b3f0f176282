//! The formats of OpenAPI that values are checked against. Pure. Only what no server would take is
//! refused: the formats are loosely defined, and servers differ.

use jiff::{civil::Date, fmt::temporal::DateTimeParser};
use serde::Serialize;
use serde_json::Value;

/// A `format` of the target's document. Others are not checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum ValueFormat {
    /// `email`
    Email,
    /// `date`, RFC 3339: `2024-02-29`
    Date,
    /// `date-time`, RFC 3339: with a time and an offset
    DateTime,
    /// `uri`, `url`: absolute
    Uri,
    /// `uuid`
    Uuid,
    /// `int32`
    Int32,
    /// `int64`
    Int64,
}

impl ValueFormat {
    /// The format of that name, if it is checked.
    pub fn of_name(name: &str) -> Option<Self> {
        Some(match name {
            "email" => Self::Email,
            "date" => Self::Date,
            "date-time" => Self::DateTime,
            "uri" | "url" => Self::Uri,
            "uuid" => Self::Uuid,
            "int32" => Self::Int32,
            "int64" => Self::Int64,
            _ => return None,
        })
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Date => "date",
            Self::DateTime => "date-time",
            Self::Uri => "uri",
            Self::Uuid => "uuid",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
        }
    }

    /// Whether the value has the format. A format says nothing about values of another type.
    pub(super) fn holds(self, value: &Value) -> bool {
        match value {
            Value::String(text) => self.holds_text(text),
            Value::Number(number) => match self {
                Self::Int32 => number.as_i64().is_none_or(|whole| i32::try_from(whole).is_ok()),
                Self::Int64 => number.as_u64().is_none_or(|whole| i64::try_from(whole).is_ok()),
                _ => true,
            },
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => true,
        }
    }

    fn holds_text(self, text: &str) -> bool {
        match self {
            Self::Email => is_email(text),
            Self::Date => text.len() == 10 && text.parse::<Date>().is_ok(),
            Self::DateTime => {
                // A time zone in brackets is not in RFC 3339.
                !text.contains('[') && DateTimeParser::new().parse_timestamp(text).is_ok()
            }
            Self::Uri => is_uri(text),
            Self::Uuid => is_uuid(text),
            Self::Int32 | Self::Int64 => true,
        }
    }
}

/// The least that every server requires: one `@` with something on both sides, and no blanks.
fn is_email(text: &str) -> bool {
    let blank = |c: char| c.is_whitespace() || c.is_control();
    !text.contains(blank)
        && text.rsplit_once('@').is_some_and(|(local, domain)| {
            !local.is_empty()
                && !domain.is_empty()
                && (!local.contains('@') || local.ends_with('"'))
        })
}

/// A scheme, a colon, something, and no blanks.
fn is_uri(text: &str) -> bool {
    let blank = |c: char| c.is_whitespace() || c.is_control();
    text.split_once(':').is_some_and(|(scheme, rest)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
            && !rest.is_empty()
            && !rest.contains(blank)
    })
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn formats_refuse_what_no_server_takes() {
        let table = [
            ("email", json!("ada@example.org"), true),
            ("email", json!("\"a@b\"@example.org"), true),
            ("email", json!("ada"), false),
            ("email", json!("a@b@c"), false),
            ("email", json!("ada @example.org"), false),
            ("date", json!("2024-02-29"), true),
            ("date", json!("2023-02-29"), false),
            ("date", json!("29/02/2024"), false),
            ("date", json!("2024-02-29T10:00:00Z"), false),
            ("date-time", json!("2024-02-29T10:00:00Z"), true),
            ("date-time", json!("2024-02-29T10:00:00.5+02:00"), true),
            ("date-time", json!("2024-02-29"), false),
            ("date-time", json!("2024-02-29T10:00:00"), false),
            ("uri", json!("https://example.org/a?b=c"), true),
            ("url", json!("linkedin.com/in/ada"), false),
            ("uri", json!("https://example.org/a b"), false),
            ("uuid", json!("0f4c1d3a-5b6c-4d7e-8f90-a1b2c3d4e5f6"), true),
            ("uuid", json!("0f4c1d3a5b6c4d7e8f90a1b2c3d4e5f6"), false),
            ("int32", json!(2_147_483_647), true),
            ("int32", json!(2_147_483_648_i64), false),
            ("int64", json!(u64::MAX), false),
            ("email", json!(7), true),
        ];
        for (name, value, holds) in table {
            let format = ValueFormat::of_name(name).unwrap();
            assert_eq!(format.holds(&value), holds, "{name}: {value}");
            assert_eq!(ValueFormat::of_name(format.name()), Some(format));
        }
        assert_eq!(ValueFormat::of_name("phone"), None);
    }
}
