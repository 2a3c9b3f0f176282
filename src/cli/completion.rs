//! `clinch-operator completion`: prints the completion script of a shell.

use clap::{Command, CommandFactory as _};

use super::{Cli, ExitCode, plugin::OWN};

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
    clap_complete::generate(args.shell, &mut offered(&Cli::command()), OWN, &mut script);
    super::print_result(String::from_utf8_lossy(&script).trim_end())?;
    Ok(ExitCode::Done)
}

/// The command line without what its help does not show: scripts would offer it.
fn offered(command: &Command) -> Command {
    let commands = command.get_subcommands().filter(|sub| !sub.is_hide_set()).cloned();
    Command::new(OWN)
        .version(env!("CARGO_PKG_VERSION"))
        .args(command.get_arguments().cloned())
        .subcommands(commands)
}
