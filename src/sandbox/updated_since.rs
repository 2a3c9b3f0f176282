//! The list of people changed since a time. Clinch is not known to have it: for tests. Pure.

use jiff::{Timestamp, civil::Time, tz::TimeZone};
use serde::Deserialize;

use super::person::Person;

/// What a server does with the parameter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Filtering {
    /// Lists people changed at that time or later.
    #[default]
    Honoured,
    /// Publishes the parameter and lists everybody.
    Ignored,
}

/// How exactly times are compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Resolution {
    /// Seconds, as they are shown.
    #[default]
    Second,
    /// Days: the time is rounded down to the start of its day.
    Day,
}

/// A parameter that restricts the list of people to those who changed since a time.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct UpdatedSince {
    /// Its name: a plain one, or `filter[...]`.
    pub(super) parameter: String,
    /// What the server does with it.
    #[serde(default)]
    pub(super) filtering: Filtering,
    /// How exactly times are compared.
    #[serde(default)]
    pub(super) resolution: Resolution,
}

impl UpdatedSince {
    /// The earliest time that is listed. Values are RFC 3339 or seconds since 1970; others are `None`.
    pub(super) fn bound(&self, value: &str) -> Option<Timestamp> {
        let given = match value.parse::<i64>() {
            Ok(seconds) => Timestamp::from_second(seconds).ok()?,
            Err(_) => value.parse::<Timestamp>().ok()?,
        };
        match self.resolution {
            // What is shown has no fractions, so a person changed within the second is not left out.
            Resolution::Second => Timestamp::from_second(given.as_second()).ok(),
            Resolution::Day => {
                let day = given.to_zoned(TimeZone::UTC).date().to_datetime(Time::midnight());
                TimeZone::UTC.to_timestamp(day).ok()
            }
        }
    }
}

/// Whether a person was changed at that time or later. Who has no readable time counts as changed.
pub(super) fn is_changed(person: &Person, bound: Timestamp) -> bool {
    let changed = person.attributes.get("updated_at").and_then(|value| value.as_str());
    changed
        .and_then(|changed| changed.parse::<Timestamp>().ok())
        .is_none_or(|changed| changed >= bound)
}
