//! One request with a valid signature: its document is read and checked before the account is
//! locked, and the response is rendered afterwards. Pure; the time is an argument.

use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    contract::SandboxContract,
    operation::Operation,
    paging::Query,
    person::Person,
    respond::Answer,
    state::{Account, lock},
};

/// A request with a valid signature.
pub(super) struct Call<'a> {
    pub(super) contract: &'a SandboxContract,
    pub(super) operation: Operation,
    pub(super) ids: Vec<String>,
    /// Path as received, for links.
    pub(super) path: &'a str,
    pub(super) query: Query,
    pub(super) content_type: &'a str,
    pub(super) body: &'a [u8],
    /// Name of the credential: becomes the source of the people it creates.
    pub(super) source: &'a str,
    pub(super) now: Timestamp,
}

impl Call<'_> {
    /// Carries the request out.
    pub(super) fn answer(&self, account: &Mutex<Account>) -> Answer {
        let answer = match self.operation {
            Operation::ListCandidates => Ok(self.list_candidates(account)),
            Operation::CreateCandidate => self.create_candidate(account),
            Operation::GetCandidate => self.get_candidate(account),
            Operation::UpdateCandidate => self.update_candidate(account),
            Operation::ListJobs => Ok(self.list_jobs(account)),
            Operation::GetJob => self.get_job(account),
            Operation::ListStages => self.list_stages(account),
            Operation::ListApplications => self.list_applications(account),
            Operation::CreateApplication => self.create_application(account),
            Operation::ListAttachments => self.list_attachments(account),
            Operation::CreateAttachment => self.create_attachment(account),
            Operation::ListActivities => self.list_activities(account),
            Operation::CreateActivity => self.create_activity(account),
        };
        answer.unwrap_or_else(|refusal| refusal)
    }

    /// The id in the path.
    pub(super) fn id(&self) -> &str {
        self.ids.first().map(String::as_str).unwrap_or_default()
    }

    pub(super) fn person(&self, account: &Mutex<Account>) -> Result<Arc<Person>, Answer> {
        lock(account).people.get(self.id()).cloned().ok_or_else(not_found)
    }

    /// Attributes by their name on the wire, and relationships.
    pub(super) fn document(&self) -> Result<(Map<String, Value>, Value), Answer> {
        let media_type = self.content_type.split(';').next().unwrap_or_default().trim();
        if !matches!(media_type, "application/vnd.api+json" | "application/json") {
            return Err(Answer::error(415, "unsupported media type", None));
        }
        let mut body: Value = serde_json::from_slice(self.body)
            .map_err(|_| Answer::error(400, "the body is not JSON", None))?;
        let data = body.get_mut("data").map(Value::take).unwrap_or_default();
        let Value::Object(mut data) = data else {
            return Err(Answer::error(422, "data is missing", Some("/data")));
        };
        // The vendor's own clients disagree (singular, plural, no type at all), so the server cannot
        // be strict about it; a strict emulator still rejects the type of another resource.
        let kind = self.operation.resource();
        if self.contract.strict
            && let Some(given) = data.get("type")
            && given.as_str().is_none_or(|given| given != kind && given != plural(kind))
        {
            return Err(Answer::error(422, "wrong type of resource", Some("/data/type")));
        }
        let relationships = data.remove("relationships").unwrap_or_default();
        match data.remove("attributes") {
            Some(Value::Object(attributes)) => Ok((attributes, relationships)),
            None if !relationships.is_null() => Ok((Map::new(), relationships)),
            _ => Err(Answer::error(422, "attributes are missing", Some("/data/attributes"))),
        }
    }

    /// An attribute that is not in the contract: rejected if strict, dropped otherwise.
    pub(super) fn unknown(&self, wire: &str) -> Result<(), Answer> {
        if self.contract.strict {
            return Err(invalid(wire, "unknown attribute"));
        }
        tracing::warn!(attribute = %wire, "dropped an attribute that Clinch may not know");
        Ok(())
    }

    /// The requested page of a collection.
    pub(super) fn page(&self, items: impl ExactSizeIterator<Item = Value>) -> Answer {
        let (page, size) = self.query.page(&self.contract.paging);
        let all = items.len();
        let items: Vec<Value> = items.skip((page - 1).saturating_mul(size)).take(size).collect();
        self.paged(&items, all, all)
    }

    /// One page of a list whose links cover `linked` items and whose stated total is `total`.
    pub(super) fn paged(&self, items: &[Value], linked: usize, total: usize) -> Answer {
        self.paged_with(items, None, linked, total)
    }

    /// The same with related resources.
    pub(super) fn paged_with(
        &self,
        items: &[Value],
        included: Option<Vec<Value>>,
        linked: usize,
        total: usize,
    ) -> Answer {
        let paging = &self.contract.paging;
        let (page, size) = self.query.page(paging);
        let last = linked.div_ceil(size).max(1);
        let link = |page: usize| self.query.link(self.path, paging, page, size);
        let mut body = json!({"data": items});
        if let Some(included) = included {
            body["included"] = included.into();
        }
        if paging.links {
            body["links"] = json!({
                "self": link(page),
                "first": link(1),
                "prev": (page > 1).then(|| link(page - 1)),
                "next": (page < last).then(|| link(page + 1)),
                "last": link(last),
            });
        }
        if paging.meta {
            body["meta"] = json!({"total_count": total});
        }
        Answer::json(200, &body)
    }
}

fn plural(kind: &str) -> String {
    kind.strip_suffix('y').map_or_else(|| format!("{kind}s"), |stem| format!("{stem}ies"))
}

/// A response with one resource.
pub(super) fn one(status: u16, resource: &Value) -> Answer {
    Answer::json(status, &json!({"data": resource}))
}

pub(super) fn not_found() -> Answer {
    Answer::error(404, "not found", None)
}

/// A 422 that points at an attribute.
pub(super) fn invalid(wire: &str, title: &str) -> Answer {
    let escaped = wire.replace('~', "~0").replace('/', "~1");
    Answer::error(422, title, Some(&format!("/data/attributes/{escaped}")))
}
