//! Logs: to standard error, as text or JSON. No level shows candidate values or secrets: our own log
//! calls do not contain any, and libraries are limited to levels that quote no content.

use thiserror::Error;
use tracing::{Level, Metadata, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter, Layer as _,
    filter::{FilterExt as _, filter_fn},
    fmt,
    layer::SubscriberExt as _,
    registry,
    util::SubscriberInitExt as _,
};

use super::SpanLayer;
use crate::domain::SPANS;

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Text for people.
    Pretty,
    /// One JSON object per line.
    Json,
}

/// A log filter that cannot be used.
#[derive(Debug, Error)]
#[error(
    "{0:?} is no log filter: use error, warn, info, debug, trace or off, or e.g. clinch_operator=debug"
)]
pub struct FilterError(String);

/// Starts logging, and tracing if there is a layer for it. `filter` is a tracing filter such as `info` or
/// `clinch_operator=debug`.
pub fn init(
    format: LogFormat,
    filter: &str,
    color: bool,
    spans: Option<SpanLayer>,
) -> Result<(), FilterError> {
    let filter = parse(filter)?.and(filter_fn(is_allowed));
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(color);
    let lines = match format {
        LogFormat::Pretty => lines.with_target(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    // A second start, in tests, keeps the first subscriber.
    let _installed = registry().with(spans).with(lines.with_filter(filter)).try_init().is_ok();
    Ok(())
}

/// Reads a filter. A word alone that is neither a level nor a part of this program is a misspelt level:
/// as the name of a library it would silence everything.
fn parse(filter: &str) -> Result<EnvFilter, FilterError> {
    let refused = || FilterError(filter.to_owned());
    for word in filter.split(',').map(str::trim).filter(|word| !word.contains(['=', '['])) {
        if word.parse::<LevelFilter>().is_err() && !word.starts_with("clinch_operator") {
            return Err(refused());
        }
    }
    EnvFilter::builder().parse(filter).map_err(|_| refused())
}

/// Whether an event may be shown, whatever the filter says. At their lower levels libraries log
/// headers, URLs and errors that quote what they read; warnings of the Kubernetes client contain
/// whole objects that it could not decode, among them Secrets and candidates. The spans of traces are
/// not shown either: an event says itself what it is about.
fn is_allowed(event: &Metadata<'_>) -> bool {
    let target = event.target();
    if target == SPANS {
        return false;
    }
    let of =
        |name: &str| target.strip_prefix(name).is_some_and(|r| r.is_empty() || r.starts_with(':'));
    if of("clinch_operator") {
        return true;
    }
    let lowest = if of("kube_client") { Level::ERROR } else { Level::WARN };
    *event.level() <= lowest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_a_level_or_names_a_part_and_a_misspelt_level_is_refused() {
        for filter in ["info", "WARN", "off", "clinch_operator=debug", "warn,clinch_operator::k8s"]
        {
            assert!(parse(filter).is_ok(), "{filter}");
        }
        for filter in ["inof", "verbose", "clinch_operator=loud", "info,hyper", "="] {
            assert!(parse(filter).is_err(), "{filter}");
        }
    }
}
