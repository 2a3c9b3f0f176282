//! `demo --cluster`: the same on a real API server, with kubectl, and with the operator as a child
//! process that has the permissions of the chart.

use std::{
    fs::{OpenOptions, Permissions},
    io::Write as _,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    signal::unix::{SignalKind, signal},
    time::timeout,
};

use super::super::ExitCode;
use super::{
    Args, FILES, closing, cluster_round_trip, file_folder,
    kubectl::Kubectl,
    manifests,
    sibling::{Sandbox, sibling},
};

/// Namespace of the quickstart.
const TEAM: &str = "talent";
/// Namespace of a team that may use the integration once it is approved.
const MEMBER: &str = "team-b";
/// Namespace of the operator.
const SYSTEM: &str = "clinch-system";
/// The operator's permissions, as in the chart.
const RULES_WATCHED: &str =
    include_str!("../../../charts/clinch-operator/files/rules-watched.yaml");
const RULES_SECRETS: &str =
    include_str!("../../../charts/clinch-operator/files/rules-secrets.yaml");
const RULES_OWN: &str = include_str!("../../../charts/clinch-operator/files/rules-own.yaml");
/// The permissions of users, as in the chart.
const RULES_VIEWER: &str = include_str!("../../../charts/clinch-operator/files/rules-viewer.yaml");
const RULES_MEMBER: &str = include_str!("../../../charts/clinch-operator/files/rules-member.yaml");
const RULES_ADMIN: &str = include_str!("../../../charts/clinch-operator/files/rules-admin.yaml");
/// Lets namespaces ask for the integration of the quickstart.
const ASK: &str = r#"{"spec": {"access": {"mode": "Approval"}}}"#;
/// An export of the other team.
const ASKING: &str = "apiVersion: clinch.hireez.dev/v1alpha1
kind: CandidateExport
metadata: {name: recruits, namespace: team-b}
spec:
  integrationRef: {name: clinch, namespace: talent}
  source:
    inline:
      - {firstName: Mina, lastName: Okafor, emails: [{value: mina.okafor@example.com}]}
  destination: {prospect: {}}
";

/// Runs the demo.
pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    std::fs::create_dir_all(&args.state)
        .with_context(|| format!("cannot create {}", args.state.display()))?;
    let sandbox = Sandbox::start(&args.state.join("cluster-sandbox.json")).await?;
    super::super::print(&format!("1. the Clinch emulator listens on {}", sandbox.origin()));

    let plane = ControlPlane::find_or_start(&args.state).await?;
    super::super::print(&format!("2. {}", plane.description));
    let kubectl = Kubectl::new(plane.kubectl.clone(), plane.kubeconfig.clone());

    super::super::print("3. installing CRDs, RBAC and the operator");
    let crds = args.state.join("crds");
    write_crds(&crds)?;
    kubectl.quietly(&["apply", "--server-side", "-f", &text(&crds)?]).await?;
    kubectl.apply(&args.state.join("rights.yaml"), &rights()).await?;
    let kubeconfig = operator_kubeconfig(&kubectl, &args.state).await?;
    let file_folder = file_folder(&args.state)?;
    let operator = Operator::start(&kubeconfig, sandbox.origin(), &file_folder)?;

    super::super::print(&format!(
        "4. kubectl apply --server-side -f {}\n",
        args.filename.display()
    ));
    let before = sandbox.writes().await?;
    let read = manifests(&args.filename, &[FILES], sandbox.origin(), &file_folder)?;
    let all: Vec<&str> = read.iter().map(|(_, text)| text.as_str()).collect();
    let path = args.state.join("manifests.yaml");
    std::fs::write(&path, all.join("\n---\n"))?;
    kubectl.aloud(&["apply", "--server-side", "-f", &text(&path)?]).await?;

    let wait = ["wait", "--for=condition=Ready", "candidateexport", "--all", "-n", TEAM];
    super::super::print(&format!("\n5. kubectl {} --timeout=60s\n", wait.join(" ")));
    let waited = kubectl.aloud(&[&wait[..], &["--timeout=60s"]].concat()).await;
    super::super::print("\n6. kubectl get clinch -A\n");
    kubectl.aloud(&["get", "clinch", "-A"]).await?;
    super::super::print("\n7. rejected records, from the statuses of exports\n");
    let failures = "-o=go-template={{range .items}}{{$name := .metadata.name}}{{range .status.failures}}{{$name}}: {{.position}}\n    {{.reason}}: {{.message}}\n{{end}}{{end}}";
    kubectl.aloud(&["get", "candidateexport", "-n", TEAM, failures]).await?;
    super::super::print("\n8. one candidate, as stored by the emulator\n");
    super::super::print(&sandbox.one_candidate().await?);
    super::super::print("\n9. the same people as files\n");
    let written = "-o=jsonpath={range .items[?(@.status.file)]}{\"  \"}{.metadata.name}{\": \"}{.status.file.rows}{\" rows in \"}{.status.file.url}{\"\\n\"}{end}";
    kubectl.aloud(&["get", "candidateexport", "-n", TEAM, written]).await?;
    let came_back = cluster_round_trip::show(args, &kubectl, &sandbox, &file_folder).await;
    let writes = sandbox.writes().await? - before;
    super::super::print(&closing(writes, started.elapsed(), &args.state));
    if args.keep {
        let asks = ["patch", "clinchintegration", "clinch", "-n", TEAM, "--type=merge", "-p", ASK];
        let can_ask = kubectl.quietly(&asks).await.is_ok();
        super::super::print(&kept(args, &plane, can_ask)?);
        asked_to_end().await?;
    }
    operator.stop().await?;
    plane.stop().await?;
    sandbox.stop().await?;
    let done = waited.is_ok() && came_back?;
    Ok(if done { ExitCode::Done } else { ExitCode::TimedOut })
}

/// What can be tried while everything keeps running. `can_ask`: whether there is an integration that other
/// teams may ask for.
fn kept(args: &Args, plane: &ControlPlane, can_ask: bool) -> anyhow::Result<String> {
    let kubeconfig = std::fs::canonicalize(&plane.kubeconfig)?;
    let kubectl = plane.kubectl.display();
    let program = std::env::current_exe()?;
    let program = program.display();
    let mut lines = vec![
        "\nAPI server, operator and emulator keep running until Ctrl-C. In another shell:\n"
            .to_owned(),
        format!("  export KUBECONFIG='{}'", kubeconfig.display()),
        format!("  {program} status -n {TEAM}"),
    ];
    if can_ask {
        let path = args.state.join("asking.yaml");
        std::fs::write(&path, ASKING)?;
        let path = std::fs::canonicalize(&path)?;
        lines.push("\nAnother team asks for the integration, and its admin decides:\n".to_owned());
        lines.extend([
            format!("  {kubectl} apply --as member -f '{}'", path.display()),
            format!("  {program} status --as member -n {MEMBER}"),
            format!("  {program} approve --as admin -n {TEAM}"),
            format!("  {program} approve --as admin -n {TEAM} clinch {MEMBER}"),
            format!("  {program} watch --as member -n {MEMBER} export/recruits"),
        ]);
    }
    Ok(lines.join("\n"))
}

/// Waits for SIGINT or SIGTERM.
async fn asked_to_end() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.context("cannot handle SIGINT"),
        _ = terminate.recv() => Ok(()),
    }
}

fn text(path: &Path) -> anyhow::Result<String> {
    path.to_str().map(str::to_owned).context("a path is not text")
}

fn write_crds(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)?;
    for (name, yaml) in crate::api::crds_yaml()? {
        std::fs::write(folder.join(name), yaml)?;
    }
    Ok(())
}

/// Namespaces, ServiceAccount, ledger key, and the chart's rules in the chart's roles; of users, an `admin` of
/// the integration and a `member` of the other team.
fn rights() -> String {
    let of = |subject: &str, name: &str, namespace: &str, rules: &str| {
        format!(
            "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: Role\n\
             metadata: {{name: {name}, namespace: {namespace}}}\nrules:\n{rules}\n\
             ---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\n\
             metadata: {{name: {name}, namespace: {namespace}}}\n\
             roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: {name}}}\n\
             subjects: [{{{subject}}}]\n"
        )
    };
    let operator = format!("kind: ServiceAccount, name: clinch-operator, namespace: {SYSTEM}");
    let role = |name: &str, namespace: &str, rules: &str| of(&operator, name, namespace, rules);
    let user =
        |name: &str| format!("kind: User, apiGroup: rbac.authorization.k8s.io, name: {name}");
    let member = format!("{RULES_VIEWER}\n{RULES_MEMBER}");
    let namespace =
        |name: &str| format!("---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n");
    [
        namespace(SYSTEM),
        namespace(TEAM),
        namespace(MEMBER),
        format!(
            "---\napiVersion: v1\nkind: ServiceAccount\n\
             metadata: {{name: clinch-operator, namespace: {SYSTEM}}}\n\
             ---\napiVersion: v1\nkind: Secret\n\
             metadata: {{name: clinch-operator-ledger-key, namespace: {SYSTEM}}}\n"
        ),
        role("clinch-operator", SYSTEM, RULES_OWN),
        role("clinch-operator", TEAM, &format!("{RULES_WATCHED}\n{RULES_SECRETS}")),
        role("clinch-operator", MEMBER, RULES_WATCHED),
        of(&user("admin"), "clinch-admin", TEAM, &format!("{member}\n{RULES_ADMIN}")),
        of(&user("member"), "clinch-member", MEMBER, &member),
    ]
    .concat()
}

/// A kubeconfig with the operator's own token instead of the admin's.
async fn operator_kubeconfig(kubectl: &Kubectl, state: &Path) -> anyhow::Result<PathBuf> {
    let token = kubectl
        .output(&["create", "token", "clinch-operator", "-n", SYSTEM, "--duration=1h"])
        .await?;
    let admin = kubectl.output(&["config", "view", "--raw", "--minify", "-o", "json"]).await?;
    let mut config: Value = serde_json::from_str(&admin).context("kubectl's config is not JSON")?;
    let user = config["users"][0]["name"].clone();
    config["users"] = json!([{"name": user, "user": {"token": token.trim()}}]);
    let path = state.join("operator.kubeconfig");
    // It holds a token.
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(config.to_string().as_bytes())?;
    Ok(path)
}

/// An API server: the user's, or one started for the demo.
struct ControlPlane {
    kubeconfig: PathBuf,
    kubectl: PathBuf,
    description: String,
    child: Option<Child>,
}

impl ControlPlane {
    #[expect(clippy::disallowed_methods, reason = "the command line reads the environment")]
    async fn find_or_start(state: &Path) -> anyhow::Result<Self> {
        let kubectl = kubectl().await?;
        if let Some(kubeconfig) = std::env::var_os("KUBECONFIG") {
            let kubeconfig = PathBuf::from(kubeconfig);
            let description = format!("using the API server of {}", kubeconfig.display());
            return Ok(Self { kubeconfig, kubectl, description, child: None });
        }
        let kubeconfig = state.join("admin.kubeconfig");
        let mut child = Command::new(sibling("clinch-control-plane")?)
            .arg("--kubeconfig")
            .arg(&kubeconfig)
            .arg("--stop-on-stdin-close")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start clinch-control-plane")?;
        let stdout = child.stdout.take().context("clinch-control-plane has no standard output")?;
        let mut lines = BufReader::new(stdout).lines();
        timeout(Duration::from_mins(2), lines.next_line())
            .await
            .context("no API server after two minutes")??
            .context("clinch-control-plane ended early; run `make control-plane` first")?;
        let description = "started a kube-apiserver and etcd for this demo".to_owned();
        Ok(Self { kubeconfig, kubectl, description, child: Some(child) })
    }

    async fn stop(self) -> anyhow::Result<()> {
        let Some(mut child) = self.child else { return Ok(()) };
        drop(child.stdin.take());
        timeout(Duration::from_secs(30), child.wait())
            .await
            .context("the API server did not stop in 30 s")??;
        Ok(())
    }
}

/// kubectl: that in the control plane's folder, or else the one on the PATH.
async fn kubectl() -> anyhow::Result<PathBuf> {
    let script = Path::new("hack/control-plane.sh");
    if script.exists() {
        let found = Command::new(script)
            .arg("--print-only")
            .stderr(Stdio::null())
            .output()
            .await
            .context("cannot run hack/control-plane.sh")?;
        let printed = String::from_utf8_lossy(&found.stdout).into_owned();
        let folder = printed.lines().last().unwrap_or_default();
        let program = Path::new(folder).join("kubectl");
        if found.status.success() && program.exists() {
            return Ok(program);
        }
    }
    Ok(PathBuf::from("kubectl"))
}

/// The operator as a child process.
struct Operator(Child);

impl Operator {
    fn start(kubeconfig: &Path, origin: &str, file_folder: &str) -> anyhow::Result<Self> {
        let child = Command::new(std::env::current_exe()?)
            .args(["run", "--environment", "sandbox", "--allowed-endpoints", origin])
            .args(["--allowed-destinations", file_folder])
            .args(["--watch-namespaces", &format!("{TEAM},{MEMBER}"), "--namespace", SYSTEM])
            .args(["--admin-listen", "127.0.0.1:0", "--log", "warn"])
            .env("KUBECONFIG", kubeconfig)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start the operator")?;
        Ok(Self(child))
    }

    async fn stop(mut self) -> anyhow::Result<()> {
        if let Some(pid) = self.0.id() {
            let pid = pid.to_string();
            Command::new("kill").args(["-TERM", &pid]).status().await.context("cannot run kill")?;
        }
        timeout(Duration::from_secs(30), self.0.wait())
            .await
            .context("the operator did not stop in 30 s")??;
        Ok(())
    }
}
