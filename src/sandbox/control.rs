//! The control endpoints under `/_sandbox/`: unsigned, served to loopback only. Tests use them to
//! inspect all data and to change the emulator's behaviour.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    check::check_faults,
    contract::Duplicates,
    elsewhere::{ChangeError, Who},
    faults::Fault,
    merge::OldId,
    options::{Credential, parse},
    respond::Answer,
    shared::Shared,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Clock {
    offset_seconds: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Latency {
    ms: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Revoke {
    access_key: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OnDuplicate {
    policy: Duplicates,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Person {
    account: Option<String>,
    id: Option<String>,
    email: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    account: Option<String>,
    id: Option<String>,
    email: Option<String>,
    attributes: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Add {
    account: Option<String>,
    attributes: Value,
    source: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Merge {
    account: Option<String>,
    from: String,
    into: String,
    #[serde(default)]
    old_id: OldId,
}

fn who<'a>(id: Option<&'a str>, email: Option<&'a str>) -> Result<Who<'a>, ChangeError> {
    match (id, email) {
        (Some(id), None) => Ok(Who::Id(id)),
        (None, Some(email)) => Ok(Who::Email(email)),
        _ => Err(ChangeError::WhichPerson),
    }
}

/// Answers a control request.
pub(super) fn answer(
    shared: &Shared,
    method: &str,
    path: &str,
    query: &str,
    body: &[u8],
) -> Answer {
    control(shared, method, path, query, body)
        .unwrap_or_else(|problem| Answer::error(400, &problem, None))
}

fn control(
    shared: &Shared,
    method: &str,
    path: &str,
    query: &str,
    body: &[u8],
) -> Result<Answer, String> {
    let text = std::str::from_utf8(body).map_err(|_| "the body is not text".to_owned())?;
    match (method, path) {
        ("GET", "/_sandbox/healthz") => {}
        ("GET", "/_sandbox/state") => {
            let account = url::form_urlencoded::parse(query.as_bytes())
                .find_map(|(name, value)| (name == "account").then(|| value.into_owned()));
            return Ok(Answer::plain_json(&shared.dump(account.as_deref())));
        }
        ("GET", "/_sandbox/requests") => {
            let counts = serde_json::to_value(shared.counter.snapshot()).unwrap_or_default();
            return Ok(Answer::plain_json(&counts));
        }
        ("POST", "/_sandbox/faults") => {
            let faults = parse::<Vec<Fault>>(text)?;
            check_faults(&faults)?;
            shared.set_faults(faults);
        }
        ("POST", "/_sandbox/clock") => shared.set_offset(parse::<Clock>(text)?.offset_seconds),
        ("POST", "/_sandbox/latency") => {
            shared.set_latency(Duration::from_millis(parse::<Latency>(text)?.ms));
        }
        ("POST", "/_sandbox/revoke") => shared.revoke(&parse::<Revoke>(text)?.access_key),
        ("POST", "/_sandbox/credential") => shared.add_credential(parse::<Credential>(text)?),
        ("POST", "/_sandbox/duplicateEmail") => {
            shared.set_duplicates(parse::<OnDuplicate>(text)?.policy);
        }
        (
            "POST",
            "/_sandbox/anonymise"
            | "/_sandbox/delete"
            | "/_sandbox/edit"
            | "/_sandbox/add"
            | "/_sandbox/merge",
        ) => {
            return Ok(match change(shared, path, text)? {
                Ok(id) => Answer::plain_json(&json!({"ok": true, "id": id})),
                Err(problem @ (ChangeError::NoAccount(_) | ChangeError::NoPerson)) => {
                    Answer::error(404, &problem.to_string(), None)
                }
                Err(problem) => Answer::error(400, &problem.to_string(), None),
            });
        }
        ("POST", "/_sandbox/reset") => shared.reset(),
        _ => return Ok(Answer::error(404, "no such control endpoint", None)),
    }
    Ok(Answer::plain_json(&json!({"ok": true, "note": Value::Null})))
}

/// A change of a person by somebody else. Returns the person's id.
fn change(shared: &Shared, path: &str, text: &str) -> Result<Result<String, ChangeError>, String> {
    if path == "/_sandbox/add" {
        let Add { account, attributes, source } = parse(text)?;
        return Ok(shared.add_person(account.as_deref(), &attributes, source.as_deref()));
    }
    if path == "/_sandbox/edit" {
        let Edit { account, id, email, attributes } = parse(text)?;
        return Ok(who(id.as_deref(), email.as_deref())
            .and_then(|who| shared.edit(account.as_deref(), who, &attributes)));
    }
    if path == "/_sandbox/merge" {
        let Merge { account, from, into, old_id } = parse(text)?;
        let who = (Who::from_text(&from), Who::from_text(&into));
        return Ok(shared.merge(account.as_deref(), who, old_id));
    }
    let Person { account, id, email } = parse(text)?;
    let account = account.as_deref();
    Ok(who(id.as_deref(), email.as_deref()).and_then(|who| {
        if path == "/_sandbox/delete" {
            shared.delete(account, who)
        } else {
            shared.anonymise(account, who)
        }
    }))
}
