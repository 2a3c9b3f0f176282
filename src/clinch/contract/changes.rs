//! How the list of candidates is asked for changes only, and in which order. Pure. No such parameter is documented: whether one
//! that is published works is proved before it is relied on.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::{
    names::is_parameter_name,
    schema::{OperationObject, Reader},
};
use crate::clinch::SOCIAL_PROFILE;

/// Names under which such a parameter is known.
pub(crate) const UPDATED_SINCE_NAMES: [&str; 6] = [
    "updated_since",
    "updated_after",
    "modified_since",
    "filter[updated_since]",
    "filter[updated_at][gte]",
    "filter[updated_at_gteq]",
];

/// How a time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TimeFormat {
    /// As in RFC 3339.
    Rfc3339,
    /// In seconds since 1970.
    Unix,
}

/// The query parameter with which the list shows only people who changed since a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UpdatedSince {
    /// Its name.
    pub parameter: String,
    /// How the time is written.
    pub format: TimeFormat,
}

impl UpdatedSince {
    /// The value that asks for changes since a time.
    pub fn value(&self, since: Timestamp) -> String {
        match self.format {
            TimeFormat::Rfc3339 => since.to_string(),
            TimeFormat::Unix => since.as_second().to_string(),
        }
    }
}

/// The query parameter that puts the list of candidates into an order in which nobody moves while it is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sort {
    /// Its name.
    pub parameter: String,
    /// The value that asks for the order in which people were created, the oldest first.
    pub ascending: String,
}

/// The parameter of a published list that takes the related resource with people's profiles, if it has one.
/// One that lists what it takes must list that.
pub(super) fn include<'a>(reader: &Reader<'a>, list: &OperationObject<'a>) -> Option<String> {
    let own = |of: &'a Value| of.get("parameters").and_then(Value::as_array);
    own(list.item).into_iter().chain(own(list.body)).flatten().find_map(|reference| {
        let key = reference.get("$ref").and_then(Value::as_str).and_then(|r| r.rsplit('/').next());
        let parameter = reader.resolve(reference)?;
        let is_query = parameter.get("in").and_then(Value::as_str) == Some("query");
        let name = parameter.get("name").and_then(Value::as_str).filter(|_| is_query)?;
        let is_meant = key == Some("candidateInclude") || matches!(name, "include" | "include[]");
        let schema = parameter.get("schema").and_then(|schema| reader.resolve(schema));
        let values = schema.and_then(|schema| {
            let items = schema.get("items").and_then(|items| reader.resolve(items));
            [Some(schema), items].into_iter().flatten().find_map(|of| of.get("enum")?.as_array())
        });
        let takes = values.is_none_or(|values| values.iter().any(|value| value == SOCIAL_PROFILE));
        (is_meant && takes && is_parameter_name(name)).then(|| name.to_owned())
    })
}

/// The parameter of a published list, if it has one.
pub(super) fn updated_since<'a>(
    reader: &Reader<'a>,
    list: &OperationObject<'a>,
) -> Option<UpdatedSince> {
    let own = |of: &'a Value| of.get("parameters").and_then(Value::as_array);
    let parameters = own(list.item).into_iter().chain(own(list.body)).flatten();
    parameters.filter_map(|reference| reader.resolve(reference)).find_map(|parameter| {
        let is_query = parameter.get("in").and_then(Value::as_str) == Some("query");
        let name = parameter.get("name").and_then(Value::as_str).filter(|_| is_query)?;
        let schema = parameter.get("schema").unwrap_or(&Value::Null);
        let members = reader.property_names(schema).into_iter();
        let mut names = std::iter::once(name.to_owned())
            .chain(members.map(|member| format!("{name}[{member}]")));
        let parameter = names.find(|name| {
            is_parameter_name(name)
                && UPDATED_SINCE_NAMES.contains(&name.to_ascii_lowercase().as_str())
        })?;
        let is_number = || reader.resolve(schema)?.get("type").map(|kind| kind == "integer");
        let format = if is_number() == Some(true) { TimeFormat::Unix } else { TimeFormat::Rfc3339 };
        Some(UpdatedSince { parameter, format })
    })
}
