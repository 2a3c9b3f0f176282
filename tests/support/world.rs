//! The stage of a test on the shared API server: a namespace, an emulator and an operator. The operator
//! runs under a ServiceAccount with exactly the chart's rules.

use std::{
    net::SocketAddr,
    path::PathBuf,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use clinch_operator::{
    api::Environment,
    app::{self, Lease, LogFilter, ObjectLedgers, OperatorConfig, RunError},
    clinch::{AllowedEndpoints, Timeouts},
    control_plane::{
        ControlPlane,
        audit::{AuditLog, Entry, Mark},
    },
    controllers::{NotifySettings, Regions, Settings},
    domain::Shard,
    sandbox::{self, Sandbox},
    storage::{AllowedPlaces, StoragePolicy},
};
use kube::{
    Api, Client,
    api::DynamicObject,
    core::{ApiResource, GroupVersionKind},
};
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{
    chart,
    kubectl::{Answer, Kubectl},
    plane,
    process::Process,
};

/// How long anything may take that has no bound of its own.
pub const SOON: Duration = Duration::from_mins(2);

static NEXT: AtomicU32 = AtomicU32::new(1);

/// A namespace with an emulator and the operator's rights; an operator once started.
pub struct World {
    pub plane: &'static ControlPlane,
    kubectl: Kubectl,
    pub admin: Client,
    pub namespace: String,
    /// Further namespaces that the operator watches, without a right to any Secret there.
    pub members: Vec<String>,
    pub sandbox: Sandbox,
    /// Where the operator keeps ledgers; etcd where it is absent.
    pub ledgers: Option<ObjectLedgers>,
    pub ledger_etcd_max: u64,
    /// What may be read as a remote source.
    pub allowed_sources: Vec<String>,
    /// Where files may be written.
    pub allowed_destinations: Vec<String>,
    /// Servers that may receive notifications.
    pub allowed_notify: Vec<String>,
    token: String,
    running: Option<(CancellationToken, JoinHandle<Result<(), RunError>>)>,
}

impl World {
    /// Without an operator yet.
    pub async fn prepare() -> Option<Self> {
        let plane = plane::shared().await?;
        let namespace = format!("t{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let options = sandbox::Options::default().with_credential("hireEZ", "KEY-1", "secret-1");
        let mut world = Self {
            plane,
            kubectl: Kubectl::admin(plane),
            admin: Client::try_from(plane.client_config()).expect("a client"),
            sandbox: Sandbox::start(options).await.expect("the emulator starts"),
            ledgers: None,
            ledger_etcd_max: 200_000,
            allowed_sources: Vec::new(),
            allowed_destinations: Vec::new(),
            allowed_notify: Vec::new(),
            token: String::new(),
            running: None,
            members: Vec::new(),
            namespace,
        };
        world.kubectl(&["create", "namespace", &world.namespace]);
        let rules = [chart::WATCHED, chart::SECRETS, chart::OWN].join("\n");
        let role = chart::role(&world.namespace, &rules, &world.namespace);
        world.kubectl.apply(&(chart::identity(&world.namespace) + &role));
        let token = world.kubectl(&["create", "token", "clinch-operator", "-n", &world.namespace]);
        token.trim().clone_into(&mut world.token);
        Some(world)
    }

    /// With an operator.
    pub async fn start() -> Option<Self> {
        let mut world = Self::prepare().await?;
        world.run_operator(Regions::default());
        Some(world)
    }

    /// With an operator that watches further namespaces, too.
    pub async fn start_with_members(count: usize) -> Option<Self> {
        let mut world = Self::prepare().await?;
        for number in 1..=count {
            world.members.push(format!("{}-m{number}", world.namespace));
        }
        let namespaces = world.members.iter().map(|member| {
            format!("---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: {member}}}\n")
        });
        let roles = world
            .members
            .iter()
            .map(|member| chart::role(member, chart::WATCHED, &world.namespace));
        world.kubectl.apply(&namespaces.chain(roles).collect::<String>());
        world.run_operator(Regions::default());
        Some(world)
    }

    /// Starts the operator in this process.
    pub fn run_operator(&mut self, regions: Regions) {
        let mut origins = vec![self.sandbox.base_url()];
        let defaults = Regions::default();
        for (given, usual) in
            [(&regions.us, &defaults.us), (&regions.eu, &defaults.eu), (&regions.au, &defaults.au)]
        {
            if given != usual {
                origins.push(given.clone());
            }
        }
        origins.push("http://127.0.0.1:1".to_owned());
        let config = OperatorConfig {
            settings: Settings {
                environment: Environment::Sandbox,
                allowed_endpoints: AllowedEndpoints::listed(origins.iter().map(String::as_str))
                    .expect("origins"),
                regions,
                proxy: clinch_operator::network::OutboundProxy::default(),
                sources: Arc::new(StoragePolicy {
                    allowed: AllowedPlaces::listed(self.allowed_sources.iter().map(String::as_str))
                        .expect("places"),
                    ..StoragePolicy::default()
                }),
                destinations: Arc::new(StoragePolicy {
                    allowed: AllowedPlaces::destinations(
                        self.allowed_destinations.iter().map(String::as_str),
                    )
                    .expect("places"),
                    ..StoragePolicy::default()
                }),
                notify: NotifySettings {
                    receivers: Arc::new(StoragePolicy {
                        allowed: AllowedPlaces::notify(
                            self.allowed_notify.iter().map(String::as_str),
                        )
                        .expect("servers"),
                        ..StoragePolicy::default()
                    }),
                    cluster: None,
                },
                renderer: clinch_operator::pipeline::Renderer::default(),
                max_runs: 8,
                // An operator that follows another one waits this long for its requests.
                timeouts: Timeouts { orphaned: Duration::from_secs(5), ..Timeouts::default() },
            },
            namespaces: [std::slice::from_ref(&self.namespace), &self.members].concat(),
            own_namespace: self.namespace.clone(),
            identity: "in-process".to_owned(),
            shard: Shard::default(),
            lease: Some(Lease {
                name: "clinch-operator".to_owned(),
                duration: Duration::from_secs(15),
            }),
            ledger_key_secret: "clinch-operator-ledger-key".to_owned(),
            ledgers: self.ledgers.clone(),
            ledger_etcd_max: self.ledger_etcd_max,
            admin: SocketAddr::from(([127, 0, 0, 1], 0)),
            log: LogFilter::unchangeable("off"),
            concurrency: 4,
        };
        let mut kube = self.plane.client_config_for(&self.token);
        kube.default_retry = false;
        let client = Client::try_from(kube).expect("a client");
        let stop = CancellationToken::new();
        self.running = Some((stop.clone(), tokio::spawn(app::run(client, config, stop))));
    }

    /// Grants the Leases of these shards, as the chart does.
    pub fn grant_shards(&self, shards: &[&str]) {
        let leases: Vec<String> =
            shards.iter().map(|shard| format!("clinch-operator-{shard}")).collect();
        let named = format!("[clinch-operator, {}]", leases.join(", "));
        let own = chart::OWN.replace("[clinch-operator]", &named);
        let rules = [chart::WATCHED, chart::SECRETS, &own].join("\n");
        self.kubectl.apply(&chart::role(&self.namespace, &rules, &self.namespace));
    }

    /// Starts the operator as a process of its own; `lease` is the Lease's duration in seconds.
    pub fn spawn_operator(&self, identity: &str, admin: &str, lease: u64) -> Process {
        Process::spawn(&mut self.operator_command(identity, admin, lease))
    }

    /// The same for a shard.
    pub fn spawn_shard(&self, shard: &str, identity: &str, admin: &str, lease: u64) -> Process {
        Process::spawn(self.operator_command(identity, admin, lease).args(["--shard", shard]))
    }

    /// The command that starts it.
    pub fn operator_command(&self, identity: &str, admin: &str, lease: u64) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_clinch-operator"));
        command
            .args(["run", "--environment", "sandbox", "--lease-duration", &lease.to_string()])
            // How long the next process waits after an unclean end: longer than any request takes here.
            .args(["--request-timeout", "5"])
            .args(["--allowed-endpoints", &self.sandbox.base_url()])
            .args(["--watch-namespaces", &self.namespace, "--namespace", &self.namespace])
            .args(["--admin-listen", admin, "--identity", identity])
            .env("CLINCH_LOG", "warn")
            .args(
                self.allowed_destinations
                    .iter()
                    .flat_map(|place| ["--allowed-destinations", place.as_str()]),
            )
            .args(
                self.allowed_notify.iter().flat_map(|server| ["--allowed-notify", server.as_str()]),
            )
            .env("KUBECONFIG", self.operator_kubeconfig())
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command
    }

    /// Stops the operator and waits for its end.
    pub async fn stop_operator(&mut self) {
        if let Some((stop, running)) = self.running.take() {
            stop.cancel();
            running.await.expect("no panic").expect("an orderly end");
        }
    }

    /// Runs kubectl as admin.
    pub fn kubectl(&self, args: &[&str]) -> String {
        self.kubectl.run(args)
    }

    /// Runs kubectl as the operator: whether it succeeded, and its error output.
    pub fn kubectl_as_operator(&self, args: &[&str]) -> (bool, String) {
        outcome(Kubectl::with(self.plane, &self.operator_kubeconfig()).call(args, ""))
    }

    /// A kubeconfig of the operator's ServiceAccount.
    pub fn operator_kubeconfig(&self) -> PathBuf {
        self.plane.kubeconfig_for(&self.token).expect("written")
    }

    /// Server-side apply; NS stands for the namespace and ORIGIN for the emulator.
    pub fn apply(&self, manifests: &str) {
        let (ok, err) = self.try_apply(manifests);
        assert!(ok, "apply failed: {err}");
    }

    /// Server-side apply into another namespace.
    pub fn apply_in(&self, namespace: &str, manifests: &str) {
        let (ok, err) = self.try_apply_in(namespace, manifests);
        assert!(ok, "apply failed: {err}");
    }

    /// Server-side apply that may be refused.
    pub fn try_apply(&self, manifests: &str) -> (bool, String) {
        self.try_apply_with(manifests, &["-n", &self.namespace])
    }

    /// Server-side apply in the name of a user.
    pub fn try_apply_as(&self, user: &str, manifests: &str) -> (bool, String) {
        self.try_apply_with(manifests, &["-n", &self.namespace, "--as", user])
    }

    fn try_apply_in(&self, namespace: &str, manifests: &str) -> (bool, String) {
        self.try_apply_with(manifests, &["-n", namespace])
    }

    fn try_apply_with(&self, manifests: &str, more: &[&str]) -> (bool, String) {
        // Words only: the random name of a folder may have these letters.
        let filled = |text: &str, word: &str, value: &str| {
            let word = regex::Regex::new(&format!(r"\b{word}\b")).expect("a word");
            word.replace_all(text, regex::NoExpand(value)).into_owned()
        };
        let text = filled(manifests, "NS", &self.namespace);
        let text = filled(&text, "ORIGIN", &self.sandbox.base_url());
        let args: &[&str] = &["apply", "--server-side", "--force-conflicts", "-f", "-"];
        outcome(self.kubectl.call(&[args, more].concat(), &text))
    }

    /// Apply as kubectl does without a flag: the field manager updates.
    pub fn apply_client_side(&self, manifest: &str) {
        let text = manifest.replace("ORIGIN", &self.sandbox.base_url());
        let (ok, err) =
            outcome(self.kubectl.call(&["apply", "-n", &self.namespace, "-f", "-"], &text));
        assert!(ok, "apply failed: {err}");
    }

    /// Whether the API server would take it.
    pub fn try_apply_dry(&self, manifest: &str) -> (bool, String) {
        let args = ["create", "--dry-run=server", "-n", &self.namespace, "-f", "-"];
        outcome(self.kubectl.call(&args, manifest))
    }

    /// Runs kubectl as admin, with `--as` as anybody: whether it succeeded, and its error output.
    pub fn try_kubectl(&self, args: &[&str]) -> (bool, String) {
        outcome(self.kubectl.call(args, ""))
    }

    /// Who the operator is to the API server.
    pub fn user(&self) -> String {
        format!("system:serviceaccount:{}:clinch-operator", self.namespace)
    }

    /// The API server's audit log.
    pub fn audit(&self) -> AuditLog {
        self.plane.audit_log()
    }

    /// Waits until the passes over an object that have begun so far are over: an Event, for one, follows
    /// the status that it is about. Passes over one object follow each other; `by`, which is labelled,
    /// enqueues the next one.
    pub async fn passes_end(&self, resource: &str, name: &str, by: (&str, &str)) {
        let (user, log) = (self.user(), self.audit());
        let mark = log.mark().expect("the audit log can be read");
        let label = format!("passes-end={}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.kubectl(&["label", by.0, by.1, &label, "--overwrite", "-n", &self.namespace]);
        let begins = |entry: &Entry| {
            entry.user == user
                && entry.verb == "get"
                && entry.resource == resource
                && entry.name == name
        };
        log.wait_for(mark, 1, SOON, begins).await.expect("another pass begins");
    }

    /// What the operator wrote since then, apart from its Lease.
    pub fn writes_since(&self, mark: Mark) -> Vec<Entry> {
        let user = self.user();
        let mut entries = self.audit().since(mark).expect("the audit log can be read");
        entries
            .retain(|entry| entry.user == user && entry.is_write() && entry.resource != "leases");
        entries
    }

    /// An object, as JSON.
    pub async fn get(&self, kind: &str, name: &str) -> Value {
        let gvk = GroupVersionKind::gvk("clinch.hireez.dev", "v1alpha1", kind);
        let plural = format!("{}s", kind.to_lowercase());
        let resource = ApiResource::from_gvk_with_plural(&gvk, &plural);
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.admin.clone(), &self.namespace, &resource);
        serde_json::to_value(api.get_opt(name).await.expect("the API server answers"))
            .expect("an object is JSON")
    }

    /// Waits until an object is as expected; on failure shows it as it is.
    pub async fn wait(
        &self,
        kind: &str,
        name: &str,
        what: &str,
        within: Duration,
        expected: impl Fn(&Value) -> bool,
    ) -> Value {
        let started = Instant::now();
        loop {
            let object = self.get(kind, name).await;
            if expected(&object) {
                return object;
            }
            assert!(
                started.elapsed() < within,
                "{kind} {name} is not {what} after {within:?}:\n{}",
                serde_json::to_string_pretty(&object["status"]).unwrap_or_default()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits for a Ready condition of this status and reason, for the present generation.
    pub async fn ready(&self, kind: &str, name: &str, status: &str, reason: &str) -> Value {
        self.ready_within(kind, name, status, reason, SOON).await
    }

    /// As `ready`, with a bound.
    pub async fn ready_within(
        &self,
        kind: &str,
        name: &str,
        status: &str,
        reason: &str,
        within: Duration,
    ) -> Value {
        let what = format!("Ready={status} {reason}");
        self.wait(kind, name, &what, within, |object| {
            let ready = condition(object, "Ready");
            object["metadata"]["generation"] == object["status"]["observedGeneration"]
                && ready["status"] == status
                && ready["reason"] == reason
        })
        .await
    }
}

/// A condition of an object; null when it has none of the type.
pub fn condition(object: &Value, expected: &str) -> Value {
    object["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|condition| condition["type"] == expected)
        .cloned()
        .unwrap_or_default()
}

/// Requests, one a line, for the message of a test.
pub fn listed(entries: &[Entry]) -> String {
    let lines: Vec<String> = entries.iter().map(ToString::to_string).collect();
    format!("\n  {}", lines.join("\n  "))
}

/// Whether a call succeeded, and its error output.
fn outcome(answer: Answer) -> (bool, String) {
    (answer.succeeded, answer.errors)
}
