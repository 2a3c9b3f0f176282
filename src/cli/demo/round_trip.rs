//! The round trip of the demo: an import, an edit in Clinch that it brings back, and the comparison of a list
//! with Clinch.

use std::path::Path;

use anyhow::Context as _;
use serde_json::Value;

use super::{Args, FILES, load, local_run, sibling::Sandbox};
use crate::{
    api::{CandidateExport, CandidateImport, CandidateImportStatus, RediscoveryCounts},
    app,
    cli::{print, stop::Stop},
    cluster::ObjectKey,
    local::{LocalCluster, Settled},
};

/// Folders of its manifests, in that of the quickstart.
pub(super) const IMPORT: &str = "import";
pub(super) const REDISCOVERY: &str = "rediscovery";
/// The person who is edited in Clinch, and the attribute. It can be read backwards.
const EDITED: &str = "elif.kaur@example.org";
const ATTRIBUTE: &str = "last_name";
/// What is written, so that each run of the demo is an edit.
const NAMES: [&str; 2] = ["Kaur-Lindqvist", "Kaur-Moreau"];

/// Whether a folder of manifests has a round trip.
pub(super) fn is_in(folder: &Path) -> bool {
    [IMPORT, REDISCOVERY].iter().all(|part| folder.join(part).is_dir())
}

/// Shows it on this machine.
pub(super) async fn local(
    args: &Args,
    sandbox: &Sandbox,
    files: &str,
    stop: &Stop,
) -> anyhow::Result<Settled> {
    let open = |parts: &[&str]| {
        let Ok(manifests) = load(&args.filename, parts, sandbox.origin(), files)? else {
            return Ok(None);
        };
        let (state, key) = (args.state.join("objects"), app::random_key()?);
        let opened = LocalCluster::open(manifests, Some(&state), key, app::system_clock());
        opened.map(Some).context("cannot use the demo's state folder")
    };
    let Some(cluster) = open(&[FILES, IMPORT])? else { return Ok(Settled::Stalled) };
    let settled = local_run(&cluster, sandbox.origin(), files, stop, false).await?;
    if settled != Settled::Ready {
        return Ok(settled);
    }
    let before = status(&cluster);
    // Another one with the same state follows.
    drop(cluster);
    let edit = edit(sandbox).await?;
    let Some(cluster) = open(&[FILES, IMPORT, REDISCOVERY])? else { return Ok(Settled::Stalled) };
    let settled = local_run(&cluster, sandbox.origin(), files, stop, false).await?;
    let after = status(&cluster);
    print(&format!("\n8. the way back\n\n{}", came_back(&before, &edit, &after, files)));
    let list = cluster.status::<CandidateExport>(&key(REDISCOVERY));
    if let Some(counts) = list.and_then(|status| status.rediscovery) {
        print(&format!("\n9. Rediscovery: who of a list is in Clinch?\n\n{}", compared(&counts)));
    }
    Ok(settled)
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::new("talent", name)
}

fn status(cluster: &LocalCluster) -> CandidateImportStatus {
    cluster.status::<CandidateImport>(&key("from-clinch")).unwrap_or_default()
}

/// Edits somebody in Clinch, as a recruiter would; what was changed.
pub(super) async fn edit(sandbox: &Sandbox) -> anyhow::Result<String> {
    let person = sandbox.candidate(EDITED).await?;
    let before = person["attributes"][ATTRIBUTE].as_str().unwrap_or_default().to_owned();
    let after = NAMES.into_iter().find(|name| *name != before).unwrap_or(NAMES[0]);
    sandbox.edit(EDITED, ATTRIBUTE, after).await?;
    Ok(format!("{ATTRIBUTE} of one person: {before:?} becomes {after:?}"))
}

/// What came back, as a table.
pub(super) fn came_back(
    before: &CandidateImportStatus,
    edit: &str,
    after: &CandidateImportStatus,
    files: &str,
) -> String {
    let counts = |status: &CandidateImportStatus| status.counts.unwrap_or_default();
    let (first, second) = (counts(before), counts(after));
    let mut lines = vec![
        format!("  an import reads Clinch    {} people, {} written", first.scanned, first.emitted),
        format!("  a recruiter edits Clinch  {edit}"),
        format!(
            "  the import reads again    {} people, {} written:",
            second.scanned, second.emitted
        ),
    ];
    let folder = Path::new(files.trim_start_matches("file://"));
    lines.extend(last_records(folder, after).unwrap_or_default());
    lines.join("\n")
}

/// The records that the last manifest lists, if they are few.
fn last_records(folder: &Path, status: &CandidateImportStatus) -> Option<Vec<String>> {
    /// More are not shown.
    const FEW: usize = 5;
    let manifest = status.last_manifest.as_ref()?.url.strip_prefix("file://")?.to_owned();
    let manifest = Path::new(&manifest).strip_prefix(folder).ok()?.to_owned();
    let own = folder.join(manifest.parent()?.parent()?);
    let text = std::fs::read_to_string(folder.join(&manifest)).ok()?;
    let manifest: Value = serde_json::from_str(&text).ok()?;
    let mut lines = Vec::new();
    for part in manifest["parts"].as_array()? {
        let text = std::fs::read_to_string(own.join(part["name"].as_str()?)).ok()?;
        for line in text.lines() {
            let record: Value = serde_json::from_str(line).ok()?;
            let name = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
            let (first, last) = (name("firstName"), name("lastName"));
            let op = record["clinch"]["op"].as_str().unwrap_or_default();
            lines.push(format!("{:28}{op}: {first} {last}", ""));
        }
    }
    (lines.len() <= FEW).then_some(lines)
}

/// What became of the list, as a table.
pub(super) fn compared(counts: &RediscoveryCounts) -> String {
    let rows = [
        ("known", counts.known, "in Clinch, as the list has them"),
        ("changed", counts.changed, "in Clinch, with other values: the person edited above"),
        ("new", counts.new, "not in Clinch"),
        ("possible", counts.possible.unwrap_or_default(), "somebody has the same profile"),
        ("ambiguous", counts.ambiguous, "in Clinch more than once"),
        ("suppressed", counts.suppressed, "must not be written again"),
        ("unmatchable", counts.unmatchable, "without an address to look for"),
    ];
    let shown = rows.into_iter().filter(|(_, count, _)| *count > 0);
    let lines: Vec<String> =
        shown.map(|(class, count, what)| format!("  {class:<12} {count:>3}   {what}")).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_say_what_came_back() {
        let status = |emitted| {
            let counts = crate::api::ImportCounts { scanned: 199, emitted, ..Default::default() };
            CandidateImportStatus { counts: Some(counts), ..CandidateImportStatus::default() }
        };
        let table = came_back(&status(199), "title", &status(1), "file:///nowhere");
        assert_eq!(table.lines().count(), 3);
        assert!(table.ends_with("199 people, 1 written:"), "{table}");
        let counts = RediscoveryCounts { known: 2, new: 1, ..RediscoveryCounts::default() };
        let table = compared(&counts);
        assert_eq!(table.lines().count(), 2);
        assert!(table.starts_with("  known          2   in Clinch"), "{table}");
    }
}
