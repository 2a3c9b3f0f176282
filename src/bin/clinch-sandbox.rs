//! clinch-sandbox: an emulator of the Clinch API. Parses arguments, starts it, waits for a signal.

use std::{io::Write, net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::{Context, ensure};
use clap::Parser;
use clinch_operator::sandbox::{Credential, Options, Sandbox, SinkOptions, TestSink};

/// An emulator of the Clinch API for tests and demos; see docs/SANDBOX.md.
#[derive(Debug, Parser)]
#[command(name = "clinch-sandbox", version, max_term_width = 100)]
struct Args {
    /// Address to listen on; port 0 picks a free one.
    #[arg(long, default_value = "127.0.0.1:18080")]
    listen: SocketAddr,
    /// An API credential; NAME becomes the source of the people it creates. May be repeated.
    #[arg(long, value_name = "NAME:KEY:SECRET")]
    credential: Vec<String>,
    /// File with credentials: a YAML list of {name, accessKey, secret, account}.
    #[arg(long, value_name = "FILE")]
    credentials: Option<PathBuf>,
    /// File with the initial jobs and people of accounts, by account name.
    #[arg(long, value_name = "FILE")]
    seed: Option<PathBuf>,
    /// File with the contract: what the emulator offers, and under which names.
    #[arg(long, value_name = "FILE")]
    contract: Option<PathBuf>,
    /// File with scripted faults.
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
    /// Load data from this file at start, and save it there on a graceful stop.
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Minimum latency of each response, in milliseconds.
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
    /// Also listen on this port as a sink of imports; port 0 picks a free one.
    #[arg(long, value_name = "PORT", requires = "sink_key")]
    sink: Option<u16>,
    /// A signing key that the sink knows: text, or whsec_ and Base64. May be repeated.
    #[arg(long, value_name = "KEY", requires = "sink")]
    sink_key: Vec<String>,
    /// File with scripted answers of the sink.
    #[arg(long, value_name = "FILE", requires = "sink")]
    sink_answers: Option<PathBuf>,
    /// Allow an address other than loopback.
    #[arg(long)]
    allow_remote: bool,
}

impl Args {
    /// The options of the sink, if one is wanted.
    fn sink(&self) -> anyhow::Result<Option<SinkOptions>> {
        let Some(port) = self.sink else { return Ok(None) };
        let mut options = SinkOptions {
            listen: SocketAddr::new(self.listen.ip(), port),
            keys: self.sink_key.clone(),
            answers: Vec::new(),
        };
        if let Some(path) = &self.sink_answers {
            options.read_answers(path)?;
        }
        Ok(Some(options))
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let args = Args::parse();
    ensure!(
        args.listen.ip().is_loopback() || args.allow_remote,
        "{} is not a loopback address; pass --allow-remote to listen on it",
        args.listen
    );
    let mut options = Options {
        listen: args.listen,
        latency: Duration::from_millis(args.latency_ms),
        data: args.data.clone(),
        ..Options::default()
    };
    for credential in &args.credential {
        options.credentials.push(Credential::parse(credential)?);
    }
    if let Some(path) = &args.credentials {
        options.read_credentials(path)?;
    }
    if let Some(path) = &args.seed {
        options.read_seed(path)?;
    }
    if let Some(path) = &args.contract {
        options.read_contract(path)?;
    }
    if let Some(path) = &args.faults {
        options.read_faults(path)?;
    }
    let sink = match args.sink()? {
        Some(options) => Some(TestSink::start(options).await.context("cannot start the sink")?),
        None => None,
    };
    // Before the line is printed, since its reader may send the signal at once.
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let sandbox = Sandbox::start(options)
        .await
        .with_context(|| format!("cannot start on {}", args.listen))?;
    let mut out = std::io::stdout();
    writeln!(out, "clinch-sandbox listening on {}", sandbox.base_url())?;
    if let Some(sink) = &sink {
        writeln!(out, "sink of imports at {}", sink.url())?;
    }
    out.flush()?;
    tokio::select! {
        stopped = tokio::signal::ctrl_c() => stopped?,
        _ = terminate.recv() => {}
    }
    sandbox.stop().await.context("cannot save the data")?;
    Ok(())
}
