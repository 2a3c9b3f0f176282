//! Starts etcd and kube-apiserver and waits until they are ready. Starts processes, through
//! `supervised`; binaries, files and ports are chosen before.

use std::ffi::OsString;
use std::fs;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use kube::Client;
use tokio::net::TcpStream;

use super::StartError;
use super::access::Access;
use super::assets::Assets;
use super::components::{Files, apiserver_arguments, etcd_arguments};
use super::ports::Ports;
use super::scratch::Scratch;
use super::supervised::Supervised;

const POLL: Duration = Duration::from_millis(25);
/// Probed in this order. The namespace is created after the API server reports ready.
const PROBES: [&str; 3] = ["/readyz", "/livez/etcd", "/api/v1/namespaces/default"];

/// Everything needed to start the components, any number of times.
pub(super) struct Launch {
    pub(super) assets: Assets,
    pub(super) scratch: Scratch,
    pub(super) files: Files,
    pub(super) ports: Ports,
    pub(super) apiserver_arguments: Vec<String>,
    pub(super) etcd_arguments: Vec<String>,
    pub(super) ready_within: Duration,
    pub(super) probe_token: String,
}

impl Launch {
    pub(super) async fn etcd(&self) -> Result<Supervised, StartError> {
        let mut arguments = etcd_arguments(&self.scratch, &self.files, self.ports);
        arguments.extend(self.etcd_arguments.iter().map(OsString::from));
        let mut etcd = self.spawn("etcd", &arguments)?;
        let deadline = Instant::now() + self.ready_within;
        let address = (Ipv4Addr::LOCALHOST, self.ports.etcd_client);
        while TcpStream::connect(address).await.is_err() {
            self.check_started(&mut etcd, deadline)?;
            tokio::time::sleep(POLL).await;
        }
        Ok(etcd)
    }

    /// Needs a running etcd; `etcd` is watched for an early end.
    pub(super) async fn apiserver(
        &self,
        access: &Access,
        etcd: Option<&mut Supervised>,
    ) -> Result<Supervised, StartError> {
        let extra = &self.apiserver_arguments;
        let arguments = apiserver_arguments(&self.scratch, &self.files, self.ports, extra);
        let mut apiserver = self.spawn("kube-apiserver", &arguments)?;
        self.ready(access, &mut apiserver, etcd).await?;
        Ok(apiserver)
    }

    /// Waits until the API server responds and reaches etcd.
    pub(super) async fn ready(
        &self,
        access: &Access,
        apiserver: &mut Supervised,
        mut etcd: Option<&mut Supervised>,
    ) -> Result<(), StartError> {
        let client = self.probe(access)?;
        let deadline = Instant::now() + self.ready_within;
        for path in PROBES {
            while !answers(&client, path).await {
                if let Some(etcd) = etcd.as_deref_mut() {
                    self.check_started(etcd, deadline)?;
                }
                self.check_started(apiserver, deadline)?;
                tokio::time::sleep(POLL).await;
            }
        }
        Ok(())
    }

    /// Before another attempt: etcd remembers the peer port of its first start. Data of an earlier control
    /// plane stays.
    pub(super) fn forget_data(&mut self, ports: Ports) -> Result<(), StartError> {
        self.ports = ports;
        if self.scratch.holds_data() {
            return Ok(());
        }
        let path = self.scratch.etcd_data();
        match fs::remove_dir_all(&path) {
            Err(source) if path.exists() => Err(StartError::Folder { path, source }),
            _ => Ok(()),
        }
    }

    fn spawn(
        &self,
        component: &'static str,
        arguments: &[std::ffi::OsString],
    ) -> Result<Supervised, StartError> {
        let program = match component {
            "etcd" => self.assets.etcd(),
            _ => self.assets.kube_apiserver(),
        };
        let log = self.scratch.file(&format!("{component}.log"));
        self.scratch
            .hold()
            .and_then(|hold| Supervised::spawn(component, &program, arguments, log, hold))
            .map_err(|source| StartError::Spawn { component, source })
    }

    /// A client that fails fast: its caller polls.
    fn probe(&self, access: &Access) -> Result<Client, StartError> {
        let mut config = access.config(&self.probe_token);
        config.default_retry = false;
        config.connect_timeout = Some(Duration::from_secs(2));
        config.read_timeout = Some(Duration::from_secs(5));
        Client::try_from(config).map_err(|error| StartError::Client(Box::new(error)))
    }

    fn check_started(
        &self,
        component: &mut Supervised,
        deadline: Instant,
    ) -> Result<(), StartError> {
        let name = component.name();
        if let Some(status) = component.exited() {
            let (log, tail) = (component.log().to_owned(), component.log_tail());
            return Err(StartError::Exited { component: name, status, log, tail });
        }
        if Instant::now() >= deadline {
            let (log, tail) = (component.log().to_owned(), component.log_tail());
            let limit = self.ready_within;
            return Err(StartError::NotReady { component: name, limit, log, tail });
        }
        Ok(())
    }
}

async fn answers(client: &Client, path: &str) -> bool {
    match http::Request::get(path).body(Vec::new()) {
        Ok(request) => client.request_text(request).await.is_ok(),
        Err(_) => false,
    }
}
