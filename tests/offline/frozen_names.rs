//! Names that machines match on are API. A change here is a change for users: say so in
//! CHANGELOG.md.

use std::{
    collections::BTreeSet,
    process::{Command, Output},
    sync::Arc,
    time::Duration,
};

use clinch_operator::{
    api::ConditionType,
    app::{Metered, Metrics},
    cli::ExitCode,
    clinch::{Attempt, Ended, Observer as _},
    cluster::{ClusterError, Kind, ObjectKey, Reconciler},
    domain::Reason,
    pipeline::RecordOutcome,
};

const README: &str = include_str!("../../README.md");
const OPERATIONS: &str = include_str!("../../docs/OPERATIONS.md");

const REASONS: &[&str] = &[
    "AccountChanged",
    "AccountConfirmed",
    "AccountShared",
    "AccountUnconfirmed",
    "Allowed",
    "AlreadyExists",
    "AmbiguousMatch",
    "Anonymised",
    "Assumed",
    "AwaitingApproval",
    "ClockSkew",
    "Compiled",
    "ContractUnsupported",
    "CredentialsRejected",
    "DeletionsHeld",
    "DependencyNotFound",
    "DependencyNotReady",
    "DestinationConflict",
    "DestinationDenied",
    "DestinationNotAllowed",
    "DestinationNotFound",
    "DestinationUnreachable",
    "Discovered",
    "DriftCorrected",
    "DriftFound",
    "DryRunComplete",
    "DuplicateInSource",
    "DuplicatesFound",
    "EndpointNotAllowed",
    "EndpointNotClinch",
    "EndpointUnreachable",
    "EnvironmentMismatch",
    "FileWritten",
    "Found",
    "GuardTripped",
    "Imported",
    "ImportedWithRejections",
    "IntegrationSuspended",
    "InternalError",
    "InvalidSpec",
    "InvalidValue",
    "LedgerRefused",
    "LedgerTooLarge",
    "LedgerUnreachable",
    "Malformed",
    "MappingInvalid",
    "MatchKeyMissing",
    "Matched",
    "MissingGlyph",
    "NeverFilled",
    "NoDrift",
    "NotPermitted",
    "NotVerified",
    "NothingSelected",
    "OutsideContract",
    "PermissionDenied",
    "PlanChanged",
    "Progressing",
    "ProgressingWithRetry",
    "RateLimited",
    "Read",
    "Ready",
    "RecordErrored",
    "RecordRejected",
    "RecordsRejected",
    "ReferenceForbidden",
    "RenderFailed",
    "RequestAltered",
    "RequiredMissing",
    "Resolved",
    "ResumeRefused",
    "ResumeUnreachable",
    "SecretFieldEmpty",
    "SecretFieldMissing",
    "SecretInvalid",
    "SecretNotFound",
    "SourceChanged",
    "SourceConfirmed",
    "SourceDenied",
    "SourceDiffers",
    "SourceEmpty",
    "SourceInvalid",
    "SourceNotAllowed",
    "SourceNotFound",
    "SourceUnreachable",
    "SourceUnsettled",
    "StateLost",
    "Suppressed",
    "SuppressionRead",
    "SuppressionUnreadable",
    "Suspended",
    "Synced",
    "SyncedWithRejections",
    "SyncedWithWarnings",
    "Timeout",
    "TlsFailed",
    "TooLarge",
    "Undecided",
    "VendorUnavailable",
    "Verified",
    "WrongRegion",
];

const CONDITIONS: [&str; 21] = [
    "AccountVerified",
    "Authenticated",
    "Compiled",
    "ContractResolved",
    "CredentialsFound",
    "Delivered",
    "Drifted",
    "DuplicatesFound",
    "EnvironmentMatched",
    "Imported",
    "IntegrationReady",
    "MappingReady",
    "Permitted",
    "Ready",
    "Reconciling",
    "SinkReady",
    "SourceMatched",
    "SourceReady",
    "Stalled",
    "SuppressionReadable",
    "Suspended",
];

const METRICS: [&str; 6] = [
    "clinch_operator_clinch_request_duration_seconds",
    "clinch_operator_clinch_requests_total",
    "clinch_operator_credentials_rejected_total",
    "clinch_operator_leading",
    "clinch_operator_reconcile_duration_seconds",
    "clinch_operator_reconciles_total",
];

/// The exit codes of every command.
const EXIT_CODES: [(ExitCode, i32); 8] = [
    (ExitCode::Done, 0),
    (ExitCode::ActionNeeded, 1),
    (ExitCode::Refused, 2),
    (ExitCode::TimedOut, 3),
    (ExitCode::Failed, 4),
    (ExitCode::Waiting, 5),
    (ExitCode::Interrupted, 130),
    (ExitCode::Terminated, 143),
];

#[test]
fn reasons_are_spelled_as_frozen() {
    let mut found: Vec<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    found.sort_unstable();
    assert_eq!(found, REASONS);
}

#[test]
fn outcomes_in_reports_are_spelled_as_frozen_and_documented() {
    let found = RecordOutcome::ALL.map(|outcome| serde_json::to_value(outcome).unwrap());
    let expected = [
        "Created",
        "Updated",
        "WouldCreate",
        "WouldUpdate",
        "Written",
        "WouldWrite",
        "Unchanged",
        "Skipped",
        "Suppressed",
        "Rejected",
        "Pending",
    ];
    assert_eq!(found.to_vec(), expected);
    for outcome in expected {
        assert!(OPERATIONS.contains(&format!("`{outcome}`")), "{outcome} is not documented");
    }
}

#[test]
fn condition_types_are_spelled_as_frozen() {
    let mut found: Vec<&str> = ConditionType::ALL.iter().map(|kind| kind.as_str()).collect();
    found.sort_unstable();
    assert_eq!(found, CONDITIONS);
}

#[tokio::test]
async fn metrics_are_named_as_frozen() {
    let metrics = Metrics::new();
    touch_all(&metrics).await;
    let text = metrics.text();
    let found: BTreeSet<&str> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(['{', ' ']).next())
        .map(|name| {
            // A histogram's samples: its name is what the parts share.
            ["_bucket", "_sum", "_count"].iter().fold(name, |n, part| n.trim_end_matches(part))
        })
        .collect();
    assert_eq!(found.into_iter().collect::<Vec<_>>(), METRICS);
}

/// A family without a sample is not shown: gives each metric one.
async fn touch_all(metrics: &Arc<Metrics>) {
    let duration = Duration::from_millis(1);
    let attempt = Attempt { operation: "listCandidates", ended: Ended::Status(200), duration };
    metrics.attempt("uid", &attempt);
    metrics.credentials_rejected("uid");
    let reconciler = Metered::new(Idle, metrics.clone());
    reconciler.reconcile(Kind::Export, &ObjectKey::new("ns", "name")).await.unwrap();
}

struct Idle;

impl Reconciler for Idle {
    async fn reconcile(&self, _: Kind, _: &ObjectKey) -> Result<Option<Duration>, ClusterError> {
        Ok(None)
    }

    fn deleted(&self, _: Kind, _: &str) {}
}

#[test]
fn the_operations_page_explains_every_reason_condition_and_metric() {
    let first_cells: BTreeSet<&str> = OPERATIONS
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(name, _)| name)
        .collect();
    let explained = |names: &[&'static str]| -> Vec<&'static str> {
        names.iter().copied().filter(|name| !first_cells.contains(name)).collect()
    };
    let none: [&str; 0] = [];
    assert_eq!(explained(REASONS), none, "reasons without a row in docs/OPERATIONS.md");
    assert_eq!(explained(&CONDITIONS), none, "conditions without a row");
    assert_eq!(explained(&METRICS), none, "metrics without a row");
}

#[test]
fn apply_documents_its_exit_codes_and_keeps_to_the_one_for_bad_manifests() {
    let help = operator(&["apply", "--help"]);
    let text = String::from_utf8(help.stdout).unwrap();
    let unwrapped: Vec<&str> = text.split_whitespace().collect();
    let unwrapped = unwrapped.join(" ");
    let frozen = EXIT_CODES.map(|(code, _)| code);
    assert_eq!(ExitCode::ALL, frozen);
    for (exit, code) in EXIT_CODES {
        assert_eq!(exit.code(), code);
        let line = format!("{code} {}", exit.meaning());
        assert!(unwrapped.contains(&line), "{line:?} is not in:\n{text}");
        assert!(README.contains(&format!("\n| {code} | ")), "{code} is not in README.md");
    }
    let bad = "tests/data/manifests/bad/rule-two-sources.yaml";
    let refused = operator(&["apply", "-f", bad, "--environment", "sandbox"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("spec.source"));
    let good = "tests/data/manifests/good";
    let no_folder = ["--environment", "sandbox", "--state", "Cargo.toml/state"];
    let failed = operator(&[&["apply", "-f", good][..], &no_folder].concat());
    assert_eq!(failed.status.code(), Some(4));
    let text = String::from_utf8_lossy(&failed.stderr).into_owned();
    let expected = "\nerror: cannot use the state folder Cargo.toml/state: ";
    assert!(text.contains(expected) && !text.contains("backtrace"), "{text}");
}

fn operator(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_clinch-operator"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(arguments)
        .output()
        .unwrap()
}
