//! `clinch-operator completion`: prints the completion script of a shell.

use clap::CommandFactory as _;

use super::{Cli, ExitCode};

/// Prints a shell's completion script to standard output.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  source <(clinch-operator completion bash)\n  \
                             clinch-operator completion zsh > ~/.zfunc/_clinch-operator\n  \
                             clinch-operator completion fish | source")]
pub struct Args {
    /// The shell.
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "clinch-operator", &mut script);
    super::print_result(String::from_utf8_lossy(&script).trim_end())?;
    Ok(ExitCode::Done)
}
