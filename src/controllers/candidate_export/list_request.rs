//! The request for a list of the people whom an export wrote. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::api::{Handled, WRITTEN_REQUESTED_AT};

/// The request of an export that has no receipt.
pub(super) fn asked(meta: &ObjectMeta, handled: Option<&Handled>) -> Option<String> {
    let value = meta.annotations.as_ref()?.get(WRITTEN_REQUESTED_AT)?;
    let value: String = value.chars().take(256).collect();
    let receipt = handled.and_then(|handled| handled.written_requested_at.as_ref());
    (receipt != Some(&value)).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_answered_by_its_receipt() {
        let annotation = (WRITTEN_REQUESTED_AT.to_owned(), "2".to_owned());
        let meta = ObjectMeta { annotations: Some([annotation].into()), ..ObjectMeta::default() };
        let handled = |value: &str| Handled {
            written_requested_at: Some(value.to_owned()),
            ..Handled::default()
        };
        assert_eq!(asked(&meta, None).as_deref(), Some("2"));
        assert_eq!(asked(&meta, Some(&handled("1"))).as_deref(), Some("2"));
        assert_eq!(asked(&meta, Some(&handled("2"))), None);
        assert_eq!(asked(&ObjectMeta::default(), None), None);
    }
}
