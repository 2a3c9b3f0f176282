//! The signature check against vectors and the acceptance matrix made with the real gem.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use clinch_operator::sandbox::{Generation, SignatureCheck, SignedRequest};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::{Timestamp, ToSpan};
use md5::Md5;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::support::{http_date, sha1};

const BOTH: [Generation; 2] = [Generation::Md5, Generation::Sha256];
const KEY: &str = "AKCLINCH01";
const SECRET: &str = "s3cr3t/Key+with=chars==";
const NOW: &str = "2019-11-28T09:44:23Z";
const BODY: &str = r#"{"data":{"type":"candidate","attributes":{}}}"#;

#[derive(Deserialize)]
struct File {
    vectors: Vec<Vector>,
    clinch_js_client_vectors: Vec<Vector>,
    server_acceptance: BTreeMap<String, BTreeMap<String, serde_json::Value>>,
}

#[derive(Deserialize)]
struct Vector {
    name: String,
    method: String,
    uri: String,
    headers: BTreeMap<String, String>,
    body: Option<String>,
    access_id: String,
    secret: String,
    authorization: String,
}

fn file() -> File {
    serde_json::from_str(include_str!("../../data/hmac-vectors.json")).unwrap()
}

fn headers<N: AsRef<str>, V: AsRef<str>>(pairs: impl IntoIterator<Item = (N, V)>) -> HeaderMap {
    let header = |(name, value): (N, V)| {
        let name = HeaderName::from_bytes(name.as_ref().as_bytes()).unwrap();
        (name, HeaderValue::from_str(value.as_ref()).unwrap())
    };
    pairs.into_iter().map(header).collect()
}

fn verify(vector: &Vector, check: SignatureCheck, secret: &str) -> Option<String> {
    let mut headers = headers(&vector.headers);
    headers.insert("authorization", vector.authorization.parse().unwrap());
    let date = jiff::fmt::rfc2822::parse(&vector.headers["Date"]).unwrap().timestamp();
    let body = vector.body.as_deref().unwrap_or_default().as_bytes();
    let request = SignedRequest {
        method: &vector.method,
        path_and_query: &vector.uri,
        headers: &headers,
        body,
    };
    check.verify(&request, |key| (key == vector.access_id).then_some(secret), date)
}

#[test]
fn every_vector_is_accepted_by_the_generations_that_hash_as_it_does() {
    let file = file();
    let mut seen = 0;
    for vector in file.vectors.iter().chain(&file.clinch_js_client_vectors) {
        for generation in BOTH {
            let check = SignatureCheck { generation, legacy: false };
            let foreign = match generation {
                Generation::Md5 => "X-Authorization-Content-SHA256",
                Generation::Sha256 => "Content-MD5",
            };
            let expected =
                (!vector.headers.contains_key(foreign)).then(|| vector.access_id.clone());
            let found = verify(vector, check, &vector.secret);
            assert_eq!(found, expected, "{} {generation:?}", vector.name);
            assert_eq!(verify(vector, check, "another"), None, "{}", vector.name);
            seen += 1;
        }
    }
    assert_eq!(seen, 36, "the vector file has changed its shape");
}

/// A request of the acceptance matrix.
struct Case {
    method: &'static str,
    uri: &'static str,
    headers: Vec<(&'static str, String)>,
    canonical: String,
    secret: &'static str,
    scheme: &'static str,
    authorization: Option<&'static str>,
}

impl Case {
    /// Five fields, nothing special.
    fn new(method: &'static str, content_type: &str, hash: &str, date: &str) -> Self {
        let uri = "/v2/candidates";
        let mut headers = vec![("date", date.to_owned())];
        if !content_type.is_empty() {
            headers.push(("content-type", content_type.to_owned()));
        }
        Self {
            method,
            uri,
            headers,
            canonical: format!("{method},{content_type},{hash},{uri},{date}"),
            secret: SECRET,
            scheme: "APIAuth",
            authorization: Some("authorization"),
        }
    }

    fn get_at(date: &str) -> Self {
        Self::new("GET", "", "", date)
    }

    fn sent(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    fn without_date(mut self) -> Self {
        self.headers.retain(|(name, _)| *name != "date");
        self
    }

    fn accepted(mut self, check: SignatureCheck) -> bool {
        let signature = if self.scheme == "APIAuth" {
            sha1(self.secret, &self.canonical)
        } else {
            let mut mac =
                <Hmac<Sha256> as KeyInit>::new_from_slice(self.secret.as_bytes()).unwrap();
            mac.update(self.canonical.as_bytes());
            STANDARD.encode(mac.finalize().into_bytes())
        };
        if let Some(name) = self.authorization {
            self.headers.push((name, format!("{} {KEY}:{signature}", self.scheme)));
        }
        let headers = headers(self.headers);
        let request = SignedRequest {
            method: self.method,
            path_and_query: self.uri,
            headers: &headers,
            body: if self.method == "GET" { b"" } else { BODY.as_bytes() },
        };
        let secret_of = |key: &str| (key == KEY).then_some(SECRET);
        check.verify(&request, secret_of, NOW.parse().unwrap()).is_some()
    }
}

fn off_by(seconds: i64) -> String {
    http_date(NOW.parse::<Timestamp>().unwrap() + seconds.seconds())
}

fn case(name: &str) -> Case {
    const JSON: &str = "application/vnd.api+json";
    let now = off_by(0);
    let md5 = STANDARD.encode(Md5::digest(BODY));
    let wrong = STANDARD.encode(Md5::digest("another body"));
    let sha256 = STANDARD.encode(Sha256::digest(BODY));
    match name {
        "GET 5-field" => Case::get_at(&now),
        "GET path signed without query" => {
            Case { uri: "/v2/candidates?page=2", ..Case::get_at(&now) }
        }
        "GET content-type sent but signed blank" => Case::get_at(&now).sent("content-type", JSON),
        "POST 5-field no MD5" => Case::new("POST", JSON, "", &now),
        "POST 5-field MD5 sent+signed" => {
            Case::new("POST", JSON, &md5, &now).sent("content-md5", &md5)
        }
        "POST MD5 sent, signed blank" => {
            Case::new("POST", JSON, "", &now).sent("content-md5", &md5)
        }
        "POST wrong MD5 sent+signed" => {
            Case::new("POST", JSON, &wrong, &now).sent("content-md5", &wrong)
        }
        "PATCH wrong MD5 sent+signed" => {
            Case::new("PATCH", JSON, &wrong, &now).sent("content-md5", &wrong)
        }
        "POST X-Authorization-Content-SHA256" => {
            Case::new("POST", JSON, &sha256, &now).sent("x-authorization-content-sha256", &sha256)
        }
        "POST 4-field (clinch-talent ruby 0.2.4)" => Case {
            canonical: format!("{JSON},{md5},/v2/candidates,{now}"),
            ..Case::new("POST", JSON, "", &now).sent("content-md5", &md5)
        },
        "GET x-hmac-date only" => Case::get_at(&now).sent("x-hmac-date", &now).without_date(),
        "GET x-hmac-date wins over Date" => {
            Case::get_at(&now).without_date().sent("x-hmac-date", &now).sent("date", &off_by(-9999))
        }
        "GET Authorization in X-HMAC-Authorization" => {
            Case { authorization: Some("x-hmac-authorization"), ..Case::get_at(&now) }
        }
        "GET SHA256 digest" => Case { scheme: "APIAuth-HMAC-SHA256", ..Case::get_at(&now) },
        "GET wrong secret" => Case { secret: "another", ..Case::get_at(&now) },
        "GET no Authorization" => Case { authorization: None, ..Case::get_at(&now) },
        "GET no Date" => Case::get_at(&now).without_date(),
        "GET ISO8601 Date" => Case::get_at(NOW),
        _ => {
            let seconds = name.strip_prefix("GET date ").and_then(|rest| rest.strip_suffix('s'));
            let seconds = seconds.unwrap_or_else(|| panic!("unknown case {name}"));
            Case::get_at(&off_by(seconds.parse().unwrap()))
        }
    }
}

#[test]
fn the_acceptance_matrix_of_the_real_gem_holds_for_both_generations() {
    let matrix = file().server_acceptance;
    for (version, generation) in
        [("api-auth 2.4.1-grape", Generation::Md5), ("api-auth 2.5.1-grape", Generation::Sha256)]
    {
        let cases = &matrix[version];
        assert_eq!(cases.len(), 23);
        for (name, expected) in cases {
            // The gem raises where no date is given: a refusal all the same.
            let expected = expected.as_bool().unwrap_or(false);
            let check = SignatureCheck { generation, legacy: false };
            assert_eq!(case(name).accepted(check), expected, "{version}: {name}");
        }
    }
}

#[test]
fn a_signature_without_the_method_is_accepted_only_where_legacy_is_on() {
    let four = || case("POST 4-field (clinch-talent ruby 0.2.4)");
    let check = SignatureCheck::default();
    assert!(!four().accepted(check));
    assert!(four().accepted(SignatureCheck { legacy: true, ..check }));
    assert!(case("GET 5-field").accepted(SignatureCheck { legacy: true, ..check }));
}

#[test]
fn all_three_forms_of_an_http_date_are_read() {
    for date in ["Thu, 28 Nov 2019 09:44:23 GMT", "Thursday, 28-Nov-19 09:44:23 GMT"] {
        assert!(Case::get_at(date).accepted(SignatureCheck::default()), "{date}");
    }
    assert!(Case::get_at("Thu Nov 28 09:44:23 2019").accepted(SignatureCheck::default()));
    assert!(!Case::get_at("28 Nov 2019").accepted(SignatureCheck::default()));
}

#[test]
fn a_fraction_of_the_present_second_does_not_widen_the_window() {
    let check = SignatureCheck::default();
    let late = |seconds: i64| {
        let date = off_by(seconds);
        let signature = sha1(SECRET, &format!("GET,,,/,{date}"));
        let headers =
            headers([("date", date), ("authorization", format!("APIAuth {KEY}:{signature}"))]);
        let request =
            SignedRequest { method: "GET", path_and_query: "/", headers: &headers, body: b"" };
        let now: Timestamp = NOW.parse().unwrap();
        check.verify(&request, |_| Some(SECRET), now + 900.milliseconds()).is_some()
    };
    assert!(late(899) && late(-899));
    assert!(!late(900) && !late(-900));
}
