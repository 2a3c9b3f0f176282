//! Candidates: list, filter, create, read, update. Pure.

use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    call::{Call, invalid, not_found, one},
    contract::{Beyond, Duplicates, PatchAnonymised, SocialProfile},
    merge::Merged,
    person::Person,
    respond::Answer,
    state::{Account, lock},
    updated_since::{Filtering, is_changed},
};

impl Call<'_> {
    /// Candidate attributes by built-in name, checked.
    fn candidate_attributes(&self) -> Result<Map<String, Value>, Answer> {
        let (given, _) = self.document()?;
        let mut taken = Map::new();
        for (wire, value) in given {
            let Some((name, kind, read_only)) = self.contract.candidate_spec(&wire) else {
                self.unknown(&wire)?;
                continue;
            };
            if !value.is_null() && !self.contract.is_typed(name, kind, &value) {
                return Err(invalid(&wire, "wrong type"));
            }
            if let Some(fault) = self.contract.fault(name, &value) {
                return Err(invalid(&wire, fault));
            }
            if name == "email" && !value.as_str().is_some_and(is_email) {
                return Err(invalid(&wire, "is not an e-mail address"));
            }
            // The server sets read-only attributes and ignores what a client sends.
            if !read_only {
                let form = self.contract.stored_forms.get(name);
                let stored = match form {
                    Some(form) => form.of(value),
                    None => value,
                };
                taken.insert(name.to_owned(), stored);
            }
        }
        Ok(taken)
    }

    pub(super) fn create_candidate(&self, account: &Mutex<Account>) -> Result<Answer, Answer> {
        let attributes = self.candidate_attributes()?;
        let wire = self.contract.candidate("email");
        let Some(email) = attributes.get("email").and_then(Value::as_str).map(str::to_owned) else {
            return Err(invalid(wire, "is required"));
        };
        let lacks = |name: &str| attributes.get(name).is_none_or(Value::is_null);
        if let Some(missing) = self.contract.required().find(|name| lacks(name)) {
            return Err(invalid(self.contract.candidate(missing), "is required"));
        }
        let lag = self.contract.search_lag();
        let (status, person) = {
            let mut account = lock(account);
            let existing = account.people.with_email(&email).next().map(|person| person.id.clone());
            match (existing, self.contract.duplicate_email) {
                (Some(_), Duplicates::Reject422) => {
                    return Err(invalid(wire, "has been taken"));
                }
                (Some(_), Duplicates::Conflict409) => {
                    return Err(Answer::error(409, "the candidate exists", None));
                }
                (Some(id), Duplicates::Upsert200) => {
                    account.change(&id, attributes, self.now);
                    (200, account.people.get(&id).cloned().ok_or_else(not_found)?)
                }
                (Some(_), Duplicates::Allow) | (None, _) => {
                    (201, account.add(attributes, self.source, lag, self.now))
                }
            }
        };
        Ok(one(status, &self.show(&person)))
    }

    pub(super) fn get_candidate(&self, account: &Mutex<Account>) -> Result<Answer, Answer> {
        if let Some(merged) = lock(account).merged(self.id()) {
            return match merged {
                Merged::Other(person) => Ok(one(200, &self.show(&person))),
                Merged::Moved(id) => {
                    let place = self.path.replace(self.id(), &id);
                    Err(Answer::error(301, "the candidate was merged", None)
                        .with("location", place))
                }
            };
        }
        Ok(one(200, &self.show(&*self.person(account)?)))
    }

    pub(super) fn update_candidate(&self, account: &Mutex<Account>) -> Result<Answer, Answer> {
        let attributes = self.candidate_attributes();
        let person = {
            let mut account = lock(account);
            let person = account.people.get(self.id()).ok_or_else(not_found)?;
            if self.contract.patch_anonymised == PatchAnonymised::Reject422
                && person.is_anonymised()
            {
                return Err(Answer::error(422, "the candidate is anonymized", Some("/data")));
            }
            let id = person.id.clone();
            let attributes = attributes?;
            let email = attributes.get("email").and_then(Value::as_str);
            let taken = email.is_some_and(|email| {
                account.people.with_email(email).any(|person| person.id != id)
            });
            if taken && self.contract.duplicate_email != Duplicates::Allow {
                return Err(invalid(self.contract.candidate("email"), "has been taken"));
            }
            account.change(&id, attributes, self.now);
            account.people.get(&id).cloned().ok_or_else(not_found)?
        };
        Ok(one(200, &self.show(&person)))
    }

    pub(super) fn list_candidates(&self, account: &Mutex<Account>) -> Answer {
        let wire = self.contract.candidate("email");
        let filter = format!("filter[{}]", self.contract.filter("email", wire));
        if let Some(email) = self.query.get(&filter).filter(|_| !self.contract.ignore_filter) {
            let found: Vec<Arc<Person>> = {
                let account = lock(account);
                account
                    .people
                    .with_email(email)
                    .filter(|person| person.is_found() && !account.blind)
                    .filter(|person| {
                        let stored = person.attributes.get("email");
                        let exact = stored.and_then(Value::as_str) == Some(email);
                        exact || !self.contract.case_sensitive_filter
                    })
                    .cloned()
                    .collect()
            };
            return self.page(found.iter().map(|person| self.show(person)));
        }
        if self.contract.social_profile == Some(SocialProfile::Refused)
            && self.query.get("include").is_some()
        {
            return Answer::error(400, "include is not supported", None);
        }
        let since = match self.since() {
            Ok(since) => since,
            Err(refusal) => return refusal,
        };
        let paging = &self.contract.paging;
        let (page, size) = self.query.page(paging);
        let (people, listed) = {
            let mut account = lock(account);
            let everybody = account.people.listed();
            let changed = (since.is_some() || paging.hide_archived).then(|| {
                let mut people = account.people.page(paging.order, 0..everybody);
                people.retain(|person| since.is_none_or(|bound| is_changed(person, bound)));
                people.retain(|person| !(paging.hide_archived && person.is_archived()));
                people
            });
            let listed = changed.as_ref().map_or(everybody, Vec::len);
            let end = paging.reachable(listed);
            let last = end.saturating_sub(1) / size;
            let page = match paging.beyond {
                Beyond::Repeat => page.min(last + 1),
                Beyond::Nothing | Beyond::Invent => page,
            };
            let from = (page - 1).saturating_mul(size).min(end);
            let to = from.saturating_add(size).min(end);
            let people = match &changed {
                Some(people) => people[from..to].to_vec(),
                None => account.people.page(paging.order, from..to),
            };
            // A page of one person is a check of the account, not a reading of the list.
            let shift = self.contract.shift;
            if size > 1 && shift.after_page.is_none_or(|after| after == page) {
                account.shift(shift, paging.order, self.contract.search_lag(), self.now);
            }
            (people, listed)
        };
        let included = self.included(&people);
        let mut shown: Vec<Value> = people.iter().map(|person| self.show(person)).collect();
        let ends = paging.beyond == Beyond::Nothing || size == 1;
        let linked = if ends { paging.reachable(listed) } else { usize::MAX };
        if shown.is_empty() && size > 1 && paging.beyond == Beyond::Invent {
            let attributes = json!({wire: format!("invented-{page}@elsewhere.example")});
            shown.push(json!({"id": format!("invented-{page}"), "type": "candidate",
                "attributes": attributes}));
        }
        self.paged_with(&shown, included, linked, paging.claimed(listed))
    }

    /// The time since which people must have changed, if the query has one and the server honours it.
    fn since(&self) -> Result<Option<Timestamp>, Answer> {
        let Some(since) = &self.contract.updated_since else { return Ok(None) };
        let given = self.query.get(&since.parameter);
        let Some(value) = given.filter(|_| since.filtering == Filtering::Honoured) else {
            return Ok(None);
        };
        match since.bound(value) {
            Some(bound) => Ok(Some(bound)),
            None => Err(Answer::error(400, "not a time", None)),
        }
    }

    fn show(&self, person: &Person) -> Value {
        let mut attributes = Map::new();
        for (name, ..) in self.contract.candidate_attributes() {
            let value = person.attributes.get(name).cloned().unwrap_or_default();
            attributes.insert(self.contract.candidate(name).to_owned(), value);
        }
        let mut shown = json!({"id": person.id, "type": "candidate", "attributes": attributes});
        if self.contract.social_profile != Some(SocialProfile::Ignored) {
            let id = linkedin(person).map(|_| social_id(person));
            let id = id.filter(|_| self.contract.social_profile.is_some());
            let reference = id.map(|id| json!({"type": "social_profile", "id": id}));
            shown["relationships"] = json!({"social_profile": {"data": reference}});
        }
        shown
    }

    /// What is shown with a page of these people.
    fn included(&self, people: &[Arc<Person>]) -> Option<Vec<Value>> {
        let asked = self
            .query
            .get("include")
            .is_some_and(|names| names.split(',').any(|name| name == "social_profile"));
        let form = self.contract.social_profile.filter(|_| asked)?;
        let shown = people.iter().filter_map(|person| {
            let url = linkedin(person)?;
            let mut profile = json!({"type": "social_profile", "id": social_id(person)});
            let (member, value) = match form {
                SocialProfile::Links => ("links", json!({"linked_in": {"url": url}})),
                SocialProfile::LinkTexts => ("links", json!({"linked_in": url})),
                SocialProfile::Attributes => ("attributes", json!({"linked_in": {"url": url}})),
                SocialProfile::AttributeTexts => ("attributes", json!({"linked_in_url": url})),
                SocialProfile::NotIncluded | SocialProfile::Ignored | SocialProfile::Refused => {
                    return None;
                }
            };
            profile[member] = value;
            Some(profile)
        });
        (form != SocialProfile::Ignored).then(|| shown.collect())
    }
}

fn linkedin(person: &Person) -> Option<&str> {
    person.attributes.get("linkedin_url")?.as_str()
}

fn social_id(person: &Person) -> String {
    format!("social-{}", person.id)
}

/// The least that any server requires of an address.
fn is_email(text: &str) -> bool {
    text.trim().split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty() && !domain.is_empty() && !text.trim().contains(char::is_whitespace)
    })
}
