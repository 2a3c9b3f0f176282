//! Changes by somebody else: anonymise, delete, edit and add people, by code and by request.

use clinch_operator::sandbox::{ChangeError, OldId, Options, Sandbox};
use serde_json::{Value, json};

use super::support::{Caller, FIRST, start, with};

async fn listed(caller: &Caller) -> (usize, Value) {
    let reply = caller.get("/v2/candidates").await;
    (reply.count(), reply.at("/meta/total_count"))
}

async fn found(caller: &Caller, email: &str) -> usize {
    caller.get(&format!("/v2/candidates?filter[email]={email}")).await.count()
}

/// Creates a person with some of every attribute; their id.
async fn ada(caller: &Caller) -> String {
    let attributes = json!({"email": "Ada@example.com", "first_name": "Ada", "last_name": "L",
        "phone": "1", "address": "A", "country": "IE", "location": "Cork",
        "current_employer": "E", "current_job_title": "T", "linkedin_url": "https://l.example",
        "summary": "S", "tags": ["rust"], "custom_fields": {"a": 1}});
    let id = caller.post("/v2/candidates", &with(&attributes)).await.id();
    let activity = with(&json!({"kind": "note", "body": "met"}));
    let path = format!("/v2/candidates/{id}/activities");
    assert_eq!(caller.post(&path, &activity).await.status, 201);
    id
}

#[tokio::test]
async fn who_is_anonymised_stays_without_anything_that_says_who_they_are() {
    let (sandbox, caller) = start("").await;
    let id = ada(&caller).await;
    sandbox.set_clock_offset(60);
    let before = caller.get(&format!("/v2/candidates/{id}")).await.json();
    assert_eq!(sandbox.anonymise("first", "ada@EXAMPLE.com"), Some(id.clone()));
    let shown = caller.get(&format!("/v2/candidates/{id}")).await;
    let kept = ["country", "source", "created_at", "updated_at", "archived", "anonymized"];
    for (name, value) in shown.at("/data/attributes").as_object().unwrap() {
        assert_eq!(value.is_null(), !kept.contains(&name.as_str()), "{name}: {value}");
    }
    assert_eq!(shown.at("/data/attributes/anonymized"), true);
    assert_ne!(shown.at("/data/attributes/updated_at"), before["data"]["attributes"]["updated_at"]);
    assert_eq!(caller.get(&format!("/v2/candidates/{id}/activities")).await.count(), 1);
    assert_eq!(listed(&caller).await, (1, json!(1)));
    assert_eq!(found(&caller, "ada@example.com").await, 0);
    assert_eq!(sandbox.anonymise("first", "ada@example.com"), None, "nobody has the address now");
    assert_eq!(caller.person("ada@example.com").await.status, 201);
}

#[tokio::test]
async fn whether_an_anonymised_person_can_be_changed_is_as_the_contract_says() {
    for (contract, status) in [("", 200), ("patchAnonymised: reject422", 422)] {
        let (sandbox, caller) = start(contract).await;
        let path = format!("/v2/candidates/{}", ada(&caller).await);
        let change = with(&json!({"last_name": "Doe"}));
        assert_eq!(caller.patch(&path, &change).await.status, 200);
        sandbox.anonymise("first", "ada@example.com").unwrap();
        assert_eq!(caller.patch(&path, &change).await.status, status, "{contract}");
        let kept = &sandbox.people("first")[0]["attributes"]["last_name"];
        assert_eq!(kept.is_null(), status == 422);
    }
}

#[tokio::test]
async fn without_the_flag_nothing_says_that_a_person_was_anonymised() {
    let (sandbox, caller) = start("anonymizedFlag: false").await;
    let path = format!("/v2/candidates/{}", ada(&caller).await);
    sandbox.anonymise("first", "ada@example.com").unwrap();
    let shown = caller.get(&path).await.at("/data/attributes");
    assert!(shown.get("anonymized").is_none() && shown["archived"] == false, "{shown}");
    let document = caller.unsigned("GET", "/v2", "").await;
    assert!(!document.text.contains("anonymized"));
    assert_eq!(sandbox.people("first")[0]["attributes"]["anonymized"], true, "the dump has it");
}

#[tokio::test]
async fn who_is_deleted_is_gone_and_others_stay_where_they_are() {
    let (sandbox, caller) = start("").await;
    let mut ids = Vec::new();
    for name in ["a", "b", "c"] {
        ids.push(caller.person(&format!("{name}@example.com")).await.id());
    }
    assert_eq!(listed(&caller).await, (3, json!(3)));
    assert_eq!(sandbox.delete("first", &ids[1]), Some(ids[1].clone()));
    assert_eq!(sandbox.delete("first", &ids[1]), None);
    let path = format!("/v2/candidates/{}", ids[1]);
    assert_eq!(caller.get(&path).await.status, 404);
    assert_eq!(caller.patch(&path, &with(&json!({"last_name": "X"}))).await.status, 404);
    assert_eq!(caller.get(&format!("{path}/applications")).await.status, 404);
    assert_eq!(found(&caller, "b@example.com").await, 0);
    assert_eq!(listed(&caller).await, (2, json!(2)));
    let second = caller.get("/v2/candidates?page=2&per_page=1").await;
    assert_eq!(second.at("/data/0/id"), json!(ids[2]));
    let again = caller.person("b@example.com").await;
    assert!(again.status == 201 && again.id() != ids[1]);
}

#[tokio::test]
async fn who_is_deleted_during_the_search_lag_never_shows_up() {
    let (sandbox, caller) = start("searchLagMs: 300").await;
    caller.person("a@example.com").await;
    caller.person("b@example.com").await;
    sandbox.delete("first", "a@example.com").unwrap();
    let all = async {
        while listed(&caller).await.1 == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(2), all).await.unwrap();
    let page = caller.get("/v2/candidates").await;
    assert_eq!((page.count(), page.at("/meta/total_count")), (1, json!(1)));
    assert_eq!(page.at("/data/0/attributes/email"), "b@example.com");
}

#[tokio::test]
async fn somebody_else_edits_and_adds_people_without_a_check_for_duplicates() {
    let (sandbox, caller) = start("").await;
    let id = ada(&caller).await;
    let edit = json!({"email": "new@example.com", "summary": null, "archived": true});
    assert_eq!(sandbox.edit("first", &id, &edit), Ok(id.clone()));
    let shown = caller.get("/v2/candidates?filter[email]=NEW@example.com").await;
    assert_eq!(shown.at("/data/0/id"), json!(id));
    assert_eq!(shown.at("/data/0/attributes/summary"), Value::Null);
    assert_eq!(shown.at("/data/0/attributes/archived"), true);
    assert_eq!(found(&caller, "ada@example.com").await, 0);

    assert_eq!(sandbox.doubled("first"), 0);
    let other = sandbox.add_person("first", &json!({"email": "New@Example.com"})).unwrap();
    assert_eq!((sandbox.doubled("first"), found(&caller, "new@example.com").await), (1, 2));
    let shown = caller.get(&format!("/v2/candidates/{other}")).await;
    assert_eq!(shown.at("/data/attributes/source"), "elsewhere");
    sandbox.add_person("first", &json!({"email": "new@example.com"})).unwrap();
    assert_eq!(sandbox.doubled("first"), 1, "addresses are counted, not people");
    sandbox.delete("first", &other).unwrap();
    assert_eq!(sandbox.doubled("first"), 1);
    sandbox.delete("first", &id).unwrap();
    assert_eq!((sandbox.doubled("first"), sandbox.doubled("second")), (0, 0));
}

#[tokio::test]
async fn what_somebody_else_cannot_do_is_refused_by_name() {
    let (sandbox, caller) = start("").await;
    let id = ada(&caller).await;
    let none = |name: &str| Err(ChangeError::NoAttribute(name.to_owned()));
    assert_eq!(sandbox.edit("first", &id, &json!({"shoe_size": 44})), none("shoe_size"));
    assert_eq!(sandbox.add_person("first", &json!({"mail": "a"})), none("mail"));
    let wrong = Err(ChangeError::WrongType("tags".to_owned()));
    assert_eq!(sandbox.edit("first", &id, &json!({"tags": "x"})), wrong);
    assert_eq!(sandbox.edit("first", &id, &json!([])), Err(ChangeError::NotAnObject));
    assert_eq!(sandbox.edit("second", &id, &json!({})), Err(ChangeError::NoPerson));
    let no_account = Err(ChangeError::NoAccount("third".to_owned()));
    assert_eq!(sandbox.add_person("third", &json!({})), no_account);
    assert_eq!(sandbox.people("first").len(), 1);

    for (path, body, status, named) in [
        ("anonymise", json!({"account": "first", "id": "no"}), 404, "no such person"),
        ("delete", json!({"account": "first", "email": "no@example.com"}), 404, "no such person"),
        ("edit", json!({"account": "third", "id": id, "attributes": {}}), 404, "third"),
        ("delete", json!({"id": id}), 400, "first, second"),
        ("delete", json!({"account": "first"}), 400, "id, email"),
        ("delete", json!({"account": "first", "id": id, "email": "a@b"}), 400, "id, email"),
        ("edit", json!({"account": "first", "id": id}), 400, "attributes"),
        (
            "edit",
            json!({"account": "first", "id": id, "attributes": {"a": 1}}),
            400,
            "attributes.a",
        ),
        ("add", json!({"account": "first", "attributes": 7}), 400, "attributes"),
        ("add", json!({"account": "first", "attributes": {}, "id": id}), 400, "id"),
    ] {
        let reply = caller.unsigned("POST", &format!("/_sandbox/{path}"), &body.to_string()).await;
        assert_eq!(reply.status, status, "{path} {body}: {}", reply.text);
        assert!(reply.text.contains(named), "{path} {body}: {}", reply.text);
    }
    assert_eq!(found(&caller, "ada@example.com").await, 1, "nothing of it was done");
}

#[tokio::test]
async fn the_requests_do_as_the_methods_and_need_no_account_where_there_is_one() {
    let options = Options::default().with_credential("first", FIRST.0, FIRST.1);
    let sandbox = Sandbox::start(options).await.unwrap();
    let caller = Caller::new(&sandbox.base_url(), FIRST);
    let post = async |path: &str, body: Value| {
        let reply = caller.unsigned("POST", &format!("/_sandbox/{path}"), &body.to_string()).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
        reply.at("/id").as_str().unwrap().to_owned()
    };
    let attributes = json!({"email": "a@example.com", "first_name": "A"});
    let id = post("add", json!({"attributes": attributes, "source": "Careers site"})).await;
    let shown = caller.get(&format!("/v2/candidates/{id}")).await;
    assert_eq!(shown.at("/data/attributes/source"), "Careers site");
    let edit = json!({"email": "a@example.com", "attributes": {"first_name": "B"}});
    assert_eq!(post("edit", edit).await, id);
    assert_eq!(sandbox.people("first")[0]["attributes"]["first_name"], "B");
    assert_eq!(post("anonymise", json!({"id": id})).await, id);
    assert_eq!(sandbox.people("first")[0]["attributes"]["first_name"], Value::Null);
    assert_eq!(post("delete", json!({"id": id})).await, id);
    assert!(sandbox.people("first").is_empty());
    assert_eq!(sandbox.requests().total, 1, "control requests are not counted");
}

#[tokio::test]
async fn merged_people_are_one_and_the_old_id_answers_as_configured() {
    for (old_id, status) in [(OldId::NotFound, 404), (OldId::Other, 200), (OldId::Moved, 301)] {
        let (sandbox, caller) = start("").await;
        let (from, into) = (ada(&caller).await, caller.person("b@example.com").await.id());
        assert_eq!(
            sandbox.merge("first", "ada@example.com", &into, old_id),
            Ok(into.clone()),
            "{old_id:?}"
        );
        assert_eq!(listed(&caller).await, (1, json!(1)));
        assert_eq!(found(&caller, "ada@example.com").await, 0);
        assert_eq!(caller.get(&format!("/v2/candidates/{into}/activities")).await.count(), 1);
        let path = format!("/v2/candidates/{from}");
        let old = caller.get(&path).await;
        assert_eq!(old.status, status);
        match old_id {
            OldId::NotFound => {}
            OldId::Other => assert_eq!(old.id(), into),
            OldId::Moved => {
                assert_eq!(old.headers["location"], format!("/v2/candidates/{into}"));
            }
        }
        let change = with(&json!({"last_name": "Doe"}));
        assert_eq!(caller.patch(&path, &change).await.status, 404);
        let again = sandbox.merge("first", &into, "b@example.com", old_id);
        assert_eq!(again, Err(ChangeError::OnePerson));
    }
}
