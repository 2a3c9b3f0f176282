//! `clinch-operator run`: the operator in a cluster.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context as _;
use kube::Client;

use super::{
    BadArgument, ExitCode, kubeconfig,
    settings::{self, LogArgs, SettingsArgs},
    stop,
    trace_args::{self, TraceArgs},
};
use crate::{app, domain::Shard};

/// Runs the operator: reconciles the objects of a cluster until SIGINT or SIGTERM.
///
/// Connects to the cluster of its pod, or of KUBECONFIG, and waits until the CRDs are installed (see
/// `crds`). One process at a time pushes: the holder of the lease.
///
/// Exit codes: 0 stopped on request, 2 the command line is refused, 4 failed or lost the lease, 130 or
/// 143 ended by a second SIGINT or SIGTERM, or because work did not end in time after the first.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  clinch-operator run --environment production\n  \
                             clinch-operator run --environment sandbox --watch-namespaces talent,crm \
                             --namespace clinch-system")]
pub struct Args {
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(flatten)]
    log: LogArgs,
    #[command(flatten)]
    traces: TraceArgs,
    /// Namespaces to watch. Default: all, which needs a ClusterRole.
    #[arg(long, env = "CLINCH_WATCH_NAMESPACES", value_delimiter = ',', value_name = "NS,...")]
    watch_namespaces: Vec<String>,
    /// The operator's own namespace, with its lease and ledger key.
    #[arg(long, env = "POD_NAMESPACE", default_value = "clinch-system", value_name = "NS")]
    namespace: String,
    /// Name of this process in the lease and in Events. Default: host name and process id.
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    identity: Option<String>,
    /// Serve only integrations with the label clinch.hireez.dev/shard: NAME, and all that names them. Without
    /// it: those without the label, and what names no integration. All processes of an installation have
    /// --namespace, --lease and --ledger-key-secret in common.
    #[arg(long, env = "CLINCH_SHARD", value_name = "NAME", value_parser = Shard::parse)]
    shard: Option<Shard>,
    /// Name of the lease; that of a shard is NAME-SHARD.
    #[arg(long, default_value = "clinch-operator", value_name = "NAME")]
    lease: String,
    /// Seconds without a renewal after which another process takes over the lease.
    #[arg(long, default_value_t = 15, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(3..=300))]
    lease_duration: u64,
    /// Name of the Secret that holds the ledger key.
    #[arg(long, default_value = "clinch-operator-ledger-key", value_name = "NAME")]
    ledger_key_secret: String,
    /// Maximum number of people in a ledger that is kept in etcd, as CandidateLedger objects, and in the state
    /// of an import. A larger export or import is Stalled with LedgerTooLarge unless --ledger-url is set.
    #[arg(long, env = "CLINCH_LEDGER_ETCD_MAX", default_value_t = 200_000, value_name = "N")]
    ledger_etcd_max: u64,
    /// Keep ledgers in an object store instead of etcd: s3://bucket/path, gs://, az://, abfss:// or
    /// file:///path. Credentials come from the environment: AWS_*, GOOGLE_*, AZURE_*.
    #[arg(long, env = "CLINCH_LEDGER_URL", value_name = "URL")]
    ledger_url: Option<url::Url>,
    /// Address that serves /healthz, /readyz, /metrics and, to this machine only, /loglevel.
    #[arg(
        long,
        env = "CLINCH_ADMIN_LISTEN",
        default_value = "0.0.0.0:8080",
        value_name = "ADDRESS"
    )]
    admin_listen: SocketAddr,
    /// Maximum concurrent reconciles of each kind.
    #[arg(long, default_value_t = 8, value_name = "N")]
    concurrency: u16,
}

impl Args {
    /// Whether logs are JSON: then the last error is, too.
    pub(super) fn prints_json(&self) -> bool {
        self.log.log_format == Some(app::LogFormat::Json)
    }
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let identity = args.identity.clone().unwrap_or_else(default_identity);
    let traces = args.traces.prepare(&identity)?;
    let log = args.log.start("info", traces.as_ref())?;
    let settings = args.settings.settings().map_err(BadArgument)?;
    settings::log_proxy(&settings.proxy);
    let ledgers = args
        .ledger_url
        .as_ref()
        .map(|url| app::ObjectLedgers::at(url, super::environment(), &settings.proxy))
        .transpose()
        .context("--ledger-url")
        .map_err(BadArgument)?;
    let stop = stop::on_signal(stop::Limits {
        request_timeout: settings.timeouts.attempt,
        within: None,
        flush: trace_args::flush(traces.as_ref()),
    })?;
    super::block_on(async {
        let mut config = kubeconfig::connection(&kubeconfig::Access::default()).await?;
        // Reconciles have a backoff of their own, which retries of the client would hide.
        config.default_retry = false;
        let client = Client::try_from(config).context("cannot set up the Kubernetes client")?;
        let exporting = traces.map(|traces| traces.export(&settings.proxy)).transpose()?;
        let config = app::OperatorConfig {
            settings,
            namespaces: args
                .watch_namespaces
                .iter()
                .map(|namespace| namespace.trim().to_owned())
                .filter(|namespace| !namespace.is_empty())
                .collect(),
            own_namespace: args.namespace.clone(),
            identity,
            shard: args.shard.clone().unwrap_or_default(),
            lease: Some(app::Lease {
                name: args.lease.clone(),
                duration: Duration::from_secs(args.lease_duration),
            }),
            ledger_key_secret: args.ledger_key_secret.clone(),
            ledgers,
            ledger_etcd_max: args.ledger_etcd_max,
            admin: args.admin_listen,
            log,
            concurrency: args.concurrency.max(1),
        };
        let ended = app::run(client, config, stop.token).await;
        if let Some(exporting) = exporting {
            exporting.end().await;
        }
        ended?;
        Ok(ExitCode::Done)
    })
}

/// Host name and process id.
pub(super) fn default_identity() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{}-{}", host.trim(), std::process::id())
}
