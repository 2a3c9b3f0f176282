//! Logs: to standard error, as text or JSON. No level shows candidate values or secrets: our own log
//! calls do not contain any, and libraries are limited to levels that quote no content.

use tracing::{Level, Metadata};
use tracing_subscriber::{
    EnvFilter, filter::filter_fn, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Text for people.
    Pretty,
    /// One JSON object per line.
    Json,
}

/// Starts logging. `filter` is a tracing filter such as `info` or `clinch_operator=debug`.
pub fn init(format: LogFormat, filter: &str, color: bool) {
    let filter = EnvFilter::builder().parse_lossy(filter);
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(color);
    // A second start, in tests, keeps the first subscriber.
    let _installed = match format {
        LogFormat::Pretty => {
            builder.with_target(false).finish().with(filter_fn(is_allowed)).try_init().is_ok()
        }
        LogFormat::Json => {
            let json = builder.json().flatten_event(true).finish();
            json.with(filter_fn(is_allowed)).try_init().is_ok()
        }
    };
}

/// Whether an event may be shown, whatever the filter says. At their lower levels libraries log
/// headers, URLs and errors that quote what they read; warnings of the Kubernetes client contain
/// whole objects that it could not decode, among them Secrets and candidates.
fn is_allowed(event: &Metadata<'_>) -> bool {
    let target = event.target();
    let of =
        |name: &str| target.strip_prefix(name).is_some_and(|r| r.is_empty() || r.starts_with(':'));
    if of("clinch_operator") {
        return true;
    }
    let lowest = if of("kube_client") { Level::ERROR } else { Level::WARN };
    *event.level() <= lowest
}
