//! The forms in which an object is printed, as kubectl has them.

use anyhow::Context as _;
use serde::Serialize;
use serde_json::Value as Json;

use super::{super::print_result, found::Found};
use crate::api::GROUP;

/// How the result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
    /// Names alone.
    Name,
}

/// Prints a result in one of the forms for machines; that for people is what `text` says.
pub(super) fn print_as(
    output: Output,
    result: &impl Serialize,
    names: impl FnOnce() -> Vec<String>,
    text: impl FnOnce() -> String,
) -> anyhow::Result<()> {
    let printed = match output {
        Output::Text => text(),
        Output::Json => serde_json::to_string_pretty(result).context("cannot write JSON")?,
        Output::Yaml => serde_saphyr::to_string(result).context("cannot write YAML")?,
        Output::Name => names().join("\n"),
    };
    if printed.is_empty() { Ok(()) } else { print_result(printed.trim_end()) }
}

/// An object as kubectl prints it: without what only a server-side apply needs.
pub(super) fn object(found: &Found) -> Json {
    let mut json = found.json.clone();
    if let Some(metadata) = json.get_mut("metadata").and_then(Json::as_object_mut) {
        metadata.remove("managedFields");
    }
    json
}

/// An object as `kubectl get -o name` names it.
pub(super) fn full_name(found: &Found) -> String {
    format!("{}.{GROUP}/{}", found.kind.as_str().to_lowercase(), found.key.name)
}
