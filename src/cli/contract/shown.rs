//! The result of a check, as text and as JSON. Pure.

use anyhow::Context as _;
use serde::Serialize;
use serde_json::json;

use super::super::{
    color::{Colors, Tone},
    text::{folded, wrapped},
};
use crate::{
    api::ContractOverrides,
    clinch::{Finding, Inspection, Verdict},
    cluster::ObjectKey,
};

/// What was found. Its members are API.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shown {
    namespace: String,
    name: String,
    /// How many reads were made.
    reads: u32,
    findings: Vec<Finding>,
    /// Whether `contractOverrides` differs from the manifest's.
    corrected: bool,
    /// What `spec.contractOverrides` should be, with what it is already.
    contract_overrides: ContractOverrides,
}

impl Shown {
    pub(super) fn new(
        key: &ObjectKey,
        present: Option<&ContractOverrides>,
        inspection: Inspection,
    ) -> Self {
        let Inspection { findings, corrections, reads } = inspection;
        let present = present.cloned().unwrap_or_default();
        let contract_overrides = merged(present.clone(), corrections);
        Self {
            namespace: key.namespace.clone(),
            name: key.name.clone(),
            reads,
            findings,
            corrected: contract_overrides != present,
            contract_overrides,
        }
    }
}

/// Corrections in addition to, or instead of, those that are there.
fn merged(present: ContractOverrides, corrections: ContractOverrides) -> ContractOverrides {
    let mut merged = present;
    merged.paths.extend(corrections.paths);
    merged.attributes.extend(corrections.attributes);
    ContractOverrides {
        page_parameter: corrections.page_parameter.or(merged.page_parameter),
        page_size_parameter: corrections.page_size_parameter.or(merged.page_size_parameter),
        max_page_size: corrections.max_page_size.or(merged.max_page_size),
        filter_parameter: corrections.filter_parameter.or(merged.filter_parameter),
        include_parameter: corrections.include_parameter.or(merged.include_parameter),
        updated_since: corrections.updated_since.or(merged.updated_since),
        sort: corrections.sort.or(merged.sort),
        checks: corrections.checks.or(merged.checks),
        lookup_settle: corrections.lookup_settle.or(merged.lookup_settle),
        paths: merged.paths,
        attributes: merged.attributes,
    }
}

/// The lines for people.
pub(super) fn lines(shown: &Shown, width: usize, colors: Colors) -> anyhow::Result<Vec<String>> {
    let groups = [
        (Verdict::Contradicted, "Contradicted", Tone::Bad),
        (Verdict::Confirmed, "Confirmed", Tone::Good),
        (Verdict::Unknown, "Not known by reading", Tone::Wait),
    ];
    let mut lines = Vec::new();
    for (verdict, heading, tone) in groups {
        let findings: Vec<&Finding> =
            shown.findings.iter().filter(|finding| finding.verdict == verdict).collect();
        if findings.is_empty() {
            continue;
        }
        lines.push(colors.paint(tone, &format!("{heading} ({})", findings.len())));
        for finding in findings {
            let Finding { topic, assumed, standing, seen, .. } = finding;
            lines.extend(folded(format!("  {topic}: {assumed} ({standing})"), width));
            lines.extend(wrapped(seen, "      ", "      ", width));
        }
        lines.push(String::new());
    }
    if shown.corrected {
        let spec = json!({"spec": {"contractOverrides": shown.contract_overrides}});
        let yaml = serde_saphyr::to_string(&spec).context("cannot write YAML")?;
        lines.push(format!("For integration/{}:", shown.name));
        lines.push(String::new());
        lines.extend(yaml.lines().map(|line| format!("  {line}")));
        lines.push(String::new());
    }
    lines.push(format!("{} reads, nothing was written", shown.reads));
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corrections_are_added_to_those_that_are_there_and_replace_them() {
        let present: ContractOverrides = serde_json::from_value(json!({
            "attributes": {"email": "mail", "source": "origin"}, "pageParameter": "p",
            "filterParameter": "f", "checks": "Enforce", "paths": {"listJobs": "/vacancies"},
        }))
        .unwrap();
        let corrections: ContractOverrides = serde_json::from_value(json!({
            "attributes": {"email": "email_address"}, "pageParameter": "page[number]",
        }))
        .unwrap();
        let expected = json!({
            "attributes": {"email": "email_address", "source": "origin"},
            "pageParameter": "page[number]", "filterParameter": "f", "checks": "Enforce",
            "paths": {"listJobs": "/vacancies"},
        });
        assert_eq!(serde_json::to_value(merged(present, corrections)).unwrap(), expected);
    }

    #[test]
    fn what_is_contradicted_comes_first_and_the_manifest_follows() {
        let finding = |topic: &str, verdict, seen: &str| Finding {
            topic: topic.to_owned(),
            assumed: "page".to_owned(),
            standing: "Assumed",
            verdict,
            seen: seen.to_owned(),
        };
        let corrections = ContractOverrides {
            page_parameter: Some("page[number]".to_owned()),
            ..ContractOverrides::default()
        };
        let inspection = Inspection {
            findings: vec![
                finding("paths.listJobs", Verdict::Confirmed, "a list of jobs"),
                finding("pageParameter", Verdict::Contradicted, "page[number] turns pages"),
            ],
            corrections,
            reads: 9,
        };
        let shown = Shown::new(&ObjectKey::new("talent", "clinch"), None, inspection);
        let text = lines(&shown, 80, Colors::NONE).unwrap().join("\n");
        let expected = "Contradicted (1)\n  pageParameter: page (Assumed)\n      page[number] turns pages\n\n\
                        Confirmed (1)\n  paths.listJobs: page (Assumed)\n      a list of jobs\n\n\
                        For integration/clinch:\n\n  spec:\n    contractOverrides:\n      \
                        pageParameter: page[number]\n\n9 reads, nothing was written";
        assert_eq!(text, expected);
    }
}
