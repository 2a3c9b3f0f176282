//! Logs: to standard error, as text or JSON. No level shows candidate values or secrets; what is
//! not in a log call cannot be switched on.

use tracing_subscriber::{EnvFilter, fmt, util::SubscriberInitExt};

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
    // The libraries below log request lines at debug: held back unless named in the filter.
    let filter = EnvFilter::builder().parse_lossy(filter);
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(color);
    // A second start (tests) keeps the first.
    let _first = match format {
        LogFormat::Pretty => builder.with_target(false).finish().try_init().is_ok(),
        LogFormat::Json => builder.json().flatten_event(true).finish().try_init().is_ok(),
    };
}
