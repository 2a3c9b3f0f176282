//! Runs a real kube-apiserver and etcd in the foreground, for manual tests and the demo.

use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;
use std::thread;

use anyhow::Context as _;
use clap::Parser;
use clinch_operator::control_plane::{ControlPlane, Options};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// Runs a kube-apiserver and etcd on loopback until SIGINT or SIGTERM.
///
/// Prints a line that sets KUBECONFIG once the API server is ready.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Folder for data, logs and keys, kept at the end. What an earlier control plane left there is served
    /// again, at another port and with another kubeconfig [default: a temporary folder, removed at the end]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// File for the admin kubeconfig [default: admin.kubeconfig in the folder]
    #[arg(long)]
    kubeconfig: Option<PathBuf>,
    /// Also stop when stdin closes, so that the control plane ends with the script that started it
    #[arg(long)]
    stop_on_stdin_close: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { dir, kubeconfig, stop_on_stdin_close } = Arguments::parse();
    // Registered first: a signal during the start must not kill this process without cleanup.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let closed = stdin_closed(stop_on_stdin_close);
    let stop = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            () = closed => {}
        }
    };
    tokio::pin!(stop);

    let control_plane = tokio::select! {
        started = ControlPlane::start(Options { dir, ..Options::default() }) => started?,
        () = &mut stop => return Ok(()),
    };
    let path = match kubeconfig {
        None => control_plane.kubeconfig_path().to_owned(),
        Some(path) => {
            control_plane
                .write_kubeconfig(&path)
                .with_context(|| format!("cannot write {}", path.display()))?;
            std::path::absolute(path)?
        }
    };
    // In single quotes, so that the line can be pasted or evaluated whatever the path.
    let quoted = path.display().to_string().replace('\'', r"'\''");
    writeln!(io::stdout(), "export KUBECONFIG='{quoted}'")?;
    io::stdout().flush()?;
    stop.await;
    control_plane.stop().await;
    Ok(())
}

/// Ends when stdin closes, if `enabled`; never otherwise.
async fn stdin_closed(enabled: bool) {
    if !enabled {
        return std::future::pending().await;
    }
    let (closed, wait) = oneshot::channel();
    // A thread, because reading stdin cannot be cancelled.
    thread::spawn(move || {
        let mut chunk = [0; 256];
        while io::stdin().read(&mut chunk).is_ok_and(|read| read > 0) {}
        let _ = closed.send(());
    });
    let _ = wait.await;
}
