//! The operator as a process, under the chart's rights, on a real kube-apiserver and etcd; the
//! emulator in this process, so that its counts are at hand.

use std::{
    io::Write as _,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use clinch_operator::{
    api::{CandidateExport, ClinchIntegration},
    control_plane::{
        ControlPlane, Options,
        audit::{AuditLog, Entry, Mark},
    },
    sandbox::{Options as SandboxOptions, Sandbox},
};
use flate2::{Compression, write::GzEncoder};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client, ResourceExt as _,
    api::{Patch, PatchParams, PostParams},
    runtime::wait::await_condition,
};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::{
    Row, chart,
    kubectl::Kubectl,
    people::{mapping_manifest, ndjson, profile},
};

pub(crate) const TEAM: &str = "talent";
const SYSTEM: &str = "clinch-system";
const USER: &str = "system:serviceaccount:clinch-system:clinch-operator";
const PEOPLE: usize = 1000;
const SMALL_EXPORTS: usize = 50;
const LATENCY: Duration = Duration::from_millis(50);
/// How long the control plane alone is watched, to know what it writes by itself.
const ALONE: Duration = Duration::from_secs(30);
const IDLE: Duration = Duration::from_mins(1);
const SOON: Duration = Duration::from_mins(1);

pub(crate) async fn measure() -> anyhow::Result<Vec<Row>> {
    let plane = ControlPlane::start(Options::default()).await?;
    let rows = on(&plane).await;
    plane.stop().await;
    rows
}

async fn on(plane: &ControlPlane) -> anyhow::Result<Vec<Row>> {
    let world = World::on(plane).await?;
    let alone = world.alone().await?;
    let operator = Operator::start(plane, &world.sandbox.base_url())?;
    world.integration_ready().await?;
    let mut rows = world.thousand(alone).await?;
    rows.push(Row::at_most("operator's peak memory (VmHWM)", operator.peak_mib()?, 32.0, "MiB"));
    rows.extend(world.idle(alone).await?);
    rows.extend(world.latency().await?);
    rows.push(Row::shown("peak memory at the end", format!("{:.1} MiB", operator.peak_mib()?)));
    Ok(rows)
}

pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    pub(crate) client: Client,
    log: AuditLog,
}

/// A moment: etcd's revision, the audit log's end, the emulator's requests.
pub(crate) struct Moment {
    at: Instant,
    revision: i64,
    mark: Mark,
    requests: u64,
}

/// What happened since a moment.
pub(crate) struct Since {
    pub(crate) seconds: f64,
    revisions: i64,
    entries: Vec<Entry>,
    pub(crate) requests: u64,
}

impl Since {
    /// The operator's own writes, by resource; leases aside.
    pub(crate) fn writes(&self) -> std::collections::BTreeMap<String, usize> {
        let mut writes = std::collections::BTreeMap::new();
        for entry in &self.entries {
            if entry.user == USER && entry.is_write() && entry.resource != "leases" {
                let status = if entry.subresource.is_empty() { "" } else { "/" };
                let what =
                    format!("{} {}{status}{}", entry.verb, entry.resource, entry.subresource);
                *writes.entry(what).or_default() += 1;
            }
        }
        writes
    }

    fn leases(&self) -> usize {
        let renewals = |entry: &&Entry| entry.is_write() && entry.resource == "leases";
        self.entries.iter().filter(renewals).count()
    }

    /// Revisions less leases and less what the control plane writes by itself.
    fn spent(&self, alone: f64) -> f64 {
        let leases = u32::try_from(self.leases()).unwrap_or(u32::MAX);
        (self.revisions as f64 - f64::from(leases) - alone * self.seconds).max(0.0).round()
    }
}

impl World {
    /// With everything but the operator.
    pub(crate) async fn on(plane: &ControlPlane) -> anyhow::Result<Self> {
        let options =
            SandboxOptions::default().with_credential("hireEZ", "AKBENCH", "bench-secret");
        let world = Self {
            sandbox: Sandbox::start(options).await?,
            client: Client::try_from(plane.client_config())?,
            log: plane.audit_log(),
        };
        set_up(plane, &world.sandbox)?;
        Ok(world)
    }

    pub(crate) async fn integration_ready(&self) -> anyhow::Result<()> {
        let integrations: Api<ClinchIntegration> = Api::namespaced(self.client.clone(), TEAM);
        let is_ready = |object: Option<&ClinchIntegration>| object.is_some_and(ready);
        timeout(SOON, await_condition(integrations, "clinch", is_ready)).await??;
        Ok(())
    }

    pub(crate) async fn moment(&self) -> anyhow::Result<Moment> {
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), "default");
        let mut marker = ConfigMap::default();
        marker.metadata.generate_name = Some("marker-".to_owned());
        let created = api.create(&PostParams::default(), &marker).await?;
        let revision = created.resource_version().context("no resourceVersion")?.parse()?;
        // The log is a moment behind.
        sleep(Duration::from_millis(200)).await;
        let (mark, requests) = (self.log.mark()?, self.sandbox.requests().total);
        Ok(Moment { at: Instant::now(), revision, mark, requests })
    }

    pub(crate) async fn since(&self, then: &Moment) -> anyhow::Result<Since> {
        let now = self.moment().await?;
        Ok(Since {
            seconds: now.at.duration_since(then.at).as_secs_f64(),
            // The marker of this moment does not count.
            revisions: now.revision - then.revision - 1,
            entries: self.log.since(then.mark)?,
            requests: now.requests - then.requests,
        })
    }

    /// Revisions per second without an operator.
    async fn alone(&self) -> anyhow::Result<f64> {
        let start = self.moment().await?;
        sleep(ALONE).await;
        let since = self.since(&start).await?;
        Ok(since.revisions as f64 / since.seconds)
    }

    pub(crate) async fn apply_export(&self, name: &str, source: &Value) -> anyhow::Result<()> {
        let api: Api<CandidateExport> = Api::namespaced(self.client.clone(), TEAM);
        let export = json!({"apiVersion": "clinch.hireez.dev/v1alpha1", "kind": "CandidateExport",
            "metadata": {"name": name},
            "spec": {"integrationRef": {"name": "clinch"}, "source": source,
                "destination": {"prospect": {}}}});
        api.patch(name, &PatchParams::apply("bench").force(), &Patch::Apply(&export)).await?;
        Ok(())
    }

    async fn export_ready(&self, name: &str) -> anyhow::Result<()> {
        let api: Api<CandidateExport> = Api::namespaced(self.client.clone(), TEAM);
        let is_ready = |object: Option<&CandidateExport>| object.is_some_and(ready);
        timeout(SOON, await_condition(api, name, is_ready)).await.context(name.to_owned())??;
        Ok(())
    }

    /// A thousand people, answered after 50 ms each, eight at a time.
    async fn thousand(&self, alone: f64) -> anyhow::Result<Vec<Row>> {
        self.sandbox.set_latency(LATENCY);
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(&ndjson(PEOPLE))?;
        let people = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "people"},
            "binaryData": {"people.ndjson": STANDARD.encode(gzip.finish()?)}});
        let start = self.moment().await?;
        let applied = Instant::now();
        let maps: Api<ConfigMap> = Api::namespaced(self.client.clone(), TEAM);
        let params = PatchParams::apply("bench").force();
        maps.patch("people", &params, &Patch::Apply(&people)).await?;
        let source = json!({"configMapRef": {"name": "people"}, "format": "NDJSON"});
        self.apply_export("thousand", &source).await?;
        self.export_ready("thousand").await?;
        let took = applied.elapsed().as_secs_f64();
        // Events may arrive a little later.
        sleep(Duration::from_secs(3)).await;
        let since = self.since(&start).await?;
        self.sandbox.set_latency(Duration::ZERO);
        let created = self.sandbox.requests().with("createCandidate", 201);
        ensure!(created == PEOPLE as u64, "{created} created");
        let mut rows = vec![
            Row::at_most("1,000 people, from apply to Ready", took, 10.0, "s"),
            Row::at_most("etcd revisions spent on them", since.spent(alone), 30.0, ""),
        ];
        for (what, count) in since.writes() {
            rows.push(Row::shown(&format!("  by the operator: {what}"), count.to_string()));
        }
        rows.push(Row::shown("  leases, not counted above", since.leases().to_string()));
        rows.push(Row::shown("requests to Clinch", since.requests.to_string()));
        Ok(rows)
    }

    /// A minute without work.
    async fn idle(&self, alone: f64) -> anyhow::Result<Vec<Row>> {
        let start = self.moment().await?;
        sleep(IDLE).await;
        let since = self.since(&start).await?;
        let writes = since.writes().values().sum::<usize>();
        Ok(vec![
            Row::at_most("idle minute: requests to Clinch", since.requests as f64, 0.0, ""),
            Row::at_most("idle minute: writes by the operator", writes as f64, 0.0, ""),
            Row::shown("idle minute: revisions, leases aside", since.spent(alone).to_string()),
        ])
    }

    /// Small exports one after the other: how soon the first request of each arrives.
    async fn latency(&self) -> anyhow::Result<Vec<Row>> {
        let mut milliseconds = Vec::with_capacity(SMALL_EXPORTS);
        for n in 0..SMALL_EXPORTS {
            let person: Value = serde_json::from_str(&profile(100_000 + n))?;
            let name = format!("small-{n}");
            let before = self.sandbox.requests().of("createCandidate");
            let applied = Instant::now();
            self.apply_export(&name, &json!({"inline": [person]})).await?;
            while self.sandbox.requests().of("createCandidate") == before {
                ensure!(applied.elapsed() < SOON, "{name} was not delivered");
                sleep(Duration::from_millis(1)).await;
            }
            milliseconds.push(applied.elapsed().as_secs_f64() * 1e3);
            self.export_ready(&name).await?;
        }
        milliseconds.sort_by(f64::total_cmp);
        // With fifty of them the 99th percentile is the slowest.
        let (p50, p99) = (milliseconds[SMALL_EXPORTS / 2], milliseconds[SMALL_EXPORTS - 1]);
        Ok(vec![
            Row::at_most("from apply to the person in Clinch, p50", p50, 100.0, "ms"),
            Row::at_most("from apply to the person in Clinch, p99", p99, 300.0, "ms"),
        ])
    }
}

/// Whether an object is Ready for its present generation.
pub(crate) fn ready<K: kube::Resource + serde::Serialize>(object: &K) -> bool {
    let Ok(value) = serde_json::to_value(object) else { return false };
    let conditions = value.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|condition| {
        condition["type"] == "Ready"
            && condition["status"] == "True"
            && condition["observedGeneration"] == value["metadata"]["generation"]
    })
}

/// CRDs, rights, and an integration with its mapping.
pub(crate) fn set_up(plane: &ControlPlane, sandbox: &Sandbox) -> anyhow::Result<()> {
    for (_, crd) in clinch_operator::api::crds_yaml()? {
        kubectl(plane, &["apply", "--server-side", "-f", "-"], &crd)?;
    }
    let established = ["wait", "--for=condition=Established", "crd", "--all", "--timeout=30s"];
    kubectl(plane, &established, "")?;
    kubectl(plane, &["apply", "--server-side", "-f", "-"], &rights())?;
    let integration = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: clinch, namespace: {TEAM}}}\n\
         stringData: {{accessKey: AKBENCH, secretKey: bench-secret}}\n---\n\
         apiVersion: clinch.hireez.dev/v1alpha1\nkind: ClinchIntegration\n\
         metadata: {{name: clinch, namespace: {TEAM}}}\nspec:\n  endpoint: {}\n  \
         environment: Sandbox\n  credentials: {{secretRef: {{name: clinch}}}}\n  \
         defaults: {{fieldMappingRef: {{name: default}}}}\n  limits: {{maxInFlight: 8}}\n---\n{}",
        sandbox.base_url(),
        mapping_manifest(),
    );
    kubectl(plane, &["apply", "--server-side", "-f", "-"], &integration)?;
    Ok(())
}

/// The namespaces, and the operator's rights as the chart grants them.
fn rights() -> String {
    let namespace =
        |name: &str| format!("---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n");
    [
        namespace(SYSTEM),
        namespace(TEAM),
        chart::identity(SYSTEM),
        chart::role(SYSTEM, chart::OWN, SYSTEM),
        chart::role(TEAM, &format!("{}\n{}", chart::WATCHED, chart::SECRETS), SYSTEM),
    ]
    .concat()
}

fn kubectl(plane: &ControlPlane, arguments: &[&str], input: &str) -> anyhow::Result<String> {
    let answer = Kubectl::admin(plane).call(arguments, input);
    ensure!(answer.succeeded, "kubectl {} failed: {}", arguments.join(" "), answer.errors);
    Ok(answer.output)
}

/// The operator; ends when dropped.
pub(crate) struct Operator(std::process::Child);

impl Operator {
    pub(crate) fn start(plane: &ControlPlane, origin: &str) -> anyhow::Result<Self> {
        Self::start_at(plane, origin, "127.0.0.1:0")
    }

    /// With health and metrics served at `admin`.
    pub(crate) fn start_at(
        plane: &ControlPlane,
        origin: &str,
        admin: &str,
    ) -> anyhow::Result<Self> {
        let token = kubectl(plane, &["create", "token", "clinch-operator", "-n", SYSTEM], "")?;
        let child = std::process::Command::new(env!("CARGO_BIN_EXE_clinch-operator"))
            .args(["run", "--environment", "sandbox", "--allowed-endpoints", origin])
            .args(["--watch-namespaces", TEAM, "--namespace", SYSTEM])
            .args(["--admin-listen", admin, "--log", "warn"])
            .env("KUBECONFIG", plane.kubeconfig_for(token.trim())?)
            .stdin(Stdio::null())
            .spawn()
            .context("cannot start the operator")?;
        Ok(Self(child))
    }

    /// The most memory it ever had resident, in MiB.
    pub(crate) fn peak_mib(&self) -> anyhow::Result<f64> {
        self.memory_mib("VmHWM:")
    }

    /// The memory it has resident, in MiB.
    pub(crate) fn resident_mib(&self) -> anyhow::Result<f64> {
        self.memory_mib("VmRSS:")
    }

    fn memory_mib(&self, which: &str) -> anyhow::Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(which));
        let kib = line.and_then(|line| line.split_whitespace().next()).context("no such line")?;
        Ok(kib.parse::<f64>()? / 1024.0)
    }

    /// Processor time it has taken, in ticks of a hundredth of a second.
    pub(crate) fn ticks(&self) -> anyhow::Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id()))?;
        let (_, rest) = stat.rsplit_once(')').context("no name")?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let of = |at: usize| {
            fields.get(at).context("too short")?.parse::<f64>().map_err(anyhow::Error::from)
        };
        Ok(of(11)? + of(12)?)
    }

    /// Terminates it, so that the Lease is released.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        std::process::Command::new("kill").arg(self.0.id().to_string()).status()?;
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _already_ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}
