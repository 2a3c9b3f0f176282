//! The request to accept deletions that are held. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::api::{ACCEPT_DELETIONS, Handled};

/// A request that has no receipt. Its receipt is written once a run has acted on it.
pub(super) fn asked(meta: &ObjectMeta, handled: Option<&Handled>) -> Option<String> {
    let value = meta.annotations.as_ref()?.get(ACCEPT_DELETIONS)?;
    let value: String = value.chars().take(256).collect();
    let receipt = handled.and_then(|handled| handled.accept_deletions.as_ref());
    (receipt != Some(&value)).then_some(value)
}

/// The number of the run whose deletions are accepted; `None` for a value that is no number, which
/// accepts nothing.
pub(super) fn run_of(value: &str) -> Option<u64> {
    value.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_counts_until_it_has_a_receipt() {
        let meta = |value: &str| ObjectMeta {
            annotations: Some([(ACCEPT_DELETIONS.to_owned(), value.to_owned())].into()),
            ..ObjectMeta::default()
        };
        let handled = Handled { accept_deletions: Some("7".to_owned()), ..Handled::default() };
        assert_eq!(asked(&meta("7"), None).as_deref(), Some("7"));
        assert_eq!(asked(&meta("7"), Some(&handled)), None);
        assert_eq!(asked(&meta("8"), Some(&handled)).as_deref(), Some("8"));
        assert_eq!(asked(&ObjectMeta::default(), None), None);
        assert_eq!((run_of("7"), run_of("yes"), run_of("-1")), (Some(7), None, None));
    }
}
