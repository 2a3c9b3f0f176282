//! Ends the process on a signal or after a time limit, whatever it is doing. On a thread of its own,
//! which nothing else can keep busy.

use std::{
    sync::{Arc, OnceLock, mpsc},
    thread,
    time::Duration,
};

use anyhow::Context as _;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use super::ExitCode;

/// How long the process may take, after a request in flight has ended, to end by itself.
const MARGIN: Duration = Duration::from_secs(2);

/// How the process ends.
pub(super) struct Limits {
    /// How long a request to Clinch may take.
    pub(super) request_timeout: Duration,
    /// How long the work may take in all, if that is limited.
    pub(super) within: Option<Duration>,
    /// How long the process may take after its work, for traces.
    pub(super) flush: Duration,
}

/// The request to end.
#[derive(Debug, Clone, Default)]
pub(super) struct Stop {
    /// Cancelled by the first signal.
    pub(super) token: CancellationToken,
    by: Arc<OnceLock<ExitCode>>,
}

impl Stop {
    /// The exit code of the first signal, if there was one.
    pub(super) fn by(&self) -> Option<ExitCode> {
        self.by.get().copied()
    }

    fn request(&self, by: ExitCode) {
        let _first = self.by.set(by).is_ok();
        self.token.cancel();
    }
}

/// Handles SIGINT and SIGTERM. After the first one, or once the time limit is over, the process has the
/// time of one request to end; after that, or at another signal, it is ended: what is in flight is left
/// as a kill leaves it.
pub(super) fn on_signal(limits: Limits) -> anyhow::Result<Stop> {
    let stop = Stop::default();
    let (ready, is_ready) = mpsc::channel();
    let token = stop.clone();
    let watch = move || {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                let _gone = ready.send(Err(error)).is_err();
                return;
            }
        };
        runtime.block_on(async {
            let signals = Signals::new();
            match signals {
                Ok(signals) => {
                    let _gone = ready.send(Ok(())).is_err();
                    signals.watch(&token, &limits).await;
                }
                Err(error) => {
                    let _gone = ready.send(Err(error)).is_err();
                }
            }
        });
    };
    thread::Builder::new().name("signals".to_owned()).spawn(watch)?;
    is_ready.recv().context("the thread for signals ended")?.context("cannot handle signals")?;
    Ok(stop)
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        let interrupt = signal(SignalKind::interrupt())?;
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { interrupt, terminate })
    }

    async fn next(&mut self) -> ExitCode {
        tokio::select! {
            _ = self.interrupt.recv() => ExitCode::Interrupted,
            _ = self.terminate.recv() => ExitCode::Terminated,
        }
    }

    async fn watch(mut self, stop: &Stop, limits: &Limits) {
        let first = tokio::select! {
            signal = self.next() => {
                stop.request(signal);
                signal
            }
            // The work has the same limit and ends at it, unless it is stuck.
            () = limit(limits.within) => ExitCode::TimedOut,
        };
        let (why, code) = tokio::select! {
            signal = self.next() => ("ended at once by a signal", signal),
            () = sleep(limits.request_timeout + MARGIN + limits.flush) => {
                ("ended, as work did not end in time", first)
            }
        };
        super::messages::ended(code, &format!("{why}; the next run checks what was in flight"));
        std::process::exit(code.code());
    }
}

async fn limit(within: Option<Duration>) {
    match within {
        Some(within) => sleep(within).await,
        None => std::future::pending().await,
    }
}
