//! Logs: to standard error, as text or JSON. No level shows candidate values or secrets; what is
//! not in a log call cannot be switched on, and libraries do not get a word about content.

use tracing::{Level, Metadata};
use tracing_subscriber::{
    EnvFilter, filter::filter_fn, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

/// Starts logging. `filter` is a tracing filter such as `info` or `clinch_operator=debug`.
pub fn init(format: LogFormat, filter: &str, color: bool) {
    let filter = EnvFilter::builder().parse_lossy(filter);
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(color);
    // A second start (tests) keeps the first.
    let _first = match format {
        LogFormat::Pretty => {
            builder.with_target(false).finish().with(filter_fn(may_speak)).try_init().is_ok()
        }
        LogFormat::Json => {
            let json = builder.json().flatten_event(true).finish();
            json.with(filter_fn(may_speak)).try_init().is_ok()
        }
    };
}

/// Whether an event may be shown at all, whatever the filter says. Libraries log headers, URLs and
/// errors that quote what they read at their lower levels; the Kubernetes client's warnings hold
/// whole objects that it could not decode, Secrets and candidates among them.
fn may_speak(event: &Metadata<'_>) -> bool {
    let target = event.target();
    let of =
        |name: &str| target.strip_prefix(name).is_some_and(|r| r.is_empty() || r.starts_with(':'));
    if of("clinch_operator") {
        return true;
    }
    let lowest = if of("kube_client") { Level::ERROR } else { Level::WARN };
    *event.level() <= lowest
}
