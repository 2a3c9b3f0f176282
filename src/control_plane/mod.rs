//! Starts a real kube-apiserver and etcd on loopback for tests and the cluster demo.
//!
//! Starts processes, writes files, listens on loopback only. Each [`ControlPlane`] has its own
//! folder, ports, keys and tokens, so any number run side by side. However the process that started
//! one ends, its components end with it (see `supervise.sh`) and a temporary folder is removed.
//! There is no controller-manager: namespaces stay Terminating, owned objects are not collected, and
//! ServiceAccounts are created by hand.

mod access;
mod assets;
pub mod audit;
mod components;
mod credentials;
mod error;
mod launch;
mod ports;
mod scratch;
mod supervised;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::Config;
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;

use self::access::Access;
use self::assets::Assets;
use self::audit::AuditLog;
use self::components::Files;
use self::credentials::Credentials;
pub use self::error::StartError;
use self::launch::Launch;
use self::ports::Ports;
use self::scratch::Scratch;
use self::supervised::Supervised;

/// How many attempts to start when another program takes one of the chosen ports.
const ATTEMPTS: usize = 5;
/// How long a component may take to stop gracefully before it is killed.
const GRACE: Duration = Duration::from_secs(5);

/// How to start a control plane. The default suits tests.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder with kube-apiserver, etcd and kubectl; by default the one that
    /// `hack/control-plane.sh` prints.
    pub assets: Option<PathBuf>,
    /// Folder for data, logs and keys, kept at the end; by default a temporary one that is removed.
    /// Objects that an earlier control plane left there are served again. Keys, tokens and ports are new.
    pub dir: Option<PathBuf>,
    /// How long each component may take to become ready.
    pub ready_within: Duration,
    /// More kube-apiserver flags, placed last so that they win.
    pub apiserver_arguments: Vec<String>,
    /// More etcd flags, placed last so that they win.
    pub etcd_arguments: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            assets: None,
            dir: None,
            ready_within: Duration::from_secs(90),
            apiserver_arguments: Vec::new(),
            etcd_arguments: Vec::new(),
        }
    }
}

/// A running control plane; killed on drop.
pub struct ControlPlane {
    // Dropped in this order: clients of etcd first, the folder last. Code that locks both locks the
    // API server first.
    apiserver: Mutex<Option<Supervised>>,
    etcd: Mutex<Option<Supervised>>,
    access: Access,
    admin_token: String,
    kubeconfig: PathBuf,
    launch: Launch,
}

impl ControlPlane {
    /// Starts etcd and kube-apiserver and waits until the API answers.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let assets = Assets::locate(options.assets)?;
        let scratch = Scratch::open(options.dir)?;
        let credentials = Credentials::generate()?;
        let files = Files::write(&scratch, &credentials)?;
        let mut launch = Launch {
            assets,
            scratch,
            files,
            ports: Ports::pick().map_err(StartError::Ports)?,
            apiserver_arguments: options.apiserver_arguments,
            etcd_arguments: options.etcd_arguments,
            ready_within: options.ready_within,
            probe_token: credentials.probe_token.clone(),
        };
        let mut attempt = 1;
        let (etcd, apiserver, access) = loop {
            match start_both(&launch, &credentials).await {
                Err(error) if error.is_port_conflict() && attempt < ATTEMPTS => {
                    tracing::debug!(attempt, "another program took a port, starting over");
                    attempt += 1;
                    launch.forget_data(Ports::pick().map_err(StartError::Ports)?)?;
                }
                outcome => break outcome?,
            }
        };
        let kubeconfig = access.kubeconfig(&credentials.admin_token);
        let kubeconfig = launch.scratch.write("admin.kubeconfig", &kubeconfig)?;
        let admin_token = credentials.admin_token;
        let (apiserver, etcd) = (Mutex::new(Some(apiserver)), Mutex::new(Some(etcd)));
        Ok(Self { apiserver, etcd, access, admin_token, kubeconfig, launch })
    }

    /// The kubeconfig of a user in `system:masters`.
    pub fn kubeconfig_path(&self) -> &Path {
        &self.kubeconfig
    }

    /// Writes the kubeconfig of [`Self::kubeconfig_path`] to another file that only this user can
    /// read.
    pub fn write_kubeconfig(&self, path: &Path) -> io::Result<()> {
        scratch::write_private(path, &self.access.kubeconfig(&self.admin_token))
    }

    /// Writes a kubeconfig for the bearer of `token`, such as one of a ServiceAccount.
    pub fn kubeconfig_for(&self, token: &str) -> io::Result<PathBuf> {
        let id = hex::encode(&Sha256::digest(token)[..8]);
        let path = self.launch.scratch.file(&format!("{id}.kubeconfig"));
        scratch::write_private(&path, &self.access.kubeconfig(token))?;
        Ok(path)
    }

    /// A client configuration for the user in `system:masters`.
    pub fn client_config(&self) -> Config {
        self.access.config(&self.admin_token)
    }

    /// A client configuration for the bearer of `token`.
    pub fn client_config_for(&self, token: &str) -> Config {
        self.access.config(token)
    }

    /// The requests that the API server received.
    pub fn audit_log(&self) -> AuditLog {
        AuditLog::new(self.launch.scratch.audit_log())
    }

    /// The kubectl that goes with this API server.
    pub fn kubectl(&self) -> PathBuf {
        self.launch.assets.kubectl()
    }

    /// Where etcd listens. Its CA, and the certificate and key of a client, are `ca.crt`, `server.crt`
    /// and `server.key` in [`Self::dir`].
    pub fn etcd_url(&self) -> String {
        format!("https://127.0.0.1:{}", self.launch.ports.etcd_client)
    }

    /// The folder with data, logs and keys.
    pub fn dir(&self) -> &Path {
        self.launch.scratch.root()
    }

    /// The process groups of the running components, one each with its supervisor.
    pub fn process_groups(&mut self) -> Vec<u32> {
        let components = [self.apiserver.get_mut(), self.etcd.get_mut()];
        components.into_iter().flatten().map(|component| component.process_group()).collect()
    }

    /// Stops the API server gracefully and starts it again at the same address.
    pub async fn restart_apiserver(&self) -> Result<(), StartError> {
        if let Some(apiserver) = self.apiserver.lock().await.take() {
            apiserver.terminate(GRACE).await;
        }
        self.start_apiserver().await
    }

    /// Kills the API server: open requests and watches are cut off.
    pub async fn kill_apiserver(&self) {
        if let Some(apiserver) = self.apiserver.lock().await.take() {
            apiserver.kill().await;
        }
    }

    /// Starts the API server again at the same address. Does nothing if it runs.
    pub async fn start_apiserver(&self) -> Result<(), StartError> {
        let mut apiserver = self.apiserver.lock().await;
        if apiserver.as_mut().is_none_or(|server| server.exited().is_some()) {
            *apiserver = None;
            let mut etcd = self.etcd.lock().await;
            *apiserver = Some(self.launch.apiserver(&self.access, etcd.as_mut()).await?);
        }
        Ok(())
    }

    /// Stops etcd gracefully: the API server keeps listening and responds with errors.
    pub async fn stop_etcd(&self) {
        if let Some(etcd) = self.etcd.lock().await.take() {
            etcd.terminate(GRACE).await;
        }
    }

    /// Kills etcd: writes in progress are lost, acknowledged writes are kept.
    pub async fn kill_etcd(&self) {
        if let Some(etcd) = self.etcd.lock().await.take() {
            etcd.kill().await;
        }
    }

    /// Starts etcd again with its data and waits until a running API server has found it. Does
    /// nothing if it runs.
    pub async fn start_etcd(&self) -> Result<(), StartError> {
        let mut apiserver = self.apiserver.lock().await;
        let mut etcd = self.etcd.lock().await;
        if etcd.as_mut().is_none_or(|etcd| etcd.exited().is_some()) {
            *etcd = None;
            let etcd = etcd.insert(self.launch.etcd().await?);
            if let Some(apiserver) = apiserver.as_mut() {
                self.launch.ready(&self.access, apiserver, Some(etcd)).await?;
            }
        }
        Ok(())
    }

    /// Stops everything gracefully. Dropping kills instead.
    pub async fn stop(self) {
        if let Some(apiserver) = self.apiserver.lock().await.take() {
            apiserver.terminate(GRACE).await;
        }
        self.stop_etcd().await;
    }
}

async fn start_both(
    launch: &Launch,
    credentials: &Credentials,
) -> Result<(Supervised, Supervised, Access), StartError> {
    let access = Access::new(launch.ports.apiserver, credentials);
    let mut etcd = launch.etcd().await?;
    let apiserver = launch.apiserver(&access, Some(&mut etcd)).await?;
    Ok((etcd, apiserver, access))
}

impl fmt::Debug for ControlPlane {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the token.
        formatter
            .debug_struct("ControlPlane")
            .field("url", &self.access.url)
            .field("dir", &self.dir())
            .finish_non_exhaustive()
    }
}
