//! The commands. Each has a module with its arguments and `run`.

mod apply;
mod crds;
#[cfg(feature = "sandbox")]
mod demo;
mod engine;
mod run;
mod settings;

use std::io::{IsTerminal, Write};

use clap::{Parser, Subcommand};
use tokio_util::sync::CancellationToken;

/// Syncs candidates between hireEZ and Clinch from declared state.
#[derive(Debug, Parser)]
#[command(name = "clinch-operator", version, about, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

// Described where their arguments are: a line here would hide what `--help` tells beyond it.
#[derive(Debug, Subcommand)]
enum Command {
    Run(Box<run::Args>),
    Apply(Box<apply::Args>),
    #[cfg(feature = "sandbox")]
    Demo(demo::Args),
    Crds(crds::Args),
}

/// The exit code of a command that could not do its work at all.
const FAILED: i32 = 4;

/// Runs the command line; the exit code of the process. Failures are told on standard error.
pub fn main(cli: &Cli) -> i32 {
    run(cli).unwrap_or_else(|error| {
        complain(&format!("error: {error:#}"));
        FAILED
    })
}

fn run(cli: &Cli) -> anyhow::Result<i32> {
    crate::app::install_tls_provider();
    match &cli.command {
        Command::Run(args) => run::run(args),
        Command::Apply(args) => apply::run(args),
        #[cfg(feature = "sandbox")]
        Command::Demo(args) => demo::run(args),
        Command::Crds(args) => crds::run(args).map(|()| 0),
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

/// Cancels `stop` on SIGINT or SIGTERM.
fn stop_on_signal(stop: CancellationToken) -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        stop.cancel();
    });
    Ok(())
}

/// Colour only on a terminal, and not when the reader asked for none.
#[expect(clippy::disallowed_methods, reason = "the command line reads the environment")]
fn color_on_stderr() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// One line, or several, on standard output. A reader that went away is no error.
fn say(text: &str) {
    let _gone = writeln!(std::io::stdout(), "{text}").is_err();
}

/// One line on standard error.
fn complain(text: &str) {
    let _gone = writeln!(std::io::stderr(), "{text}").is_err();
}

/// The environment, as far as it is text.
#[expect(clippy::disallowed_methods, reason = "the command line reads the environment")]
fn environment() -> impl Iterator<Item = (String, String)> {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text)
}
