//! Serves one request: control endpoints, routing, faults.

use std::{error::Error, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Body;
use jiff::{SignedDuration, Timestamp};

use super::{
    call::not_found,
    contract::SandboxContract,
    control,
    faults::{Action, Called},
    late::{self, Late},
    openapi,
    received::{Cut, Received, scripted, too_many},
    respond::Answer,
    shared::Shared,
    signature::http_date,
};

/// Maximum body size in bytes: enough for a resume of 5 MiB in Base64.
const MAX_BODY: usize = 16 << 20;

/// Answers one request, or closes the connection.
pub(super) async fn serve<B>(
    shared: &Arc<Shared>,
    peer: SocketAddr,
    request: Request<B>,
) -> Result<Response<Full<Bytes>>, Cut>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>>,
{
    let (answer, date_offset) = handle(shared, peer, request).await?;
    let date = shared.now().saturating_add(SignedDuration::from_secs(date_offset));
    let mut response = Response::builder()
        .status(answer.status)
        .header("content-type", answer.content_type)
        .header("date", http_date(date.unwrap_or(Timestamp::MAX)));
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    response.body(Full::new(answer.body)).map_err(|_| Cut)
}

async fn handle<B>(
    shared: &Arc<Shared>,
    peer: SocketAddr,
    request: Request<B>,
) -> Result<(Answer, i64), Cut>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>>,
{
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    let method = head.method.as_str();
    let body = match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return Ok((Answer::error(413, "the body is too large", None), 0));
        }
        // The client disconnected.
        Err(_) => return Err(Cut),
    };
    if path.starts_with("/_sandbox/") {
        shared.postponed.carry_out_due(shared);
        let query = head.uri.query().unwrap_or_default();
        let answer = if peer.ip().is_loopback() {
            control::answer(shared, method, path, query, &body)
        } else {
            not_found()
        };
        return Ok((answer, 0));
    }
    let under_way = Arc::new(shared.counter.start());
    let contract = shared.contract();
    let version = ["v1", "v2"].into_iter().find_map(|version| {
        let rest = path.strip_prefix('/')?.strip_prefix(version)?;
        (rest.is_empty() || rest.starts_with('/')).then_some((version, rest))
    });
    let routed = version.and_then(|(_, rest)| contract.route(method, rest));
    let page =
        version.and_then(|(version, rest)| published(&contract, shared, version, rest, method));
    let name = match (&routed, &page) {
        (_, Some(_)) => "openapi",
        (Some((operation, _)), None) => operation.id(),
        (None, None) => "unknown",
    };
    let fault = shared.fault(Called { operation: name, method, body: &body });
    let received = Received { contract, name, head, routed, page, body };
    if let Some(late) = fault.as_ref().and_then(late) {
        return Ok((late::answer(shared, received, under_way, late).await?, 0));
    }
    let latency = shared.latency();
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let early = before_commit(fault.as_ref()).await.inspect_err(|_| {
        shared.counter.count(name, None);
    })?;
    if let Some(answer) = early {
        shared.counter.count(name, Some(answer.status));
        return Ok((answer, 0));
    }
    shared.postponed.carry_out_due(shared);
    let answer = received.carry_out(shared);
    after_commit(shared, name, fault.as_ref(), answer)
}

fn late(fault: &Action) -> Option<Late> {
    let Action::Late { commit_ms, answer_ms, code, html } = fault else { return None };
    Some(Late {
        commit: Duration::from_millis(*commit_ms),
        answer: answer_ms.map(|ms| (Duration::from_millis(ms), *code)),
        html: *html,
    })
}

/// What needs no signature: the document and an HTML page that links to it.
fn published(
    contract: &SandboxContract,
    shared: &Shared,
    version: &str,
    rest: &str,
    method: &str,
) -> Option<Answer> {
    if method != "GET" || contract.open_api == Some(false) {
        return None;
    }
    match rest {
        "" | "/" => Some(match &contract.document {
            Some(document) => Answer::plain_json(document),
            None => Answer::plain_json(&openapi::document(contract, &shared.base, version)),
        }),
        "/openapi" => Some(Answer::html(200, &openapi::page(contract, version))),
        _ => None,
    }
}

/// The effect of a fault before the request is carried out: its response, if it answers instead.
async fn before_commit(fault: Option<&Action>) -> Result<Option<Answer>, Cut> {
    match fault {
        Some(Action::Stall { ms }) => {
            tokio::time::sleep(Duration::from_millis(*ms)).await;
            Ok(None)
        }
        Some(Action::ResetBeforeCommit {}) => Err(Cut),
        Some(Action::Status { code, retry_after, html }) => {
            let mut answer = scripted(*code, *html);
            if let Some(seconds) = retry_after {
                answer = answer.with("retry-after", seconds.to_string());
            }
            Ok(Some(answer))
        }
        Some(Action::Redirect { location }) => {
            Ok(Some(Answer::html(302, "").with("location", location.clone())))
        }
        Some(Action::TooMany { seconds }) => Ok(Some(too_many(*seconds))),
        _ => Ok(None),
    }
}

/// The effect of a fault on a response.
fn after_commit(
    shared: &Shared,
    name: &'static str,
    fault: Option<&Action>,
    answer: Answer,
) -> Result<(Answer, i64), Cut> {
    let (answer, offset) = match fault {
        Some(Action::ResetAfterCommit {}) => {
            shared.counter.count(name, None);
            return Err(Cut);
        }
        Some(Action::Truncated {}) => {
            let body = answer.body.slice(..answer.body.len() / 2);
            (Answer { body, ..answer }, 0)
        }
        Some(Action::NotJson {}) => {
            (Answer { body: Bytes::from_static(b"data: none of this is JSON"), ..answer }, 0)
        }
        Some(Action::Html {}) => (Answer::html(200, "<html><body>Maintenance</body></html>"), 0),
        Some(Action::WrongDate { offset_seconds }) => (answer, *offset_seconds),
        Some(Action::Oversized { bytes }) => {
            (Answer { body: Bytes::from(vec![b' '; *bytes]), ..answer }, 0)
        }
        _ => (answer, 0),
    };
    shared.counter.count(name, Some(answer.status));
    Ok((answer, offset))
}
