//! `reconcile`, `retry` and `verify`: requests to the operator by annotation, and their receipts.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::json;
use tokio::time::Instant;

use super::{
    super::{BadArgument, ExitCode, messages},
    acted::{Acted, Part},
    args::ActArgs,
    cluster::Objects,
    found::{Found, State},
    held::{self, Held, drift},
    kinds::Target,
    waiting::{self, Waited},
};
use crate::{
    api::{RECONCILE_REQUESTED_AT, RETRY_REQUESTED_AT, VERIFY_REQUESTED_AT, WRITTEN_REQUESTED_AT},
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
                             clinch-operator reconcile integration/clinch export/engineers --wait\n  \
                             clinch-operator reconcile -l team=sourcing -n talent --wait"
)]
pub struct ReconcileArgs {
    /// The objects, e.g. export/engineers.
    #[arg(required_unless_present = "selector", value_name = "KIND/NAME")]
    targets: Vec<Target>,
    /// Wait for the end of the work, too: until each is Ready (exit code 0) or Stalled (1).
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    common: ActArgs,
}

/// Requests another attempt at the rejected records of exports.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  clinch-operator retry engineers -n talent\n  \
                             clinch-operator retry export/engineers --wait --timeout 600")]
pub struct RetryArgs {
    /// The exports.
    #[arg(required_unless_present = "selector", value_name = "EXPORT")]
    targets: Vec<Target>,
    /// Wait for the end of the work, too: until each is Ready (exit code 0) or Stalled (1).
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    common: ActArgs,
}

/// Requests that the people whom exports delivered are read back from Clinch, and shows the result.
///
/// A further request is accepted one hour after the last result. What cannot be verified now is not
/// requested: an export that writes a file, is a dry run, is suspended, or waits for approval.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Examples:\n  clinch-operator verify engineers -n talent --timeout 600"
)]
pub struct VerifyArgs {
    /// The exports.
    #[arg(required_unless_present = "selector", value_name = "EXPORT")]
    targets: Vec<Target>,
    #[command(flatten)]
    common: ActArgs,
}

impl ReconcileArgs {
    /// Whether the result is JSON.
    pub(in crate::cli) fn prints_json(&self) -> bool {
        self.common.prints_json()
    }
}

impl RetryArgs {
    /// Whether the result is JSON.
    pub(in crate::cli) fn prints_json(&self) -> bool {
        self.common.prints_json()
    }
}

impl VerifyArgs {
    /// Whether the result is JSON.
    pub(in crate::cli) fn prints_json(&self) -> bool {
        self.common.prints_json()
    }
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
    run(RECONCILE, &args.targets, &Kind::ALL, after, &args.common)
}

/// Runs `retry`.
pub fn retry(args: &RetryArgs) -> anyhow::Result<ExitCode> {
    let after = if args.wait { After::Settle } else { After::Nothing };
    run(RETRY, &args.targets, &[Kind::Export], after, &args.common)
}

/// Runs `verify`.
pub fn verify(args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    run(VERIFY, &args.targets, &[Kind::Export], After::ShowDrift, &args.common)
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
    kinds: &[Kind],
    after: After,
    common: &ActArgs,
) -> anyhow::Result<ExitCode> {
    super::super::block_on(async {
        let cluster = Objects::connect(&common.cluster).await?;
        let deadline = waiting::deadline(common.timeout);
        // All are looked up before anything is requested.
        let objects = cluster.chosen(targets, &common.labels, kinds).await?;
        let acted = Acted::new(common.output, request.is_verify().then_some(Part::Drift));
        let (mut requested, mut codes) = (Vec::new(), Vec::new());
        for object in &objects {
            match request.refused(object) {
                Some(Held { why, code }) => {
                    let (name, what) = (object.name(), request.name);
                    messages::ended(code, &format!("{name}: {what} is not requested: {why}"));
                    codes.push(code);
                }
                None => requested.push(ask(&cluster, object, request).await?),
            }
        }
        let wait = Wait { cluster: &cluster, after, deadline, acted: &acted };
        let answered = wait.all(requested, request).await;
        // Also what was done before an error.
        acted.print()?;
        codes.extend(answered?);
        Ok(waiting::worst(codes))
    })
}

impl Request {
    /// Why it is not made.
    fn refused(self, object: &Found) -> Option<Held> {
        let now = app::system_clock().now();
        self.is_verify().then(|| held::not_verifiable(object, now)).flatten()
    }

    fn is_verify(self) -> bool {
        self.annotation == VERIFY_REQUESTED_AT
    }

    /// What holds it back.
    fn held(self, object: &Found) -> Option<Held> {
        let now = app::system_clock().now();
        if self.is_verify() {
            held::not_verified(object, now)
        } else {
            held::held_back(object, now)
        }
    }
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

/// What is awaited of an object, and where it is printed.
struct Wait<'a> {
    cluster: &'a Objects,
    after: After,
    deadline: Instant,
    acted: &'a Acted,
}

impl Wait<'_> {
    async fn all(
        &self,
        requested: Vec<(Found, String)>,
        request: Request,
    ) -> anyhow::Result<Vec<ExitCode>> {
        let mut codes = Vec::new();
        for (object, value) in requested {
            codes.push(self.answer(&object, request, &value).await?);
        }
        Ok(codes)
    }

    async fn answer(
        &self,
        object: &Found,
        request: Request,
        value: &str,
    ) -> anyhow::Result<ExitCode> {
        let Self { cluster, after, deadline, acted } = *self;
        let name = object.name();
        let has_receipt = |found: &Found| found.text(request.receipt) == Some(value);
        let mut last = object.clone();
        let found = loop {
            let is_held = request.held(&last).is_some();
            // Of what is held back a receipt may come, and soon.
            let by = if is_held { deadline.min(Instant::now() + HELD_BACK) } else { deadline };
            let enough =
                |found: &Found| has_receipt(found) || request.held(found).is_some() != is_held;
            match waiting::until(cluster, &last, by, enough).await? {
                Waited::Until(found) if has_receipt(&found) => break found,
                Waited::Until(found) => last = *found,
                Waited::Deleted => return deleted(&name),
                Waited::TimedOut(seen) => {
                    return Ok(no_receipt(seen.as_deref().unwrap_or(&last), request));
                }
            }
        };
        match after {
            After::Nothing => {
                acted.say(&found, &format!("{name}: {} accepted", request.name))?;
                Ok(ExitCode::Done)
            }
            After::ShowDrift => {
                acted.say(&found, &format!("{name}: {}", drift_of(&found)))?;
                Ok(ExitCode::Done)
            }
            After::Settle => self.settle(&found).await,
        }
    }

    /// Waits for the end of the work, and prints it.
    async fn settle(&self, object: &Found) -> anyhow::Result<ExitCode> {
        let Self { cluster, deadline, acted, .. } = *self;
        let name = object.name();
        let settled = |found: &Found| waiting::settled(found, app::system_clock().now());
        let is_settled = |found: &Found| settled(found).is_some();
        match waiting::until(cluster, object, deadline, is_settled).await? {
            Waited::Until(found) => {
                acted.say(&found, &described(&found))?;
                let code = settled(&found).unwrap_or(ExitCode::Done);
                if let Some(held) = integration_suspended(&found) {
                    messages::ended(code, &held);
                }
                Ok(code)
            }
            Waited::Deleted => deleted(&name),
            Waited::TimedOut(last) => {
                let last = last.as_deref().unwrap_or(object);
                acted.say(last, &described(last))?;
                let text = format!("{name}: time ran out (--timeout); the operator continues");
                messages::ended(ExitCode::TimedOut, &text);
                Ok(ExitCode::TimedOut)
            }
        }
    }
}

/// What to do about an object that nothing is done of because its integration is suspended.
pub(super) fn integration_suspended(found: &Found) -> Option<String> {
    let settled = waiting::settled(found, app::system_clock().now());
    settled.filter(|code| *code == ExitCode::ActionNeeded)?;
    let held = held::integration_suspended(found)?;
    Some(format!("{}: {}", found.name(), held.why))
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

/// Says why there is no receipt.
fn no_receipt(object: &Found, request: Request) -> ExitCode {
    let (name, what) = (object.name(), request.name);
    let Held { why, code } = request.held(object).unwrap_or_else(|| {
        let verification = held::verification(object).filter(|_| request.is_verify());
        let why = match verification {
            Some(message) => format!("time ran out (--timeout): {message}"),
            None => format!("time ran out (--timeout){}", of_status(object)),
        };
        Held { why, code: ExitCode::TimedOut }
    });
    let text = format!("{name}: {what} is requested, and the operator has not acted on it: {why}");
    messages::ended(code, &text);
    code
}

/// What `status` shows of an object that is not as declared.
fn of_status(object: &Found) -> String {
    let (state, reason, message) = object.state();
    match state {
        State::Ready => String::new(),
        State::Pending => format!("; {message}"),
        _ => format!("; it is {} {reason}: {message}", state.word()),
    }
}

/// What the last verification of an export found, in one line.
fn drift_of(found: &Found) -> String {
    found.part("/status/drift").map_or_else(|| "verified".to_owned(), |seen| drift(&seen))
}
