//! The round trip on a real API server, with kubectl.

use anyhow::Context as _;
use serde_json::Value;

use super::{
    Args,
    kubectl::Kubectl,
    manifests,
    round_trip::{IMPORT, REDISCOVERY, came_back, compared, edit, is_in},
    sibling::Sandbox,
};
use crate::{
    api::{CandidateExportStatus, CandidateImportStatus},
    cli::print,
};

/// Namespace of the quickstart.
const TEAM: &str = "talent";
const FROM_CLINCH: &str = "candidateimport/from-clinch";
const COMPARISON: &str = "candidateexport/rediscovery";
const WAIT: &str = "--timeout=60s";
/// Requests the second run.
const REQUEST: &str = "clinch.hireez.dev/reconcile-requested-at";

/// Shows it; whether it came to its end in time.
pub(super) async fn show(
    args: &Args,
    kubectl: &Kubectl,
    sandbox: &Sandbox,
    files: &str,
) -> anyhow::Result<bool> {
    if !is_in(&args.filename) {
        return Ok(true);
    }
    let apply = async |part: &str| {
        let read = manifests(&args.filename, &[part], sandbox.origin(), files)?;
        let own = read.iter().filter(|(path, _)| {
            path.parent().is_some_and(|folder| folder == args.filename.join(part))
        });
        let texts: Vec<&str> = own.map(|(_, text)| text.as_str()).collect();
        let path = args.state.join(format!("{part}.yaml"));
        kubectl.apply(&path, &texts.join("\n---\n")).await
    };
    let status = async |object: &str| -> anyhow::Result<Value> {
        let json = kubectl.output(&["get", object, "-n", TEAM, "-o", "json"]).await?;
        let read: Value = serde_json::from_str(&json).context("kubectl's answer is not JSON")?;
        Ok(read["status"].clone())
    };
    let wait = async |object: &str, what: &str| {
        kubectl.quietly(&["wait", what, object, "-n", TEAM, WAIT]).await.is_ok()
    };
    let ready = "--for=condition=Ready";
    apply(IMPORT).await?;
    if !wait(FROM_CLINCH, ready).await {
        return Ok(false);
    }
    let before: CandidateImportStatus = serde_json::from_value(status(FROM_CLINCH).await?)?;
    let edit = edit(sandbox).await?;
    let asked = edit.chars().filter(char::is_ascii_alphanumeric).collect::<String>();
    let request = format!("{REQUEST}={asked}");
    kubectl.quietly(&["annotate", FROM_CLINCH, "-n", TEAM, "--overwrite", &request]).await?;
    let handled = format!("--for=jsonpath={{.status.handled.reconcileRequestedAt}}={asked}");
    apply(REDISCOVERY).await?;
    let settled = wait(FROM_CLINCH, &handled).await
        && wait(FROM_CLINCH, ready).await
        && wait(COMPARISON, ready).await;
    let after: CandidateImportStatus = serde_json::from_value(status(FROM_CLINCH).await?)?;
    print(&format!("\n10. the way back\n\n{}", came_back(&before, &edit, &after, files)));
    let list: CandidateExportStatus = serde_json::from_value(status(COMPARISON).await?)?;
    if let Some(counts) = list.rediscovery {
        print(&format!("\n11. Rediscovery: who of a list is in Clinch?\n\n{}", compared(&counts)));
    }
    Ok(settled)
}
