//! kubectl as a child process.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context as _, bail, ensure};
use tokio::process::Command;

fn text(path: &Path) -> anyhow::Result<String> {
    path.to_str().map(str::to_owned).context("a path is not text")
}

/// kubectl, against the demo's API server.
pub(super) struct Kubectl {
    program: PathBuf,
    pub(super) kubeconfig: PathBuf,
}

impl Kubectl {
    pub(super) fn new(program: PathBuf, kubeconfig: PathBuf) -> Self {
        Self { program, kubeconfig }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(args).env("KUBECONFIG", &self.kubeconfig).stdin(Stdio::null());
        command
    }

    /// Runs it and shows its output.
    pub(super) async fn aloud(&self, args: &[&str]) -> anyhow::Result<()> {
        let status = self.command(args).status().await.context("cannot run kubectl")?;
        ensure!(status.success(), "kubectl {} failed", args.first().unwrap_or(&""));
        Ok(())
    }

    /// Runs it and returns its output.
    pub(super) async fn output(&self, args: &[&str]) -> anyhow::Result<String> {
        let output = self.command(args).output().await.context("cannot run kubectl")?;
        if !output.status.success() {
            bail!("kubectl {} failed: {}", args.join(" "), String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    pub(super) async fn quietly(&self, args: &[&str]) -> anyhow::Result<()> {
        self.output(args).await.map(|_| ())
    }

    pub(super) async fn apply(&self, path: &Path, manifests: &str) -> anyhow::Result<()> {
        std::fs::write(path, manifests)?;
        self.quietly(&["apply", "--server-side", "-f", &text(path)?]).await
    }
}
