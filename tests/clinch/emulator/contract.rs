//! Contracts: the document published agrees with what is served, under every contract, and a bad
//! contract is refused by the key that is wrong.

use std::path::Path;

use clinch_operator::sandbox::{Options, Sandbox};
use serde_json::{Value, json};

use super::support::{Caller, start, with};

const RENAMED: &str = include_str!("../../data/renamed-contract.yaml");

/// Calls every operation of the document with ids that exist; none may be an unknown route, and
/// a document without a required attribute must be refused at that attribute.
async fn agrees(caller: &Caller, sandbox: &Sandbox, expected: usize) {
    let document = caller.unsigned("GET", "/v2", "").await.json();
    assert_eq!(document["servers"][0]["url"], format!("{}/v2", sandbox.base_url()));
    let paths = document["paths"].as_object().unwrap();
    let at = |operation: &str| {
        let has = |item: &Value| {
            item.as_object().unwrap().values().any(|found| found["operationId"] == operation)
        };
        format!("/v2{}", paths.iter().find(|(_, item)| has(item)).unwrap().0)
    };
    let schemas = &document["components"]["schemas"];
    let email = schemas["NewCandidate"]["required"][0].as_str().unwrap();
    let created =
        caller.post(&at("createCandidate"), &with(&json!({email: "a@example.com"}))).await;
    assert_eq!(created.status, 201);
    let shown = created.at("/data/attributes");
    let named = schemas["Candidate"]["properties"].as_object().unwrap();
    assert!(shown.as_object().unwrap().keys().eq(named.keys()), "the schema is what is shown");
    let job = caller.get(&at("listJobs")).await;
    let job_names = schemas["Job"]["properties"].as_object().unwrap();
    assert!(job.at("/data/0/attributes").as_object().unwrap().keys().eq(job_names.keys()));

    let mut operations = 0;
    for (path, item) in paths {
        for (method, operation) in item.as_object().unwrap() {
            let real = path
                .replace("{candidate_id}", &created.id())
                .replace("{job_id}", job.at("/data/0/id").as_str().unwrap());
            let required = operation.pointer(
                "/requestBody/content/application~1vnd.api+json/schema/properties/data/properties/attributes/required/0",
            );
            let body = operation.get("requestBody").map(|_| with(&json!({})));
            let method = method.to_uppercase();
            let reply =
                caller.try_call(&method, &format!("/v2{real}"), body.as_ref()).await.unwrap();
            assert!(matches!(reply.status, 200 | 201 | 422), "{method} {path}: {}", reply.status);
            if reply.status == 200 {
                assert!(operation["responses"]["200"].is_object(), "{method} {path}");
            }
            if let Some(name) = required {
                assert_eq!(reply.status, 422, "{method} {path} takes a body without {name}");
            }
            operations += 1;
        }
    }
    assert_eq!(operations, expected);
}

#[tokio::test]
async fn the_document_agrees_with_what_is_served() {
    let (sandbox, caller) = start("").await;
    agrees(&caller, &sandbox, 13).await;
    let document = caller.unsigned("GET", "/v2", "").await.json();
    let assumed = |path: &str| document["paths"]["/candidates"][path]["x-assumed"].clone();
    assert_eq!((assumed("get"), assumed("post")), (Value::Null, Value::Null));
    assert_eq!(document["paths"]["/jobs"]["get"]["x-assumed"], true);
    assert_eq!(caller.unsigned("GET", "/v1/openapi", "").await.status, 200);
}

#[tokio::test]
async fn the_document_agrees_with_what_is_served_under_another_contract() {
    let (sandbox, caller) = start(RENAMED).await;
    agrees(&caller, &sandbox, 13).await;
    assert_eq!(caller.get("/v2/candidates").await.status, 404);

    let second = with(&json!({"email_address": "b@example.com", "given_name": "B"}));
    let person = caller.post("/v2/people", &second).await;
    // Kept under the built-in name, shown under the one of the contract.
    assert_eq!(person.at("/data/attributes/given_name"), "B");
    assert_eq!(sandbox.people("first")[1]["attributes"]["first_name"], "B");
    let found = caller.get("/v2/people?filter[email_address]=b%40example.com").await;
    assert_eq!(found.at("/data/0/id"), json!(person.id()));
    let refused = caller.post("/v2/people", &second).await;
    assert_eq!(refused.points_at(), "/data/attributes/email_address");

    let file = json!({"filename": "a.txt", "mime_type": "text/plain", "data": "YQ=="});
    let path = format!("/v2/people/{}/documents", person.id());
    assert_eq!(caller.post(&path, &with(&file)).await.at("/data/attributes/filename"), "a.txt");
    let entry = json!({"type_name": "note", "text": "met"});
    let path = format!("/v2/people/{}/timeline", person.id());
    assert_eq!(caller.post(&path, &with(&entry)).await.at("/data/attributes"), entry);

    let page = caller.get("/v2/people?page[number]=1&page[size]=1").await;
    assert_eq!((page.count(), page.at("/meta")), (1, Value::Null));
    let next = page.at("/links/next");
    assert_eq!(next, "/v2/people?page%5Bnumber%5D=2&page%5Bsize%5D=1");
    // Only the spelling of the contract counts.
    assert_eq!(caller.get("/v2/people?page=2&per_page=1").await.count(), 2);
    let document = caller.unsigned("GET", "/v2", "").await.json();
    assert_eq!(document["components"]["parameters"]["perPage"]["schema"]["maximum"], 50);
}

#[tokio::test]
async fn the_document_agrees_with_what_is_served_where_some_operations_are_off() {
    let (sandbox, caller) = start(include_str!("../../data/variant-contract.yaml")).await;
    agrees(&caller, &sandbox, 11).await;
}

#[tokio::test]
async fn the_document_agrees_with_what_is_served_without_the_anonymized_flag() {
    let (sandbox, caller) = start("anonymizedFlag: false").await;
    agrees(&caller, &sandbox, 13).await;
}

#[tokio::test]
async fn what_is_off_is_neither_served_nor_published() {
    let (_sandbox, caller) = start("assumedOff: true").await;
    let document = caller.unsigned("GET", "/v2", "").await.json();
    assert!(document["paths"].as_object().unwrap().keys().eq(["/candidates"]));
    assert_eq!(caller.get("/v2/jobs").await.status, 404);
    let (_sandbox, caller) = start("operations: {listJobs: 'off'}\nopenapi: false").await;
    assert_eq!(caller.get("/v2/jobs").await.status, 404);
    assert_eq!(caller.unsigned("GET", "/v2", "").await.status, 401);
}

#[test]
fn a_bad_contract_is_refused_by_the_key_that_is_wrong() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bad-contract.yaml");
    for (text, named) in [
        ("colour: red", "colour"),
        ("operations: {listPeople: /people}", "listPeople"),
        ("operations: {getCandidate: /people}", "operations.getCandidate"),
        ("operations: {listJobs: /candidates}", "operations.listJobs"),
        ("attributes: {e_mail: mail}", "attributes.e_mail"),
        ("attributes: {first_name: last_name}", "attributes.last_name"),
        ("paging: {max: 0}", "paging"),
        ("paging: {window: 0}", "paging.window"),
        ("paging: {totalCap: 0}", "paging.totalCap"),
        ("paging: {order: byName}", "byName"),
        ("shift: {times: 1}", "shift"),
        ("shift: {delete: 1, times: 0}", "shift.times"),
        ("shift: {move: 1}", "move"),
        ("rateLimit: {requestsPerSecond: 0, burst: 1}", "rateLimit.requestsPerSecond"),
        ("duplicateEmail: merge", "merge"),
        ("patchAnonymised: ignore", "ignore"),
        ("anonymizedFlag: maybe", "anonymizedFlag"),
    ] {
        std::fs::write(&path, text).unwrap();
        let problem = Options::default().read_contract(&path).unwrap_err().to_string();
        assert!(problem.contains(named) && problem.contains("bad-contract"), "{text}: {problem}");
    }
}

#[tokio::test]
async fn constraints_are_published_and_meant_unless_switched_off() {
    let constraints = json!({
        "phone": {"maxLength": 5},
        "address": {"type": "integer"},
        "country": {"enum": ["GB", "IE"]},
        "linkedin_url": {"format": "uri"},
        "last_name": {"required": true, "nullable": false},
        "summary": {"readOnly": true},
        "tags": {"items": {"type": "string", "maxLength": 3}},
    });
    let refused = [
        ("phone", json!("123456")),
        ("address", json!("1")),
        ("country", json!("FR")),
        ("linkedin_url", json!("example")),
        ("last_name", Value::Null),
        ("tags", json!(["long"])),
    ];
    for enforced in [true, false] {
        let contract = json!({"constraints": constraints, "enforceConstraints": enforced});
        let (_sandbox, caller) = start(&contract.to_string()).await;
        let document = caller.unsigned("GET", "/v2", "").await.json();
        let schema = &document["components"]["schemas"]["NewCandidate"];
        assert_eq!(schema["required"], json!(["email", "last_name"]));
        let properties = &schema["properties"];
        assert_eq!(properties["phone"]["maxLength"], 5);
        assert_eq!(properties["address"]["type"], "integer");
        assert_eq!(properties["summary"]["readOnly"], true);
        assert_eq!(properties["tags"]["items"], json!({"type": "string", "maxLength": 3}));
        for (n, (name, value)) in refused.iter().enumerate() {
            let mut person = json!({"email": format!("a{n}@example.org"), "last_name": "A"});
            person[*name] = value.clone();
            let reply = caller.post("/v2/candidates", &with(&person)).await;
            let refuses = enforced || *name == "address";
            assert_eq!(reply.status == 422, refuses, "{name}, enforced: {enforced}");
            if refuses {
                assert_eq!(reply.points_at(), format!("/data/attributes/{name}"));
            }
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("contract.yaml");
    std::fs::write(&file, "constraints: {nickname: {maxLength: 3}}").unwrap();
    let error = Options::default().read_contract(&file).unwrap_err();
    assert!(format!("{error:#}").contains("constraints.nickname"), "{error:#}");
}
