//! The tables, row by row.

use bytes::Bytes;

use super::*;
use crate::domain::{Disposition, Reason};

fn response(status: u16, headers: &[(&'static str, &str)], body: &str) -> Response {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, value.parse().unwrap());
    }
    let status = StatusCode::from_u16(status).unwrap();
    Response { status, headers: map, body: Bytes::copy_from_slice(body.as_bytes()) }
}

fn now() -> Timestamp {
    "2026-03-05T12:00:00Z".parse().unwrap()
}

#[test]
fn retry_table() {
    use Verdict::{Again, InDoubt, Stop};
    let status = |code: u16| Ok(response(code, &[], "{}"));
    let cut = Doubt::Cut;
    let page = |code: u16| Ok(response(code, &[], "<html>"));
    let said = |code: u16| Ok(response(code, &[], r#"{"errors":[{"status":"4xx"}]}"#));
    let typed =
        |code: u16, body| Ok(response(code, &[("content-type", "application/vnd.api+json")], body));
    let limited = InDoubt(Doubt::Status(429));
    let rows: [(Result<Response, CallError>, [Verdict; 3]); 32] = [
        // outcome                              read   idempotent  create
        (status(200), [Stop, Stop, Stop]),
        (status(201), [Stop, Stop, Stop]),
        (said(401), [Stop, Stop, Stop]),
        (status(401), [Stop, Stop, InDoubt(Doubt::Status(401))]),
        (status(409), [Stop, Stop, Stop]),
        (status(422), [Stop, Stop, Stop]),
        (page(400), [Stop, Stop, InDoubt(Doubt::Status(400))]),
        (page(401), [Stop, Stop, InDoubt(Doubt::Status(401))]),
        (page(404), [Stop, Stop, Stop]),
        (page(409), [Stop, Stop, InDoubt(Doubt::Status(409))]),
        (page(413), [Stop, Stop, Stop]),
        (page(499), [Stop, Stop, InDoubt(Doubt::Status(499))]),
        (status(501), [Stop, Stop, InDoubt(Doubt::Status(501))]),
        (status(511), [Stop, Stop, InDoubt(Doubt::Status(511))]),
        (status(600), [Stop, Stop, InDoubt(Doubt::Status(600))]),
        (status(408), [Again, Again, InDoubt(Doubt::Status(408))]),
        (status(425), [Again, Again, InDoubt(Doubt::Status(425))]),
        (said(429), [Again, Again, Again]),
        (typed(429, "{}"), [Again, Again, Again]),
        (typed(429, ""), [Again, Again, limited]),
        (status(429), [Again, Again, limited]),
        (page(429), [Again, Again, limited]),
        (status(500), [Again, Again, InDoubt(Doubt::Status(500))]),
        (status(502), [Again, Again, InDoubt(Doubt::Status(502))]),
        (status(503), [Again, Again, InDoubt(Doubt::Status(503))]),
        (status(504), [Again, Again, InDoubt(Doubt::Status(504))]),
        (status(524), [Again, Again, InDoubt(Doubt::Status(524))]),
        (Err(CallError::NoConnection(NoAnswer::ConnectionRefused)), [Again, Again, Again]),
        (Err(CallError::Tls), [Stop, Stop, Stop]),
        (Err(CallError::TimedOut), [Again, Again, InDoubt(Doubt::Timeout)]),
        (Err(CallError::Cut), [Again, Again, InDoubt(cut)]),
        (Err(CallError::ResponseTooLarge), [Stop, Stop, InDoubt(Doubt::Unclear)]),
    ];
    for (result, expected) in rows {
        let outcome = Outcome::of(&result);
        let got = [Effect::Read, Effect::Idempotent, Effect::Create].map(|e| outcome.verdict(e));
        assert_eq!(got, expected, "{result:?}");
    }
}

#[test]
fn each_response_maps_to_an_error_and_a_reason() {
    let html = [("content-type", "text/html; charset=utf-8")];
    let late = [("date", "Thu, 05 Mar 2026 13:00:00 GMT")];
    let near = [("date", "Thu, 05 Mar 2026 12:13:00 GMT")];
    let rows: [(Response, ClinchError, Reason); 14] = [
        (response(401, &[], ""), ClinchError::Unauthorized, Reason::CredentialsRejected),
        (response(401, &near, ""), ClinchError::Unauthorized, Reason::CredentialsRejected),
        (response(401, &late, ""), ClinchError::ClockSkew { seconds: 3600 }, Reason::ClockSkew),
        (response(400, &late, ""), ClinchError::ClockSkew { seconds: 3600 }, Reason::ClockSkew),
        (response(403, &[], ""), ClinchError::Forbidden, Reason::PermissionDenied),
        (
            response(403, &html, ""),
            ClinchError::NotClinch(NotClinchSign::Html),
            Reason::EndpointNotClinch,
        ),
        (
            response(200, &html, ""),
            ClinchError::NotClinch(NotClinchSign::Html),
            Reason::EndpointNotClinch,
        ),
        (
            response(302, &[], ""),
            ClinchError::NotClinch(NotClinchSign::Redirect),
            Reason::EndpointNotClinch,
        ),
        (
            response(404, &[], r#"{"errors":[{"status":"404"}]}"#),
            ClinchError::NotFound,
            Reason::DestinationNotFound,
        ),
        (response(409, &[], ""), ClinchError::Conflict, Reason::AlreadyExists),
        (response(413, &[], ""), ClinchError::TooLarge, Reason::TooLarge),
        (
            response(429, &[("retry-after", "7")], ""),
            ClinchError::RateLimited { retry_after: Some(Duration::from_secs(7)) },
            Reason::RateLimited,
        ),
        (
            response(503, &[("retry-after", "Thu, 05 Mar 2026 12:00:30 GMT")], ""),
            ClinchError::Unavailable {
                status: Some(503),
                retry_after: Some(Duration::from_secs(30)),
            },
            Reason::VendorUnavailable,
        ),
        (
            response(415, &[], "<html>"),
            ClinchError::Rejected { status: 415, fields: vec![] },
            Reason::RecordRejected,
        ),
    ];
    for (given, error, reason) in rows {
        let shown = format!("{given:?}");
        let got = interpret(given, Some(Op::GetCandidate), now()).unwrap_err();
        assert_eq!(got, error, "{shown}");
        assert_eq!(got.reason(), reason, "{shown}");
    }
    let list = interpret(response(404, &[], ""), Some(Op::ListCandidates), now()).unwrap_err();
    assert_eq!(list, ClinchError::NotClinch(NotClinchSign::NoList));
    assert_eq!(list.disposition(), Disposition::Stalled { reason: Reason::EndpointNotClinch });
}

#[test]
fn a_person_is_gone_only_in_the_words_of_the_application() {
    let html = [("content-type", "text/html; charset=utf-8")];
    let errors = r#"{"errors":[{"status":"404","title":"not found"}]}"#;
    for op in [Op::GetCandidate, Op::UpdateCandidate] {
        for status in [404, 410] {
            let of = |headers: &[(&'static str, &str)], body: &str| {
                interpret(response(status, headers, body), Some(op), now()).unwrap_err()
            };
            assert_eq!(of(&[], errors), ClinchError::NotFound);
            for body in ["<html>", errors] {
                let page = ClinchError::NotClinch(NotClinchSign::NotFoundPage);
                assert_eq!(of(&html, body), page);
            }
            for body in
                ["", "404 page not found", "{}", r#"{"message":"no Route"}"#, r#"{"errors":[]}"#]
            {
                let bare = of(&[], body);
                assert_eq!(bare, ClinchError::NotClinch(NotClinchSign::BareNotFound), "{body}");
                assert_eq!(bare.disposition(), Disposition::retry(Reason::EndpointNotClinch));
            }
        }
    }
    // What is not about a person: a document that is not there, a job that is not.
    for op in [None, Some(Op::GetJob)] {
        let error = interpret(response(404, &html, ""), op, now()).unwrap_err();
        assert_eq!(error, ClinchError::NotFound);
    }
}

#[test]
fn rejections_name_attributes_and_never_quote_the_response() {
    let body = r#"{"errors":[
        {"code":"taken","title":"jane@example.com","detail":"jane@example.com is taken",
         "source":{"pointer":"/data/attributes/email"}},
        {"code":"jane@example.com","source":{"pointer":"/data/attributes/jane@example.com"}},
        {"source":{"pointer":"/data/attributes/tags/3"}},
        {"source":{"pointer":"/data/attributes/email"}}]}"#;
    let error = interpret(response(422, &[], body), Some(Op::CreateCandidate), now()).unwrap_err();
    let expected =
        ClinchError::Rejected { status: 422, fields: vec!["email".into(), "tags".into()] };
    assert_eq!(error, expected);
    assert!(!format!("{error} {error:?}").contains("jane"));
    assert_eq!(error.to_string(), "Clinch refused the record (422): email, tags");
}

#[test]
fn delays_are_bounded_and_never_negative() {
    let with = |value| retry_after(&response(429, &[("retry-after", value)], "").headers, now());
    assert_eq!(with("99999999"), Some(Duration::from_secs(3600)));
    assert_eq!(with("Thu, 05 Mar 2026 11:00:00 GMT"), Some(Duration::ZERO));
    for none in ["soon", "", "-1", "1e3", "Thu, 05 Mar 2026"] {
        assert_eq!(with(none), None, "{none}");
    }
    for (text, expected) in [("3.5", 4), ("3.0", 3), ("3, 5", 5), ("7,7", 7)] {
        assert_eq!(with(text), Some(Duration::from_secs(expected)), "{text}");
    }
    for none in ["3.", ".5", "3,", "3, soon"] {
        assert_eq!(with(none), None, "{none}");
    }
    let longest = Some(Duration::from_secs(3600));
    for long in ["18446744073709551616", "9".repeat(400).as_str(), "Fri, 31 Dec 9999 23:59:59 GMT"]
    {
        assert_eq!(with(long), longest, "an overlong delay is a long delay: {long}");
    }
}

#[test]
fn dates_are_read_in_each_format_of_http() {
    for date in [
        "Thu, 05 Mar 2026 12:00:30 GMT",
        "Thursday, 05-Mar-26 12:00:30 GMT",
        "Thu Mar  5 12:00:30 2026",
        "Thu, 05 Mar 2026 14:00:30 +0200",
    ] {
        let response = response(503, &[("retry-after", date), ("date", date)], "");
        let half = Some(Duration::from_secs(30));
        assert_eq!(retry_after(&response.headers, now()), half, "{date}");
        assert_eq!(skew_seconds(&response.headers, now()), Some(30), "{date}");
    }
}

#[test]
fn every_response_that_is_no_success_may_ask_for_a_delay() {
    let asked = |status| postpones(&response(status, &[("retry-after", "20")], ""), now());
    for status in [202, 301, 307, 400, 401, 403, 404, 408, 409, 422, 500, 501, 502, 503, 504, 524] {
        assert_eq!(asked(status), Some(Duration::from_secs(20)), "{status}");
    }
    // The bucket learns from a 429; a success is no reason to wait.
    for status in [200, 201, 204, 429] {
        assert_eq!(asked(status), None, "{status}");
    }
    assert_eq!(postpones(&response(503, &[("retry-after", "0")], ""), now()), None);
    let mut two = response(503, &[("retry-after", "5")], "");
    two.headers.append("retry-after", "8".parse().unwrap());
    assert_eq!(postpones(&two, now()), Some(Duration::from_secs(8)), "the longest");
}

#[test]
fn a_read_whose_answer_is_garbled_is_repeated_and_a_create_is_not() {
    use Verdict::{Again, Stop};
    let html = [("content-type", "text/html")];
    for (garbled, expected) in [
        (response(200, &html, "<html>Maintenance</html>"), [Again, Again, Stop]),
        (response(200, &[], r#"{"data": [{"id""#), [Again, Stop, Stop]),
        (response(200, &[], ""), [Again, Stop, Stop]),
        (response(200, &[], r#"{"data": []}"#), [Stop, Stop, Stop]),
    ] {
        let outcome = Outcome::of(&Ok(garbled));
        let got = [Effect::Read, Effect::Idempotent, Effect::Create].map(|e| outcome.verdict(e));
        assert_eq!(got, expected, "{outcome:?}");
    }
}
