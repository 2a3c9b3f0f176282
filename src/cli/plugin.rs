//! The program under its second name: `kubectl-clinch`, which kubectl runs as `kubectl clinch`.

use std::{
    ffi::{OsStr, OsString},
    path::Path,
};

use clap::{
    Command, CommandFactory as _, FromArgMatches as _,
    error::{ContextKind, ContextValue},
};

use super::{Cli, ExitCode, messages::Messages, text};

/// The program's own name.
pub(super) const OWN: &str = "clinch-operator";
/// How kubectl's users call it.
const PLUGIN: &str = "kubectl clinch";
/// The file name by which kubectl finds it.
const PLUGIN_FILE: &str = "kubectl-clinch";

/// The file name by which kubectl finds the program that completes its command lines.
const COMPLETER_FILE: &str = "kubectl_complete-clinch";
/// The command that does so.
pub(super) const COMPLETER: &str = "__complete";

/// How wide help is at most, in characters.
pub(super) const HELP_WIDTH: usize = 100;

/// Parses the command line, or prints help or an error and ends the process.
pub fn parse() -> Cli {
    let mut command = command_of(program());
    // Help that goes into a pager has the width of the terminal that is left.
    if let Some(width) = text::terminal_width().or_else(text::error_width) {
        command = command.term_width(width.min(HELP_WIDTH));
    }
    let given = arguments(std::env::args_os());
    let asks_for_json = asks_for_json(&given);
    let matches = command
        .try_get_matches_from_mut(given)
        .unwrap_or_else(|error| refuse(error, asks_for_json));
    Cli::from_arg_matches(&matches)
        .unwrap_or_else(|error| refuse(error.format(&mut command), asks_for_json))
}

/// Ends the process with what clap says, which may be the help.
fn refuse(error: clap::Error, as_json: bool) -> ! {
    let error = without_dashes(error);
    if !as_json || !error.use_stderr() {
        error.exit()
    }
    Messages::Json.ended(ExitCode::Refused, &in_one_line(&error.to_string()));
    std::process::exit(ExitCode::Refused.code())
}

/// Without the tip to put `--` before an option that a command does not have: no command takes such a value.
fn without_dashes(mut error: clap::Error) -> clap::Error {
    if let Some(ContextValue::StyledStrs(mut tips)) = error.remove(ContextKind::Suggested) {
        tips.retain(|tip| !tip.to_string().starts_with("to pass "));
        if !tips.is_empty() {
            let _none = error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
        }
    }
    error
}

/// Whether the words of a command line, which need not be a valid one, ask for JSON.
fn asks_for_json(words: &[OsString]) -> bool {
    let is_name = |word: &OsString| word == "-o" || word == "--output";
    let is_joined = |word: &OsString| {
        ["-ojson", "-o=json", "--output=json"].into_iter().any(|joined| word == joined)
    };
    words.iter().any(is_joined)
        || words.windows(2).any(|pair| is_name(&pair[0]) && pair[1] == "json")
}

/// The error of clap in one sentence, with how to see the usage instead of it.
fn in_one_line(text: &str) -> String {
    let usage = ["Usage:", "For more information"];
    let said = text.lines().take_while(|line| !usage.iter().any(|word| line.starts_with(word)));
    let mut line = String::new();
    for part in said.map(str::trim).filter(|part| !part.is_empty()) {
        let is_first = line.is_empty();
        match part.strip_prefix("tip: ") {
            Some(tip) => line.extend(["; ", tip]),
            None => line.extend([if is_first { "" } else { " " }, part]),
        }
    }
    if text.contains("try '--help'") {
        line.push_str("; --help says what there is");
    }
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}

/// How the user called this program.
pub(super) fn program() -> &'static str {
    std::env::args_os().next().map_or(OWN, |called| name_for(&called))
}

fn name_for(called: &OsStr) -> &'static str {
    let stem = Path::new(called).file_stem();
    let plugin = [PLUGIN_FILE, COMPLETER_FILE].map(OsStr::new);
    if stem.is_some_and(|stem| plugin.contains(&stem)) { PLUGIN } else { OWN }
}

/// The command line; under the name of the completer that of its command.
fn arguments(given: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut all: Vec<OsString> = given.collect();
    let is_completer =
        |called: &OsString| Path::new(called).file_stem() == Some(OsStr::new(COMPLETER_FILE));
    if all.first().is_some_and(is_completer) {
        all.insert(1, COMPLETER.into());
    }
    all
}

/// The command line, in whose usage and examples the program has this name.
pub(super) fn command_of(program: &'static str) -> Command {
    let command = Cli::command();
    if program == OWN {
        return command;
    }
    let renamed = |command: Command| {
        let help = command.get_after_long_help().map(ToString::to_string);
        match help {
            Some(help) => command.after_long_help(help.replace(OWN, program)),
            None => command,
        }
    };
    command.name(program).bin_name(program).mut_subcommands(renamed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubectl_runs_the_program_by_its_second_name() {
        for (called, name) in [
            ("/usr/local/bin/kubectl-clinch", PLUGIN),
            ("kubectl-clinch.exe", PLUGIN),
            ("/usr/local/bin/kubectl_complete-clinch", PLUGIN),
            ("/usr/bin/clinch-operator", OWN),
            ("", OWN),
        ] {
            assert_eq!(name_for(OsStr::new(called)), name, "{called}");
        }
    }

    #[test]
    fn under_the_name_of_the_completer_the_words_are_completed() {
        let of = |words: &[&str]| arguments(words.iter().map(OsString::from));
        assert_eq!(
            of(&["kubectl_complete-clinch", "st"]),
            ["kubectl_complete-clinch", COMPLETER, "st"]
        );
        assert_eq!(of(&["kubectl-clinch", "st"]), ["kubectl-clinch", "st"]);
        assert!(of(&[]).is_empty());
    }

    #[test]
    fn an_error_of_a_command_line_that_asks_for_json_is_one_line() {
        let of =
            |words: &[&str]| asks_for_json(&words.iter().map(OsString::from).collect::<Vec<_>>());
        assert!(of(&["x", "status", "-o", "json"]) && of(&["x", "-ojson"]));
        assert!(of(&["x", "--output=json", "y"]) && of(&["--output", "json"]));
        assert!(!of(&["x", "json", "-o"]) && !of(&["x", "-o", "yaml"]) && !of(&[]));
        let error = Cli::command().try_get_matches_from(["x", "watch"]).unwrap_err().to_string();
        let line = in_one_line(&error);
        assert!(line.starts_with("the following required arguments"), "{line}");
        assert!(line.ends_with("<KIND/NAME>...; --help says what there is"), "{line}");
    }

    #[test]
    fn an_option_that_does_not_exist_is_no_value() {
        let of = |words: &[&str]| {
            let error = Cli::command().try_get_matches_from(words).unwrap_err();
            without_dashes(error).to_string()
        };
        let error = of(&["x", "retry", "--state", "st", "engineers"]);
        assert!(error.contains("'--state' found\n") && !error.contains("tip:"), "{error}");
        let expected = "unexpected argument '--state' found; --help says what there is";
        assert_eq!(in_one_line(&error), expected);
        let error = of(&["x", "retry", "--namespac", "talent", "engineers"]);
        assert!(error.contains("tip: a similar argument exists: '--namespace'"), "{error}");
        let line = in_one_line(&error);
        assert!(line.contains("found; a similar argument exists: '--namespace';"), "{line}");
    }

    #[test]
    fn help_of_the_plugin_shows_its_own_name() {
        let mut command = command_of(PLUGIN);
        command.build();
        for sub in command.get_subcommands_mut() {
            let name = sub.get_name().to_owned();
            let help = sub.render_long_help().to_string();
            assert!(help.contains(&format!("Usage: kubectl clinch {name}")), "{help}");
            assert!(!help.contains(&format!("{OWN} {name}")), "{name}: {help}");
        }
    }
}
