//! The request for a list of the people whom an export wrote, and the place of the list. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::api::{Handled, WRITTEN_REQUESTED_AT};

/// The request of an export that has no receipt.
pub(super) fn asked(meta: &ObjectMeta, handled: Option<&Handled>) -> Option<String> {
    let value = meta.annotations.as_ref()?.get(WRITTEN_REQUESTED_AT)?;
    let value: String = value.chars().take(256).collect();
    let receipt = handled.and_then(|handled| handled.written_requested_at.as_ref());
    (receipt != Some(&value)).then_some(value)
}

/// The name of the list beside a report: `people.ndjson.gz` is `people.written.ndjson.gz`.
pub(super) fn beside(report: &str) -> String {
    let (name, gz) = report.strip_suffix(".gz").map_or((report, ""), |name| (name, ".gz"));
    let (stem, format) = name.rsplit_once('.').unwrap_or((name, "ndjson"));
    format!("{stem}.written.{format}{gz}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_beside_the_report() {
        for (report, list) in [
            ("s3://b/x.y/people.ndjson", "s3://b/x.y/people.written.ndjson"),
            ("file:///srv/{export}-{date}.csv.gz", "file:///srv/{export}-{date}.written.csv.gz"),
        ] {
            assert_eq!(beside(report), list);
        }
    }

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
