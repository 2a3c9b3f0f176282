//! What the status says of the contract: bounded, because a document may list any number of attributes.
//! Pure.

use crate::{
    api::{ContractAttribute, ContractStatus},
    clinch::{
        Contract,
        contract::{AttributeKind, Taken},
    },
};

/// Maximum number of attributes in a status.
const MAX_ATTRIBUTES: usize = 200;
/// Maximum size of the list of attributes as JSON, in bytes.
const MAX_BYTES: usize = 12 * 1024;

/// The summary of a contract.
pub(super) fn contract_status(contract: &Contract) -> ContractStatus {
    let (attributes, attributes_omitted) = attributes(contract.attributes_taken());
    ContractStatus {
        origin: contract.origin.as_str().to_owned(),
        operations: contract.summary(),
        attributes,
        attributes_omitted,
    }
}

/// As many attributes as fit, and how many do not.
fn attributes(taken: Vec<Taken>) -> (Vec<ContractAttribute>, Option<i64>) {
    let (count, mut shown, mut bytes) = (taken.len(), Vec::new(), 2);
    for one in taken.into_iter().take(MAX_ATTRIBUTES) {
        let one = attribute(one);
        // Plain data serialises.
        bytes += serde_json::to_vec(&one).map_or(MAX_BYTES, |json| json.len() + 1);
        if bytes > MAX_BYTES {
            break;
        }
        shown.push(one);
    }
    let omitted = i64::try_from(count - shown.len()).ok().filter(|omitted| *omitted > 0);
    (shown, omitted)
}

fn attribute(taken: Taken) -> ContractAttribute {
    let Taken { name, attribute, state } = taken;
    let type_ = match attribute.kind {
        AttributeKind::String => Some("String"),
        AttributeKind::Number => Some("Number"),
        AttributeKind::Integer => Some("Integer"),
        AttributeKind::Boolean => Some("Boolean"),
        AttributeKind::Array => Some("Array"),
        AttributeKind::Object => Some("Object"),
        AttributeKind::Unknown => None,
    };
    ContractAttribute {
        name,
        type_: type_.map(str::to_owned),
        // A format is a word of the document, which may be anything.
        format: attribute.format.filter(|format| is_word(format)),
        max_length: attribute.max_length.and_then(|length| i64::try_from(length).ok()),
        required: attribute.required,
        standing: state.as_str().to_owned(),
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::clinch::contract::Attribute;

    fn text() -> Attribute {
        Attribute {
            kind: AttributeKind::String,
            items: None,
            format: Some("email".to_owned()),
            required: false,
            read_only: false,
            nullable: false,
            max_length: Some(40),
            values: None,
        }
    }

    fn of(count: usize, name: impl Fn(usize) -> String) -> ContractStatus {
        let mut contract = Contract::built_in();
        let listed: BTreeMap<_, _> = (0..count).map(|number| (name(number), text())).collect();
        contract.candidate_attributes = Some(listed);
        contract_status(&contract)
    }

    #[test]
    fn at_most_200_attributes_and_12_kib_are_listed_and_the_others_are_counted() {
        for (count, length) in [(3, 8), (200, 8), (201, 8), (512, 64), (150, 64)] {
            let status = of(count, |number| format!("{number:a>length$}"));
            let shown = status.attributes.len();
            let bytes = serde_json::to_vec(&status.attributes).unwrap().len();
            assert!(shown <= 200 && bytes <= 12 * 1024, "{count}: {shown}, {bytes} bytes");
            let omitted = status.attributes_omitted.unwrap_or_default();
            assert_eq!(i64::try_from(count - shown).unwrap(), omitted);
            // No more is left out than is necessary.
            assert!(omitted == 0 || shown == 200 || bytes > 12 * 1024 - 200, "{count}: {shown}");
        }
    }

    #[test]
    fn what_the_document_states_is_shown_and_a_format_that_is_no_word_is_not() {
        let first = of(1, |_| "email".to_owned()).attributes.remove(0);
        let json = serde_json::to_value(&first).unwrap();
        let expected = serde_json::json!({
            "name": "email", "type": "String", "format": "email", "maxLength": 40,
            "standing": "Discovered",
        });
        assert_eq!(json, expected);
        for text in ["", "a b", "<x>", "ann@example.com"] {
            assert!(!is_word(text), "{text}");
        }
    }
}
