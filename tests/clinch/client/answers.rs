//! Answers that no Clinch should give, outages, limits and rejected credentials.

use std::{
    io::Write as _,
    sync::Arc,
    time::{Duration, Instant},
};

use clinch_operator::clinch::{Client, ClinchError, Doubt, NotClinchSign, Registry};

use crate::{
    client::bench::{Bench, DATE, Seen, attributes, bench, config, deps, key},
    fake_clinch::{Fake, Fault, answer, raw},
};

/// Fails one read with all its attempts.
fn fail_reads(fake: &Fake) {
    for _ in 0..4 {
        fake.fault("GET", Fault::Raw(answer(503, DATE, "")));
    }
}

#[tokio::test]
async fn integrations_of_one_account_meet_its_outage_together_and_a_401_alone() {
    let fake = Fake::start().await;
    let seen = Arc::new(Seen::default());
    let registry = Registry::new(deps(&fake.origin(), &seen));
    let config = config(&fake.origin());
    let one = registry.client("one", &config).unwrap();
    let other = registry.client("other", &config).unwrap();
    for _ in 0..5 {
        fake.fault("POST", Fault::Raw(answer(503, DATE, "")));
        one.create(&attributes("jane@example.com")).await.unwrap_err();
    }
    fail_reads(&fake);
    let silent = other.create(&attributes("jane@example.com")).await.unwrap_err();
    assert!(matches!(silent, ClinchError::Unavailable { status: None, .. }), "{silent:?}");
    assert_eq!(fake.count("POST"), 5, "nothing was sent for the other");
    other.probe().await.unwrap();

    fake.behave(|b| b.accept_credentials = false);
    assert_eq!(one.verify().await.unwrap_err(), ClinchError::Unauthorized);
    fake.behave(|b| b.accept_credentials = true);
    assert_eq!(one.verify().await.unwrap_err(), ClinchError::Unauthorized, "known as rejected");
    assert!(!*other.rejected().borrow());
    other.verify().await.expect("the rejection is the other client's");
}

#[tokio::test]
async fn reads_survive_limits_outages_cuts_and_stalls() {
    let Bench { fake, seen, client } = bench().await;
    fake.add("jane@example.com");
    let start = Instant::now();
    fake.fault("GET", Fault::Raw(raw(429, "retry-after: 1\r\n", "")));
    client.find(&key("jane@example.com")).await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1), "{:?}", start.elapsed());
    for fault in [Fault::Raw(answer(503, DATE, "")), Fault::CutBefore, Fault::Stall] {
        fake.fault("GET", fault);
        assert_eq!(client.find(&key("jane@example.com")).await.unwrap().len(), 1);
    }
    assert_eq!(*seen.paused.lock().unwrap(), Duration::from_secs(1), "as the 429 asked");
    let classes: Vec<_> = seen.attempts.lock().unwrap().iter().map(|(_, class)| *class).collect();
    assert_eq!(classes, ["429", "2xx", "5xx", "2xx", "none", "2xx", "abandoned", "2xx"]);
}

#[tokio::test]
async fn answers_that_are_not_clinch_are_named() {
    let Bench { fake, client, .. } = bench().await;
    let html = "content-type: text/html\r\n";
    for (answer, sign, attempts) in [
        (raw(302, "location: http://127.0.0.1:9/\r\n", ""), NotClinchSign::Redirect, 2),
        (raw(200, html, "<html>"), NotClinchSign::Html, 4),
        (raw(200, "", r#"{"ok":true}"#), NotClinchSign::NoData, 1),
        (raw(200, "", r#"{"data":[{"id":"#), NotClinchSign::NoData, 4),
        (raw(404, html, "<html>"), NotClinchSign::NoList, 1),
    ] {
        if attempts > 1 {
            fake.fault("GET", Fault::Raw(answer.clone()));
            client.verify().await.expect("a stray one is looked at again");
        }
        for _ in 0..attempts {
            fake.fault("GET", Fault::Raw(answer.clone()));
        }
        assert_eq!(client.verify().await.unwrap_err(), ClinchError::NotClinch(sign));
    }
}

/// The message names the request, and what makes its answer smaller.
fn assert_too_large(error: &ClinchError) {
    assert!(matches!(error, ClinchError::AnswerTooLarge { list: true, .. }), "{error}");
    let message = error.to_string();
    assert!(message.contains("listCandidates"), "{message}");
    assert!(message.contains("spec.contractOverrides.maxPageSize"), "{message}");
}

#[tokio::test]
async fn an_answer_is_cut_off_at_its_cap_also_when_it_is_compressed() {
    let Bench { fake, client, .. } = bench().await;
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    bomb.write_all(&vec![b' '; 64 * 1024 * 1024]).unwrap();
    let bomb = bomb.finish().unwrap();
    assert!(bomb.len() < 100_000);
    fake.fault("GET", Fault::Raw(raw(200, "content-encoding: gzip\r\n", &bomb)));
    assert_too_large(&client.verify().await.unwrap_err());
    fake.fault("GET", Fault::Raw(raw(200, "", vec![b' '; 5 * 1024 * 1024])));
    assert_too_large(&client.verify().await.unwrap_err());
}

#[tokio::test]
async fn a_401_stops_every_later_call_until_a_probe_is_accepted() {
    let Bench { fake, seen, client } = bench().await;
    let mut rejected = client.rejected();
    fake.behave(|b| b.accept_credentials = false);
    assert_eq!(client.verify().await.unwrap_err(), ClinchError::Unauthorized);
    assert!(*rejected.borrow_and_update());
    assert_eq!(seen.rejected.lock().unwrap().as_slice(), ["uid"]);
    for _ in 0..5 {
        assert_eq!(client.verify().await.unwrap_err(), ClinchError::Unauthorized);
    }
    assert_eq!(fake.count("GET"), 1, "a rejected credential is not sent again");
    assert_eq!(client.probe().await.unwrap_err(), ClinchError::Unauthorized);
    fake.behave(|b| b.accept_credentials = true);
    assert!(client.verify().await.is_err());
    client.probe().await.unwrap();
    client.verify().await.unwrap();
    assert!(!*rejected.borrow_and_update());
    assert_eq!(seen.rejected.lock().unwrap().len(), 1, "reported once");
}

#[tokio::test]
async fn a_wrong_clock_is_distinguished_from_a_wrong_credential() {
    let Bench { fake, client, .. } = bench().await;
    fake.behave(|b| {
        b.accept_credentials = false;
        b.date = "Thu, 05 Mar 2026 12:20:00 GMT".into();
    });
    let skew = client.verify().await.unwrap_err();
    assert_eq!(skew, ClinchError::ClockSkew { seconds: 1200 });
    fake.behave(|b| b.accept_credentials = true);
    client.verify().await.expect("a skew says nothing about the credential");
}

#[tokio::test]
async fn an_outage_is_answered_with_silence_until_it_is_time_to_probe() {
    let Bench { fake, client, .. } = bench().await;
    fail_creates(&fake, &client).await;
    fail_reads(&fake);
    let is_silent =
        |error: &ClinchError| matches!(error, ClinchError::Unavailable { status: None, .. });
    let tried = client.create(&attributes("jane@example.com")).await.unwrap_err();
    assert!(is_silent(&tried), "{tried:?}");
    let sent = fake.account().requests.len();
    let silent = client.find(&key("jane@example.com")).await.unwrap_err();
    assert!(is_silent(&silent), "{silent:?}");
    assert_eq!(fake.account().requests.len(), sent);
    assert_eq!(fake.count("POST"), 5);
    client.probe().await.unwrap();
    client.verify().await.expect("an accepted probe opens it");
}

/// Fails five creates.
async fn fail_creates(fake: &Fake, client: &Client) {
    for _ in 0..5 {
        fake.fault("POST", Fault::Raw(answer(503, DATE, "")));
        let doubt = client.create(&attributes("jane@example.com")).await.unwrap_err();
        assert_eq!(doubt, ClinchError::Ambiguous(Doubt::Status(503)));
    }
}

#[tokio::test]
async fn failures_that_are_about_the_records_hold_up_no_other_request() {
    let Bench { fake, client, .. } = bench().await;
    fail_creates(&fake, &client).await;
    client.create(&attributes("jack@example.com")).await.expect("the plain list is answered");
    assert_eq!((fake.count("GET"), fake.count("POST")), (1, 6));
}
