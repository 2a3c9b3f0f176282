//! How the list of candidates is searched: by address, and by the time of the last change.

use jiff::Timestamp;
use serde_json::Value;

use super::{
    finding::Verdict,
    inspector::{Inspector, Unread, spellings},
};
use crate::{
    api::{self, UpdatedSinceParameter},
    clinch::contract::{Op, TimeFormat, UPDATED_SINCE_NAMES, UpdatedSince},
    domain::MatchKey,
    jsonapi::Resource,
};

const OP: Op = Op::ListCandidates;
/// An address that nobody has: RFC 2606 reserves its domain.
const NOBODY: &str = "nobody@contract-check.invalid";

/// What a filter does.
enum Filters {
    Exactly,
    Not(&'static str),
}

impl Inspector<'_> {
    /// Whether, and by which parameter, somebody is found by address.
    pub(super) async fn filter(&mut self) {
        let own = self.contract.filter.clone();
        let standing = self.standing(|contract| contract.filter.clone());
        let (topic, assumed) =
            ("filterParameter", own.clone().unwrap_or_else(|| "none".to_owned()));
        let email = self.contract.names.email.clone();
        let Some(address) = self.people.iter().find_map(|person| address(person, &email)) else {
            let seen = "needs somebody with an address on the first page";
            return self.note(topic, assumed, standing, Verdict::Unknown, seen);
        };
        let (bracketed, equal) = (format!("filter[{email}]"), format!("filter[{email}][eq]"));
        let usual = [bracketed.as_str(), email.as_str(), equal.as_str()];
        let (mut found, mut why) = (None, "it is not offered");
        for (index, name) in spellings(own.as_deref(), &usual).into_iter().enumerate() {
            match self.filters(&name, &address, &email).await {
                Ok(Filters::Exactly) => {
                    found = Some(name);
                    break;
                }
                Ok(Filters::Not(reason)) if index == 0 && own.is_some() => why = reason,
                Ok(Filters::Not(_)) => {}
                Err(unread) => {
                    return self.note_unread(topic, assumed, standing, Verdict::Unknown, &unread);
                }
            }
        }
        let Some(name) = found else {
            let seen = format!(
                "{why}, and no usual name finds exactly one: the whole list is read instead"
            );
            return self.note(topic, assumed, standing, Verdict::Contradicted, seen);
        };
        if own.as_ref() == Some(&name) {
            let seen = "it finds somebody of the list and nobody else, and nobody where nobody is";
            self.note(topic, assumed, standing, Verdict::Confirmed, seen);
        } else {
            let seen =
                format!("{name} finds somebody of the list and nobody else; of {assumed}: {why}");
            self.note(topic, assumed, standing, Verdict::Contradicted, seen);
            self.corrections.filter_parameter = Some(name.clone());
            self.contract.filter = Some(name.clone());
        }
        self.letter_case(&name, &address).await;
    }

    async fn filters(&mut self, name: &str, address: &str, email: &str) -> Result<Filters, Unread> {
        let found = match self.list(OP, None, &[(name, address)]).await {
            Ok(found) => found,
            Err(Unread::Refused(_)) => return Ok(Filters::Not("Clinch refuses it")),
            Err(unread) => return Err(unread),
        };
        let wanted = MatchKey::fold(address);
        let others = found.iter().any(|person| {
            let key = person.attributes.get(email).and_then(Value::as_str).and_then(MatchKey::fold);
            key != wanted
        });
        if found.is_empty() {
            return Ok(Filters::Not("it does not find somebody of the list"));
        }
        if others {
            return Ok(Filters::Not("it lists others, too"));
        }
        match self.list(OP, None, &[(name, NOBODY)]).await {
            Ok(nobody) if nobody.is_empty() => Ok(Filters::Exactly),
            Ok(_) => Ok(Filters::Not("it lists people where nobody is")),
            Err(Unread::Refused(_)) => Ok(Filters::Not("Clinch refuses it for an unknown address")),
            Err(unread) => Err(unread),
        }
    }

    async fn letter_case(&mut self, name: &str, address: &str) {
        let (lower, upper) = (address.to_lowercase(), address.to_uppercase());
        let other = if lower == address { upper } else { lower };
        let (topic, assumed) = ("letter case of addresses", "does not matter to the filter");
        match self.list(OP, None, &[(name, other.as_str())]).await {
            Ok(found) if found.is_empty() => {
                let seen = "it matters: people whose address is stored with capitals are found on the \
                            list only, so keep `limits.absence: List`";
                self.note(topic, assumed, "Assumed", Verdict::Contradicted, seen);
            }
            Ok(_) => {
                let seen = "the person is found in another case, too";
                self.note(topic, assumed, "Assumed", Verdict::Confirmed, seen);
            }
            Err(unread) => self.note_unread(topic, assumed, "Assumed", Verdict::Unknown, &unread),
        }
    }

    /// Whether, and by which parameter, the list shows changes only.
    pub(super) async fn updated_since(&mut self) {
        let own = self.contract.updated_since.clone();
        let standing = self.standing(|contract| contract.updated_since.clone());
        let topic = "updatedSince.parameter";
        let assumed = own.as_ref().map_or("none", |own| own.parameter.as_str()).to_owned();
        if self.people.is_empty() {
            let seen = "needs somebody in the account";
            return self.note(topic, assumed, standing, Verdict::Unknown, seen);
        }
        let usual = UPDATED_SINCE_NAMES
            .map(|name| UpdatedSince { parameter: name.to_owned(), format: TimeFormat::Rfc3339 });
        let others = usual.into_iter().filter(|one| Some(one) != own.as_ref());
        let mut found = None;
        for one in own.iter().cloned().chain(others) {
            match self.shows_changes(&one).await {
                Ok(true) => {
                    found = Some(one);
                    break;
                }
                Ok(false) | Err(Unread::Refused(_)) => {}
                Err(unread) => {
                    return self.note_unread(topic, assumed, standing, Verdict::Unknown, &unread);
                }
            }
        }
        match found {
            None if own.is_none() => {
                let seen = "no usual name shows changes only: imports read the whole list";
                self.note(topic, assumed, standing, Verdict::Confirmed, seen);
            }
            None => {
                let seen =
                    "neither it nor a usual name shows changes only: imports read the whole list";
                self.note(topic, assumed, standing, Verdict::Contradicted, seen);
            }
            Some(one) if Some(&one) == own.as_ref() => {
                let seen = "nobody changed in the future, and somebody since long ago";
                self.note(topic, assumed, standing, Verdict::Confirmed, seen);
            }
            Some(one) => {
                let seen = format!(
                    "{} shows changes only; imports need not read the whole list",
                    one.parameter
                );
                self.note(topic, assumed, standing, Verdict::Contradicted, seen);
                let format = api::TimeFormat::Rfc3339;
                let parameter = one.parameter;
                self.corrections.updated_since = Some(UpdatedSinceParameter { parameter, format });
            }
        }
    }

    async fn shows_changes(&mut self, one: &UpdatedSince) -> Result<bool, Unread> {
        let (future, long_ago) = (one.value(year(2500)), one.value(year(1971)));
        let later = self.list(OP, None, &[(one.parameter.as_str(), future.as_str())]).await?;
        Ok(later.is_empty()
            && !self
                .list(OP, None, &[(one.parameter.as_str(), long_ago.as_str())])
                .await?
                .is_empty())
    }
}

/// The start of a year.
fn year(year: i16) -> Timestamp {
    let start = jiff::civil::date(year, 1, 1).to_zoned(jiff::tz::TimeZone::UTC);
    start.map(|start| start.timestamp()).unwrap_or_default()
}

/// The address of a person, if it can be put into a query in one spelling.
fn address(person: &Resource, name: &str) -> Option<String> {
    let text = person.attributes.get(name)?.as_str()?;
    let plain = text.is_ascii() && text.contains('@') && !text.contains(char::is_whitespace);
    plain.then(|| text.to_owned())
}
