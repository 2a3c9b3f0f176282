//! The API over a socket: people, jobs, applications, files, activities, accounts, the clock.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::support::{Caller, SECOND, start, with};

#[tokio::test]
async fn a_person_is_created_found_whatever_the_case_and_updated() {
    let (sandbox, caller) = start("").await;
    let created = caller.person("Jane.Doe@Example.com").await;
    assert_eq!(created.status, 201);
    let id = created.id();
    assert_eq!((id.len(), created.at("/data/type")), (32, json!("candidate")));
    caller.person("other@example.com").await;

    let found = caller.get("/v2/candidates?filter[email]=jane.doe%40EXAMPLE.com").await;
    assert_eq!((found.status, found.count(), found.at("/data/0/id")), (200, 1, json!(id)));
    assert_eq!(caller.get("/v2/candidates?filter[email]=none%40example.com").await.count(), 0);

    let path = format!("/v2/candidates/{id}");
    let change = with(&json!({"last_name": "Murphy", "email": "new@example.com"}));
    assert_eq!(caller.patch(&path, &change).await.status, 200);
    let shown = caller.get(&path).await;
    assert_eq!(shown.at("/data/attributes/last_name"), "Murphy");
    // The index follows the change.
    assert_eq!(caller.get("/v2/candidates?filter[email]=jane.doe%40example.com").await.count(), 0);
    assert_eq!(caller.get("/v2/candidates?filter[email]=NEW%40example.com").await.count(), 1);
    caller.patch(&path, &with(&json!({"last_name": null}))).await;
    assert_eq!(caller.get(&path).await.at("/data/attributes/last_name"), Value::Null);
    assert_eq!(sandbox.people("first").len(), 2);
    assert_eq!(sandbox.requests().with("createCandidate", 201), 2);
}

#[tokio::test]
async fn every_spelling_of_a_page_walks_through_everybody_by_links() {
    let (_sandbox, caller) = start("").await;
    for n in 0..5 {
        caller.person(&format!("p{n}@example.com")).await;
    }
    for (page, size) in
        [("page", "per_page"), ("page[number]", "page[size]"), ("page[page]", "page[per_page]")]
    {
        let mut next = format!("/v2/candidates?{page}=1&{size}=2");
        let mut sizes = Vec::new();
        loop {
            let reply = caller.get(&next).await;
            sizes.push(reply.count());
            assert_eq!(reply.at("/meta/total_count"), 5);
            match reply.at("/links/next") {
                Value::String(link) => next = link,
                end => break assert_eq!(end, Value::Null),
            }
        }
        assert_eq!(sizes, [2, 2, 1], "{page}");
        let last = caller.get(&format!("/v2/candidates?{page}=3&{size}=2")).await.json();
        let query = |link: &str| {
            let link = last["links"][link].as_str().unwrap();
            let url = url::Url::parse(&format!("http://x{link}")).unwrap();
            url.query_pairs().find(|(name, _)| name == page).unwrap().1.into_owned()
        };
        assert_eq!(["first", "prev", "self", "last"].map(query), ["1", "2", "3", "3"]);
        assert_eq!(caller.get(&format!("/v2/candidates?{page}=9&{size}=2")).await.count(), 0);
    }
}

#[tokio::test]
async fn a_second_create_does_what_the_policy_says() {
    for (policy, status, people) in
        [("reject422", 422, 1), ("conflict409", 409, 1), ("upsert200", 200, 1), ("allow", 201, 2)]
    {
        let (sandbox, caller) = start(&format!("duplicateEmail: {policy}")).await;
        caller.person("a@example.com").await;
        let body = with(&json!({"email": "A@example.com", "first_name": "New"}));
        let again = caller.post("/v2/candidates", &body).await;
        assert_eq!((again.status, sandbox.people("first").len()), (status, people), "{policy}");
        if policy == "reject422" {
            assert_eq!(again.points_at(), "/data/attributes/email");
        }
        if policy == "upsert200" {
            assert_eq!(sandbox.people("first")[0]["attributes"]["first_name"], "New");
        }
    }
}

#[tokio::test]
async fn unknown_attributes_are_dropped_or_refused_by_name() {
    let body = with(&json!({"email": "a@example.com", "shoe_size": 44}));
    let (_sandbox, caller) = start("").await;
    let lenient = caller.post("/v2/candidates", &body).await;
    assert_eq!((lenient.status, lenient.at("/data/attributes/shoe_size")), (201, Value::Null));
    let (sandbox, caller) = start("strict: true").await;
    let strict = caller.post("/v2/candidates", &body).await;
    assert_eq!((strict.status, strict.points_at()), (422, "/data/attributes/shoe_size".to_owned()));
    assert!(sandbox.people("first").is_empty());
}

#[tokio::test]
async fn bodies_that_are_not_right_are_refused_at_the_place_that_is_wrong() {
    let (_sandbox, mut caller) = start("").await;
    let path = "/v2/candidates";
    for (body, pointer) in [
        (json!({}), "/data"),
        (json!({"data": {"type": "candidate"}}), "/data/attributes"),
        (with(&json!({"first_name": "A"})), "/data/attributes/email"),
        (with(&json!({"email": "a@example.com", "tags": "x"})), "/data/attributes/tags"),
    ] {
        let reply = caller.post(path, &body).await;
        assert_eq!((reply.status, reply.points_at().as_str()), (422, pointer));
    }
    caller.media_type = "application/json";
    assert_eq!(caller.person("a@example.com").await.status, 201);
    caller.media_type = "text/plain";
    assert_eq!(caller.person("b@example.com").await.status, 415);
}

#[tokio::test]
async fn unknown_ids_and_paths_are_not_found() {
    let (_sandbox, caller) = start("").await;
    for path in ["candidates/no", "candidates/no/activities", "jobs/no", "jobs/no/stages", "themes"]
    {
        assert_eq!(caller.get(&format!("/v2/{path}")).await.status, 404, "{path}");
    }
    let body = with(&json!({"last_name": "A"}));
    assert_eq!(caller.patch("/v2/candidates/no", &body).await.status, 404);
    assert_eq!(caller.get("/v3/candidates").await.status, 404);
    // A caller who cannot sign does not learn what exists.
    assert_eq!(caller.unsigned("GET", "/v2/themes", "").await.status, 401);
}

#[tokio::test]
async fn a_person_is_put_on_a_job_once() {
    let (sandbox, caller) = start("").await;
    let person = caller.person("a@example.com").await.id();
    let jobs = caller.get("/v2/jobs?filter[reference]=ENG-101").await;
    assert_eq!(jobs.count(), 1);
    let job = jobs.at("/data/0/id").as_str().unwrap().to_owned();
    assert_eq!(caller.get(&format!("/v2/jobs/{job}")).await.id(), job);
    let stages = caller.get(&format!("/v2/jobs/{job}/stages")).await;
    assert_eq!(stages.at("/data/1/attributes"), json!({"name": "Screen", "position": 2}));
    let stage = stages.at("/data/1/id");

    let path = format!("/v2/candidates/{person}/applications");
    let related = |job: &Value, stage: &Value| {
        let one = |id: &Value| json!({"data": {"type": "x", "id": id}});
        json!({"data": {"type": "application", "attributes": {},
            "relationships": {"job": one(job), "stage": one(stage)}}})
    };
    let job = json!(job);
    let created = caller.post(&path, &related(&job, &stage)).await;
    assert_eq!(created.status, 201);
    let again = caller.post(&path, &related(&job, &stages.at("/data/2/id"))).await;
    assert_eq!((again.status, again.points_at().as_str()), (422, "/data/relationships/job"));
    for (job, stage, pointer) in [(&json!("no"), &stage, "job"), (&job, &json!("no"), "stage")] {
        let refused = caller.post(&path, &related(job, stage)).await;
        assert_eq!(refused.points_at(), format!("/data/relationships/{pointer}"));
    }
    let listed = caller.get(&path).await;
    assert_eq!((listed.count(), listed.at("/data/0/id")), (1, json!(created.id())));
    assert_eq!(listed.at("/data/0/relationships/stage/data/id"), stage);
    assert_eq!(sandbox.people("first")[0]["applications"][0]["stage"], stage);
}

#[tokio::test]
async fn a_file_is_kept_by_size_and_digest() {
    let (_sandbox, caller) = start("").await;
    let person = caller.person("a@example.com").await.id();
    let path = format!("/v2/candidates/{person}/attachments");
    let bytes = vec![7_u8; 100_000];
    let mut file = json!({"file_name": "cv.pdf", "content_type": "application/pdf",
        "kind": "resume", "content": STANDARD.encode(&bytes)});
    assert_eq!(caller.post(&path, &with(&file)).await.status, 201);
    let kept = caller.get(&path).await.at("/data/0/attributes");
    assert_eq!((&kept["file_name"], &kept["kind"]), (&json!("cv.pdf"), &json!("resume")));
    assert_eq!(kept["byte_size"], 100_000);
    assert_eq!(kept["sha256"], hex::encode(Sha256::digest(&bytes)));
    file["content"] = json!("not base64!");
    let refused = caller.post(&path, &with(&file)).await;
    assert_eq!((refused.status, refused.points_at().as_str()), (422, "/data/attributes/content"));
}

#[tokio::test]
async fn an_activity_is_listed_after_it_was_added() {
    let (_sandbox, caller) = start("").await;
    let person = caller.person("a@example.com").await.id();
    let path = format!("/v2/candidates/{person}/activities");
    let activity = json!({"kind": "note", "body": "met"});
    assert_eq!(caller.post(&path, &with(&activity)).await.status, 201);
    assert_eq!(caller.post(&path, &with(&json!({"kind": "note"}))).await.status, 422);
    let listed = caller.get(&path).await;
    assert_eq!((listed.count(), listed.at("/data/0/attributes")), (1, activity));
}

#[tokio::test]
async fn accounts_see_nothing_of_each_other_and_the_credential_is_the_source() {
    let (sandbox, first) = start("").await;
    let second = Caller::new(&sandbox.base_url(), SECOND);
    let sent = with(&json!({"email": "a@example.com", "source": "forged"}));
    let mine = first.post("/v2/candidates", &sent).await;
    assert_eq!(mine.at("/data/attributes/source"), "first");
    assert_eq!(second.get(&format!("/v2/candidates/{}", mine.id())).await.status, 404);
    let theirs = second.post("/v2/candidates", &sent).await;
    assert_eq!((theirs.status, theirs.at("/data/attributes/source")), (201, json!("second")));
    assert_eq!((sandbox.people("first").len(), sandbox.people("second").len()), (1, 1));
    let stranger = Caller::new(&sandbox.base_url(), (SECOND.0, "wrong"));
    assert_eq!(stranger.get("/v2/candidates").await.status, 401);
}

#[tokio::test]
async fn requests_are_accepted_for_fifteen_minutes_of_the_emulators_clock() {
    let (sandbox, mut caller) = start("").await;
    for (skew, status) in [(-890, 200), (890, 200), (-905, 401), (905, 401)] {
        caller.skew = skew;
        assert_eq!(caller.get("/v2/candidates").await.status, status, "{skew}");
    }
    sandbox.set_clock_offset(905);
    let reply = caller.get("/v2/candidates").await;
    assert_eq!(reply.status, 200);
    let date = reply.headers["date"].to_str().unwrap();
    let shown = jiff::fmt::rfc2822::parse(date).unwrap().timestamp();
    assert!(shown.as_second() - jiff::Timestamp::now().as_second() > 890);
}

#[tokio::test]
async fn people_just_created_are_not_found_during_the_search_lag() {
    let (_sandbox, caller) = start("searchLagMs: 600000").await;
    let id = caller.person("a@example.com").await.id();
    assert_eq!(caller.get("/v2/candidates?filter[email]=a%40example.com").await.count(), 0);
    assert_eq!(caller.get("/v2/candidates").await.count(), 0);
    assert_eq!(caller.get(&format!("/v2/candidates/{id}")).await.status, 200);
    assert_eq!(caller.person("a@example.com").await.status, 422);
}
