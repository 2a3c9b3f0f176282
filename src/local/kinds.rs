//! Which objects of other groups are mistakes: ours with a misspelt group, version or kind. Pure.

use crate::{
    api::{GROUP, VERSION},
    cluster::Kind,
    domain::did_you_mean,
};

/// What stands in every group that somebody may have meant for ours.
const WORDS: [&str; 2] = ["clinch", "hireez"];

/// The message for a kind that the group does not have.
pub(super) fn unknown_kind(kind: &str) -> String {
    if kind == "CandidateLedger" {
        return "CandidateLedger is internal to the operator; it is never applied".to_owned();
    }
    let known = Kind::ALL.map(Kind::as_str);
    match did_you_mean(kind, known) {
        Some(known) => format!("unknown kind; did you mean {known}?"),
        None => format!("unknown kind; {GROUP} has {}", known.join(", ")),
    }
}

/// The message for an object of another group that is one of ours, misspelt; `None` for a foreign one.
/// `api_version` is not of [`GROUP`].
pub(super) fn misspelt(api_version: &str, kind: &str) -> Option<String> {
    let item = kind.strip_suffix("List").unwrap_or(kind);
    let meant = did_you_mean(item, Kind::ALL.map(Kind::as_str))?;
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    let is_close = |text: &str| {
        let text = text.to_lowercase();
        did_you_mean(&text, [GROUP]).is_some() || WORDS.iter().any(|word| text.contains(word))
    };
    // Kubernetes itself has no such kind: the group was left out.
    let close = group.is_empty() || is_close(group) || is_close(version);
    close.then(|| format!("{api_version} has no {kind}; use {GROUP}/{VERSION} for a {meant}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_or_version_close_to_ours_is_a_mistake_and_another_is_foreign() {
        for api_version in [
            "clinch.hireez.dv/v1alpha1",
            "clinch.hireez.com/v1alpha1",
            "clinch-hireez.dev/v1alpha1",
            "Clinch.hireez.dev/v1alpha1",
            "clinch.hiereez.dev/v1alpha1",
            "clich.hireez.dev/v1",
            "hireez.dev/v1alpha1",
            "clinch.hireez.dev",
            "v1alpha1",
            "v1",
        ] {
            for kind in
                ["CandidateExport", "FieldMapping", "candidateExport", "CandidateExportList"]
            {
                let message = misspelt(api_version, kind).unwrap_or_default();
                assert!(message.contains("use clinch.hireez.dev/v1alpha1"), "{api_version} {kind}");
            }
        }
        for (api_version, kind) in [
            ("apps/v1", "Deployment"),
            ("v1", "Service"),
            ("v1", "ServiceList"),
            ("maps.example.com/v1", "FieldMapping"),
            ("clinch.example.com/v1", "Dashboard"),
        ] {
            assert_eq!(misspelt(api_version, kind), None, "{api_version} {kind}");
        }
    }

    #[test]
    fn a_misspelt_kind_is_suggested() {
        assert_eq!(unknown_kind("CandidateExprot"), "unknown kind; did you mean CandidateExport?");
        assert!(unknown_kind("Person").ends_with("FieldMapping, CandidateExport, CandidateImport"));
        assert!(unknown_kind("CandidateLedger").contains("internal"));
    }
}
