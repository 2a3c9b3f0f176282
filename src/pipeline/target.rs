//! What the contract says of candidate attributes, in the mapping engine's types. Pure.

use crate::{
    clinch::contract::{Attribute, AttributeKind as Kind, Contract},
    mapping::{AttributeKind, TargetAttribute, TargetAttributes, ValueFormat},
};

/// The attributes of candidates, as far as the contract lists them.
pub fn target_attributes(contract: &Contract) -> TargetAttributes {
    let listed = contract.candidate_attributes.as_ref().map(|attributes| {
        let named = attributes.iter();
        named.map(|(name, attribute)| (name.clone(), target_attribute(attribute))).collect()
    });
    let names = &contract.names;
    let named = [&names.updated_at, &names.merged_into, &names.linkedin_url, &names.github_url];
    let named = named.into_iter().flatten().chain([&names.email, &names.source]);
    let shown = contract.shown_attributes.as_ref();
    let shown = shown.map(|shown| shown.iter().chain(named).cloned().collect());
    TargetAttributes { listed, shown, enforced: contract.enforced }
}

fn target_attribute(attribute: &Attribute) -> TargetAttribute {
    let kind = match attribute.kind {
        Kind::String => AttributeKind::String,
        Kind::Number => AttributeKind::Number,
        Kind::Integer => AttributeKind::Integer,
        Kind::Boolean => AttributeKind::Boolean,
        Kind::Array => AttributeKind::List,
        Kind::Object => AttributeKind::Object,
        Kind::Unknown => AttributeKind::Any,
    };
    let length = |length: u64| usize::try_from(length).ok();
    TargetAttribute {
        kind,
        items: attribute.items.as_deref().map(|items| Box::new(target_attribute(items))),
        required: attribute.required,
        read_only: attribute.read_only,
        // A document that does not even state the type does not state this either.
        not_null: kind != AttributeKind::Any && !attribute.nullable,
        format: attribute.format.as_deref().and_then(ValueFormat::of_name),
        max_length: attribute.max_length.and_then(length),
        values: attribute.values.clone(),
    }
}
