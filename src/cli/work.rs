//! What `apply`, `plan` and `contract check` share: which manifests they work on, for how long, and with which settings.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::{
    BadArgument, ExitCode, manifests,
    messages::Messages,
    settings::{self, SettingsArgs},
    stop::{self, Stop},
};
use crate::{
    app,
    controllers::Settings,
    local::{LoadOptions, LocalCluster, Manifests, OpenError},
};

/// Which manifests a command works on.
#[derive(Debug, clap::Args)]
pub struct WorkArgs {
    /// A file or folder of manifests, or - for standard input; may be repeated.
    #[arg(short = 'f', long = "filename", required = true, value_name = "PATH")]
    filename: Vec<PathBuf>,
    /// Read folders recursively.
    #[arg(short = 'R', long)]
    recursive: bool,
    /// Namespace of manifests that do not name one.
    #[arg(short = 'n', long, default_value = "default", value_name = "NS")]
    namespace: String,
    /// Give up after this many seconds.
    #[arg(long, default_value_t = 600, value_name = "SECONDS")]
    pub(super) timeout: u64,
}

/// Work that has begun: its manifests were read.
pub(super) struct Begun {
    pub(super) settings: Settings,
    pub(super) manifests: Manifests,
    started: Instant,
    timeout: Duration,
}

impl WorkArgs {
    /// Reads the manifests, or prints why they are not used.
    pub(super) fn begin(
        &self,
        settings: &SettingsArgs,
        messages: Messages,
    ) -> anyhow::Result<Result<Begun, ExitCode>> {
        let settings = settings.settings().map_err(BadArgument)?;
        settings::log_proxy(&settings.proxy);
        let (started, timeout) = (Instant::now(), Duration::from_secs(self.timeout));
        let options = LoadOptions {
            namespace: self.namespace.clone(),
            recursive: self.recursive,
            ..LoadOptions::default()
        };
        let read = manifests::read(&self.filename, options, timeout, messages)?;
        Ok(read.map(|manifests| Begun { settings, manifests: *manifests, started, timeout }))
    }
}

impl Begun {
    /// How much time is left.
    pub(super) fn left(&self) -> Duration {
        self.timeout.saturating_sub(self.started.elapsed())
    }

    /// Takes signals from now on. `flush`: how long the last traces may take.
    pub(super) fn stop(&self, flush: Duration) -> anyhow::Result<Stop> {
        let request_timeout = self.settings.timeouts.attempt;
        stop::on_signal(stop::Limits { request_timeout, within: Some(self.left()), flush })
    }
}

/// The manifests as a cluster, with the state of a folder. Prints why they are refused, if so.
pub(super) fn open(
    manifests: Manifests,
    state: Option<&Path>,
    messages: Messages,
) -> anyhow::Result<Result<LocalCluster, ExitCode>> {
    match LocalCluster::open(manifests, state, app::random_key()?, app::system_clock()) {
        Ok(cluster) => Ok(Ok(cluster)),
        Err(OpenError::RefuseChange(problems)) => Ok(Err(manifests::refused(messages, &problems))),
        Err(error) => Err(error.into()),
    }
}
