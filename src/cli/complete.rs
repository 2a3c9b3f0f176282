//! Completion for kubectl, which runs `kubectl_complete-clinch WORDS...` and completes the last word: prints
//! one candidate a line, and then a directive of kubectl's shell scripts.

use clap::{Arg, Command};

use super::{
    ExitCode,
    explain::words as reasons,
    objects::names::{self, Names},
    plugin::{command_of, program},
};

/// The shell completes no file names (`ShellCompDirectiveNoFileComp`).
const NO_FILES: &str = ":4";
/// The shell completes file names if there is no candidate.
const FILES: &str = ":0";

/// Completes a command line for kubectl.
#[derive(Debug, clap::Args)]
#[command(hide = true)]
pub struct Args {
    /// The words after the name of the plugin; the last one is completed.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

/// Runs the command. A cluster that cannot be read has no names.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut command = command_of(program());
    command.build();
    let Wanted { mut candidates, last, others } = wanted(&command, &args.words);
    if let Others::Names(names) = others {
        let found = super::block_on(async { Ok(names::of(names, &args.words).await) })?;
        candidates.extend(found.into_iter().filter(|name| name.starts_with(&last)));
    }
    candidates.push(if others == Others::Files { FILES } else { NO_FILES }.to_owned());
    super::print_result(&candidates.join("\n"))?;
    Ok(ExitCode::Done)
}

/// What may stand in place of the last word.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    candidates: Vec<String>,
    last: String,
    others: Others,
}

/// What else may, beside the candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Others {
    Nothing,
    Files,
    /// Names of objects.
    Names(Names),
}

fn wanted(command: &Command, words: &[String]) -> Wanted {
    let (last, before) = match words.split_last() {
        Some((last, before)) => (last.as_str(), before),
        None => ("", words),
    };
    let (mut at, mut value_of, mut positional) = (command, None, 0);
    for word in before {
        if value_of.take().is_some() {
            continue;
        }
        if word.starts_with('-') {
            value_of = option(at, word);
        } else if let Some(found) = at.find_subcommand(word) {
            (at, positional) = (found, 0);
        } else {
            positional += 1;
        }
    }
    let (candidates, others) = if let Some(option) = value_of {
        values(option)
    } else if last.starts_with('-') {
        (flags(at), Others::Nothing)
    } else if at.has_subcommands() {
        let shown =
            at.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help");
        (shown.map(|sub| sub.get_name().to_owned()).collect(), Others::Nothing)
    } else {
        let all: Vec<&Arg> = at.get_positionals().collect();
        let suspends = ["suspend", "resume"].contains(&at.get_name());
        // The last one may be repeated.
        let found = all.get(positional).or_else(|| all.last().filter(|last| is_repeated(last)));
        match found.map_or((Vec::new(), Others::Nothing), |argument| values(argument)) {
            (found, Others::Names(Names::All)) if suspends => {
                (found, Others::Names(Names::Suspendable))
            }
            found => found,
        }
    };
    let fitting = candidates.into_iter().filter(|candidate| candidate.starts_with(last));
    Wanted { candidates: fitting.collect(), last: last.to_owned(), others }
}

/// The option whose value is the next word.
fn option<'c>(command: &'c Command, word: &str) -> Option<&'c Arg> {
    let is_it = |option: &&Arg| match word.strip_prefix("--") {
        Some(long) => option.get_long() == Some(long),
        None => option.get_short().is_some_and(|short| word == format!("-{short}")),
    };
    command.get_arguments().find(is_it).filter(|option| option.get_action().takes_values())
}

fn flags(command: &Command) -> Vec<String> {
    let shown = command.get_arguments().filter(|argument| !argument.is_hide_set());
    shown.filter_map(|argument| Some(format!("--{}", argument.get_long()?))).collect()
}

fn is_repeated(argument: &Arg) -> bool {
    argument.get_num_args().is_some_and(|range| range.max_values() > 1)
}

fn values(argument: &Arg) -> (Vec<String>, Others) {
    let possible = argument.get_possible_values();
    if !possible.is_empty() {
        let shown = possible.iter().filter(|value| !value.is_hide_set());
        return (shown.map(|value| value.get_name().to_owned()).collect(), Others::Nothing);
    }
    let named = argument.get_value_names().and_then(|names| names.first());
    match named.map(clap::builder::Str::as_str) {
        Some("EXPORT") => (Vec::new(), Others::Names(Names::Exports)),
        Some("INTEGRATION") => (Vec::new(), Others::Names(Names::Integrations)),
        Some("KIND/NAME") => (Vec::new(), Others::Names(Names::All)),
        Some("REASON") => (reasons(), Others::Nothing),
        Some("PATH" | "FILE" | "DIR") => (Vec::new(), Others::Files),
        _ => (Vec::new(), Others::Nothing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &[&str]) -> Wanted {
        let mut command = command_of("kubectl clinch");
        command.build();
        wanted(&command, &words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn commands_flags_and_values_are_completed() {
        assert_eq!(of(&["stat"]).candidates, ["status"]);
        let all = of(&[""]).candidates;
        assert!(all.contains(&"failures".to_owned()), "{all:?}");
        assert!(!all.iter().any(|name| name.starts_with('_') || name == "help"), "{all:?}");
        assert!(of(&["status", "--all"]).candidates.contains(&"--all-namespaces".to_owned()));
        let outputs = of(&["status", "-n", "talent", "-o", "j"]);
        assert_eq!(
            (outputs.candidates, outputs.others),
            (vec!["json".to_owned()], Others::Nothing)
        );
        assert_eq!(of(&["explain", "RecordsRej"]).candidates, ["RecordsRejected"]);
    }

    #[test]
    fn names_are_those_of_the_kind_that_the_command_takes() {
        for (words, others) in [
            (&["failures", ""][..], Others::Names(Names::Exports)),
            (&["retry", "a", "b"], Others::Names(Names::Exports)),
            (&["approve", "cl"], Others::Names(Names::Integrations)),
            (&["approve", "clinch", ""], Others::Nothing),
            (&["watch", "export/a", ""], Others::Names(Names::All)),
            (&["resume", ""], Others::Names(Names::Suspendable)),
            (&["status", "-n", ""], Others::Nothing),
            (&["failures", "a", ""], Others::Nothing),
            (&["apply", "-f", ""], Others::Files),
            (&[], Others::Nothing),
        ] {
            assert_eq!(of(words).others, others, "{words:?}");
        }
    }
}
