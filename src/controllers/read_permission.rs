//! What an integration permits to leave Clinch, and the places where people may be written to. Pure.

use crate::{
    api::{Permission, ReadPermission},
    pipeline::AttributeFilter,
    storage::{AllowedPlaces, Location},
};

/// Stands for all attributes.
const ALL: &str = "*";

/// What may leave Clinch, where anything may.
pub(super) fn attributes(permission: &ReadPermission) -> AttributeFilter {
    if permission.attributes.iter().any(|name| name == ALL) {
        return AttributeFilter::All;
    }
    AttributeFilter::Only(permission.attributes.iter().cloned().collect())
}

/// What a report may say of people in Clinch: the attributes that it may name, if anything.
pub(super) fn reveals(permission: &ReadPermission) -> Option<AttributeFilter> {
    (permission.candidates == Permission::Allowed).then(|| attributes(permission))
}

/// Why the places that the integration lists do not hold a location, if so. The account of an Azure
/// container is compared by the operator's own list.
pub(super) fn not_listed(permission: &ReadPermission, location: &Location) -> Option<String> {
    if permission.destinations.is_empty() {
        return None;
    }
    match AllowedPlaces::destinations(permission.destinations.iter().map(String::as_str)) {
        Ok(listed) => (!listed.may_allow(location)).then(|| {
            format!(
                "{location} is under none of the places in spec.readPermission.destinations of the \
                 integration; ask its admin"
            )
        }),
        Err(error) => Some(format!(
            "spec.readPermission.destinations of the integration cannot be used; ask its admin: {error}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn permission(value: serde_json::Value) -> ReadPermission {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn an_asterisk_stands_for_all_attributes() {
        let of = |names: &[&str]| attributes(&permission(json!({"attributes": names})));
        assert_eq!(of(&["*"]), AttributeFilter::All);
        assert!(of(&["email"]).permits("email") && !of(&["email"]).permits("phone"));
        assert!(!of(&[]).permits("email"));
    }

    #[test]
    fn a_report_says_who_people_are_in_clinch_only_where_people_may_be_read() {
        let denied = json!({"candidates": "Denied", "attributes": ["*"]});
        assert_eq!(reveals(&permission(denied)), None);
        assert_eq!(reveals(&permission(json!({}))), None);
        let allowed =
            reveals(&permission(json!({"candidates": "Allowed", "attributes": ["email"]})));
        assert!(allowed.is_some_and(|names| names.permits("email") && !names.permits("phone")));
    }
}
