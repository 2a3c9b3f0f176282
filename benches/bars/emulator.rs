//! The emulator as a process of its own, and a client of it.

use std::{process::Stdio, sync::Arc};

use anyhow::{Context as _, ensure};
use clinch_operator::{
    api::{ApiVersion, Environment},
    clinch::{
        AllowedEndpoints, Client, ClientConfig, ClientDeps, Contract, Endpoint, Jitter, Limits,
        Timeouts, Unobserved,
    },
    domain::{Clock, Credentials, Fence},
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use crate::people::mapping_manifest;

const ACCESS_KEY: &str = "AKBENCH";
const SECRET: &str = "bench-secret";

/// A fresh emulator; ends when dropped.
pub(crate) struct Emulator {
    pub(crate) origin: String,
    _child: Child,
}

impl Emulator {
    /// `settings` are further arguments: `--latency-ms 2`.
    pub(crate) async fn start(settings: &[&str]) -> anyhow::Result<Self> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_clinch-sandbox"))
            .args(["--listen", "127.0.0.1:0", "--credential"])
            .arg(format!("hireEZ:{ACCESS_KEY}:{SECRET}"))
            .args(settings)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start the emulator")?;
        let stdout = child.stdout.take().context("the emulator has no standard output")?;
        let line = BufReader::new(stdout).lines().next_line().await?.context("it ended")?;
        let (_, origin) = line.split_once("listening on ").context("it said something else")?;
        Ok(Self { origin: origin.trim().to_owned(), _child: child })
    }

    /// Fails unless this many people were created, each by one request.
    pub(crate) async fn check_created(&self, count: usize) -> anyhow::Result<()> {
        let counts = self.requests().await?;
        ensure!(counts["byOperation"]["createCandidate 201"] == count, "not all created: {counts}");
        Ok(())
    }

    /// The requests to the emulator so far.
    pub(crate) async fn requests(&self) -> anyhow::Result<serde_json::Value> {
        let url = format!("{}/_sandbox/requests", self.origin);
        let text = http()?.get(url).send().await?.text().await?;
        Ok(serde_json::from_str(&text)?)
    }
}

/// An HTTP client without anything around it.
pub(crate) fn http() -> anyhow::Result<reqwest::Client> {
    // One provider per process; another part may have installed the same one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(reqwest::Client::builder().no_proxy().build()?)
}

/// What a Secret holds for it.
pub(crate) const fn key_and_secret() -> (&'static str, &'static str) {
    (ACCESS_KEY, SECRET)
}

/// The manifests of its account, with the quickstart's mapping, in the namespace `default`.
pub(crate) fn account(clinch: &str) -> String {
    let (key, secret) = key_and_secret();
    let mapping = mapping_manifest().replace("namespace: talent", "namespace: default");
    format!(
        "{mapping}
---
apiVersion: v1
kind: Secret
metadata: {{name: clinch}}
stringData: {{accessKey: {key}, secretKey: {secret}}}
---
apiVersion: clinch.hireez.dev/v1alpha1
kind: ClinchIntegration
metadata: {{name: clinch}}
spec:
  endpoint: {clinch}
  environment: Sandbox
  credentials: {{secretRef: {{name: clinch}}}}
"
    )
}

pub(crate) fn credentials() -> anyhow::Result<Credentials> {
    Ok(Credentials::parse(ACCESS_KEY, SECRET)?)
}

/// The operator's client of an origin, with no limit known but the number in flight.
pub(crate) fn client(origin: &str) -> anyhow::Result<Client> {
    let config = ClientConfig {
        endpoint: Endpoint::parse(origin, Environment::Sandbox)?,
        version: ApiVersion::V2,
        environment: Environment::Sandbox,
        credentials: credentials()?,
        contract: Arc::new(Contract::built_in()),
        accepted_writes: Vec::new(),
        limits: Limits::default(),
        timeouts: Timeouts::default(),
    };
    let deps = ClientDeps {
        allowed: AllowedEndpoints::listed([origin])?,
        clock: Clock::new(jiff::Timestamp::now),
        jitter: Jitter::new(fastrand::f64),
        resolver: Arc::new(clinch_operator::network::SystemResolver),
        proxy: clinch_operator::network::OutboundProxy::default(),
        observer: Arc::new(Unobserved),
        fence: Fence::open(),
    };
    Ok(Client::connect("bench", config, &deps)?)
}
