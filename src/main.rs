//! The operator's command line: parses arguments, hands over to `cli`.

use clap::Parser;
use clinch_operator::cli;

fn main() -> anyhow::Result<()> {
    let code = cli::run(&cli::Cli::parse())?;
    std::process::exit(code)
}
