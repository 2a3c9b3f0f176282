//! Rediscovery: which people of a list are in Clinch. The same comparison as a dry run of an export, on an
//! empty ledger. Pure, except for the run.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::gather::{Gathered, ListFound};
use crate::{
    api::{ImportMatch, MatchReport, ReportInclude},
    clinch::Client,
    conditions::Verdict,
    controllers::{
        check::Check,
        connections::Connection,
        destinations::refused,
        finding::Finding,
        mappings::{self, not_for_exports, summary},
        read_permission::reveals,
        sources,
    },
    domain::{Cause, Disposition, Fence, Reason, digest_json},
    ledger::MemoryStore,
    mapping::{self, MappingSpec, Plan, TargetAttributes},
    pipeline::{
        self, AttributeFilter, ClinchCrm, DestinationSpec, Duplicates, Ending, Guards, LedgerTrust,
        LineFormat, Mode, Progress, Renderer, Report, ReportSpec, RunPorts, RunSpec, Source,
        Suspects, no_neighbours, with_report,
    },
    storage::{Destination, NamedFiles},
};

/// The field that names the report.
const REPORT_URL: &str = "spec.match.report.to.url";
/// The field that names the list, and its report.
const LIST: &str = "spec.match";
/// The field that holds the list.
const SOURCE: &str = "spec.match.source";

/// A list that can be compared with Clinch.
pub(super) struct Comparison {
    source: Source,
    plan: Plan,
    report: Option<ReportSpec>,
    /// The attributes that may be compared beside those of the mapping.
    revealed: Option<AttributeFilter>,
    /// Identifies everything that the result depends on, besides Clinch.
    pub(super) digest: String,
    /// Identifies the content of the list.
    pub(super) content: String,
}

impl Comparison {
    /// Whether nothing announces changes of the list.
    pub(super) fn is_remote(&self) -> bool {
        self.source.is_remote()
    }
}

/// The list, as far as it can be checked without a request, and the condition `SourceReady` on it.
pub(super) fn check(
    gathered: &Gathered,
    found: &ListFound,
    wanted: &ImportMatch,
) -> Check<Comparison> {
    let Check { value, observation, fault } =
        sources::check(&wanted.source, &found.source, &found.policy);
    let Some(source) = value else { return Check { value: None, observation, fault } };
    let unusable = |fault| Check { value: None, observation: observation.clone(), fault };
    let plan = match plan(gathered, found) {
        Ok(plan) => plan,
        Err(fault) => return unusable(fault),
    };
    let report = wanted.report.as_ref().map(|wanted| report(gathered, found, wanted));
    let report = match report.transpose() {
        Ok(report) => report,
        Err(cause) => return unusable(Some(Verdict::Stalled(cause))),
    };
    let granted = gathered.integration.granted();
    let revealed = granted.and_then(|found| reveals(&found.spec.read_permission));
    let content = found.keys.payload_digest(&source.fingerprint().to_string());
    let digest = digest_json(&(
        wanted,
        plan.digest().to_string(),
        plan.target_digest().map(|target| target.to_string()),
        hex::encode(content.0),
    ));
    let (digest, content) = (digest.short(), hex::encode(content.0));
    Check {
        value: Some(Comparison { source, plan, report, revealed, digest, content }),
        observation,
        fault: None,
    }
}

/// The mapping for exports that says what is compared: values, no resumes and no tags.
fn plan(gathered: &Gathered, found: &ListFound) -> Result<Plan, Option<Verdict>> {
    let unknown = TargetAttributes::UNKNOWN;
    let target = gathered.connection.as_ref().map_or(&unknown, |open| &open.attributes);
    let stalled = |message: String| {
        let message = format!("{LIST}: {message}");
        Some(Verdict::Stalled(Cause::new(Reason::MappingInvalid, message)))
    };
    let named_in = "spec.defaults.fieldMappingRef of the integration";
    if let Some(message) = not_for_exports(&found.mapping, named_in) {
        return Err(stalled(message));
    }
    let source: Result<(String, MappingSpec), Box<Check<()>>> =
        mappings::source(&found.mapping, &gathered.key().namespace, target);
    let (name, mut engine) = source.map_err(|check| check.fault)?;
    engine.resume.attach = false;
    engine.tags.enabled = false;
    let compiled = mapping::compile(&engine).and_then(|plan| {
        let issues = plan.check(target);
        if issues.is_empty() { Ok(plan.for_target(target)) } else { Err(issues) }
    });
    compiled.map_err(|issues| stalled(format!("{name}: {}", summary(&issues))))
}

fn report(
    gathered: &Gathered,
    found: &ListFound,
    wanted: &MatchReport,
) -> Result<ReportSpec, Cause> {
    let url = &wanted.to.url;
    let open = |secret| {
        Destination::open(url, secret, &gathered.destinations)
            .map_err(|error| refused(REPORT_URL, &error))
    };
    let destination = match &found.report_secret {
        Ok(secret) => open(secret.as_ref())?,
        // Before the Secret: a caller who may not use the place must not see its faults.
        Err(cause) => {
            let place = open(None).err().filter(|fault| {
                matches!(fault.reason, Reason::DestinationNotAllowed | Reason::InvalidSpec)
            });
            return Err(place.unwrap_or_else(|| cause.clone()));
        }
    };
    if let Some(older) = &found.claimed_by {
        return Err(older.refusal(&gathered.key().namespace, REPORT_URL, "this file", ""));
    }
    let granted = gathered.integration.granted();
    Ok(ReportSpec {
        format: LineFormat::of_name(url),
        destination,
        rejected_only: wanted.include == ReportInclude::Rejected,
        dry_run: true,
        reveals: granted.and_then(|found| reveals(&found.spec.read_permission)),
        owner: format!("{}/match", gathered.uid()),
    })
}

/// Compares the list with Clinch. Writes nothing but the report.
pub(super) async fn compare(
    Comparison { source, plan, report, revealed, .. }: Comparison,
    connection: Connection,
    client: Client,
    import: &str,
    (fence, cancel): (Fence, CancellationToken),
    keys: crate::ledger::Keys,
) -> Report {
    let spec = RunSpec {
        source,
        select: None,
        limit: None,
        plan,
        destination: DestinationSpec::Prospect,
        duplicates: Duplicates::Update,
        mode: Mode::DryRun,
        guards: Guards::default(),
        renderer: Renderer::default(),
        resumes: NamedFiles::default(),
        reveals: revealed,
    };
    let ports = RunPorts {
        crm: ClinchCrm::new(client, connection.source).witnessed_by(connection.account.witnesses),
        guard: connection.guard,
        suppressions: connection.suppressions,
        look_up: connection.look_up,
        export: import.to_owned(),
        neighbours: no_neighbours(),
        suspects: Suspects::default(),
        keys,
        store: MemoryStore::default(),
        trust: LedgerTrust::default(),
        ledger_max: None,
        fence,
        max_in_flight: connection.max_in_flight,
        progress: watch::channel(Progress::default()).0,
        report: None,
        cancel,
    };
    match report {
        None => pipeline::run(spec, ports).await,
        Some(report) => {
            let run = |lines| pipeline::run(spec, RunPorts { report: Some(lines), ..ports });
            with_report(report, None, run).await
        }
    }
}

/// How an import ends whose list was compared with this result.
pub(super) fn ending(report: &Report) -> Ending {
    let reason = match &report.ending {
        Ending::Interrupted { disposition, .. } => Some(disposition.reason()),
        Ending::SourceFailed(cause) => Some(cause.reason),
        _ => None,
    };
    if let Some(reason @ Reason::SourceEmpty) = reason {
        // The remedy for exports is none for imports.
        let message = format!("{LIST}: the list has no records, so that nobody was compared");
        return Ending::Interrupted { disposition: Disposition::Stalled { reason }, message };
    }
    match &report.ending {
        // A list in which nobody can be compared is a result.
        Ending::SourceUnchanged => Ending::Completed,
        Ending::Interrupted { disposition, message } => {
            let message = format!("{LIST}: {}", sources::named_in(message, SOURCE));
            Ending::Interrupted { disposition: *disposition, message }
        }
        Ending::SourceFailed(cause) => Ending::Interrupted {
            disposition: Disposition::Stalled { reason: cause.reason },
            message: format!("{LIST}: {}", sources::named_in(&cause.message, SOURCE)),
        },
        ending @ (Ending::Completed | Ending::Stopped) => ending.clone(),
    }
}

/// Whether a run ended because of its list or of the report on it, not of the import itself.
pub(super) fn is_about_list(cause: &Cause) -> bool {
    cause.message.strip_prefix(LIST).is_some_and(|rest| rest.starts_with(": "))
}

/// What can be said of the list without contacting anything.
pub(super) fn review(gathered: &Gathered) -> Option<Finding> {
    let (found, wanted) = (gathered.list.as_ref()?, gathered.import.spec.rediscovery.as_ref()?);
    let place = wanted.report.as_ref().and_then(|wanted| {
        crate::storage::Location::file(&wanted.to.url).err().map(|error| error.to_string())
    });
    if let Some(message) = place {
        return Some(Finding::error("destination/url", REPORT_URL, &message));
    }
    match &found.source {
        sources::SourceFound::Unusable(message) => {
            Some(Finding::error("source/url", SOURCE, message))
        }
        sources::SourceFound::KeyMissing(message) => {
            Some(Finding::error("source/key", SOURCE, message))
        }
        sources::SourceFound::Inline
        | sources::SourceFound::Remote(..)
        | sources::SourceFound::Parts(_)
        | sources::SourceFound::Missing(_)
        | sources::SourceFound::Forbidden(_) => None,
    }
}

/// What a comparison found, as an import remembers it.
pub(super) fn compared(report: Report) -> Arc<Progress> {
    Arc::new(report.progress)
}
