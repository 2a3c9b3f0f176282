//! Runs a real kube-apiserver and etcd in the foreground, for trying things by hand and the demo.

use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;
use std::thread;

use anyhow::Context as _;
use clap::Parser;
use clinch_operator::control_plane::{ControlPlane, Options};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// Starts a kube-apiserver and etcd on loopback and stops them on SIGINT or SIGTERM.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Where data, logs and keys go, kept at the end [default: a temporary folder, removed]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Where to write the admin kubeconfig [default: inside the folder]
    #[arg(long)]
    kubeconfig: Option<PathBuf>,
    /// Stop as well when stdin closes, so that a script's end takes the control plane with it
    #[arg(long)]
    stop_on_stdin_close: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { dir, kubeconfig, stop_on_stdin_close } = Arguments::parse();
    // Registered first: a signal during the start waits for its turn instead of killing us.
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

/// Ends when stdin closes; never when that was not asked for.
async fn stdin_closed(wanted: bool) {
    if !wanted {
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
