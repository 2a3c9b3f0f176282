//! Every command line that help and documentation show is one that the program accepts.

use std::{fs, path::Path, process::Command};

use clap::{CommandFactory as _, Parser as _};
use clinch_operator::cli::Cli;
use regex::Regex;

/// The command lines of a text that start a line: those of the program and of the plugin. `prompt` is
/// what stands before them.
fn command_lines(text: &str) -> Vec<String> {
    let text = text.replace("\\\n", " ");
    let starts = ["clinch-operator ", "kubectl clinch "];
    let mut found = Vec::new();
    for line in text.lines() {
        let line = line.trim_start().trim_start_matches("$ ").trim_start_matches("- run: ");
        for part in line.split(['|', '&', ';']) {
            let part = part.trim().trim_start_matches("source <(").trim_end_matches(')');
            let words = starts.iter().find_map(|start| part.strip_prefix(start));
            found.extend(words.map(|words| words.split(['>', '#']).next().unwrap().to_owned()));
        }
    }
    found
}

/// The words of a command line, as a shell splits them where only simple quotes are used.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for character in line.chars() {
        match (quote, character) {
            (None, '\'' | '"') => quote = Some(character),
            (Some(open), _) if character == open => quote = None,
            (None, ' ') => words.extend((!word.is_empty()).then(|| std::mem::take(&mut word))),
            _ => word.push(character),
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

/// A line with placeholders in capitals, with `[optional]` parts, or cut short.
fn is_form(line: &str) -> bool {
    let is_placeholder = |word: &str| {
        word.len() > 1 && word.chars().all(|letter| letter.is_ascii_uppercase() || letter == '/')
    };
    line.contains("...") || line.contains('[') || line.split(' ').any(is_placeholder)
}

fn check(place: &str, text: &str) -> usize {
    let lines: Vec<String> =
        command_lines(text).into_iter().filter(|line| !is_form(line.trim())).collect();
    for line in &lines {
        let all = std::iter::once("clinch-operator".to_owned()).chain(words(line));
        if let Err(error) = Cli::try_parse_from(all) {
            let shown =
                [clap::error::ErrorKind::DisplayHelp, clap::error::ErrorKind::DisplayVersion];
            assert!(shown.contains(&error.kind()), "{place}: {line}: {error}");
        }
    }
    lines.len()
}

#[test]
fn every_command_line_of_the_help_is_accepted() {
    for command in Cli::command().get_subcommands() {
        let help = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
        let count = check(command.get_name(), &help);
        assert!(
            count > 0 || command.is_hide_set(),
            "{} has no examples: {help}",
            command.get_name()
        );
    }
}

#[test]
fn every_command_line_of_the_documentation_is_accepted() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages: Vec<_> =
        fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    pages.push(root.join("README.md"));
    let mut count = 0;
    for page in pages.iter().filter(|page| page.extension().is_some_and(|found| found == "md")) {
        count += check(&page.display().to_string(), &fs::read_to_string(page).unwrap());
    }
    assert!(count > 5, "{count}");
}

#[test]
fn every_command_is_on_the_page_of_commands() {
    let page =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/CLI.md")).unwrap();
    let shown = Cli::command();
    for command in shown.get_subcommands().filter(|command| !command.is_hide_set()) {
        let name = command.get_name();
        let is_listed =
            [format!("`{name}`"), format!("`{name} ")].iter().any(|text| page.contains(text));
        assert!(is_listed, "docs/CLI.md does not list {name}");
    }
}

/// `hack/getting-started.py` runs the whole page on a real API server. These commands need none.
#[test]
fn getting_started_shows_what_commands_without_a_cluster_print() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/GETTING_STARTED.md");
    let page = fs::read_to_string(page).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = Regex::new(r"(?ms)^`([a-z.]+)`:\n\n```\w+\n(.*?)^```$").unwrap();
    for found in file.captures_iter(&page) {
        fs::write(folder.path().join(&found[1]), &found[2]).unwrap();
    }
    let command = Regex::new(r"(?m)^\$ clinch-operator (.*)\n((?:[^$`\n].*\n|\n)*)").unwrap();
    let mut count = 0;
    for found in command.captures_iter(&page) {
        let output = Command::new(env!("CARGO_BIN_EXE_clinch-operator"))
            .args(words(&found[1]))
            .current_dir(folder.path())
            .output()
            .unwrap();
        let printed = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        assert_eq!(printed.concat().trim(), found[2].trim(), "{}", &found[1]);
        count += 1;
    }
    assert_eq!(count, 2);
}

#[test]
fn every_option_of_run_is_in_the_table_of_options() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/OPERATIONS.md")).unwrap();
    let shown = Cli::command();
    let run = shown.find_subcommand("run").unwrap();
    let mut count = 0;
    for option in run.get_arguments().filter(|option| !option.is_hide_set()) {
        let Some(name) = option.get_long() else { continue };
        if !["help", "version"].contains(&name) {
            assert!(page.contains(&format!("\n| `--{name}` | ")), "no row for --{name}");
            count += 1;
        }
    }
    assert!(count > 20, "{count}");
}

#[test]
fn command_lines_are_found_between_other_words() {
    let text = "$ kubectl clinch status -n a | less\nkustomize build . | clinch-operator validate -f -\n\
                clinch-operator status \\\n  -A > x # all";
    assert_eq!(command_lines(text), ["status -n a", "validate -f -", "status    -A "]);
    assert_eq!(words("a 'b c'  d\"e\""), ["a", "b c", "de"]);
}
