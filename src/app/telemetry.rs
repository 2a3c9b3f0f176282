//! Logs: to standard error, as text or JSON. No level shows candidate values or secrets: our own log
//! calls do not contain any, and libraries are limited to levels that quote no content.

use std::sync::{Arc, Mutex, PoisonError};

use thiserror::Error;
use tracing::{Level, Metadata, Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter, Layer as _, Registry,
    filter::{FilterExt as _, filter_fn},
    fmt,
    layer::{Filter, SubscriberExt as _},
    registry, reload,
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
pub enum FilterError {
    /// It is none.
    #[error(
        "{0:?} is no log filter: use error, warn, info, debug, trace or off, or e.g. \
         clinch_operator=debug"
    )]
    Malformed(String),
    /// Another part of the process writes the logs.
    #[error("logs of this process cannot be changed")]
    NotInstalled,
}

/// Makes a filter the one in use; false where it cannot.
type Apply = Box<dyn Fn(EnvFilter) -> bool + Send + Sync>;

/// The filter of the logs. It can be changed while the process runs.
#[derive(Clone)]
pub struct LogFilter(Arc<Filters>);

struct Filters {
    /// That of the command line.
    first: String,
    /// The one in use. Locked while it is changed, so that it is what `apply` was called with last.
    current: Mutex<String>,
    apply: Apply,
}

impl LogFilter {
    fn new(first: &str, apply: Apply) -> Self {
        let (first, current) = (first.to_owned(), Mutex::new(first.to_owned()));
        Self(Arc::new(Filters { first, current, apply }))
    }

    /// That of a process whose logs another part of it writes: it cannot be changed.
    pub fn unchangeable(filter: &str) -> Self {
        Self::new(filter, Box::new(|_| false))
    }

    /// The filter in use.
    pub fn current(&self) -> String {
        self.0.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Uses another filter until the process ends. One that cannot be used changes nothing.
    pub fn set(&self, filter: &str) -> Result<(), FilterError> {
        let filter = filter.trim();
        let parsed = parse(filter)?;
        let mut current = self.0.current.lock().unwrap_or_else(PoisonError::into_inner);
        // Said under the filter before: the next one may be silent.
        tracing::info!(from = %current, to = %filter, "changing the log filter");
        if !(self.0.apply)(parsed) {
            return Err(FilterError::NotInstalled);
        }
        filter.clone_into(&mut current);
        Ok(())
    }

    /// Uses the filter of the command line again.
    pub fn reset(&self) -> Result<(), FilterError> {
        self.set(&self.0.first)
    }
}

/// Starts logging, and tracing if there is a layer for it. `filter` is a tracing filter such as `info` or
/// `clinch_operator=debug`.
pub fn init(
    format: LogFormat,
    filter: &str,
    color: bool,
    spans: Option<SpanLayer>,
) -> Result<LogFilter, FilterError> {
    let (parsed, handle) = reload::Layer::new(parse(filter)?);
    // A second start, in tests, keeps the first subscriber, and its filter changes nothing.
    let _installed = subscriber(format, parsed, color, spans).try_init().is_ok();
    let apply: Apply = Box::new(move |filter| handle.reload(filter).is_ok());
    Ok(LogFilter::new(filter.trim(), apply))
}

fn subscriber(
    format: LogFormat,
    filter: impl Filter<Registry> + Send + Sync + 'static,
    color: bool,
    spans: Option<SpanLayer>,
) -> impl Subscriber + Send + Sync {
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(color);
    let lines = match format {
        LogFormat::Pretty => lines.with_target(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let lines = lines.with_filter(filter.and(filter_fn(is_allowed)));
    // Not an absent layer: it would want all spans.
    let layers: Vec<SpanLayer> = spans.into_iter().chain([lines.boxed()]).collect();
    registry().with(layers)
}

/// Reads a filter. A word alone that is neither a level nor a part of this program is a misspelt level:
/// as the name of a library it would silence everything.
fn parse(filter: &str) -> Result<EnvFilter, FilterError> {
    let refused = || FilterError::Malformed(filter.to_owned());
    for word in filter.split(',').map(str::trim).filter(|word| !word.contains(['=', '['])) {
        if word.parse::<LevelFilter>().is_err() && !word.starts_with("clinch_operator") {
            return Err(refused());
        }
    }
    EnvFilter::builder().parse(filter).map_err(|_| refused())
}

/// Whether an event may be shown, whatever the filter says. At their lower levels libraries log
/// headers, URLs and errors that quote what they read; warnings of the Kubernetes client contain
/// whole objects that it could not decode, among them Secrets and candidates, and its errors name no object. What its
/// watches meet is logged by their reader, without the answer of the API server. The spans of traces are
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
    // Failed requests are reported by whoever made them, with the object.
    let silent = of("kube_client") || of("kube_runtime::watcher");
    !silent && *event.level() <= Level::WARN
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

    #[test]
    fn without_traces_no_span_of_them_is_made_whatever_the_logs_show() {
        let is_made = |spans: Option<SpanLayer>| {
            let subscriber = subscriber(LogFormat::Json, parse("trace").unwrap(), false, spans);
            tracing::subscriber::with_default(subscriber, || {
                !tracing::info_span!(target: SPANS, "run").is_disabled()
            })
        };
        assert!(is_made(Some(tracing_subscriber::layer::Identity::new().boxed())));
        assert!(!is_made(None));
    }

    #[test]
    fn a_filter_is_changed_by_a_valid_one_only_and_returns_to_the_first() {
        let applied = Arc::new(Mutex::new(Vec::new()));
        let apply = {
            let applied = applied.clone();
            Box::new(move |filter: EnvFilter| {
                applied.lock().unwrap().push(filter.to_string());
                true
            })
        };
        let filter = LogFilter::new("info", apply);
        filter.set(" debug\n").unwrap();
        assert_eq!(filter.current(), "debug");
        assert!(matches!(filter.set("loud"), Err(FilterError::Malformed(_))));
        assert_eq!(filter.current(), "debug");
        filter.reset().unwrap();
        assert_eq!(filter.current(), "info");
        assert_eq!(*applied.lock().unwrap(), ["debug", "info"]);
        let fixed = LogFilter::unchangeable("info");
        assert!(matches!(fixed.set("debug"), Err(FilterError::NotInstalled)));
        assert_eq!(fixed.current(), "info");
    }
}
