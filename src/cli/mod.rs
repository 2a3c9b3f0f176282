//! The commands. Each has a module with its `Args` and `run`.

mod applied;
mod apply;
mod color;
mod complete;
mod completion;
mod contract;
mod crds;
#[cfg(feature = "sandbox")]
mod demo;
mod engine;
mod exit;
mod explain;
mod fonts;
mod json_schema;
mod kubeconfig;
mod manifests;
mod messages;
mod objects;
mod output_file;
mod page;
mod plan;
mod plan_file;
mod plugin;
mod progress;
mod records;
mod reference;
mod render;
mod report;
mod run;
mod settings;
mod stop;
mod summary;
mod table;
mod text;
mod trace_args;
mod validate;
mod wanted;
mod work;

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use thiserror::Error;

pub use self::{exit::ExitCode, plugin::parse};
use self::{
    messages::Messages,
    objects::{
        access, attributes, failures, html_report, requests, status, suspend, watch, written,
    },
    plugin::program,
};

/// Pushes candidates from hireEZ to Clinch, as declared in Kubernetes manifests.
///
/// `run` is the operator in a cluster. `apply` does the same work once, without a cluster, and `plan` says
/// what it would do. `validate` checks manifests and contacts nothing. `status` and the commands after it
/// are for the people who use the objects of a cluster. `demo` shows it all against an emulator of Clinch
/// on this machine.
#[derive(Debug, Parser)]
#[command(name = "clinch-operator", version, about, max_term_width = plugin::HELP_WIDTH)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

// No doc comments on variants: clap would show them instead of the long help on each Args struct.
#[derive(Debug, Subcommand)]
enum Command {
    Run(Box<run::Args>),
    Apply(Box<apply::Args>),
    Plan(Box<plan::Args>),
    #[cfg(feature = "sandbox")]
    Demo(demo::Args),
    Validate(validate::Args),
    Render(render::Args),
    Contract(Box<contract::Args>),
    Status(status::Args),
    Watch(watch::Args),
    Failures(failures::Args),
    Attributes(attributes::Args),
    Report(html_report::Args),
    Written(written::Args),
    Retry(requests::RetryArgs),
    Reconcile(requests::ReconcileArgs),
    Verify(requests::VerifyArgs),
    Approve(access::ApproveArgs),
    Deny(access::DenyArgs),
    Revoke(access::RevokeArgs),
    Suspend(suspend::SuspendArgs),
    Resume(suspend::ResumeArgs),
    Explain(explain::Args),
    Crds(crds::Args),
    Completion(completion::Args),
    #[command(name = plugin::COMPLETER, hide = true)]
    Complete(complete::Args),
}

impl Command {
    /// Whether the result is JSON: then errors are, too.
    fn prints_json(&self) -> bool {
        match self {
            Self::Run(args) => args.prints_json(),
            Self::Apply(args) => args.prints_json(),
            Self::Plan(args) => args.prints_json(),
            Self::Validate(args) => args.prints_json(),
            Self::Render(args) => args.prints_json(),
            Self::Contract(args) => args.prints_json(),
            Self::Status(args) => args.prints_json(),
            Self::Watch(args) => args.prints_json(),
            Self::Approve(args) => args.prints_json(),
            Self::Deny(args) => args.prints_json(),
            Self::Revoke(args) => args.prints_json(),
            Self::Failures(args) => args.prints_json(),
            Self::Attributes(args) => args.prints_json(),
            Self::Written(args) => args.prints_json(),
            Self::Explain(args) => args.prints_json(),
            Self::Retry(args) => args.prints_json(),
            Self::Reconcile(args) => args.prints_json(),
            Self::Verify(args) => args.prints_json(),
            Self::Suspend(args) => args.prints_json(),
            Self::Resume(args) => args.prints_json(),
            _ => false,
        }
    }
}

/// An argument that cannot be used. Nothing was done.
#[derive(Debug, Error)]
#[error("{0:#}")]
struct BadArgument(anyhow::Error);

/// Runs a command and returns the exit code of the process. Failures go to standard error.
pub fn main(cli: &Cli) -> i32 {
    let messages = Messages::of(cli.command.prints_json());
    messages.choose();
    let code = run(cli).unwrap_or_else(|error| {
        let refused = error.is::<BadArgument>();
        let code = if refused { ExitCode::Refused } else { ExitCode::Failed };
        messages.failed(code, &error);
        code
    });
    messages.close(code);
    code.code()
}

fn run(cli: &Cli) -> anyhow::Result<ExitCode> {
    crate::app::install_tls_provider();
    match &cli.command {
        Command::Run(args) => run::run(args),
        Command::Apply(args) => apply::run(args),
        Command::Plan(args) => plan::run(args),
        #[cfg(feature = "sandbox")]
        Command::Demo(args) => demo::run(args),
        Command::Validate(args) => validate::run(args),
        Command::Render(args) => render::run(args),
        Command::Contract(args) => contract::run(args),
        Command::Status(args) => status::run(args),
        Command::Watch(args) => watch::run(args),
        Command::Failures(args) => failures::run(args),
        Command::Attributes(args) => attributes::run(args),
        Command::Report(args) => html_report::run(args),
        Command::Written(args) => written::run(args),
        Command::Retry(args) => requests::retry(args),
        Command::Reconcile(args) => requests::reconcile(args),
        Command::Verify(args) => requests::verify(args),
        Command::Approve(args) => access::approve(args),
        Command::Deny(args) => access::deny(args),
        Command::Revoke(args) => access::revoke(args),
        Command::Suspend(args) => suspend::suspend(args),
        Command::Resume(args) => suspend::resume(args),
        Command::Explain(args) => explain::run(args),
        Command::Crds(args) => crds::run(args).map(|()| ExitCode::Done),
        Command::Completion(args) => completion::run(args),
        Command::Complete(args) => complete::run(args),
    }
}

/// The path that stands for standard input.
const STANDARD_INPUT: &str = "-";

/// Whether a path stands for standard input.
fn is_standard_input(path: &Path) -> bool {
    path.as_os_str() == STANDARD_INPUT
}

/// How messages name a path.
fn name_of(path: &Path) -> String {
    if is_standard_input(path) { "standard input".to_owned() } else { path.display().to_string() }
}

/// Refuses standard input where it is named twice.
fn check_one_standard_input(paths: &[PathBuf]) -> Result<(), BadArgument> {
    if paths.iter().filter(|path| is_standard_input(path)).count() > 1 {
        return Err(BadArgument(anyhow::anyhow!("-f -: standard input can be read only once")));
    }
    Ok(())
}

/// Runs a command's work. Threads that are still busy with it afterwards are left behind: the process
/// ends.
fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(work);
    runtime.shutdown_background();
    result
}

/// Prints to standard output what somebody watches.
fn print(text: &str) {
    let _unseen = writeln!(std::io::stdout(), "{text}").is_err();
}

/// Prints a result to standard output. A reader that has left is not an error; a full disk is.
fn print_result(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    let written = writeln!(out, "{text}").and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Prints a result of which each line is a sentence: folded at the width of a terminal; elsewhere lines stay
/// whole, so that they can be searched.
fn print_line(lines: &str) -> anyhow::Result<()> {
    print_result(&in_lines(lines))
}

/// Lines as a terminal shows them without breaking words.
fn in_lines(lines: &str) -> String {
    let Some(width) = text::terminal_width() else { return lines.to_owned() };
    let folded = lines.lines().flat_map(|line| text::folded(line.to_owned(), width));
    folded.collect::<Vec<_>>().join("\n")
}

/// Prints to standard error.
fn print_error(text: &str) {
    let _closed = writeln!(std::io::stderr(), "{text}").is_err();
}

/// The environment variables that are valid Unicode.
#[expect(clippy::disallowed_methods, reason = "the command line reads the environment")]
fn environment() -> impl Iterator<Item = (String, String)> {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text)
}
