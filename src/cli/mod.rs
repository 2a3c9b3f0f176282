//! The commands. Each has a module with its arguments and `run`.

pub mod crds;

use clap::{Parser, Subcommand};

/// Syncs candidates between hireEZ and Clinch from declared state.
#[derive(Debug, Parser)]
#[command(name = "clinch-operator", version, about, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the custom resource definitions.
    Crds(crds::Args),
}

/// Runs the command line; the exit code of the process.
pub fn run(cli: &Cli) -> anyhow::Result<i32> {
    match &cli.command {
        Command::Crds(args) => crds::run(args).map(|()| 0),
    }
}
