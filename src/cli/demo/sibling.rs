//! The emulator as a child process.

use std::{path::Path, process::Stdio, time::Duration};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

/// The credential of the quickstart's Secret.
const CREDENTIAL: &str = "hireEZ:DEMO-SANDBOX-KEY:demo-sandbox-secret-not-a-real-one";
/// The operations that change something in Clinch.
const WRITES: [&str; 5] = [
    "createCandidate",
    "updateCandidate",
    "createApplication",
    "createAttachment",
    "createActivity",
];

/// A running emulator.
pub(super) struct Sandbox {
    child: Child,
    origin: String,
    http: reqwest::Client,
}

impl Sandbox {
    /// Starts the emulator on a free port, with its data in `data`.
    pub(super) async fn start(data: &Path) -> anyhow::Result<Self> {
        let program = sibling("clinch-sandbox")?;
        let mut child = Command::new(&program)
            .args(["--listen", "127.0.0.1:0", "--credential", CREDENTIAL, "--data"])
            .arg(data)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let stdout = child.stdout.take().context("the emulator has no standard output")?;
        let mut lines = BufReader::new(stdout).lines();
        let line = timeout(Duration::from_secs(10), lines.next_line())
            .await
            .context("the emulator did not start in 10 s")??
            .context("the emulator ended early")?;
        let Some((_, origin)) = line.split_once("listening on ") else {
            bail!("the emulator said {line:?} instead of where it listens");
        };
        #[expect(clippy::disallowed_methods, reason = "talks to the emulator on loopback only")]
        let http = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self { child, origin: origin.trim().to_owned(), http })
    }

    /// The URL on which it listens.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    async fn ask(&self, path: &str) -> anyhow::Result<Value> {
        let url = format!("{}/_sandbox/{path}", self.origin);
        let text = self.http.get(url).send().await?.text().await?;
        serde_json::from_str(&text).context("the emulator's answer is not JSON")
    }

    /// How many writes it has served.
    pub(super) async fn writes(&self) -> anyhow::Result<u64> {
        let counts = self.ask("requests").await?;
        let by_operation = counts["byOperation"].as_object().cloned().unwrap_or_default();
        let is_write = |name: &str| WRITES.contains(&name.split(' ').next().unwrap_or_default());
        let counted = by_operation.iter().filter(|(name, _)| is_write(name));
        Ok(counted.filter_map(|(_, count)| count.as_u64()).sum())
    }

    /// The person with an e-mail address, as stored.
    pub(super) async fn candidate(&self, email: &str) -> anyhow::Result<Value> {
        let state = self.ask("state?account=hireEZ").await?;
        let mut people = state["people"].as_array().into_iter().flatten();
        let person = people.find(|person| person["attributes"]["email"] == email);
        person.cloned().with_context(|| format!("the emulator has no {email}"))
    }

    /// Changes an attribute of a person, as somebody else.
    pub(super) async fn edit(&self, email: &str, name: &str, value: &str) -> anyhow::Result<()> {
        let body = json!({"account": "hireEZ", "email": email, "attributes": {name: value}});
        let url = format!("{}/_sandbox/edit", self.origin);
        let answer = self.http.post(url).body(body.to_string()).send().await?;
        answer.error_for_status().context("the emulator refuses the edit")?;
        Ok(())
    }

    /// One person, as stored.
    pub(super) async fn one_candidate(&self) -> anyhow::Result<String> {
        let state = self.ask("state?account=hireEZ").await?;
        Ok(super::person::shown(&state))
    }

    /// Stops it; its data is kept.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        if let Some(pid) = self.child.id() {
            let pid = pid.to_string();
            Command::new("kill").args(["-TERM", &pid]).status().await.context("cannot run kill")?;
        }
        timeout(Duration::from_secs(10), self.child.wait())
            .await
            .context("the emulator did not stop in 10 s")??;
        Ok(())
    }
}

/// The path of a program in the folder of this one.
pub(super) fn sibling(name: &str) -> anyhow::Result<std::path::PathBuf> {
    let own = std::env::current_exe().context("cannot find the path of this program")?;
    let program = own.with_file_name(name);
    if !program.exists() {
        bail!("{} is missing: build it with `cargo build --bins`", program.display());
    }
    Ok(program)
}
