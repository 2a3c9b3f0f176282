//! The attributes of people, and how one of them is read.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;

use super::{
    finding::Verdict,
    inspector::{Inspector, Unread, path_of},
};
use crate::{
    clinch::{
        contract::{ANONYMISED, NameOf, Op, is_safe_name},
        error::{ClinchError, NotClinchSign},
    },
    domain::ClinchId,
    jsonapi::{PrimaryData, Resource},
};

/// An id that nobody has.
const NOBODY: &str = "00000000000000000000000000000000";
/// Names of the attribute with the time of the last change.
const UPDATED: [&str; 5] =
    ["updated_at", "updatedAt", "modified_at", "last_modified_at", "last_updated_at"];
/// Names of the attribute with the name of the credential.
const SOURCES: [&str; 4] = ["source", "source_name", "origin", "created_by"];

impl Inspector<'_> {
    /// Which attributes people show.
    pub(super) fn attributes(&mut self) {
        if self.people.is_empty() {
            for (of, name) in [
                (NameOf::Email, self.contract.names.email.clone()),
                (NameOf::Source, self.contract.names.source.clone()),
                (NameOf::UpdatedAt, self.contract.names.updated_at().to_owned()),
            ] {
                let topic = format!("attributes.{}", of.as_str());
                let seen = "needs somebody in the account";
                self.note(topic, name, "Assumed", Verdict::Unknown, seen);
            }
            return;
        }
        self.email();
        let shown = names(&self.people);
        let own = self.contract.names.source.clone();
        self.named(NameOf::Source, &own, &SOURCES, |name| shown.contains(name));
        let own = self.contract.names.updated_at().to_owned();
        let is_time = |person: &Resource, name: &str| {
            let text = person.attributes.get(name).and_then(Value::as_str);
            text.is_some_and(|text| text.parse::<Timestamp>().is_ok())
        };
        let times: BTreeSet<String> = shown
            .iter()
            .filter(|name| self.people.iter().any(|person| is_time(person, name)))
            .cloned()
            .collect();
        self.named(NameOf::UpdatedAt, &own, &UPDATED, |name| times.contains(name));
        let flag = ANONYMISED.iter().find(|name| shown.contains(**name));
        let assumed = ANONYMISED.join(" or ");
        let topic = "flag of anonymised people";
        if let Some(name) = flag {
            let seen = format!("people have {name}");
            self.note(topic, assumed, "Assumed", Verdict::Confirmed, seen);
        } else {
            let seen = "nobody on the page has it; anonymised people may";
            self.note(topic, assumed, "Assumed", Verdict::Unknown, seen);
        }
    }

    /// The match attribute: the one whose values are addresses.
    fn email(&mut self) {
        let own = self.contract.names.email.clone();
        let standing = if own == "email" {
            "Documented"
        } else {
            self.standing(|contract| contract.names.email.clone())
        };
        let topic = "attributes.email";
        let holds_addresses = |name: &str| {
            let values = || self.people.iter().filter_map(|person| person.attributes.get(name));
            let mut texts = values().filter(|value| !value.is_null()).peekable();
            texts.peek().is_some()
                && texts.all(|value| value.as_str().is_some_and(|text| text.contains('@')))
        };
        if holds_addresses(&own) {
            let seen = "its values are e-mail addresses";
            return self.note(topic, own, standing, Verdict::Confirmed, seen);
        }
        let others: Vec<String> =
            names(&self.people).into_iter().filter(|name| holds_addresses(name)).collect();
        match others.as_slice() {
            [name] => {
                let seen = format!("the addresses are in {name}");
                self.note(topic, own, standing, Verdict::Contradicted, seen);
                self.correct_name(NameOf::Email, name.clone());
            }
            [] => {
                let seen = "no attribute of the people on the page holds addresses";
                self.note(topic, own, standing, Verdict::Unknown, seen);
            }
            [one, other, ..] => {
                let seen = format!("several attributes hold addresses, such as {one} and {other}");
                self.note(topic, own, standing, Verdict::Unknown, seen);
            }
        }
    }

    /// Notes which of several names an attribute has.
    pub(super) fn named(
        &mut self,
        of: NameOf,
        own: &str,
        usual: &[&str],
        is_shown: impl Fn(&str) -> bool,
    ) {
        let topic = format!("attributes.{}", of.as_str());
        let standing = self.standing(|contract| contract.names.name(of).map(str::to_owned));
        if is_shown(own) {
            return self.note(topic, own, standing, Verdict::Confirmed, "it is shown");
        }
        if let Some(name) = usual.iter().find(|name| is_shown(name)) {
            let seen = format!("{own} is not shown, and {name} is");
            self.note(topic, own, standing, Verdict::Contradicted, seen);
            self.correct_name(of, (*name).to_owned());
        } else {
            let seen = "neither it nor a usual name for it is shown";
            self.note(topic, own, standing, Verdict::Unknown, seen);
        }
    }

    pub(super) fn correct_name(&mut self, of: NameOf, name: String) {
        self.corrections.attributes.insert(of.as_str().to_owned(), name.clone());
        self.contract.names.set(of, name);
    }

    /// Reads somebody of the list by id, and an id that nobody has.
    pub(super) async fn one_person(&mut self) {
        let op = Op::GetCandidate;
        if !self.offers(op) {
            return;
        }
        let operation = self.contract.operation(op);
        let (path, state) = (operation.path.clone(), operation.state.as_str());
        let Some(id) = self.people.first().and_then(|one| ClinchId::parse(&one.id).ok()) else {
            let seen = "needs somebody in the account";
            return self.note(path_of(op), path, state, Verdict::Unknown, seen);
        };
        match self.read(op, Some(&id), &[]).await {
            Ok(document) => {
                let is_same =
                    matches!(&document.data, PrimaryData::One(one) if one.id == id.as_str());
                let (verdict, seen) = if is_same {
                    (Verdict::Confirmed, "somebody of the list can be read")
                } else {
                    (Verdict::Contradicted, "the answer is not the person of this id")
                };
                self.note(path_of(op), path, state, verdict, seen);
            }
            Err(unread) => {
                return self.note_unread(path_of(op), path, state, Verdict::Contradicted, &unread);
            }
        }
        let Ok(nobody) = ClinchId::parse(NOBODY) else { return };
        let (topic, assumed) = ("an id that nobody has", "404");
        match self.read(op, Some(&nobody), &[]).await {
            Err(Unread::Refused(ClinchError::NotFound)) => {
                self.note(topic, assumed, "Assumed", Verdict::Confirmed, "404");
            }
            Err(Unread::Refused(ClinchError::NotClinch(
                NotClinchSign::NotFoundPage | NotClinchSign::BareNotFound,
            ))) => {
                let seen = "404 without a JSON:API error: imports cannot see that somebody is gone";
                self.note(topic, assumed, "Assumed", Verdict::Contradicted, seen);
            }
            Ok(_) => {
                let seen = "a success: that somebody is gone cannot be seen";
                self.note(topic, assumed, "Assumed", Verdict::Contradicted, seen);
            }
            Err(unread) => {
                self.note_unread(topic, assumed, "Assumed", Verdict::Contradicted, &unread);
            }
        }
    }
}

/// The names of attributes that may be said.
pub(super) fn names(resources: &[Resource]) -> BTreeSet<String> {
    let all = resources.iter().flat_map(|resource| resource.attributes.keys());
    all.filter(|name| is_safe_name(name)).cloned().collect()
}
