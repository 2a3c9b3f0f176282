//! Tests of discovery, on documents that differ from the built-in contract in every name.

use serde_json::{Value, json};

use super::*;
use crate::clinch::contract::{TimeFormat, UpdatedSince};

fn variant() -> Value {
    json!({
        "openapi": "3.0.3",
        "servers": [{"url": "https://evil.example/v9"}],
        "paths": {
            "/people": {
                "parameters": [{"$ref": "#/components/parameters/candidateFilter"}],
                "get": {"operationId": "listCandidates", "parameters": [
                    {"$ref": "#/components/parameters/page"},
                    {"$ref": "#/components/parameters/perPage"}]},
                "post": {"operationId": "createCandidate", "requestBody": {
                    "$ref": "#/components/requestBodies/person"}},
            },
            "/people/{uuid}": {
                "get": {"operationId": "getCandidate"},
                "put": {"operationId": "updateCandidate"},
            },
            "/people/{uuid}/files": {"post": {"operationId": "createAttachment",
                "requestBody": {"content": {"application/json": {"schema": {"properties": {
                    "data": {"properties": {"attributes": {"properties": {
                        "label": {"type": "string"},
                        "bytes": {"type": "string", "format": "byte"},
                        "mime_type": {"type": "string"}}}}}}}}}}}},
            "/people/{uuid}/notes": {"post": {"operationId": "createActivity",
                "requestBody": {"content": {"application/json": {"schema": {"properties": {
                    "data": {"properties": {"attributes": {"properties": {
                        "one": {"type": "string"}, "two": {"type": "string"}}}}}}}}}}}},
            "/jobs": {"get": {"responses": {"200": {"content": {"application/vnd.api+json": {
                "schema": {"properties": {"data": {"type": "array", "items": {"properties": {
                    "attributes": {"properties": {"code": {"type": "string"},
                        "name": {"type": "string"}}}}}}}}}}}}}},
        },
        "components": {
            "parameters": {
                "page": {"name": "page[number]", "in": "query", "schema": {"type": "integer"}},
                "perPage": {"name": "page[size]", "in": "query",
                    "schema": {"type": "integer", "maximum": 10, "default": 5}},
                "candidateFilter": {"name": "filter", "in": "query", "style": "deepObject",
                    "schema": {"type": "object", "properties": {"email_address": {}}}},
            },
            "requestBodies": {"person": {"content": {"application/vnd.api+json": {"schema": {
                "$ref": "#/components/schemas/personDocument"}}}}},
            "schemas": {
                "personDocument": {"properties": {"data": {"properties": {"attributes": {
                    "allOf": [{"$ref": "#/components/schemas/base"},
                        {"properties": {"given_name": {"type": "string", "maxLength": 40}}}]}}}}},
                "base": {"required": ["email_address"], "properties": {
                    "email_address": {"type": "string", "format": "email"},
                    "created_at": {"type": "string", "readOnly": true}}},
            },
        },
    })
}

fn read(document: &Value) -> Result<Contract, DiscoverError> {
    discover(&serde_json::to_vec(document).unwrap())
}

#[test]
fn everything_that_is_renamed_is_found() {
    let contract = read(&variant()).unwrap();
    assert_eq!(contract.origin, Origin::Discovered);
    let update = contract.operation(Op::UpdateCandidate);
    assert_eq!((update.method, update.path.as_str()), (Verb::Put, "/people/{candidate_id}"));
    assert_eq!(contract.paging.page, "page[number]");
    assert_eq!(contract.paging.per_page, "page[size]");
    assert_eq!((contract.paging.max_per_page, contract.paging.default_per_page), (10, 5));
    assert_eq!(contract.names.email, "email_address");
    assert_eq!(contract.filter.as_deref(), Some("filter[email_address]"));
    let attributes = contract.candidate_attributes.as_ref().unwrap();
    assert!(attributes["email_address"].required);
    assert!(attributes["created_at"].read_only);
    assert_eq!(attributes["given_name"].max_length, Some(40));
    assert_eq!(contract.names.job_reference, "code");
    assert_eq!(contract.names.job_title, "name");
}

#[test]
fn file_names_follow_spelling_then_format_then_the_only_string_left() {
    let names = read(&variant()).unwrap().names;
    assert_eq!(names.content_type.as_deref(), Some("mime_type"));
    assert_eq!(names.content, "bytes");
    assert_eq!(names.file_name, "label");
    assert_eq!(names.attachment_kind, None);
}

#[test]
fn an_operation_that_is_absent_or_ambiguous_is_not_offered() {
    let contract = read(&variant()).unwrap();
    // Two strings, neither with a known spelling: either may be the text.
    assert_eq!(contract.operation(Op::CreateActivity).state, State::NotOffered);
    assert_eq!(contract.operation(Op::CreateApplication).state, State::NotOffered);
    assert_eq!(contract.operation(Op::CreateAttachment).state, State::Discovered);
    // Identified by its usual path, without an operationId.
    assert_eq!(contract.operation(Op::ListJobs).state, State::Discovered);
}

#[test]
fn a_filter_without_the_match_attribute_is_ignored() {
    let mut document = variant();
    document["components"]["parameters"]["candidateFilter"]["schema"]["properties"] =
        json!({"phone": {}});
    assert_eq!(read(&document).unwrap().filter, None);
}

#[test]
fn the_version_prefix_is_removed_from_paths() {
    let document = json!({"paths": {"/v2/candidates": {"get": {}, "post": {}}}});
    let contract = read(&document).unwrap();
    assert_eq!(contract.operation(Op::ListCandidates).path, "/candidates");
    assert_eq!(contract.candidate_attributes, None);
    assert_eq!(contract.names, Names::built_in());
}

#[test]
fn a_path_that_leaves_the_origin_rejects_the_whole_document() {
    for path in ["https://evil.example/candidates", "//evil.example/candidates"] {
        let document = json!({"paths": {path: {"get": {"operationId": "listCandidates"}}}});
        let refused = read(&document).unwrap_err();
        assert!(matches!(refused, DiscoverError::ForeignPath { op: Op::ListCandidates, .. }));
    }
}

#[test]
fn a_document_that_is_too_much_to_read_is_not_used_and_the_bound_is_named() {
    let wide: Vec<Value> = (0..300_000).map(|_| json!(0)).collect();
    let mut document = variant();
    document["components"]["schemas"]["wide"] = json!({"allOf": wide});
    let reference = json!({"$ref": "#/components/schemas/wide"});
    // Named nowhere, it costs nothing.
    assert!(read(&document).is_ok());

    let parameter = json!({"name": "page", "in": "query", "schema": reference});
    let list = |count: usize| Value::from(vec![parameter.clone(); count]);
    let mut many = document.clone();
    many["paths"]["/people"]["get"]["parameters"] = list(30_000);
    // One is the shared filter of the path.
    assert_eq!(read(&many).err(), Some(DiscoverError::TooManyParameters(30_001)));
    many["paths"]["/people"]["get"]["parameters"] = list(MAX_PARAMETERS - 1);
    assert_eq!(read(&many).err(), Some(DiscoverError::TooManySteps));

    let attributes: serde_json::Map<String, Value> =
        (0..500).map(|n| (format!("a{n}"), reference.clone())).collect();
    document["components"]["schemas"]["base"]["properties"] = Value::Object(attributes);
    // Only the first parts of an attribute are read.
    assert_eq!(read(&document).err(), None);
    document["components"]["schemas"]["base"] = reference;
    assert_eq!(read(&document).err(), Some(DiscoverError::TooManySteps));

    let mut paths = json!({"/candidates": {"get": {}}});
    for n in 0..MAX_STEPS {
        paths[format!("/p{n}")] = json!([]);
    }
    assert_eq!(read(&json!({"paths": paths})).err(), Some(DiscoverError::TooManySteps));

    let objects = format!("[{}0]", "{},".repeat(MAX_OBJECTS + 1));
    assert_eq!(discover(objects.as_bytes()), Err(DiscoverError::TooManyObjects(MAX_OBJECTS + 1)));
}

#[test]
fn of_an_attribute_only_short_words_are_kept() {
    let mut document = variant();
    let schema = json!({"type": "string", "format": "x".repeat(65)});
    document["components"]["schemas"]["base"]["properties"]["created_at"] = schema;
    let attributes = read(&document).unwrap().candidate_attributes.unwrap();
    assert_eq!(attributes["created_at"].format, None);
    assert_eq!(attributes["email_address"].format.as_deref(), Some("email"));
}

#[test]
fn each_kind_of_unusable_document_has_its_own_error() {
    assert_eq!(discover(b"<html>"), Err(DiscoverError::NotJson));
    assert_eq!(discover(b"[]"), Err(DiscoverError::NotOpenApi));
    assert_eq!(read(&json!({"paths": {"/x": {"get": {}}}})), Err(DiscoverError::NoCandidates));
    let large = vec![b' '; MAX_DOCUMENT_BYTES + 1];
    assert_eq!(discover(&large), Err(DiscoverError::TooLarge(large.len())));
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(discover(deep.as_bytes()), Err(DiscoverError::NotJson));
}

#[test]
fn a_parameter_for_changes_is_found_by_its_name() {
    let found = |parameter: Value| {
        let mut document = variant();
        document["paths"]["/people"]["get"]["parameters"] = json!([parameter]);
        discover(document.to_string().as_bytes()).unwrap().updated_since
    };
    let expected =
        |parameter: &str, format| Some(UpdatedSince { parameter: parameter.to_owned(), format });
    let text = json!({"type": "string", "format": "date-time"});
    let named = |name: &str, schema: &Value| json!({"name": name, "in": "query", "schema": schema});
    assert_eq!(
        found(named("Updated_Since", &text)),
        expected("Updated_Since", TimeFormat::Rfc3339)
    );
    let number = json!({"type": "integer"});
    assert_eq!(
        found(named("modified_since", &number)),
        expected("modified_since", TimeFormat::Unix)
    );
    let deep = json!({"type": "object", "properties": {"name": {}, "updated_at_gteq": {}}});
    let name = "filter[updated_at_gteq]";
    assert_eq!(found(named("filter", &deep)), expected(name, TimeFormat::Rfc3339));
    assert_eq!(found(named("created_since", &text)), None, "a change is not a creation");
    assert_eq!(found(json!({"name": "updated_since", "in": "header"})), None);
}

#[test]
fn addresses_of_profiles_are_found_by_their_names_in_what_a_read_returns() {
    let found = |attributes: Value| {
        let mut document = variant();
        document["paths"]["/people/{uuid}"]["get"]["responses"] = json!({"200": {"content": {
            "application/vnd.api+json": {"schema": {"properties": {"data": {"properties": {
                "attributes": {"properties": attributes}}}}}}}}});
        let names = discover(document.to_string().as_bytes()).unwrap().names;
        (names.linkedin_url, names.github_url)
    };
    let text = json!({"type": "string", "format": "uri"});
    let named = |name: &str| Some(name.to_owned());
    let both = json!({"linkedin": text, "linkedin_url": text, "github_profile": text});
    assert_eq!(found(both), (named("linkedin_url"), named("github_profile")));
    let other = json!({"linkedin_url": {"type": "object"}, "linkedin": text, "website": text});
    assert_eq!(found(other), (named("linkedin"), None));
    assert_eq!(found(json!({"profile_url": text})), (None, None), "never guessed");
    let names = discover(variant().to_string().as_bytes()).unwrap().names;
    assert_eq!(names.profile_urls().count(), 0, "what is not described is not offered");
}

#[test]
fn the_parameter_that_includes_profiles_is_found_unless_it_takes_others_only() {
    let found = |parameter: Value| {
        let mut document = variant();
        document["paths"]["/people"]["get"]["parameters"] = json!([parameter]);
        discover(document.to_string().as_bytes()).unwrap().include
    };
    let named = |name: &str, schema: Value| json!({"name": name, "in": "query", "schema": schema});
    assert_eq!(found(named("include", json!({}))).as_deref(), Some("include"));
    assert_eq!(found(named("include[]", json!({"type": "array"}))).as_deref(), Some("include[]"));
    let values = json!({"type": "array", "items": {"enum": ["lists", "social_profile"]}});
    assert_eq!(found(named("include", values)).as_deref(), Some("include"));
    assert_eq!(found(named("include", json!({"enum": ["lists"]}))), None);
    assert_eq!(found(named("expand", json!({}))), None);
    assert_eq!(found(json!({"name": "include", "in": "header"})), None);
    let mut document = variant();
    document["components"]["parameters"]["candidateInclude"] = named("with", json!({}));
    document["paths"]["/people"]["get"]["parameters"] =
        json!([{"$ref": "#/components/parameters/candidateInclude"}]);
    let include = discover(document.to_string().as_bytes()).unwrap().include;
    assert_eq!(include.as_deref(), Some("with"), "whatever its name is");
}
