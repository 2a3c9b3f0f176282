//! `reconcile`, `retry` and `verify`: requests to the operator by annotation, and their receipts.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::json;
use tokio::time::Instant;

use super::{
    super::{BadArgument, ExitCode, print_error, print_result, program},
    args::ClusterArgs,
    cluster::Objects,
    found::{Found, State},
    kinds::Target,
    waiting::{self, Waited},
};
use crate::{
    api::{
        DriftSeen, RECONCILE_REQUESTED_AT, RETRY_REQUESTED_AT, VERIFY_REQUESTED_AT,
        WRITTEN_REQUESTED_AT,
    },
    app,
    cluster::Kind,
};

/// How long a receipt is awaited from an object that something holds back. It is usually written within
/// a second; such an object may never write one.
const HELD_BACK: Duration = Duration::from_secs(3);

/// Requests that the operator looks at objects now.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Examples:\n  clinch-operator reconcile export/engineers -n talent\n  \
                             clinch-operator reconcile integration/clinch export/engineers --wait"
)]
pub struct ReconcileArgs {
    /// The objects, e.g. export/engineers.
    #[arg(required = true, value_name = "KIND/NAME")]
    targets: Vec<Target>,
    /// Wait for the end of the work, too: until each is Ready (exit code 0) or Stalled (1).
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    common: CommonArgs,
}

/// Requests another attempt at the rejected records of exports.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  clinch-operator retry engineers -n talent\n  \
                             clinch-operator retry export/engineers --wait --timeout 600")]
pub struct RetryArgs {
    /// The exports.
    #[arg(required = true, value_name = "EXPORT")]
    targets: Vec<Target>,
    /// Wait for the end of the work, too: until each is Ready (exit code 0) or Stalled (1).
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    common: CommonArgs,
}

/// Requests that the people whom exports delivered are read back from Clinch, and shows the result.
///
/// A further request is accepted one hour after the last result.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Examples:\n  clinch-operator verify engineers -n talent --timeout 600"
)]
pub struct VerifyArgs {
    /// The exports.
    #[arg(required = true, value_name = "EXPORT")]
    targets: Vec<Target>,
    #[command(flatten)]
    common: CommonArgs,
}

/// What all requests take.
#[derive(Debug, clap::Args)]
pub(super) struct CommonArgs {
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Give up waiting after this many seconds. The request remains.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    timeout: u64,
}

/// A request by annotation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request {
    /// How output names it.
    name: &'static str,
    annotation: &'static str,
    /// Where its receipt is.
    pub(super) receipt: &'static str,
}

const RECONCILE: Request = Request {
    name: "reconcile",
    annotation: RECONCILE_REQUESTED_AT,
    receipt: "/status/handled/reconcileRequestedAt",
};
const RETRY: Request = Request {
    name: "retry",
    annotation: RETRY_REQUESTED_AT,
    receipt: "/status/handled/retryRequestedAt",
};
const VERIFY: Request = Request {
    name: "verify",
    annotation: VERIFY_REQUESTED_AT,
    receipt: "/status/handled/verifyRequestedAt",
};

/// The request of `written`.
pub(super) const LIST: Request = Request {
    name: "written",
    annotation: WRITTEN_REQUESTED_AT,
    receipt: "/status/handled/writtenRequestedAt",
};

/// Runs `reconcile`.
pub fn reconcile(args: &ReconcileArgs) -> anyhow::Result<ExitCode> {
    let after = if args.wait { After::Settle } else { After::Nothing };
    run(RECONCILE, &args.targets, None, after, &args.common)
}

/// Runs `retry`.
pub fn retry(args: &RetryArgs) -> anyhow::Result<ExitCode> {
    let after = if args.wait { After::Settle } else { After::Nothing };
    run(RETRY, &args.targets, Some(Kind::Export), after, &args.common)
}

/// Runs `verify`.
pub fn verify(args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    run(VERIFY, &args.targets, Some(Kind::Export), After::ShowDrift, &args.common)
}

/// What happens after the receipt.
#[derive(Debug, Clone, Copy)]
enum After {
    Nothing,
    Settle,
    ShowDrift,
}

fn run(
    request: Request,
    targets: &[Target],
    usual: Option<Kind>,
    after: After,
    common: &CommonArgs,
) -> anyhow::Result<ExitCode> {
    super::super::block_on(async {
        let cluster = Objects::connect(&common.cluster).await?;
        let deadline = waiting::deadline(common.timeout);
        // All names are looked up before anything is requested.
        let mut objects = Vec::new();
        for target in targets {
            objects.push(cluster.named(target, usual).await?);
        }
        let mut requested = Vec::new();
        for object in &objects {
            requested.push(ask(&cluster, object, request).await?);
        }
        let mut codes = Vec::new();
        for (object, value) in requested {
            codes.push(answer(&cluster, &object, request, &value, after, deadline).await?);
        }
        Ok(waiting::worst(codes))
    })
}

/// Sets the annotation; the object afterwards, and the value.
pub(super) async fn ask(
    cluster: &Objects,
    object: &Found,
    request: Request,
) -> anyhow::Result<(Found, String)> {
    // Different from every earlier one, also of another clock.
    let mut now = app::system_clock().now();
    let annotation = format!("/metadata/annotations/{}", request.annotation.replace('/', "~1"));
    if object.text(&annotation) == Some(&now.to_string()) {
        now += SignedDuration::from_nanos(1);
    }
    let value = now.to_string();
    let patch = json!({"metadata": {"annotations": {request.annotation: value}}});
    let object = cluster.merge(object, &patch).await?;
    Ok((object, value))
}

async fn answer(
    cluster: &Objects,
    object: &Found,
    request: Request,
    value: &str,
    after: After,
    deadline: Instant,
) -> anyhow::Result<ExitCode> {
    let name = object.name();
    let receipt_by =
        if held_back(object) { deadline.min(Instant::now() + HELD_BACK) } else { deadline };
    let has_receipt = |found: &Found| found.text(request.receipt) == Some(value);
    let found = match waiting::until(cluster, object, receipt_by, has_receipt).await? {
        Waited::Until(found) => found,
        Waited::Deleted => return deleted(&name),
        Waited::TimedOut(last) => {
            let last = last.as_deref().unwrap_or(object);
            return Ok(no_receipt(last, request));
        }
    };
    match after {
        After::Nothing => {
            print_result(&format!("{name}: {} accepted", request.name))?;
            Ok(ExitCode::Done)
        }
        After::ShowDrift => {
            print_result(&format!("{name}: {}", drift(&found)))?;
            Ok(ExitCode::Done)
        }
        After::Settle => settle(cluster, &found, deadline).await,
    }
}

/// Waits for the end of the work, and prints it.
pub(super) async fn settle(
    cluster: &Objects,
    object: &Found,
    deadline: Instant,
) -> anyhow::Result<ExitCode> {
    let name = object.name();
    let is_settled = |found: &Found| waiting::settled(found).is_some();
    match waiting::until(cluster, object, deadline, is_settled).await? {
        Waited::Until(found) => {
            print_result(&described(&found))?;
            Ok(waiting::settled(&found).unwrap_or(ExitCode::Done))
        }
        Waited::Deleted => deleted(&name),
        Waited::TimedOut(last) => {
            let last = last.as_deref().unwrap_or(object);
            print_result(&described(last))?;
            print_error(&format!("{name}: time ran out (--timeout); the operator continues"));
            Ok(ExitCode::TimedOut)
        }
    }
}

/// An object in one line.
pub(super) fn described(found: &Found) -> String {
    let (state, reason, message) = found.state();
    format!("{}: {} {reason}: {message}", found.name(), state.word())
}

/// The object does not exist any more.
pub(super) fn deleted(name: &str) -> anyhow::Result<ExitCode> {
    Err(BadArgument(anyhow::anyhow!("{name} was deleted")).into())
}

/// Whether the operator may leave a request of this object open.
fn held_back(object: &Found) -> bool {
    matches!(object.state().0, State::Stalled | State::Suspended | State::Waiting)
}

/// Says why there is no receipt.
fn no_receipt(object: &Found, request: Request) -> ExitCode {
    let (name, what) = (object.name(), request.name);
    let (state, reason, message) = object.state();
    let (hint, code) = match state {
        State::Suspended => {
            let resume = format!("{} resume {name} -n {}", program(), object.key.namespace);
            (format!("it is suspended: {resume}"), ExitCode::ActionNeeded)
        }
        State::Stalled => (format!("{reason}: {message}"), ExitCode::ActionNeeded),
        State::Waiting => (format!("{reason}: {message}"), ExitCode::Waiting),
        _ => ("time ran out (--timeout)".to_owned(), ExitCode::TimedOut),
    };
    print_error(&format!(
        "{name}: {what} is requested, and the operator has not acted on it: {hint}"
    ));
    code
}

/// What the last verification found, in one line.
fn drift(found: &Found) -> String {
    let Some(drift) = found.part::<DriftSeen>("/status/drift") else {
        return "verified".to_owned();
    };
    let mut text = format!(
        "{} verified: {} missing, {} changed, {} anonymised",
        drift.people, drift.missing, drift.changed, drift.anonymised
    );
    let more = [
        (drift.corrected, "written again"),
        (drift.normalised, "normalised by Clinch"),
        (drift.unread, "not read"),
    ];
    for (count, what) in more {
        if let Some(count) = count.filter(|count| *count > 0) {
            text = format!("{text}, {count} {what}");
        }
    }
    text
}
