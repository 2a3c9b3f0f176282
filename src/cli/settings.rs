//! Arguments that several commands share, as settings of the controllers.

use std::{ffi::OsString, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use clap::ValueEnum;

use super::{color::Colors, fonts, messages::Messages};
use crate::{
    api::Environment,
    app::{
        self, AMBIENT_PROXIES, AllowedPlaces, LogFormat, OutboundProxy, ProxyError, StoragePolicy,
        Traces,
    },
    clinch::{AllowedEndpoints, Timeouts},
    controllers::{NotifySettings, Regions, Settings},
};

/// The environment that an operator serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EnvironmentArg {
    /// Production accounts only.
    Production,
    /// Sandbox accounts only.
    Sandbox,
}

/// Which accounts and sources may be used, and how much runs at a time.
#[derive(Debug, Clone, clap::Args)]
pub struct SettingsArgs {
    /// Kind of Clinch accounts to serve. Integrations of the other environment are refused before any
    /// request is sent.
    #[arg(long, env = "CLINCH_ENVIRONMENT", value_name = "ENV", ignore_case = true)]
    pub environment: EnvironmentArg,
    /// Origins of Clinch that may be contacted, e.g. https://clinch.example.com. These may resolve to
    /// private addresses. Default: the three documented Clinch hosts, on public addresses only.
    #[arg(
        long,
        env = "CLINCH_ALLOWED_ENDPOINTS",
        value_delimiter = ',',
        value_name = "ORIGIN,..."
    )]
    pub allowed_endpoints: Vec<String>,
    /// Origin of a region that is behind a proxy, e.g. EU=https://clinch-eu.example.com.
    #[arg(
        long,
        env = "CLINCH_REGION_ENDPOINTS",
        value_delimiter = ',',
        value_name = "REGION=ORIGIN,..."
    )]
    pub region_endpoints: Vec<String>,
    /// Remote sources that exports may read: https://HOST, s3://BUCKET/FOLDER, gs://BUCKET,
    /// az://ACCOUNT/CONTAINER, file:///FOLDER. Default: none. An export without credentials reads a bucket
    /// with the operator's: AWS_*, GOOGLE_*, AZURE_* in its environment.
    #[arg(long, env = "CLINCH_ALLOWED_SOURCES", value_delimiter = ',', value_name = "PLACE,...")]
    pub allowed_sources: Vec<String>,
    /// Places where exports may write files and imports people, as --allowed-sources names them. Default:
    /// none.
    #[arg(
        long,
        env = "CLINCH_ALLOWED_DESTINATIONS",
        value_delimiter = ',',
        value_name = "PLACE,..."
    )]
    pub allowed_destinations: Vec<String>,
    /// Servers that receive notifications, e.g. https://hooks.slack.com: what the Secrets of `spec.notify`
    /// name must be under one of them. These may resolve to private addresses. Default: none.
    #[arg(long, env = "CLINCH_ALLOWED_NOTIFY", value_delimiter = ',', value_name = "SERVER,...")]
    pub allowed_notify: Vec<String>,
    /// Name of this cluster in notifications. Default: none.
    #[arg(long, env = "CLINCH_CLUSTER_NAME", value_name = "NAME")]
    pub cluster_name: Option<String>,
    /// Folder with more fonts (ttf, otf, ttc) for profiles rendered as PDF documents, without its
    /// subfolders; may be repeated. Built in is Noto Sans: Latin, Greek, Cyrillic, Vietnamese and Devanagari.
    #[arg(long, env = "CLINCH_FONT_PATH", value_delimiter = ',', value_name = "DIR")]
    pub font_path: Vec<OsString>,
    /// Proxy for requests to Clinch, to sources and to object stores: http://HOST:PORT, or with
    /// USER:PASSWORD@. Default: none; HTTPS_PROXY and the like are not used. The API server is reached
    /// as the kubeconfig says.
    // A text, and no default shown: error messages and help of a parsed value would show a password.
    #[arg(long, env = "CLINCH_PROXY", hide_env_values = true, value_name = "URL")]
    pub proxy: Option<String>,
    /// What is contacted without the proxy: hosts with their subdomains, addresses, and networks such
    /// as 10.0.0.0/8. Services that give a machine its identity (169.254.0.0/16) always are.
    #[arg(long, env = "CLINCH_NO_PROXY", value_delimiter = ',', value_name = "HOST,...")]
    pub no_proxy: Vec<String>,
    /// Maximum concurrent exports. Small exports have a second pool of the same size.
    #[arg(long, env = "CLINCH_MAX_RUNS", default_value_t = 16, value_name = "N")]
    pub max_runs: usize,
    /// Timeout of one request to Clinch, in seconds. After a crash, people whose push may have been in
    /// flight wait this long before they are looked up.
    #[arg(
        long,
        env = "CLINCH_REQUEST_TIMEOUT",
        default_value_t = 30,
        value_parser = clap::value_parser!(u64).range(1..=60),
        value_name = "SECONDS"
    )]
    pub request_timeout: u64,
}

impl SettingsArgs {
    /// The settings of the controllers.
    pub fn settings(&self) -> anyhow::Result<Settings> {
        let listed: Vec<&str> = entries(&self.allowed_endpoints).collect();
        let allowed_endpoints = if listed.is_empty() {
            AllowedEndpoints::documented()
        } else {
            AllowedEndpoints::listed(listed).context("--allowed-endpoints")?
        };
        let mut regions = Regions::default();
        for entry in self.region_endpoints.iter().filter(|entry| !entry.trim().is_empty()) {
            let (region, origin) = entry
                .split_once('=')
                .with_context(|| format!("--region-endpoints: {entry} is not REGION=ORIGIN"))?;
            let region = match region.trim().to_ascii_uppercase().as_str() {
                "US" => &mut regions.us,
                "EU" => &mut regions.eu,
                "AU" => &mut regions.au,
                other => anyhow::bail!("--region-endpoints: {other} is not US, EU or AU"),
            };
            origin.trim().clone_into(region);
        }
        let proxy = self.proxy()?;
        Ok(Settings {
            environment: match self.environment {
                EnvironmentArg::Production => Environment::Production,
                EnvironmentArg::Sandbox => Environment::Sandbox,
            },
            allowed_endpoints,
            regions,
            proxy: proxy.clone(),
            sources: Arc::new(StoragePolicy {
                allowed: AllowedPlaces::listed(entries(&self.allowed_sources))
                    .context("--allowed-sources")?,
                environment: super::environment().collect(),
                proxy: proxy.clone(),
            }),
            destinations: Arc::new(StoragePolicy {
                allowed: AllowedPlaces::destinations(entries(&self.allowed_destinations))
                    .context("--allowed-destinations")?,
                environment: super::environment().collect(),
                proxy: proxy.clone(),
            }),
            notify: NotifySettings {
                receivers: Arc::new(StoragePolicy {
                    allowed: AllowedPlaces::notify(entries(&self.allowed_notify))
                        .context("--allowed-notify")?,
                    proxy,
                    ..StoragePolicy::default()
                }),
                cluster: self.cluster_name()?,
            },
            renderer: fonts::renderer(&self.font_folders()).context("--font-path")?,
            max_runs: self.max_runs.max(1),
            timeouts: Timeouts::of_attempt(Duration::from_secs(self.request_timeout)),
        })
    }
}

impl SettingsArgs {
    /// The name of the cluster; an empty one is none.
    fn cluster_name(&self) -> anyhow::Result<Option<String>> {
        let name = self.cluster_name.as_deref().map(str::trim).filter(|name| !name.is_empty());
        let is_usable =
            |name: &str| name.chars().count() <= 63 && !name.chars().any(char::is_control);
        match name {
            Some(name) if !is_usable(name) => {
                anyhow::bail!(
                    "--cluster-name: at most 63 characters, none of them a control character"
                )
            }
            name => Ok(name.map(str::to_owned)),
        }
    }

    /// The proxy for outbound requests.
    fn proxy(&self) -> anyhow::Result<OutboundProxy> {
        let url = self.proxy.as_deref().map(str::trim).filter(|url| !url.is_empty());
        match url {
            Some(url) => OutboundProxy::parse(url, entries(&self.no_proxy)).context("--proxy"),
            None if entries(&self.no_proxy).next().is_some() => {
                Err(ProxyError::NoProxyAlone).context("--no-proxy")
            }
            None => Ok(OutboundProxy::default()),
        }
    }
}

/// Logs, once, which proxy is used, or which one is set for other programs and not used here.
pub(super) fn log_proxy(proxy: &OutboundProxy) {
    if proxy.is_set() {
        tracing::info!(%proxy, "requests leave through the proxy");
        return;
    }
    let environment: Vec<(String, String)> = super::environment().collect();
    let is_set = |name: &&str| environment.iter().any(|(set, to)| set == name && !to.is_empty());
    let ignored: Vec<&str> = AMBIENT_PROXIES.into_iter().filter(is_set).collect();
    if !ignored.is_empty() {
        tracing::warn!(
            "ignoring {} of the environment: a proxy is used only if --proxy (CLINCH_PROXY) names it",
            ignored.join(", ")
        );
    }
}

/// The entries of a list, without empty ones.
fn entries(list: &[String]) -> impl Iterator<Item = &str> {
    list.iter().map(|entry| entry.trim()).filter(|entry| !entry.is_empty())
}

impl SettingsArgs {
    /// Empty entries are none, as in the other lists: an empty variable is one.
    fn font_folders(&self) -> Vec<PathBuf> {
        self.font_path.iter().filter(|folder| !folder.is_empty()).map(PathBuf::from).collect()
    }
}

/// Format and level of logs.
#[derive(Debug, Clone, clap::Args)]
pub struct LogArgs {
    /// Log format. Default: pretty, and json where the result is JSON (-o json).
    #[arg(long, env = "CLINCH_LOG_FORMAT", value_enum)]
    pub log_format: Option<LogFormat>,
    /// Log filter: error, warn, info, debug, or e.g. clinch_operator=debug. Default: info for `run`,
    /// warn for `apply`.
    #[arg(long, env = "CLINCH_LOG", value_name = "FILTER")]
    pub log: Option<String>,
}

impl LogArgs {
    /// Starts logging, and traces if there are any; `usual` is the filter if none is given.
    pub(super) fn start(
        &self,
        usual: &str,
        traces: Option<&Traces>,
    ) -> anyhow::Result<app::LogFilter> {
        let given = self.log.as_deref().filter(|filter| !filter.trim().is_empty());
        let format = self.log_format.unwrap_or(match Messages::chosen() {
            Messages::Text => LogFormat::Pretty,
            Messages::Json => LogFormat::Json,
        });
        start_logs(format, given.unwrap_or(usual), traces)
    }
}

/// Starts logging to standard error, and traces if there are any.
pub(super) fn start_logs(
    format: LogFormat,
    filter: &str,
    traces: Option<&Traces>,
) -> anyhow::Result<app::LogFilter> {
    let (colors, spans) = (Colors::stderr().are_on(), traces.map(Traces::layer));
    let started = app::init_telemetry(format, filter, colors, spans);
    started.context("--log").map_err(|error| super::BadArgument(error).into())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Command {
        #[command(flatten)]
        settings: SettingsArgs,
    }

    #[test]
    fn an_attempt_may_take_the_request_timeout_and_an_operation_three_times_that() {
        let parsed = |seconds: &str| {
            let arguments = ["x", "--environment", "sandbox", "--request-timeout", seconds];
            Command::try_parse_from(arguments).map(|command| command.settings.settings().unwrap())
        };
        for (seconds, attempt, operation) in [("1", 1, 3), ("30", 30, 90), ("60", 60, 180)] {
            let timeouts = parsed(seconds).unwrap().timeouts;
            assert_eq!(timeouts.attempt, Duration::from_secs(attempt));
            assert_eq!(timeouts.operation, Duration::from_secs(operation));
            assert!(timeouts.connect <= timeouts.attempt);
        }
        assert_eq!(parsed("30").unwrap().timeouts, Timeouts::default());
        assert!(parsed("0").is_err() && parsed("61").is_err());
    }

    #[test]
    fn empty_entries_of_lists_are_none() {
        let parsed = |list: &str| {
            let arguments = [
                "x",
                "--environment=sandbox",
                &format!("--font-path={list}"),
                &format!("--allowed-destinations={list}"),
            ];
            Command::try_parse_from(arguments).unwrap().settings
        };
        assert!(parsed("").settings().is_ok());
        assert!(parsed("").font_folders().is_empty());
        assert_eq!(parsed("/a,,/b,").font_folders(), [PathBuf::from("/a"), PathBuf::from("/b")]);
    }
}
