//! Endpoints with wrong answers of every kind, and a marked value wherever an answer has room for one.

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{Method, Response},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// How an endpoint behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// 401 to everything.
    Unauthorized,
    /// 403 to everything.
    Forbidden,
    /// 500 to everything.
    Failing,
    /// A redirect for everything.
    Redirecting,
    /// A page for everything.
    Page,
    /// JSON that ends in the middle.
    Malformed,
    /// Lists are empty; what is created is refused with 422.
    Refusing,
    /// Lists are empty; what is created is refused with 409.
    Conflicting,
    /// What is listed is of the wrong shape.
    Shapeless,
    /// Lists are empty; what is created is answered without a usable id.
    Idless,
    /// A published document that cannot be used, and 422 to what is created.
    Publishing,
}

/// All of them, with names for objects.
pub const ALL: &[(&str, Behaviour)] = &[
    ("unauthorized", Behaviour::Unauthorized),
    ("forbidden", Behaviour::Forbidden),
    ("failing", Behaviour::Failing),
    ("redirecting", Behaviour::Redirecting),
    ("page", Behaviour::Page),
    ("malformed", Behaviour::Malformed),
    ("refusing", Behaviour::Refusing),
    ("conflicting", Behaviour::Conflicting),
    ("shapeless", Behaviour::Shapeless),
    ("idless", Behaviour::Idless),
    ("publishing", Behaviour::Publishing),
];

/// Starts an endpoint; its origin. `mark` makes a marked value of a word.
pub async fn start(behaviour: Behaviour, mark: fn(&str) -> String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let origin = format!("http://{}", listener.local_addr().expect("bound"));
    let answer = move |request: Request| {
        let document = request.uri().path() == "/v2";
        let (status, kind, body) = said(behaviour, request.method(), document, mark);
        // In every header that a client might quote.
        let answer = Response::builder()
            .status(status)
            .header("content-type", kind)
            .header("location", format!("http://{}.invalid/{}", mark("host"), mark("path")))
            .header("www-authenticate", mark("challenge"))
            .header("set-cookie", format!("{}={}", mark("cookie"), mark("crumb")))
            .header("x-request-id", mark("requestid"))
            .header("retry-after", mark("later"))
            .header("server", mark("server"))
            .body(Body::from(body))
            .expect("an answer");
        std::future::ready(answer)
    };
    let router = Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, router).await });
    origin
}

fn said(
    behaviour: Behaviour,
    method: &Method,
    document: bool,
    mark: fn(&str) -> String,
) -> (u16, String, String) {
    let json_api = "application/vnd.api+json".to_owned();
    let errors = || errors(mark).to_string();
    let writes = method != Method::GET;
    let nobody = || json!({"data": [], "meta": {"note": mark("meta")}}).to_string();
    match behaviour {
        Behaviour::Unauthorized => (401, json_api, errors()),
        Behaviour::Forbidden => (403, json_api, errors()),
        Behaviour::Failing => (500, json_api, errors()),
        Behaviour::Redirecting => (302, json_api, errors()),
        Behaviour::Page => {
            let page = format!("<html><title>{}</title>{}</html>", mark("title"), mark("page"));
            (200, format!("text/html; charset={}", mark("charset")), page)
        }
        Behaviour::Malformed => (200, json_api, format!("{{\"data\":[{{\"id\":\"{}", mark("cut"))),
        Behaviour::Publishing if document => {
            (200, "application/json".to_owned(), published(mark).to_string())
        }
        _ if document => (404, json_api, errors()),
        Behaviour::Refusing | Behaviour::Publishing if writes => (422, json_api, errors()),
        Behaviour::Conflicting if writes => (409, json_api, errors()),
        Behaviour::Idless if writes => (201, json_api, shapeless(mark).to_string()),
        Behaviour::Refusing
        | Behaviour::Conflicting
        | Behaviour::Publishing
        | Behaviour::Idless => (200, json_api, nobody()),
        Behaviour::Shapeless => {
            let mut listed = shapeless(mark);
            listed["data"] = json!([listed["data"], mark("item")]);
            (200, json_api, listed.to_string())
        }
    }
}

fn errors(mark: fn(&str) -> String) -> Value {
    let error = |pointer: String| {
        json!({
            "id": mark("errorid"), "status": mark("status"), "code": mark("code"),
            "title": mark("errortitle"), "detail": mark("detail"),
            "links": {"about": format!("https://{}.invalid/", mark("about"))},
            "source": {"pointer": pointer, "parameter": mark("parameter")},
            "meta": {mark("metaname"): mark("metavalue")},
        })
    };
    json!({
        "errors": [
            error(format!("/data/attributes/{}", mark("pointer"))),
            error("/data/attributes/email".to_owned()),
            error(mark("nopointer")),
        ],
        "error": mark("error"), "message": mark("message"),
    })
}

fn shapeless(mark: fn(&str) -> String) -> Value {
    json!({
        "data": {
            "id": format!("../{}", mark("id")), "type": mark("type"),
            "attributes": {"email": mark("email"), mark("attribute"): mark("value")},
        },
        "links": {"next": format!("https://{}.invalid/", mark("next"))},
    })
}

fn published(mark: fn(&str) -> String) -> Value {
    let operation =
        |id: &str| json!({id: {"operationId": mark("operation"), "summary": mark("summary")}});
    json!({
        "openapi": "3.0.0",
        "info": {"title": mark("info"), "version": mark("version")},
        "servers": [{"url": format!("https://{}.invalid/", mark("serverurl"))}],
        "paths": {
            format!("//{}.invalid/candidates", mark("authority")): operation("get"),
            format!("/{}/../candidates", mark("dots")): operation("post"),
            "/candidates": {"get": {"operationId": "listCandidates"}, "post": {"operationId": "createCandidate"}},
            format!("/candidates/{{{}}}/../../x", mark("placeholder")): {"get": {"operationId": "getCandidate"}},
        },
    })
}
