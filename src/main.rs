//! The operator's command line: parses arguments, hands over to `cli`.

use clap::Parser;
use clinch_operator::cli;

fn main() {
    std::process::exit(cli::main(&cli::Cli::parse()))
}
