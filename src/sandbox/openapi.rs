//! The OpenAPI document, generated from the active contract, so that it always matches it.

use serde_json::{Map, Value, json};

use super::{
    contract::{Duplicates, SandboxContract},
    operation::Operation,
};

/// The document of one API version at one base URL.
pub(super) fn document(contract: &SandboxContract, base: &str, version: &str) -> Value {
    let mut paths = Map::new();
    for operation in Operation::ALL {
        let Some(path) = contract.path(operation) else { continue };
        let entry = paths.entry(path.to_owned()).or_insert_with(|| json!({}));
        entry[operation.method().to_lowercase()] = describe(contract, operation, path);
    }
    json!({
        "openapi": "3.0.3",
        "info": {
            "title": "Recruitment Marketing (clinch-sandbox emulator)",
            "version": "1.0.0",
            "description": "Operations marked x-assumed are not described by the vendor."
        },
        "servers": [{"url": format!("{base}/{version}")}],
        "paths": paths,
        "components": {
            "parameters": parameters(contract),
            "schemas": {
                "Candidate": candidate(contract, true),
                "NewCandidate": candidate(contract, false),
                "CandidateChanges": changes(contract),
                "Job": job(contract),
                "Stage": stage(contract)
            }
        }
    })
}

/// An HTML page that lists the operations.
pub(super) fn page(contract: &SandboxContract, version: &str) -> String {
    let row = |operation: Operation| {
        let path = contract.path(operation)?;
        let mark = if operation.is_documented() { "documented" } else { "assumed" };
        let (id, method) = (operation.id(), operation.method());
        Some(format!(
            "<tr><td>{id}<td><code>{method} /{version}{}</code><td>{mark}",
            path.replace('&', "&amp;").replace('<', "&lt;")
        ))
    };
    let rows: Vec<String> = Operation::ALL.into_iter().filter_map(row).collect();
    format!(
        "<!doctype html><meta charset=\"utf-8\"><title>clinch-sandbox</title>\
         <h1>clinch-sandbox</h1><p>The OpenAPI document is at <a href=\"/{version}\">/{version}</a>.\
         <table><tr><th>Operation<th>Request<th>Evidence{}</table>",
        rows.concat()
    )
}

fn describe(contract: &SandboxContract, operation: Operation, path: &str) -> Value {
    let mut parameters: Vec<Value> = path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
        .collect();
    if operation.id().starts_with("list") {
        for name in ["page", "perPage"] {
            parameters.push(json!({"$ref": format!("#/components/parameters/{name}")}));
        }
    }
    if operation == Operation::ListCandidates {
        for name in ["candidateInclude", "candidateFilter"] {
            parameters.push(json!({"$ref": format!("#/components/parameters/{name}")}));
        }
        if let Some(since) = &contract.updated_since {
            parameters.push(json!({"name": since.parameter, "in": "query", "x-assumed": true,
                "schema": {"type": "string", "format": "date-time"}}));
        }
    }
    if operation == Operation::ListJobs {
        parameters.push(json!({"$ref": "#/components/parameters/jobFilter"}));
    }
    let mut described = json!({
        "operationId": operation.id(),
        "parameters": parameters,
        "responses": responses(contract, operation)
    });
    if !operation.is_documented() {
        described["x-assumed"] = true.into();
    }
    if let Some(schema) = request_schema(contract, operation) {
        described["requestBody"] = json!({
            "required": true,
            "content": {"application/vnd.api+json": {"schema": schema}}
        });
    }
    described
}

fn responses(contract: &SandboxContract, operation: Operation) -> Value {
    let success = if operation.method() == "POST" { "201" } else { "200" };
    let mut responses = json!({"401": {"description": "Invalid API credentials"}});
    responses[success] = json!({"description": "Success"});
    if let Some(schema) = response_schema(operation) {
        responses[success]["content"] = json!({"application/vnd.api+json": {"schema": schema}});
    }
    if operation == Operation::CreateCandidate && contract.duplicate_email == Duplicates::Upsert200
    {
        responses["200"] = responses[success].clone();
    }
    responses
}

/// The schema of a response; for a list, an array of items.
fn response_schema(operation: Operation) -> Option<Value> {
    let (kind, schema) = match operation {
        Operation::ListCandidates
        | Operation::CreateCandidate
        | Operation::GetCandidate
        | Operation::UpdateCandidate => ("candidate", "Candidate"),
        Operation::ListJobs | Operation::GetJob => ("job", "Job"),
        Operation::ListStages => ("stage", "Stage"),
        _ => return None,
    };
    let reference = json!({"$ref": format!("#/components/schemas/{schema}")});
    let mut document = data(kind, &reference, false);
    if operation.id().starts_with("list") {
        let items = document["properties"]["data"].take();
        document["properties"]["data"] = json!({"type": "array", "items": items});
    }
    Some(document)
}

fn request_schema(contract: &SandboxContract, operation: Operation) -> Option<Value> {
    let string = || json!({"type": "string"});
    let attributes = match operation {
        Operation::CreateCandidate => json!({"$ref": "#/components/schemas/NewCandidate"}),
        Operation::UpdateCandidate => json!({"$ref": "#/components/schemas/CandidateChanges"}),
        Operation::CreateApplication => json!({"type": "object", "properties": {}}),
        Operation::CreateAttachment => {
            let name = |name| contract.attachment_name(name).to_owned();
            json!({"type": "object",
                "required": [name("file_name"), name("content_type"), name("content")],
                "properties": {
                    name("file_name"): string(),
                    name("content_type"): string(),
                    name("kind"): string(),
                    name("content"): {"type": "string", "format": "byte"}}})
        }
        Operation::CreateActivity => {
            let name = |name| contract.activity_name(name).to_owned();
            json!({"type": "object", "required": [name("kind"), name("body")],
                "properties": {name("kind"): string(), name("body"): string()}})
        }
        _ => return None,
    };
    let kind = match operation {
        Operation::CreateApplication => "application",
        Operation::CreateAttachment => "attachment",
        Operation::CreateActivity => "activity",
        _ => "candidate",
    };
    Some(data(kind, &attributes, operation == Operation::CreateApplication))
}

fn data(kind: &str, attributes: &Value, related: bool) -> Value {
    let mut properties = json!({
        "id": {"type": "string"},
        "type": {"type": "string", "example": kind},
        "attributes": attributes
    });
    if related {
        let one = json!({"type": "object", "properties": {"data": {"type": "object",
            "properties": {"type": {"type": "string"}, "id": {"type": "string"}}}}});
        properties["relationships"] =
            json!({"type": "object", "properties": {"job": one, "stage": one}});
    }
    json!({"type": "object", "required": ["data"], "properties": {"data": {
        "type": "object", "required": ["type", "attributes"], "properties": properties}}})
}

fn candidate(contract: &SandboxContract, with_read_only: bool) -> Value {
    let mut properties = Map::new();
    for (name, kind, read_only) in contract.candidate_attributes() {
        let constraint = contract.constraints.get(name);
        if read_only && !with_read_only && constraint.is_none() {
            continue;
        }
        let mut schema = json!({"type": kind, "nullable": true});
        match name {
            "email" => schema = json!({"type": "string", "format": "email"}),
            "tags" => schema["items"] = json!({"type": "string"}),
            "created_at" | "updated_at" => schema["format"] = "date-time".into(),
            _ => {}
        }
        if read_only {
            schema["readOnly"] = true.into();
        }
        if let Some(constraint) = constraint {
            constraint.describe(&mut schema);
        }
        properties.insert(contract.candidate(name).to_owned(), schema);
    }
    let constrained = contract.constraints.iter().filter(|(_, constraint)| constraint.required);
    let required = constrained.map(|(name, _)| name.as_str()).filter(|name| *name != "email");
    let required: Vec<&str> =
        std::iter::once("email").chain(required).map(|name| contract.candidate(name)).collect();
    json!({"type": "object", "properties": properties, "required": required})
}

/// As for a new candidate, but without required attributes.
fn changes(contract: &SandboxContract) -> Value {
    let mut schema = candidate(contract, false);
    if let Some(schema) = schema.as_object_mut() {
        schema.remove("required");
    }
    schema
}

fn job(contract: &SandboxContract) -> Value {
    let names = ["title", "reference", "status"].map(|name| contract.job_name(name));
    json!({"type": "object", "properties":
        names.map(|name| (name.to_owned(), json!({"type": "string"}))).into_iter().collect::<Map<_, _>>()})
}

fn stage(contract: &SandboxContract) -> Value {
    json!({"type": "object", "properties": {
        contract.stage_name("name"): {"type": "string"},
        contract.stage_name("position"): {"type": "integer"}}})
}

fn parameters(contract: &SandboxContract) -> Value {
    let paging = &contract.paging;
    let page = paging.page.as_deref().unwrap_or("page");
    let per_page = paging.per_page.as_deref().unwrap_or("per_page");
    json!({
        "page": {"name": page, "in": "query", "schema": {"type": "integer", "minimum": 1, "default": 1}},
        "perPage": {"name": per_page, "in": "query", "schema": {"type": "integer", "minimum": 1,
            "maximum": paging.max, "default": paging.default}},
        "candidateInclude": {"name": "include", "in": "query", "schema": {"type": "string"},
            "example": "social_profile"},
        "candidateFilter": {"name": "filter", "in": "query", "style": "deepObject", "explode": true,
            "schema": {"type": "object", "properties": {
                contract.filter("email", contract.candidate("email")):
                    {"type": "string", "format": "email"}}}},
        "jobFilter": {"name": "filter", "in": "query", "style": "deepObject", "explode": true,
            "x-assumed": true, "schema": {"type": "object", "properties": {
                contract.filter("reference", contract.job_name("reference")):
                    {"type": "string"}}}}
    })
}
