//! Resources attached to a candidate: applications, attachments, activities. All assumed. Pure.

use std::{collections::BTreeMap, sync::Mutex};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{
    call::{Call, invalid, not_found, one},
    contract::{ACTIVITY_ATTRIBUTES, ATTACHMENT_ATTRIBUTES, SandboxContract},
    person::{Activity, Application, Attachment},
    respond::Answer,
    state::{Account, lock},
};

type NameOf = for<'c> fn(&'c SandboxContract, &'c str) -> &'c str;

impl Call<'_> {
    pub(super) fn list_applications(&self, account: &Mutex<Account>) -> Result<Answer, Answer> {
        let person = self.person(account)?;
        Ok(self.page(person.applications.iter().map(show_application)))
    }

    pub(super) fn create_application(&self, account: &Mutex<Account>) -> Result<Answer, Answer> {
        self.person(account)?;
        let (_, relationships) = self.document()?;
        let related = |name: &str| {
            let id = relationships.pointer(&format!("/{name}/data/id")).and_then(Value::as_str);
            id.map(str::to_owned).ok_or_else(|| unrelated(name, "is missing"))
        };
        let (job, stage) = (related("job")?, related("stage")?);
        let mut account = lock(account);
        let known = account.job(&job).ok_or_else(|| unrelated("job", "is unknown"))?;
        if !known.has_stage(&stage) {
            return Err(unrelated("stage", "is no stage of the job"));
        }
        let id = account.new_id(b'p');
        let person = account.people.get_mut(self.id()).ok_or_else(not_found)?;
        if person.applications.iter().any(|application| application.job == job) {
            return Err(unrelated("job", "has the candidate already"));
        }
        let application = Application { id, job, stage };
        let shown = show_application(&application);
        person.applications.push(application);
        drop(account);
        Ok(one(201, &shown))
    }

    pub(super) fn list_attachments(&self, account: &Mutex<Account>) -> Result<Answer, Answer> {
        let person = self.person(account)?;
        Ok(self.page(person.attachments.iter().map(|file| self.show_attachment(file))))
    }

    pub(super) fn create_attachment(&self, account: &Mutex<Account>) -> Result<Answer, Answer> {
        self.person(account)?;
        let mut given = self.texts(SandboxContract::attachment_name, ATTACHMENT_ATTRIBUTES)?;
        let mut text = |name: &str| {
            given
                .remove(name)
                .ok_or_else(|| invalid(self.contract.attachment_name(name), "is required"))
        };
        let content = STANDARD
            .decode(text("content")?)
            .map_err(|_| invalid(self.contract.attachment_name("content"), "is not Base64"))?;
        let mut file = Attachment {
            id: String::new(),
            file_name: text("file_name")?,
            content_type: text("content_type")?,
            kind: text("kind").unwrap_or_else(|_| "file".to_owned()),
            byte_size: content.len(),
            sha256: hex::encode(Sha256::digest(&content)),
        };
        {
            let mut account = lock(account);
            file.id = account.new_id(b'f');
            let person = account.people.get_mut(self.id()).ok_or_else(not_found)?;
            person.attachments.push(file.clone());
        }
        Ok(one(201, &self.show_attachment(&file)))
    }

    fn show_attachment(&self, file: &Attachment) -> Value {
        let name = |name| self.contract.attachment_name(name).to_owned();
        json!({"id": file.id, "type": "attachment", "attributes": {
            name("file_name"): file.file_name, name("content_type"): file.content_type,
            name("kind"): file.kind, name("byte_size"): file.byte_size,
            name("sha256"): file.sha256}})
    }

    pub(super) fn list_activities(&self, account: &Mutex<Account>) -> Result<Answer, Answer> {
        let person = self.person(account)?;
        Ok(self.page(person.activities.iter().map(|activity| self.show_activity(activity))))
    }

    pub(super) fn create_activity(&self, account: &Mutex<Account>) -> Result<Answer, Answer> {
        self.person(account)?;
        let mut given = self.texts(SandboxContract::activity_name, ACTIVITY_ATTRIBUTES)?;
        let mut text = |name: &str| {
            given
                .remove(name)
                .ok_or_else(|| invalid(self.contract.activity_name(name), "is required"))
        };
        let mut activity = Activity { id: String::new(), kind: text("kind")?, body: text("body")? };
        {
            let mut account = lock(account);
            activity.id = account.new_id(b'a');
            let person = account.people.get_mut(self.id()).ok_or_else(not_found)?;
            person.activities.push(activity.clone());
        }
        Ok(one(201, &self.show_activity(&activity)))
    }

    fn show_activity(&self, activity: &Activity) -> Value {
        let name = |name| self.contract.activity_name(name).to_owned();
        json!({"id": activity.id, "type": "activity", "attributes": {
            name("kind"): activity.kind, name("body"): activity.body}})
    }

    /// The text attributes of the document, by built-in name.
    fn texts(
        &self,
        name_of: NameOf,
        known: &[&'static str],
    ) -> Result<BTreeMap<&'static str, String>, Answer> {
        let (given, _): (Map<String, Value>, _) = self.document()?;
        let mut texts = BTreeMap::new();
        for (wire, value) in given {
            let built_in = known.iter().find(|name| name_of(self.contract, name) == wire);
            match (built_in, value) {
                (Some(name), Value::String(text)) => _ = texts.insert(*name, text),
                (Some(_), Value::Null) => {}
                (Some(_), _) => return Err(invalid(&wire, "wrong type")),
                (None, _) => self.unknown(&wire)?,
            }
        }
        Ok(texts)
    }
}

fn show_application(application: &Application) -> Value {
    json!({"id": application.id, "type": "application", "attributes": {}, "relationships": {
        "job": {"data": {"type": "job", "id": application.job}},
        "stage": {"data": {"type": "stage", "id": application.stage}}}})
}

/// A 422 that points at a relationship.
fn unrelated(name: &str, title: &str) -> Answer {
    Answer::error(422, title, Some(&format!("/data/relationships/{name}")))
}
