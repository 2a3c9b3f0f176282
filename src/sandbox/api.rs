//! The operations, on the data of one account. Pure but for the clock handed in.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{
    contract::{CANDIDATE_ATTRIBUTES, Duplicates, Operation, SandboxContract},
    paging::Query,
    respond::Answer,
    state::{Account, Activity, Application, Attachment, Job, Person},
};

/// A request whose signature stands.
pub(super) struct Call<'a> {
    pub(super) contract: &'a SandboxContract,
    pub(super) operation: Operation,
    pub(super) ids: Vec<String>,
    /// Path as received, for links.
    pub(super) path: &'a str,
    pub(super) query: Query,
    pub(super) content_type: &'a str,
    pub(super) body: &'a [u8],
    /// Name of the credential: the source of whoever is created.
    pub(super) source: &'a str,
    pub(super) now: Timestamp,
}

impl Call<'_> {
    /// Carries the request out.
    pub(super) fn answer(&self, account: &mut Account) -> Answer {
        self.carry_out(account).unwrap_or_else(|refusal| refusal)
    }

    fn carry_out(&self, account: &mut Account) -> Result<Answer, Answer> {
        match self.operation {
            Operation::ListCandidates => Ok(self.list_candidates(account)),
            Operation::CreateCandidate => self.create_candidate(account),
            Operation::GetCandidate => Ok(one(200, self.show(self.person(account)?))),
            Operation::UpdateCandidate => self.update_candidate(account),
            Operation::ListJobs => Ok(self.list_jobs(account)),
            Operation::GetJob => Ok(one(200, self.show_job(self.job(account)?))),
            Operation::ListStages => self.list_stages(account),
            Operation::ListApplications => {
                let shown = self.person(account)?.applications.iter().map(show_application);
                Ok(self.page(shown.collect(), None))
            }
            Operation::CreateApplication => self.create_application(account),
            Operation::ListAttachments => {
                let person = self.person(account)?;
                let shown = person.attachments.iter().map(|file| self.show_attachment(file));
                Ok(self.page(shown.collect(), None))
            }
            Operation::CreateAttachment => self.create_attachment(account),
            Operation::ListActivities => {
                let person = self.person(account)?;
                let shown = person.activities.iter().map(|activity| self.show_activity(activity));
                Ok(self.page(shown.collect(), None))
            }
            Operation::CreateActivity => self.create_activity(account),
        }
    }

    fn person<'a>(&self, account: &'a Account) -> Result<&'a Person, Answer> {
        let id = self.ids.first().map(String::as_str).unwrap_or_default();
        account.person(id).ok_or_else(not_found)
    }

    fn person_mut<'a>(&self, account: &'a mut Account) -> Result<&'a mut Person, Answer> {
        let id = self.ids.first().map(String::as_str).unwrap_or_default();
        account.person_mut(id).ok_or_else(not_found)
    }

    fn job<'a>(&self, account: &'a Account) -> Result<&'a Job, Answer> {
        let id = self.ids.first().map(String::as_str).unwrap_or_default();
        account.job(id).ok_or_else(not_found)
    }

    /// The attributes and relationships of the body.
    fn document(&self) -> Result<(Map<String, Value>, Value), Answer> {
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
        let relationships = data.remove("relationships").unwrap_or_default();
        match data.remove("attributes") {
            Some(Value::Object(attributes)) => Ok((attributes, relationships)),
            _ => Err(Answer::error(422, "attributes are missing", Some("/data/attributes"))),
        }
    }

    /// Candidate attributes by built-in name, checked.
    fn candidate_attributes(&self) -> Result<Map<String, Value>, Answer> {
        let (given, _) = self.document()?;
        let mut taken = Map::new();
        for (wire, value) in given {
            let pointer = format!("/data/attributes/{wire}");
            let Some((name, kind, read_only)) = self.contract.candidate_spec(&wire) else {
                if self.contract.strict {
                    return Err(Answer::error(422, "unknown attribute", Some(&pointer)));
                }
                tracing::warn!(attribute = %wire, "dropped an attribute that Clinch may not know");
                continue;
            };
            let fits = match kind {
                "string" => value.is_string(),
                "array" => value.is_array(),
                "object" => value.is_object(),
                _ => value.is_boolean(),
            };
            if !fits && !value.is_null() {
                return Err(Answer::error(422, "wrong type", Some(&pointer)));
            }
            // Read-only attributes are set by the server: what is sent is ignored.
            if !read_only {
                taken.insert(name.to_owned(), value);
            }
        }
        Ok(taken)
    }

    fn create_candidate(&self, account: &mut Account) -> Result<Answer, Answer> {
        let attributes = self.candidate_attributes()?;
        let pointer = format!("/data/attributes/{}", self.contract.candidate("email"));
        let email = attributes.get("email").and_then(Value::as_str).unwrap_or_default().to_owned();
        if !email.contains('@') {
            return Err(Answer::error(422, "email is required", Some(&pointer)));
        }
        let existing = account.with_email(&email).next().map(|person| person.id.clone());
        match (existing, self.contract.duplicate_email) {
            (Some(_), Duplicates::Reject422) => {
                return Err(Answer::error(422, "email has been taken", Some(&pointer)));
            }
            (Some(_), Duplicates::Conflict409) => {
                return Err(Answer::error(409, "the candidate exists", None));
            }
            (Some(id), Duplicates::Upsert200) => {
                account.change(&id, attributes, self.now);
                let person = account.person(&id).ok_or_else(not_found)?;
                return Ok(one(200, self.show(person)));
            }
            (Some(_), Duplicates::Allow) | (None, _) => {}
        }
        let lag = Duration::from_millis(self.contract.search_lag_ms);
        let person = account.add(attributes, self.source, lag, self.now);
        Ok(one(201, self.show(person)))
    }

    fn update_candidate(&self, account: &mut Account) -> Result<Answer, Answer> {
        let id = self.person(account)?.id.clone();
        let attributes = self.candidate_attributes()?;
        if attributes.get("email").is_some_and(Value::is_null) {
            let pointer = format!("/data/attributes/{}", self.contract.candidate("email"));
            return Err(Answer::error(422, "email is required", Some(&pointer)));
        }
        account.change(&id, attributes, self.now);
        Ok(one(200, self.show(self.person(account)?)))
    }

    fn show(&self, person: &Person) -> Value {
        let mut attributes = Map::new();
        for (name, ..) in CANDIDATE_ATTRIBUTES {
            let value = person.attributes.get(*name).cloned().unwrap_or_default();
            attributes.insert(self.contract.candidate(name).to_owned(), value);
        }
        json!({"id": person.id, "type": "candidate", "attributes": attributes,
            "relationships": {"social_profile": {"data": null}}})
    }

    fn list_candidates(&self, account: &Account) -> Answer {
        let filter = format!("filter[{}]", self.contract.candidate("email"));
        if let Some(email) = self.query.get(&filter).filter(|_| !self.contract.ignore_filter) {
            let found = account.with_email(email).filter(|person| person.is_found());
            return self.page(found.map(|person| self.show(person)).collect(), None);
        }
        let (page, size) = self.query.page(&self.contract.paging);
        // With a search lag the last people are not listed yet; they are at the end.
        let hidden = account.people.iter().rev().take_while(|person| !person.is_found()).count();
        let total = account.people.len() - hidden;
        let from = (page - 1).saturating_mul(size).min(total);
        let people = &account.people[from..(from + size).min(total)];
        self.page(people.iter().map(|person| self.show(person)).collect(), Some(total))
    }

    /// A collection; `total` is given when `items` is already the page asked for.
    fn page(&self, mut items: Vec<Value>, total: Option<usize>) -> Answer {
        let paging = &self.contract.paging;
        let (page, size) = self.query.page(paging);
        let all = total.unwrap_or(items.len());
        if total.is_none() {
            items = items.into_iter().skip((page - 1).saturating_mul(size)).take(size).collect();
        }
        let last = all.div_ceil(size).max(1);
        let link = |page: usize| self.query.link(self.path, paging, page, size);
        let mut body = json!({"data": items});
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
            body["meta"] = json!({"total_count": all});
        }
        Answer::json(200, &body)
    }

    fn list_jobs(&self, account: &Account) -> Answer {
        let filter = format!("filter[{}]", self.contract.job_name("reference"));
        let wanted = self.query.get(&filter);
        let found = account.jobs.iter().filter(|job| wanted.is_none_or(|r| job.reference == r));
        self.page(found.map(|job| self.show_job(job)).collect(), None)
    }

    fn show_job(&self, job: &Job) -> Value {
        let name = |name| self.contract.job_name(name).to_owned();
        json!({"id": job.id, "type": "job", "attributes": {
            name("title"): job.title, name("reference"): job.reference, name("status"): job.status}})
    }

    fn list_stages(&self, account: &Account) -> Result<Answer, Answer> {
        let job = self.job(account)?;
        let name = |name| self.contract.stage_name(name).to_owned();
        let stages = job.stages.iter().enumerate().map(|(place, stage)| {
            json!({"id": job.stage_id(place), "type": "stage", "attributes": {
                name("name"): stage, name("position"): place + 1}})
        });
        Ok(self.page(stages.collect(), None))
    }

    fn create_application(&self, account: &mut Account) -> Result<Answer, Answer> {
        let (_, relationships) = self.document()?;
        let related = |name: &str| {
            let pointer = format!("/data/relationships/{name}");
            let id = relationships.pointer(&format!("/{name}/data/id")).and_then(Value::as_str);
            id.map(str::to_owned)
                .ok_or_else(|| Answer::error(422, "a relationship is missing", Some(&pointer)))
        };
        let (job, stage) = (related("job")?, related("stage")?);
        let known = account
            .job(&job)
            .ok_or_else(|| Answer::error(422, "unknown job", Some("/data/relationships/job")))?;
        if !known.has_stage(&stage) {
            return Err(Answer::error(422, "unknown stage", Some("/data/relationships/stage")));
        }
        let id = account.new_id(b'p');
        let person = self.person_mut(account)?;
        if person.applications.iter().any(|application| application.job == job) {
            return Err(Answer::error(422, "already on the job", Some("/data/relationships/job")));
        }
        let application = Application { id, job, stage };
        let shown = show_application(&application);
        person.applications.push(application);
        Ok(one(201, shown))
    }

    fn create_attachment(&self, account: &mut Account) -> Result<Answer, Answer> {
        let (attributes, _) = self.document()?;
        let text = |name: &str| {
            let wire = self.contract.attachment_name(name);
            attributes.get(wire).and_then(Value::as_str).map(str::to_owned).ok_or_else(|| {
                Answer::error(422, "is missing", Some(&format!("/data/attributes/{wire}")))
            })
        };
        let pointer = format!("/data/attributes/{}", self.contract.attachment_name("content"));
        let content = STANDARD
            .decode(text("content")?)
            .map_err(|_| Answer::error(422, "is not Base64", Some(&pointer)))?;
        let id = account.new_id(b'f');
        let file = Attachment {
            id,
            file_name: text("file_name")?,
            content_type: text("content_type")?,
            kind: text("kind").unwrap_or_else(|_| "file".to_owned()),
            byte_size: content.len(),
            sha256: hex::encode(Sha256::digest(&content)),
        };
        let shown = self.show_attachment(&file);
        self.person_mut(account)?.attachments.push(file);
        Ok(one(201, shown))
    }

    fn show_attachment(&self, file: &Attachment) -> Value {
        let name = |name| self.contract.attachment_name(name).to_owned();
        json!({"id": file.id, "type": "attachment", "attributes": {
            name("file_name"): file.file_name, name("content_type"): file.content_type,
            name("kind"): file.kind, "byte_size": file.byte_size, "sha256": file.sha256}})
    }

    fn create_activity(&self, account: &mut Account) -> Result<Answer, Answer> {
        let (attributes, _) = self.document()?;
        let text = |name: &str| {
            let wire = self.contract.activity_name(name);
            attributes.get(wire).and_then(Value::as_str).map(str::to_owned).ok_or_else(|| {
                Answer::error(422, "is missing", Some(&format!("/data/attributes/{wire}")))
            })
        };
        let id = account.new_id(b'a');
        let activity = Activity { id, kind: text("kind")?, body: text("body")? };
        let shown = self.show_activity(&activity);
        self.person_mut(account)?.activities.push(activity);
        Ok(one(201, shown))
    }

    fn show_activity(&self, activity: &Activity) -> Value {
        let name = |name| self.contract.activity_name(name).to_owned();
        json!({"id": activity.id, "type": "activity", "attributes": {
            name("kind"): activity.kind, name("body"): activity.body}})
    }
}

fn show_application(application: &Application) -> Value {
    json!({"id": application.id, "type": "application", "attributes": {}, "relationships": {
        "job": {"data": {"type": "job", "id": application.job}},
        "stage": {"data": {"type": "stage", "id": application.stage}}}})
}

fn one(status: u16, resource: impl Into<Value>) -> Answer {
    Answer::json(status, &json!({"data": resource.into()}))
}

fn not_found() -> Answer {
    Answer::error(404, "not found", None)
}
