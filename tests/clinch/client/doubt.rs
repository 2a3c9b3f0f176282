//! Requests in doubt: an answer that is lost, late or wrong never makes a second person.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use clinch_operator::{
    clinch::{Client, ClientDeps, ClinchError, Creation, Doubt},
    domain::{ClinchId, Disposition, Reason},
    network::OutboundProxy,
    pipeline::{ClinchCrm, Crm as _, CrmFailure, Ensure, JobStage, SeenSource},
};

use crate::{
    client::bench::{Bench, DATE, Seen, attributes, bench, bench_with, config, deps, key, resume},
    fake_clinch::{Duplicate, Fake, Fault, answer, raw},
};

/// When a request is carried out after its answer: later than a look-up that does not wait, and well
/// before one that does.
const LATE: Duration = Duration::from_millis(100);

#[tokio::test]
async fn a_create_whose_answer_is_lost_makes_exactly_one_person() {
    let faults = [
        (Fault::CutBefore, "created"),
        (Fault::CutAfter, "recovered"),
        (Fault::CutThenServe(LATE), "recovered"),
        (Fault::Raw(answer(503, DATE, "")), "created"),
        (Fault::ServeThen(answer(502, DATE, "<html>")), "recovered"),
        (Fault::ServeThen(answer(201, DATE, r#"{"data":{"type":"#)), "recovered"),
        (Fault::ServeThen(answer(201, DATE, r#"{"data":{"attributes":{}}}"#)), "recovered"),
        (Fault::ServeThen(answer(202, DATE, "")), "recovered"),
        (Fault::ServeThen(raw(200, "content-type: text/html\r\n", "<html>")), "recovered"),
        (Fault::ServeThen(raw(303, "location: /v2/candidates\r\n", "")), "recovered"),
        (Fault::ServeThen(raw(201, "", vec![b' '; 2 * 1024 * 1024])), "recovered"),
        (Fault::Raw(raw(429, "retry-after: 0\r\n", "")), "created"),
    ];
    for (n, (fault, expected)) in faults.into_iter().enumerate() {
        let Bench { fake, client, .. } = bench().await;
        // No uniqueness on the server: only the client prevents a duplicate after a fault.
        fake.behave(|b| b.duplicate = Duplicate::Allow);
        client.verify().await.unwrap();
        fake.fault("POST", fault);
        let email = "jane@example.com";
        let created = client.create_or_find(&key(email), &attributes(email), false).await;
        let how = match created.unwrap() {
            Creation::Created(_) => "created",
            Creation::Recovered(_) => "recovered",
            other => panic!("fault {n}: {other:?}"),
        };
        assert_eq!((how, fake.account().people.len()), (expected, 1), "fault {n}");
    }
}

/// Every answer that a request may get while it is still being carried out.
fn said_too_early() -> Vec<Fault> {
    let html = "content-type: text/html\r\n";
    let status = |code| answer(code, DATE, "");
    [500, 501, 502, 503, 504, 511, 524, 401, 407, 408, 400, 409, 425, 429, 499, 202]
        .map(status)
        .into_iter()
        .chain([
            raw(200, html, "<html>"),
            raw(400, html, "<html>"),
            raw(401, html, "<html>"),
            raw(429, html, "<html>"),
            raw(429, "content-type: application/json\r\n", r#"{"message": "slow down"}"#),
            raw(403, html, "<html>"),
            raw(303, "location: /v2/candidates\r\n", ""),
            raw(200, "", "OK"),
            raw(201, "", vec![b' '; 2 * 1024 * 1024]),
            answer(201, DATE, r#"{"data":{"type":"#),
            // The application may have put it into a queue.
            answer(200, DATE, r#"{"data":null}"#),
            answer(201, DATE, r#"{"data":{"type":"candidate","attributes":{}}}"#),
        ])
        .map(|answer| Fault::AnswerThenServe(answer, LATE))
        .chain([Fault::CutThenServe(LATE)])
        .collect()
}

/// A bench for each of them, with timeouts so long that only they leave a doubt.
async fn patient_benches() -> Vec<(Fault, Bench)> {
    let mut benches = Vec::new();
    for fault in said_too_early() {
        let bench = bench_with(|config| {
            config.timeouts.attempt = Duration::from_secs(30);
            config.timeouts.operation = Duration::from_secs(90);
        });
        benches.push((fault, bench.await));
    }
    benches
}

#[tokio::test]
async fn a_create_that_is_carried_out_after_its_answer_makes_exactly_one_person() {
    let one_after = async |(n, (fault, Bench { fake, client, .. })): (usize, (Fault, Bench))| {
        fake.behave(|b| b.duplicate = Duplicate::Allow);
        fake.fault("POST", fault);
        let email = "jane@example.com";
        let created = client.create_or_find(&key(email), &attributes(email), false).await.unwrap();
        // A 409 may be about somebody who was there before.
        let one = matches!(created, Creation::Recovered(_) | Creation::Found(_));
        assert!(one, "fault {n}: {created:?}");
        assert_eq!((fake.count("POST"), fake.account().people.len()), (1, 1), "fault {n}");
    };
    let all = patient_benches().await.into_iter().enumerate();
    futures::future::join_all(all.map(one_after)).await;
}

#[tokio::test]
async fn a_step_that_is_carried_out_after_its_answer_is_done_exactly_once() {
    let one_after = async |(n, (fault, Bench { fake, client, .. })): (usize, (Fault, Bench))| {
        let crm = ClinchCrm::new(client, SeenSource::new(|| {}));
        let jane = ClinchId::parse(&fake.add("jane@example.com")).unwrap();
        let id = |text| ClinchId::parse(text).unwrap();
        fake.fault("POST", fault.clone());
        assert!(crm.ensure_attachment(&jane, &resume(), Ensure::Missing).await.unwrap());
        assert_eq!((fake.count("POST"), fake.account().parts.len()), (1, 1), "file, fault {n}");
        fake.fault("POST", fault.clone());
        let stage = JobStage { job: id("7"), stage: id("s1") };
        assert!(crm.ensure_application(&jane, &stage, Ensure::Missing).await.unwrap());
        fake.fault("POST", fault);
        assert!(crm.ensure_activity(&jane, "tag", "rust", Ensure::Missing).await.unwrap());
        assert_eq!((fake.count("POST"), fake.account().parts.len()), (3, 3), "fault {n}");
    };
    let all = patient_benches().await.into_iter().enumerate();
    futures::future::join_all(all.map(one_after)).await;
}

#[tokio::test]
async fn a_refusal_that_need_not_come_from_the_application_is_one_if_nobody_is_found() {
    for (code, error) in [
        (400, ClinchError::Rejected { status: 400, fields: Vec::new() }),
        (409, ClinchError::Conflict),
    ] {
        let Bench { fake, client, .. } = bench().await;
        fake.fault("POST", Fault::Raw(raw(code, "content-type: text/html\r\n", "<html>")));
        let email = "jane@example.com";
        let refused = client.create_or_find(&key(email), &attributes(email), true).await;
        assert_eq!(refused.unwrap_err(), error);
        assert_eq!((fake.count("POST"), fake.account().people.len()), (1, 0), "not sent again");
        assert_eq!(fake.count("GET"), 2, "looked up at once and after the wait");
    }
}

#[tokio::test]
async fn a_429_or_401_of_the_application_is_sent_again_without_a_look() {
    let errors = r#"{"errors":[{"status":"429"}]}"#;
    let json = "content-type: application/json\r\n";
    for fault in [
        answer(429, DATE, "{}"),
        raw(429, &format!("{json}retry-after: 0\r\n"), errors),
        raw(401, json, errors),
    ] {
        let Bench { fake, client, .. } = bench().await;
        fake.fault("POST", Fault::Raw(fault.clone()));
        let email = "jane@example.com";
        let created = client.create_or_find(&key(email), &attributes(email), true).await.unwrap();
        assert!(matches!(created, Creation::Created(_)), "{created:?}");
        // A plain list shows that the credential is good.
        let probes = usize::from(fault.starts_with(b"HTTP/1.1 401"));
        assert_eq!((fake.count("POST"), fake.count("GET")), (2, probes), "{fault:?}");
    }
}

#[tokio::test]
async fn nobody_is_created_where_something_in_between_answers_429_or_401_each_time() {
    let html = "content-type: text/html\r\n";
    let signature = ClinchError::SignatureRefused { request: "POST /candidates".to_owned() };
    let limited = ClinchError::RateLimited { retry_after: None };
    for (code, error, sent) in [(429, limited, 2..100), (401, signature, 2..3)] {
        let Bench { fake, client, .. } = bench_with(|config| {
            config.timeouts.operation = Duration::from_secs(2);
        })
        .await;
        for _ in 0..100 {
            fake.fault("POST", Fault::Raw(raw(code, html, "<html>")));
        }
        let email = "jane@example.com";
        let refused = client.create_or_find(&key(email), &attributes(email), true).await;
        assert_eq!(refused.unwrap_err(), error);
        assert!(sent.contains(&fake.count("POST")), "{} of {code}", fake.count("POST"));
        assert!(fake.account().people.is_empty());
        assert!(!*client.rejected().borrow(), "the credential is good");
        // Where it cannot be looked up what became of it.
        let unknown = client.create(&attributes(email)).await.unwrap_err();
        assert_eq!(unknown, ClinchError::Ambiguous(Doubt::Status(code)));
        let reason = if code == 429 { Reason::RateLimited } else { Reason::RequestAltered };
        assert_eq!(unknown.disposition(), Disposition::retry(reason));

        let crm = ClinchCrm::new(client, SeenSource::new(|| {}));
        let jane = ClinchId::parse(&fake.add(email)).unwrap();
        let refused = crm.ensure_attachment(&jane, &resume(), Ensure::Missing).await.unwrap_err();
        let as_expected = match code {
            429 => matches!(refused, CrmFailure::Later { .. }),
            _ => matches!(&refused, CrmFailure::Record(cause) if cause.message.contains("POST /")),
        };
        assert!(as_expected, "{refused:?}");
    }
}

#[tokio::test]
async fn a_create_that_is_not_answered_in_time_stays_undecided_unless_it_is_found() {
    let Bench { fake, client, .. } = bench().await;
    fake.fault("POST", Fault::Stall);
    let email = "jane@example.com";
    let lost = client.create_or_find(&key(email), &attributes(email), false).await.unwrap_err();
    assert_eq!(lost, ClinchError::Ambiguous(Doubt::Timeout));
    assert_eq!((fake.count("POST"), fake.account().people.len()), (1, 0), "not sent again");

    // Carried out after the wait for its answer, between the two look-ups that follow.
    fake.fault("POST", Fault::StallUntilRead);
    let created = client.create_or_find(&key(email), &attributes(email), true).await.unwrap();
    assert!(matches!(created, Creation::Recovered(_)), "{created:?}");
    assert_eq!((fake.count("POST"), fake.account().people.len()), (2, 1));
}

#[tokio::test]
async fn a_step_that_is_not_answered_in_time_is_not_written_again() {
    let Bench { fake, client, .. } = bench().await;
    let crm = ClinchCrm::new(client, SeenSource::new(|| {}));
    let jane = ClinchId::parse(&fake.add("jane@example.com")).unwrap();
    fake.fault("POST", Fault::Stall);
    let lost = crm.ensure_attachment(&jane, &resume(), Ensure::Missing).await.unwrap_err();
    assert!(matches!(lost, CrmFailure::Undecided { .. }), "{lost:?}");
    assert_eq!((fake.count("POST"), fake.account().parts.len()), (1, 0));
}

#[tokio::test]
async fn the_quiet_wait_grows_with_how_long_creates_take() {
    let Bench { fake, client, .. } = bench_with(|config| {
        config.timeouts.attempt = Duration::from_secs(10);
        config.timeouts.orphaned = Duration::from_secs(10);
        config.timeouts.quiet = Duration::from_millis(50);
    })
    .await;
    fake.behave(|b| b.duplicate = Duplicate::Allow);
    assert_eq!(client.lookup_delay(), Duration::from_millis(50));
    assert_eq!(client.longest_request(), Duration::from_secs(10));
    let slow = Duration::from_millis(300);
    fake.fault("POST", Fault::ServeAfter(slow));
    client.create(&attributes("joan@example.com")).await.unwrap();
    assert!(client.lookup_delay() >= 2 * slow, "{:?}", client.lookup_delay());

    fake.fault("POST", Fault::AnswerThenServe(answer(504, DATE, ""), slow));
    let email = "jane@example.com";
    let created = client.create_or_find(&key(email), &attributes(email), false).await.unwrap();
    assert!(matches!(created, Creation::Recovered(_)), "{created:?}");
    assert_eq!(fake.account().people.len(), 2, "Joan and one Jane");
}

#[tokio::test]
async fn the_quiet_wait_is_never_longer_than_an_answer_is_awaited() {
    let Bench { fake, client, .. } =
        bench_with(|config| config.timeouts.attempt = Duration::from_secs(2)).await;
    fake.fault("POST", Fault::ServeAfter(Duration::from_millis(1100)));
    client.create(&attributes("joan@example.com")).await.unwrap();
    assert_eq!(client.lookup_delay(), Duration::from_secs(2));
}

#[tokio::test]
async fn an_answer_of_the_application_without_an_id_needs_no_quiet_wait() {
    let Bench { fake, client, .. } = bench_with(|config| {
        config.timeouts.attempt = Duration::from_secs(120);
        config.timeouts.quiet = Duration::from_secs(60);
    })
    .await;
    let start = Instant::now();
    for (email, status) in [("jane@example.com", 201), ("joan@example.com", 200)] {
        fake.fault("POST", Fault::ServeThen(answer(status, DATE, r#"{"data":{"attributes":{}}}"#)));
        let created = client.create_or_find(&key(email), &attributes(email), false).await.unwrap();
        assert!(matches!(created, Creation::Recovered(_)), "{created:?}");
    }
    client.await_doubt(Doubt::NoId).await;
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
}

#[tokio::test]
async fn the_layer_never_repeats_a_doubtful_create_by_itself() {
    let Bench { fake, client, .. } = bench().await;
    fake.fault("POST", Fault::CutAfter);
    let lost = client.create(&attributes("jane@example.com")).await.unwrap_err();
    assert_eq!(lost, ClinchError::Ambiguous(Doubt::Cut));
    assert_eq!(fake.count("POST"), 1);
    fake.fault("POST", Fault::Stall);
    let lost = client.create(&attributes("joan@example.com")).await.unwrap_err();
    assert_eq!(lost, ClinchError::Ambiguous(Doubt::Timeout));
    assert_eq!(fake.count("POST"), 2);
}

#[tokio::test]
async fn an_answer_that_shows_somebody_else_is_believed_only_if_nobody_is_found() {
    let shown = |id: &str, attributes: &str| {
        format!(r#"{{"data":{{"type":"candidate","id":"{id}","attributes":{{{attributes}}}}}}}"#)
    };
    let joan = r#""email":"joan@example.com""#;
    let answers = [
        // The answer to another request.
        (Fault::ServeThen(answer(201, DATE, &shown("1", joan))), "recovered", 2),
        (Fault::ServeThen(answer(200, DATE, &shown("1", joan))), "recovered", 2),
        (Fault::AnswerThenServe(answer(201, DATE, &shown("1", joan)), LATE), "recovered", 2),
        // Clinch has changed Joan instead.
        (Fault::Raw(answer(200, DATE, &shown("1", joan))), "refused", 1),
        // Clinch keeps the address in another form.
        (
            Fault::Raw(answer(201, DATE, &shown("2", r#""email":"ja.ne@example.com""#))),
            "created",
            1,
        ),
        (Fault::Raw(answer(201, DATE, &shown("2", r#""email":"JANE@EXAMPLE.COM""#))), "created", 1),
        (Fault::Raw(answer(201, DATE, &shown("2", ""))), "created", 1),
        // Nobody who was just created is anonymised.
        (Fault::Raw(answer(201, DATE, &shown("2", r#""anonymized":true"#))), "upserted", 1),
    ];
    for (n, (fault, expected, people)) in answers.into_iter().enumerate() {
        let Bench { fake, client, .. } = bench().await;
        fake.behave(|b| b.duplicate = Duplicate::Allow);
        let there = fake.add("joan@example.com");
        fake.fault("POST", fault);
        let email = "jane@example.com";
        let how = match client.create_or_find(&key(email), &attributes(email), true).await {
            Ok(Creation::Created(_)) => "created",
            Ok(Creation::Upserted(_)) => "upserted",
            Ok(Creation::Recovered(jane)) if jane.id.as_str() != there => "recovered",
            Err(ClinchError::OtherPerson) => "refused",
            other => panic!("answer {n}: {other:?}"),
        };
        assert_eq!(how, expected, "answer {n}");
        assert_eq!((fake.count("POST"), fake.account().people.len()), (1, people), "answer {n}");
    }

    let Bench { fake, client, .. } = bench().await;
    fake.fault("POST", Fault::Raw(answer(200, DATE, &shown("1", joan))));
    let without_a_look = client.create(&attributes("jane@example.com")).await.unwrap_err();
    assert_eq!(without_a_look, ClinchError::Ambiguous(Doubt::Unclear));
}

#[tokio::test]
async fn an_answer_with_another_id_is_believed_only_if_it_comes_twice() {
    let Bench { fake, client, .. } = bench().await;
    let ids = ["jane@example.com", "joan@example.com"].map(|email| fake.add(email));
    let [jane, joan] = ids.map(|id| ClinchId::parse(&id).unwrap());
    let answer_of = |id: &ClinchId| {
        let body = format!(r#"{{"data":{{"type":"candidate","id":"{id}","attributes":{{}}}}}}"#);
        Fault::Raw(answer(200, DATE, &body))
    };
    fake.fault("GET", answer_of(&joan));
    assert_eq!(client.get(&jane).await.unwrap().id, jane, "it was that to another request");
    fake.fault("GET", answer_of(&joan));
    fake.fault("GET", answer_of(&joan));
    assert_eq!(client.get(&jane).await.unwrap().id, joan, "they were merged");
    let ids = ["a", "b", "c", "d"].map(|id| ClinchId::parse(id).unwrap());
    ids.iter().for_each(|id| fake.fault("GET", answer_of(id)));
    client.get(&jane).await.unwrap_err();
    assert_eq!(client.get(&jane).await.unwrap().id, jane, "not read more often");
}

#[tokio::test]
async fn a_create_that_a_proxy_answers_407_is_looked_up() {
    let (fake, seen) = (Fake::start().await, Arc::new(Seen::default()));
    fake.behave(|b| b.duplicate = Duplicate::Allow);
    let proxy = OutboundProxy::parse(&fake.origin(), []).unwrap();
    let deps = ClientDeps { proxy, ..deps(&fake.origin(), &seen) };
    let client = Client::connect("uid", config(&fake.origin()), &deps).unwrap();
    fake.fault("GET", Fault::Raw(raw(407, "", "")));
    client.verify().await.expect("a read that the proxy refuses is sent again");
    fake.fault("POST", Fault::ServeThen(raw(407, "", "")));
    let email = "jane@example.com";
    let created = client.create_or_find(&key(email), &attributes(email), true).await.unwrap();
    assert!(matches!(created, Creation::Recovered(_)), "{created:?}");
    assert_eq!((fake.count("POST"), fake.account().people.len()), (1, 1));
}
