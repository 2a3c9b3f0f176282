//! Candidates, jobs and what is attached to candidates: listed, created, changed.

use std::collections::HashSet;

use clinch_operator::{
    clinch::{ClinchError, Creation, Cursor, Doubt, File},
    domain::ClinchId,
};
use serde_json::json;

use crate::{
    client::bench::{Bench, DATE, attributes, bench, everyone, key},
    fake_clinch::{Duplicate, Fault, answer},
};

#[tokio::test]
async fn signed_calls_are_accepted_and_people_are_found_created_and_changed() {
    let Bench { fake, seen, client } = bench().await;
    assert_eq!(client.verify().await.unwrap().total, Some(0));
    // Characters that have to be encoded the same way for the signature and for the wire.
    let email = "jane+o'neil [x]@example.com";
    let created = client.create_or_find(&key(email), &attributes(email), false).await.unwrap();
    let Creation::Created(person) = created else { panic!("{created:?}") };
    let change = json!({"first_name": "Joan"}).as_object().unwrap().clone();
    let changed = client.update(&person.id, &change).await.unwrap().unwrap();
    assert_eq!(changed.attributes["first_name"], "Joan");
    assert_eq!(client.get(&person.id).await.unwrap().attributes["first_name"], "Joan");
    fake.add("other@example.com");
    let unknown = ClinchId::parse("nobody").unwrap();
    assert_eq!(client.get(&unknown).await.unwrap_err(), ClinchError::NotFound);
    let operations: HashSet<_> = seen.attempts.lock().unwrap().iter().copied().collect();
    let expected = [
        ("listCandidates", "2xx"),
        ("createCandidate", "2xx"),
        ("updateCandidate", "2xx"),
        ("getCandidate", "2xx"),
        ("getCandidate", "404"),
    ];
    assert_eq!(operations, HashSet::from(expected));
}

#[tokio::test]
async fn a_filter_that_is_not_honoured_is_reported_and_its_answer_not_believed() {
    let Bench { fake, client, .. } = bench().await;
    let id = fake.add("Jane@Example.com");
    let found = client.find(&key("jane@example.com")).await.unwrap();
    assert_eq!(found[0].id.as_str(), id);
    fake.behave(|b| b.filter = false);
    assert_eq!(client.find(&key("joe@example.com")).await.unwrap_err(), ClinchError::FilterIgnored);
    let created =
        client.create_or_find(&key("joe@example.com"), &attributes("joe@example.com"), false).await;
    assert_eq!(created.unwrap_err(), ClinchError::FilterIgnored);
    assert_eq!(fake.count("POST"), 0);
}

#[tokio::test]
async fn everyone_is_seen_once_however_the_list_is_paged() {
    let Bench { fake, client, .. } = bench().await;
    let ids: HashSet<String> = (0..250).map(|n| fake.add(&format!("p{n}@example.com"))).collect();
    for (links, foreign_links, page_cap) in
        [(false, false, 100), (true, false, 100), (false, true, 100), (false, false, 30)]
    {
        fake.behave(|b| {
            (b.links, b.foreign_links, b.page_cap) = (links, foreign_links, page_cap);
        });
        let people = everyone(&client).await;
        let seen: HashSet<String> = people.iter().map(|p| p.id.to_string()).collect();
        assert_eq!((people.len(), &seen), (250, &ids), "{links} {foreign_links} {page_cap}");
    }
    let followed = fake.account().requests.iter().filter(|r| r.contains("by=link")).count();
    assert_eq!(followed, 2, "links were followed where they were offered");
    fake.behave(|b| b.ignore_page = true);
    assert_eq!(everyone(&client).await.len(), 30, "a list that repeats itself ends");
}

#[tokio::test]
async fn a_person_created_during_the_walk_hides_no_one() {
    let Bench { fake, client, .. } = bench().await;
    fake.behave(|b| b.page_cap = 2);
    for n in 0..6 {
        fake.add(&format!("p{n}@example.com"));
    }
    let first = client.page(Cursor::first()).await.unwrap();
    // Newest first: everyone moves by one, so the next page starts with one already seen.
    fake.account().people.insert(0, ("new".into(), attributes("new@example.com")));
    let (mut seen, mut cursor) = (first.people.len(), first.next);
    while let Some(at) = cursor {
        let page = client.page(at).await.unwrap();
        seen += page.people.len();
        cursor = page.next;
    }
    assert_eq!(seen, 6);
}

#[tokio::test]
async fn the_total_costs_one_small_request_and_pages_count_who_was_seen() {
    let Bench { fake, client, .. } = bench().await;
    for n in 0..70 {
        fake.add(&format!("p{n}@example.com"));
    }
    assert_eq!(client.total().await.unwrap(), Some(70));
    let asked = fake.account().requests.clone();
    assert_eq!(asked, ["GET /v2/candidates?page=1&per_page=1"]);
    fake.behave(|b| b.page_cap = 30);
    let (mut seen, mut cursor) = (Vec::new(), Some(Cursor::first()));
    while let Some(at) = cursor {
        let page = client.page(at).await.unwrap();
        assert!(!page.cut_off);
        seen.push(page.seen);
        cursor = page.next;
    }
    assert_eq!(seen, [30, 60, 70, 70]);
}

#[tokio::test]
async fn a_person_who_is_there_is_found_under_every_duplicate_rule() {
    for (duplicate, expected) in [
        (Duplicate::Reject422, "found"),
        (Duplicate::Conflict409, "found"),
        (Duplicate::Upsert200, "upserted"),
    ] {
        let Bench { fake, client, .. } = bench().await;
        fake.behave(|b| b.duplicate = duplicate);
        let email = "jane@example.com";
        let id = fake.add(email);
        // The caller's knowledge is stale: the person was created after its look-up.
        let created = client.create_or_find(&key(email), &attributes(email), true).await.unwrap();
        let (how, there) = match created {
            Creation::Found(people) => ("found", people[0].id.to_string()),
            Creation::Upserted(person) => ("upserted", person.id.to_string()),
            other => panic!("{other:?}"),
        };
        assert_eq!((how, there), (expected, id));
        let found = client.create_or_find(&key(email), &attributes(email), false).await.unwrap();
        assert!(matches!(found, Creation::Found(_)));
        assert_eq!(fake.count("POST"), 1);
        assert_eq!(fake.account().people.len(), 1);
    }
}

#[tokio::test]
async fn a_refused_record_is_reported_with_its_fields_and_created_only_when_fixed() {
    let Bench { fake, client, .. } = bench().await;
    let body = r#"{"errors":[{"detail":"Zyzzyva","source":{"pointer":"/data/attributes/email"}}]}"#;
    fake.fault("POST", Fault::Raw(answer(422, DATE, body)));
    let email = "zyzzyva@example.com";
    let error = client.create_or_find(&key(email), &attributes(email), false).await.unwrap_err();
    let expected = ClinchError::Rejected { status: 422, fields: vec!["email".into()] };
    assert_eq!(error, expected);
    assert!(!format!("{error} {error:?}").to_lowercase().contains("zyzzyva"));
}

#[tokio::test]
async fn jobs_applications_files_and_activities_are_read_and_written() {
    let Bench { fake, client, .. } = bench().await;
    let candidate = ClinchId::parse(&fake.add("jane@example.com")).unwrap();
    assert_eq!(client.jobs().await.unwrap().len(), 2);
    assert_eq!(client.job_by("7").await.unwrap().reference.as_deref(), Some("R-7"));
    let job = client.job_by("R-8").await.unwrap();
    assert_eq!(job.id.as_str(), "8");
    assert_eq!(client.job_by("R-9").await.unwrap_err(), ClinchError::NotFound);
    let seven = ClinchId::parse("7").unwrap();
    let stage = client.stages(&seven).await.unwrap().remove(0);
    assert_eq!(stage.name, "New");

    assert!(client.applications(&candidate).await.unwrap().is_empty());
    let application = client.apply(&candidate, &seven, Some(&stage.id)).await.unwrap();
    let there = client.applications(&candidate).await.unwrap().remove(0);
    assert_eq!((there.id, there.job, there.stage), (application, Some(seven), Some(stage.id)));

    let file =
        File { name: "cv.pdf", content_type: "application/pdf", bytes: b"%PDF-", kind: "resume" };
    client.attach(&candidate, &file).await.unwrap();
    let attached = client.attachments(&candidate).await.unwrap().remove(0);
    assert_eq!(attached.file_name.as_deref(), Some("cv.pdf"));
    assert_eq!(fake.account().parts[1].1["attributes"]["content"], "JVBERi0=");

    client.add_activity(&candidate, "tag", "rust").await.unwrap();
    let activity = client.activities(&candidate).await.unwrap().remove(0);
    assert_eq!(activity.body.as_deref(), Some("rust"));

    fake.fault("POST", Fault::CutAfter);
    let lost = client.add_activity(&candidate, "tag", "k8s").await.unwrap_err();
    assert_eq!(lost, ClinchError::Ambiguous(Doubt::Cut));
    assert_eq!(client.activities(&candidate).await.unwrap().len(), 2, "sent once");
}
