//! `clinch-operator contract`: what is known of the contract of a Clinch account.

mod check;
mod shown;

use super::ExitCode;

/// What is known of the API of a Clinch account.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Examples:\n  clinch-operator contract check -f talent/ --environment production"
)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

// No doc comments on variants: clap would show them instead of the long help on each Args struct.
#[derive(Debug, clap::Subcommand)]
enum Action {
    Check(check::Args),
}

impl Args {
    /// Whether the result is JSON.
    pub(super) fn prints_json(&self) -> bool {
        let Action::Check(args) = &self.action;
        args.prints_json()
    }
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let Action::Check(args) = &args.action;
    check::run(args)
}
