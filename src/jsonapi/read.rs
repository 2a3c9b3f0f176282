//! Documents that are read.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{
        MapAccess, SeqAccess, Visitor,
        value::{MapAccessDeserializer, SeqAccessDeserializer},
    },
};
use serde_json::{Map, Value};

/// A response document.
#[derive(Debug, Default, Deserialize)]
pub struct Document {
    /// `data`: one resource, many, or none.
    #[serde(default)]
    pub data: PrimaryData,
    /// Resources returned because of `include`; `None`: the member is missing.
    #[serde(default)]
    pub included: Option<Vec<Included>>,
    /// Paging links.
    #[serde(default, deserialize_with = "or_default")]
    pub links: Links,
    /// Free-form meta data, e.g. `total_count`.
    #[serde(default, deserialize_with = "or_default")]
    pub meta: Map<String, Value>,
}

/// The `data` member. Absent differs from `null`: only the latter is an answer.
#[derive(Debug, Default)]
pub enum PrimaryData {
    /// The member is missing: not a JSON:API data document.
    #[default]
    Absent,
    /// `null`.
    None,
    /// One resource.
    One(Box<Resource>),
    /// A collection.
    Many(Vec<Resource>),
}

impl<'de> Deserialize<'de> for PrimaryData {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PrimaryDataVisitor)
    }
}

/// Decides by the first byte. An untagged enum would first copy the whole value.
struct PrimaryDataVisitor;

impl<'de> Visitor<'de> for PrimaryDataVisitor {
    type Value = PrimaryData;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a resource, a list of resources, or null")
    }

    fn visit_unit<E>(self) -> Result<PrimaryData, E> {
        Ok(PrimaryData::None)
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<PrimaryData, A::Error> {
        let one = Resource::deserialize(MapAccessDeserializer::new(members))?;
        Ok(PrimaryData::One(Box::new(one)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<PrimaryData, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(items)).map(PrimaryData::Many)
    }
}

/// One resource object.
#[derive(Debug, Default, Deserialize)]
pub struct Resource {
    /// The id; numbers are taken as their decimal text, a missing id as empty.
    #[serde(default, deserialize_with = "text")]
    pub id: String,
    /// The resource type, singular or plural.
    #[serde(rename = "type", default, deserialize_with = "text")]
    pub kind: String,
    /// The attributes.
    #[serde(default, deserialize_with = "or_default")]
    pub attributes: Map<String, Value>,
    /// Relationships, undecoded.
    #[serde(default, deserialize_with = "or_default")]
    pub relationships: Map<String, Value>,
}

/// A related resource, with what may describe it.
#[derive(Debug, Default, Deserialize)]
pub struct Included {
    /// The id; numbers are taken as their decimal text, a missing id as empty.
    #[serde(default, deserialize_with = "text")]
    pub id: String,
    /// The resource type, singular or plural.
    #[serde(rename = "type", default, deserialize_with = "text")]
    pub kind: String,
    /// The attributes, undecoded.
    #[serde(default)]
    pub attributes: Value,
    /// The links, undecoded.
    #[serde(default)]
    pub links: Value,
}

impl Resource {
    /// The id behind a to-one relationship.
    pub fn related(&self, name: &str) -> Option<&str> {
        self.relationships.get(name)?.get("data")?.get("id")?.as_str()
    }
}

/// Paging links. A link may be a string or an object with `href`.
#[derive(Debug, Default, Deserialize)]
pub struct Links {
    /// The next page; absent or `null` on the last one.
    #[serde(default, deserialize_with = "link")]
    pub next: Option<String>,
}

/// Whether a body is a JSON:API document that states errors.
pub fn has_errors(body: &[u8]) -> bool {
    let document: Option<Value> = serde_json::from_slice(body).ok();
    let errors = document.as_ref().and_then(|document| document.get("errors")?.as_array());
    errors.is_some_and(|errors| !errors.is_empty() && errors.iter().all(Value::is_object))
}

/// The pointers of an error body, e.g. `/data/attributes/email`: never codes, titles or details,
/// which may repeat what was sent. Anything unreadable gives an empty list.
pub fn error_pointers(body: &[u8]) -> Vec<String> {
    let Ok(document) = serde_json::from_slice::<Value>(body) else { return Vec::new() };
    let Some(errors) = document.get("errors").and_then(Value::as_array) else { return Vec::new() };
    errors
        .iter()
        .take(16)
        .filter_map(|error| error.get("source")?.get("pointer")?.as_str())
        .map(str::to_owned)
        .collect()
}

fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(match Option::<Value>::deserialize(deserializer)? {
        Some(Value::String(text)) => text,
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    })
}

fn link<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Option::<Value>::deserialize(deserializer)? {
        Some(Value::String(text)) => Some(text),
        Some(Value::Object(object)) => {
            object.get("href").and_then(Value::as_str).map(str::to_owned)
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numeric_ids_link_objects_and_nulls_are_read() {
        let document: Document = serde_json::from_str(
            r#"{"data":[{"id":7,"type":"candidates","attributes":null}],
                "links":{"next":{"href":"/v2/candidates?page=2"}},"meta":null}"#,
        )
        .unwrap();
        let PrimaryData::Many(many) = document.data else { panic!("a collection") };
        assert_eq!(many[0].id, "7");
        assert_eq!(document.links.next.as_deref(), Some("/v2/candidates?page=2"));
    }

    #[test]
    fn a_missing_data_member_is_not_an_empty_answer() {
        let absent: Document = serde_json::from_str("{}").unwrap();
        assert!(matches!(absent.data, PrimaryData::Absent));
        let none: Document = serde_json::from_str(r#"{"data":null}"#).unwrap();
        assert!(matches!(none.data, PrimaryData::None));
    }

    #[test]
    fn data_is_one_resource_many_or_none_and_nothing_else() {
        let read = |data: &str| serde_json::from_str::<Document>(&format!("{{\"data\":{data}}}"));
        let one = read(r#"{"type":"candidates","id":"1","attributes":{"a":[1,{"b":null}]}}"#);
        let PrimaryData::One(one) = one.unwrap().data else { panic!("one resource") };
        assert_eq!((one.id.as_str(), one.attributes["a"][1]["b"].is_null()), ("1", true));
        let PrimaryData::Many(none) = read("[]").unwrap().data else { panic!("a collection") };
        assert!(none.is_empty());
        for refused in ["\"text\"", "7", "true", "[7]", r#"{"attributes":7}"#] {
            assert!(read(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn error_bodies_give_pointers_and_never_text() {
        let body = br#"{"errors":[{"status":"422","title":"x","detail":"jane@example.com taken",
            "source":{"pointer":"/data/attributes/email"}}]}"#;
        assert_eq!(error_pointers(body), ["/data/attributes/email"]);
        assert!(error_pointers(b"<html>").is_empty());
    }
}
