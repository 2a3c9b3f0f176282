//! Which attributes of a person a create takes, as far as that is known. Pure.

use super::{Attribute, AttributeKind, Contract, Names, State};

/// What Clinch's public documentation names beside the match attribute.
const DOCUMENTED: [&str; 2] = ["first_name", "last_name"];

/// An attribute that a create takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Its name.
    pub name: String,
    /// What is known of it.
    pub attribute: Attribute,
    /// How well it is established.
    pub state: State,
}

impl Contract {
    /// The attributes that a create takes, the required ones first, then by name. Without a document that
    /// lists them these are the documented ones, and there may be others.
    pub fn attributes_taken(&self) -> Vec<Taken> {
        let mut taken: Vec<Taken> = match &self.candidate_attributes {
            Some(listed) => listed
                .iter()
                .filter(|(_, attribute)| !attribute.read_only)
                .map(|(name, attribute)| Taken {
                    name: name.clone(),
                    attribute: attribute.clone(),
                    state: State::Discovered,
                })
                .collect(),
            None => self.documented(),
        };
        taken.sort_by(|a, b| {
            let order = |one: &Taken| (!one.attribute.required, one.name.clone());
            order(a).cmp(&order(b))
        });
        taken
    }

    fn documented(&self) -> Vec<Taken> {
        let email = self.names.email.clone();
        let state =
            if email == Names::built_in().email { State::Documented } else { State::Overridden };
        let key = Taken { name: email, attribute: text(true), state };
        let others = DOCUMENTED.map(|name| Taken {
            name: name.to_owned(),
            attribute: text(false),
            state: State::Documented,
        });
        std::iter::once(key).chain(others).collect()
    }
}

fn text(required: bool) -> Attribute {
    Attribute {
        kind: AttributeKind::String,
        items: None,
        format: None,
        required,
        read_only: false,
        nullable: true,
        max_length: None,
        values: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clinch::contract::Overrides;

    fn names(contract: &Contract) -> Vec<(String, bool, State)> {
        let taken = contract.attributes_taken().into_iter();
        taken.map(|one| (one.name, one.attribute.required, one.state)).collect()
    }

    #[test]
    fn without_a_list_the_documented_attributes_are_named() {
        let documented = |name: &str, required| (name.to_owned(), required, State::Documented);
        let expected = [
            documented("email", true),
            documented("first_name", false),
            documented("last_name", false),
        ];
        assert_eq!(names(&Contract::built_in()), expected);
        let mut overrides = Overrides::default();
        overrides.attribute("email", "email_address").unwrap();
        let renamed = names(&Contract::built_in().with(&overrides));
        assert_eq!(renamed[0], ("email_address".to_owned(), true, State::Overridden));
        assert_eq!(renamed[1..], expected[1..]);
    }

    #[test]
    fn required_attributes_come_first_and_what_only_clinch_sets_is_left_out() {
        let mut contract = Contract::built_in();
        let read_only = Attribute { read_only: true, ..text(false) };
        contract.candidate_attributes = Some(
            [("a", text(false)), ("id", read_only), ("z", text(true))]
                .into_iter()
                .map(|(name, attribute)| (name.to_owned(), attribute))
                .collect(),
        );
        let discovered = |name: &str, required| (name.to_owned(), required, State::Discovered);
        assert_eq!(names(&contract), [discovered("z", true), discovered("a", false)]);
    }
}
