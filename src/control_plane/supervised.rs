//! One component as a child process, under a small `sh` supervisor (`supervise.sh`).
//!
//! Starts processes and waits for them. The component dies with the launcher, however the launcher
//! ends: the supervisor kills it when the pipe on its stdin closes, and only this
//! process holds the other end. Works on any async runtime: a control plane shared by the tests of
//! one binary outlives the runtime of the test that started it.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const SUPERVISOR: &str = include_str!("supervise.sh");
const POLL: Duration = Duration::from_millis(10);
/// How long to wait for a killed process to end.
const REAP: Duration = Duration::from_secs(10);
/// How much of a log an error quotes.
const TAIL_LINES: usize = 12;

/// A running component; killed on drop.
#[derive(Debug)]
pub(super) struct Supervised {
    name: &'static str,
    log: PathBuf,
    supervisor: Child,
    /// Taken to close the pipe, which kills the component.
    orders: Option<ChildStdin>,
}

impl Supervised {
    /// Starts `program`, appending its output to `log`. `hold` stays open while the component
    /// lives: its other end is closed once everything has ended.
    pub(super) fn spawn(
        name: &'static str,
        program: &Path,
        arguments: &[OsString],
        log: PathBuf,
        hold: Stdio,
    ) -> io::Result<Self> {
        let mut supervisor = Command::new("sh")
            .arg("-c")
            .arg(SUPERVISOR)
            .arg(name)
            .arg(&log)
            .arg(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(hold)
            .stderr(Stdio::null())
            // Its own group: Ctrl-C in a terminal reaches only the launcher, which stops gracefully.
            .process_group(0)
            .spawn()?;
        let orders = supervisor.stdin.take();
        Ok(Self { name, log, supervisor, orders })
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn log(&self) -> &Path {
        &self.log
    }

    /// The process group of the supervisor and the component.
    pub(super) fn process_group(&self) -> u32 {
        self.supervisor.id()
    }

    /// The exit status, once the component has ended.
    pub(super) fn exited(&mut self) -> Option<ExitStatus> {
        self.supervisor.try_wait().ok().flatten()
    }

    /// Asks the component to stop and kills it when it takes longer than `grace`.
    pub(super) async fn terminate(mut self, grace: Duration) {
        let asked = self.orders.as_mut().is_some_and(|pipe| pipe.write_all(b"terminate\n").is_ok());
        if asked {
            self.wait(grace).await;
        }
        self.kill().await;
    }

    /// Kills the component and waits until it is gone.
    pub(super) async fn kill(mut self) {
        self.orders = None;
        self.wait(REAP).await;
    }

    async fn wait(&mut self, limit: Duration) {
        let deadline = Instant::now() + limit;
        while self.exited().is_none() && Instant::now() < deadline {
            tokio::time::sleep(POLL).await;
        }
    }

    /// The last lines of the log, for an error message.
    pub(super) fn log_tail(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.orders = None;
        let deadline = Instant::now() + REAP;
        while self.exited().is_none() && Instant::now() < deadline {
            thread::sleep(POLL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn supervise(folder: &Path, script: &str) -> Supervised {
        let arguments = [OsString::from("-c"), OsString::from(script)];
        let log = folder.join("log");
        Supervised::spawn("test", Path::new("/bin/sh"), &arguments, log, Stdio::null())
            .expect("the supervisor starts")
    }

    async fn logged(component: &Supervised, text: &str) {
        while !component.log_tail().contains(text) {
            tokio::time::sleep(POLL).await;
        }
    }

    fn is_alive(group: u32) -> bool {
        let probe = format!("kill -s 0 -- -{group}");
        let status = Command::new("sh").arg("-c").arg(probe).stderr(Stdio::null()).status();
        status.expect("sh runs").success()
    }

    #[tokio::test]
    async fn a_component_that_obeys_stops_gracefully() {
        let folder = tempfile::tempdir().expect("a folder");
        let script = "trap 'echo bye; exit' TERM; echo up; while :; do sleep 0.01; done";
        let component = supervise(folder.path(), script);
        let group = component.process_group();
        logged(&component, "up").await;
        component.terminate(Duration::from_secs(10)).await;
        assert!(std::fs::read_to_string(folder.path().join("log")).expect("a log").contains("bye"));
        assert!(!is_alive(group));
    }

    #[tokio::test]
    async fn a_component_that_does_not_is_killed_after_the_grace_period() {
        let folder = tempfile::tempdir().expect("a folder");
        let component = supervise(folder.path(), "trap '' TERM; echo up; exec sleep 60");
        let group = component.process_group();
        logged(&component, "up").await;
        component.terminate(Duration::from_millis(100)).await;
        assert!(!is_alive(group));
    }

    #[tokio::test]
    async fn a_dropped_component_is_gone() {
        let folder = tempfile::tempdir().expect("a folder");
        let component = supervise(folder.path(), "echo up; exec sleep 60");
        let group = component.process_group();
        logged(&component, "up").await;
        assert!(is_alive(group));
        drop(component);
        assert!(!is_alive(group));
    }

    #[tokio::test]
    async fn the_exit_status_is_that_of_the_component() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut component = supervise(folder.path(), "echo broken; exit 7");
        component.wait(REAP).await;
        assert_eq!(component.exited().and_then(|status| status.code()), Some(7));
        assert_eq!(component.log_tail(), "broken");
    }
}
