//! Reads a contract from the OpenAPI document that Clinch publishes. Pure.
//!
//! Operations are identified by `operationId`, otherwise by method and usual path. What the document
//! lacks is `NotOffered`, never assumed. `servers` is ignored: paths stay on the origin that served
//! the document. `roles` finds the attribute names that the operator itself needs.

use std::collections::BTreeMap;

use serde_json::Value;
use thiserror::Error;

use super::{
    Attribute, Contract, Names, Op, Operation, Origin, Paging, PathError, State, Verb,
    changes::{include, updated_since},
    names::is_parameter_name,
    roles::read_names,
    schema::{MAX_STEPS, OperationObject, Reader},
};

/// Maximum size of the document in bytes.
pub const MAX_DOCUMENT_BYTES: usize = 4 * 1024 * 1024;

/// Maximum objects in the document: each takes much more memory than its text.
const MAX_OBJECTS: usize = 100_000;
/// Maximum parameters of the candidate list.
const MAX_PARAMETERS: usize = 256;

/// Why a document yields no contract.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DiscoverError {
    /// Larger than [`MAX_DOCUMENT_BYTES`].
    #[error("the API document has {0} bytes; at most 4 MiB are read")]
    TooLarge(usize),
    /// More objects than [`MAX_OBJECTS`].
    #[error("the API document has {0} objects; at most {max} are read", max = MAX_OBJECTS)]
    TooManyObjects(usize),
    /// More parameters than [`MAX_PARAMETERS`].
    #[error("the candidate list in the API document has {0} parameters; at most {max} are read",
        max = MAX_PARAMETERS)]
    TooManyParameters(usize),
    /// References that lead to too much work.
    #[error("the API document takes more than {max} steps to read: its schemas refer to each \
             other too often", max = MAX_STEPS)]
    TooManySteps,
    /// Not JSON, or nested too deeply.
    #[error("the API document is not JSON, or is nested too deeply")]
    NotJson,
    /// JSON, but not an OpenAPI document with paths.
    #[error("the API document has no 'paths'; it is not an OpenAPI 3 document")]
    NotOpenApi,
    /// A path that would leave the origin.
    #[error("the path of {op} in the API document cannot be used")]
    ForeignPath {
        /// The operation.
        op: Op,
        /// What is wrong with it.
        source: PathError,
    },
    /// Neither a candidate list nor a candidate create.
    #[error("the API document offers neither a candidate list nor a candidate create")]
    NoCandidates,
}

/// Reads a contract.
pub fn discover(openapi_json: &[u8]) -> Result<Contract, DiscoverError> {
    if openapi_json.len() > MAX_DOCUMENT_BYTES {
        return Err(DiscoverError::TooLarge(openapi_json.len()));
    }
    // A brace in a text counts, too: a document has few of those.
    let objects = openapi_json.split(|byte| *byte == b'{').count() - 1;
    if objects > MAX_OBJECTS {
        return Err(DiscoverError::TooManyObjects(objects));
    }
    // serde_json rejects more than 128 levels, so the document is safe to walk and to drop.
    let document: Value =
        serde_json::from_slice(openapi_json).map_err(|_| DiscoverError::NotJson)?;
    if document.get("paths").and_then(Value::as_object).is_none() {
        return Err(DiscoverError::NotOpenApi);
    }
    let reader = Reader::new(&document);
    let found = find_operations(&reader)?;
    if reader.is_spent() {
        return Err(DiscoverError::TooManySteps);
    }
    if !found.contains_key(&Op::ListCandidates) && !found.contains_key(&Op::CreateCandidate) {
        return Err(DiscoverError::NoCandidates);
    }

    let mut contract = Contract::built_in();
    contract.origin = Origin::Discovered;
    for (op, operation) in &mut contract.operations {
        match found.get(op) {
            Some(object) => {
                let (method, path) = (object.verb, object.path.clone());
                *operation = Operation { method, path, state: State::Discovered };
            }
            None => operation.state = State::NotOffered,
        }
    }
    contract.candidate_attributes =
        found.get(&Op::CreateCandidate).and_then(|f| reader.request_attributes(f.body));
    contract.names.email = match_attribute(contract.candidate_attributes.as_ref());
    (contract.paging, contract.filter) =
        list_parameters(&reader, found.get(&Op::ListCandidates), &contract.names.email)?;
    contract.updated_since =
        found.get(&Op::ListCandidates).and_then(|list| updated_since(&reader, list));
    contract.include = found.get(&Op::ListCandidates).and_then(|list| include(&reader, list));
    read_names(&reader, &found, &mut contract);
    if reader.is_spent() { Err(DiscoverError::TooManySteps) } else { Ok(contract) }
}

fn find_operations<'a>(
    reader: &Reader<'a>,
) -> Result<BTreeMap<Op, OperationObject<'a>>, DiscoverError> {
    let mut by_id = BTreeMap::new();
    let mut by_place = BTreeMap::new();
    for (path, item) in reader.paths() {
        let Some(item) = reader.resolve(item) else { continue };
        for (verb, key) in
            [(Verb::Get, "get"), (Verb::Post, "post"), (Verb::Patch, "patch"), (Verb::Put, "put")]
        {
            let Some(body) = item.get(key) else { continue };
            let id = body.get("operationId").and_then(Value::as_str);
            if let Some(op) = id.and_then(Op::from_name)
                && verb_fits(op, verb)
            {
                by_id.entry(op).or_insert((path, verb, item, body));
            } else {
                for op in Op::ALL.into_iter().filter(|op| is_usual_place(*op, verb, path)) {
                    by_place.entry(op).or_insert((path, verb, item, body));
                }
            }
        }
    }
    for (op, place) in by_place {
        by_id.entry(op).or_insert(place);
    }
    let mut found = BTreeMap::new();
    for (op, (path, verb, item, body)) in by_id {
        match op.check_path(without_version(path), false) {
            Ok(path) => {
                found.insert(op, OperationObject { verb, path, item, body });
            }
            // A path with other placeholders needs values that the operator does not have.
            Err(PathError::Placeholder { .. }) => {}
            Err(source) => return Err(DiscoverError::ForeignPath { op, source }),
        }
    }
    Ok(found)
}

/// A read must be a GET and a create a POST; an update may be a PATCH or a PUT.
fn verb_fits(op: Op, verb: Verb) -> bool {
    let usual = op.usual_place().0;
    verb == usual || (usual == Verb::Patch && verb == Verb::Put)
}

fn is_usual_place(op: Op, verb: Verb, path: &str) -> bool {
    verb_fits(op, verb)
        && op.check_path(without_version(path), false).is_ok_and(|p| p == op.usual_place().1)
}

/// Some documents include the version prefix in their paths; ours start after it.
fn without_version(path: &str) -> &str {
    ["/v1/", "/v2/"].iter().find_map(|v| path.starts_with(v).then(|| &path[3..])).unwrap_or(path)
}

/// `email` if it exists, otherwise the only required attribute with that format.
fn match_attribute(attributes: Option<&BTreeMap<String, Attribute>>) -> String {
    let usual = Names::built_in().email;
    let Some(attributes) = attributes else { return usual };
    if attributes.contains_key(&usual) {
        return usual;
    }
    let fits = |a: &Attribute| a.required && a.format.as_deref() == Some("email");
    let mut fitting = attributes.iter().filter(|(_, a)| fits(a)).map(|(name, _)| name);
    match (fitting.next(), fitting.next()) {
        (Some(only), None) => only.clone(),
        _ => usual,
    }
}

/// Wire names of paging and filter. Component parameters are identified by their keys (`page`,
/// `perPage`, `candidateFilter`), inline ones by their names. Without a filter none is used.
fn list_parameters<'a>(
    reader: &Reader<'a>,
    list: Option<&OperationObject<'a>>,
    match_attribute: &str,
) -> Result<(Paging, Option<String>), DiscoverError> {
    let (mut paging, mut filter) = (Paging::built_in(), None);
    let Some(list) = list else { return Ok((paging, filter)) };
    let own = |of: &'a Value| of.get("parameters").and_then(Value::as_array);
    let (shared, own) = (own(list.item), own(list.body));
    let count = shared.map_or(0, Vec::len) + own.map_or(0, Vec::len);
    if count > MAX_PARAMETERS {
        return Err(DiscoverError::TooManyParameters(count));
    }
    for reference in shared.into_iter().chain(own).flatten() {
        let key = reference.get("$ref").and_then(Value::as_str).and_then(|r| r.rsplit('/').next());
        let Some(parameter) = reader.resolve(reference) else { continue };
        let Some(name) = parameter.get("name").and_then(Value::as_str) else { continue };
        if parameter.get("in").and_then(Value::as_str) != Some("query") || !is_parameter_name(name)
        {
            continue;
        }
        let schema = parameter.get("schema").unwrap_or(&Value::Null);
        let members = reader.property_names(schema);
        let limit = |key: &str| {
            let of = reader.resolve(schema)?.get(key)?.as_u64()?;
            u32::try_from(of).ok().filter(|n| *n > 0)
        };
        match key.filter(|k| ["page", "perPage", "candidateFilter"].contains(k)).unwrap_or(name) {
            // One deep object may hold both: page[number], page[size].
            "page" if !members.is_empty() => {
                for member in members {
                    match member {
                        "number" | "page" => paging.page = format!("{name}[{member}]"),
                        "size" | "per_page" | "limit" => {
                            paging.per_page = format!("{name}[{member}]");
                        }
                        _ => {}
                    }
                }
            }
            "page" | "page[number]" | "page[page]" => name.clone_into(&mut paging.page),
            "perPage" | "per_page" | "page_size" | "page[size]" | "page[per_page]" | "limit" => {
                name.clone_into(&mut paging.per_page);
                paging.max_per_page = limit("maximum").unwrap_or(paging.max_per_page).min(1000);
                paging.default_per_page =
                    limit("default").unwrap_or(paging.default_per_page).min(paging.max_per_page);
            }
            "candidateFilter" | "filter" if members.contains(&match_attribute) => {
                filter = Some(format!("{name}[{match_attribute}]"));
            }
            _ if name == format!("filter[{match_attribute}]") => filter = Some(name.to_owned()),
            _ => {}
        }
    }
    Ok((paging, filter.filter(|name| is_parameter_name(name))))
}

#[cfg(test)]
#[path = "discover_tests.rs"]
mod tests;
