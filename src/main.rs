//! Parses the command line and calls `cli`.

use clinch_operator::cli;

fn main() {
    std::process::exit(cli::main(&cli::parse()))
}
