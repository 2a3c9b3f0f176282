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
    app::{Metered, Metrics, View},
    cli::ExitCode,
    clinch::{Attempt, Ended, Observer as _, Rates},
    cluster::{Census, ClusterError, Kind, ObjectKey, Reconciler, Standing},
    controllers::{RunEnd, RunOutcome, Work, WorkObserver as _},
    domain::Reason,
    pipeline::RecordOutcome,
};

use jiff::Timestamp;

const README: &str = include_str!("../../README.md");
const OPERATIONS: &str = include_str!("../../docs/OPERATIONS.md");
const TROUBLESHOOTING: &str = include_str!("../../docs/TROUBLESHOOTING.md");

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
    "DeletionDenied",
    "DeletionsHeld",
    "DependencyNotFound",
    "DependencyNotReady",
    "DestinationConflict",
    "DestinationDenied",
    "DestinationFull",
    "DestinationInvalid",
    "DestinationMissing",
    "DestinationNotAllowed",
    "DestinationNotFound",
    "DestinationReadOnly",
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
    "HandingOver",
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
    "NotifyNotAllowed",
    "NotifyRejected",
    "NotifySecretInvalid",
    "NotifyUnreachable",
    "Notifying",
    "OutsideContract",
    "OutsideWindow",
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
    "SinkRejected",
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

const CONDITIONS: [&str; 22] = [
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
    "NotifyReady",
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

pub const METRICS: [&str; 36] = [
    "clinch_operator_build_info",
    "clinch_operator_clinch_accounts",
    "clinch_operator_clinch_accounts_limited",
    "clinch_operator_clinch_lowest_requests_per_second",
    "clinch_operator_clinch_rate_limit_pause_seconds_total",
    "clinch_operator_clinch_request_duration_seconds",
    "clinch_operator_clinch_requests_in_flight",
    "clinch_operator_clinch_requests_total",
    "clinch_operator_crds_current",
    "clinch_operator_credential_verifications_total",
    "clinch_operator_credentials_rejected_total",
    "clinch_operator_export_records",
    "clinch_operator_import_near_miss_total",
    "clinch_operator_import_own_total",
    "clinch_operator_largest_ledger_people",
    "clinch_operator_last_success_timestamp_seconds",
    "clinch_operator_leading",
    "clinch_operator_ledger_people",
    "clinch_operator_notifications_total",
    "clinch_operator_objects",
    "clinch_operator_oldest_pending_age_seconds",
    "clinch_operator_queue_age_seconds",
    "clinch_operator_queue_depth",
    "clinch_operator_reconcile_duration_seconds",
    "clinch_operator_reconciles_total",
    "clinch_operator_records_processed_total",
    "clinch_operator_run_duration_seconds",
    "clinch_operator_runs_in_progress",
    "clinch_operator_runs_total",
    "clinch_operator_watch_lag_seconds",
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_virtual_memory_bytes",
];

/// Labels of the operator's metrics, and where their values come from: closed sets, and no names of
/// objects or people.
const LABELS: [&str; 10] = [
    "class",
    "condition",
    "kind",
    "le",
    "operation",
    "outcome",
    "reason",
    "status",
    "version",
    "work",
];

/// The exit codes of every command.
const EXIT_CODES: [(ExitCode, i32); 9] = [
    (ExitCode::Done, 0),
    (ExitCode::ActionNeeded, 1),
    (ExitCode::Refused, 2),
    (ExitCode::TimedOut, 3),
    (ExitCode::Failed, 4),
    (ExitCode::Waiting, 5),
    (ExitCode::Changes, 10),
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
    let label = regex::Regex::new(r#"[{,]([a-z]+)=""#).unwrap();
    let labels: BTreeSet<&str> =
        label.captures_iter(&text).map(|found| found.get(1).unwrap().as_str()).collect();
    assert_eq!(labels.into_iter().collect::<Vec<_>>(), LABELS);
}

/// An alert on an increase misses the first one of a counter that appears with it.
#[test]
fn every_counter_starts_at_0() {
    let text = Metrics::new().text();
    for name in METRICS.iter().filter(|name| name.ends_with("_total") && !name.contains("cpu")) {
        let zero = |line: &str| line.starts_with(name) && line.trim_end().ends_with([' ', '0']);
        let rest = text.lines().filter(|line| line.starts_with(name));
        assert!(text.lines().any(zero) && rest.clone().all(zero), "{name}:\n{text}");
    }
    for label in ["class=\"401\"", "class=\"429\"", "outcome=\"interrupted\"", "outcome=\"error\""]
    {
        assert!(text.contains(label), "{label}");
    }
}

/// A family without a sample is not shown: gives each metric one.
async fn touch_all(metrics: &Arc<Metrics>) {
    let duration = Duration::from_millis(1);
    let attempt = Attempt { operation: "listCandidates", ended: Ended::Status(200), duration };
    metrics.attempt("uid", &attempt);
    metrics.credentials_rejected("uid");
    metrics.show(view);
    metrics.set_crds_current(true);
    for work in Work::ALL {
        metrics.run_started(work);
        let end = RunEnd {
            work,
            uid: "uid",
            outcome: RunOutcome::Completed,
            at: Timestamp::UNIX_EPOCH,
            took: duration,
            records: vec![("Unchanged", 1)],
            ledger_people: Some(1),
        };
        metrics.run_ended(&end);
    }
    let reconciler = Metered::new(Idle, metrics.clone());
    reconciler.reconcile(Kind::Export, &ObjectKey::new("ns", "name")).await.unwrap();
}

/// One object, and something of everything else.
fn view() -> View {
    let cell = Standing {
        kind: Kind::Export,
        condition: "Ready",
        status: "True",
        reason: Reason::Synced.as_str(),
    };
    View {
        census: Census {
            objects: [(cell, 1)].into(),
            records: [("Pending", 1)].into(),
            ..Census::default()
        },
        waiting: vec![(Kind::Export, (1, Duration::ZERO))],
        watch_lag: [(Kind::Export.as_str(), Duration::ZERO)].into(),
        rates: Rates { lowest: Some(1.0), ..Rates::default() },
        ..View::default()
    }
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
fn troubleshooting_has_symptom_cause_and_remedy_of_every_reason() {
    let (_, chapter) = TROUBLESHOOTING.split_once("\n## By reason\n").unwrap();
    let chapter = chapter.split("\n## ").next().unwrap();
    let mut found = Vec::new();
    for row in chapter.lines().filter_map(|line| line.strip_prefix("| `")) {
        let cells: Vec<&str> = row.trim_end_matches(" |").split(" | ").collect();
        let [reasons, symptom, cause, remedy] = cells[..] else { panic!("{row}") };
        assert!([symptom, cause, remedy].iter().all(|cell| !cell.trim().is_empty()), "{row}");
        found.extend(reasons.trim_end_matches('`').split("`, `"));
    }
    found.sort_unstable();
    assert_eq!(found, REASONS, "each reason has one row");
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
