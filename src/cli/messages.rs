//! What commands say beside their result, on standard error: for people, or for machines where the result
//! is JSON.

use std::sync::{
    OnceLock,
    atomic::{AtomicI32, Ordering},
};

use serde_json::{Value, json};

use super::{
    ExitCode,
    color::{Colors, Tone},
    print_error, text,
};
use crate::local::{Problem, Severity};

/// The form of all messages of this process.
static FORM: OnceLock<Messages> = OnceLock::new();
/// The exit code that was said last; none so far.
static SAID: AtomicI32 = AtomicI32::new(ExitCode::Done.code());

/// Something to know.
pub(super) fn hint(text: &str) {
    Messages::chosen().hint(text);
}

/// Something that may be a mistake, or that a person should look at.
pub(super) fn warn(text: &str) {
    Messages::chosen().warn(text);
}

/// Why the command, or its work on one object, ends with this code.
pub(super) fn ended(code: ExitCode, text: &str) {
    Messages::chosen().ended(code, text);
}

/// How messages are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Messages {
    /// A line of text.
    Text,
    /// A JSON object on a line. Its members are API: `severity` (error, warning or info) and `message`; of
    /// a problem of a manifest also `file`, `line`, `path` and `rule`; of what the command ends with
    /// `exitCode`. The last one has the exit code of the process, unless that is a success.
    Json,
}

impl Messages {
    /// In the form of the result.
    pub(super) const fn of(json: bool) -> Self {
        if json { Self::Json } else { Self::Text }
    }

    /// Makes this the form of all messages of the process.
    pub(super) fn choose(self) {
        let _chosen_before = FORM.set(self).is_err();
    }

    /// The form that was chosen.
    pub(super) fn chosen() -> Self {
        FORM.get().copied().unwrap_or(Self::Text)
    }

    /// Something to know.
    pub(super) fn hint(self, text: &str) {
        match self {
            Self::Text => print_error(&folded(text)),
            Self::Json => print_json(&json!({"severity": "info", "message": text})),
        }
    }

    /// Something that may be a mistake, or that a person should look at.
    pub(super) fn warn(self, text: &str) {
        match self {
            Self::Text => {
                let text = folded(&format!("warning: {text}"));
                print_error(&Colors::stderr().paint_in(&text, "warning:", Tone::Wait));
            }
            Self::Json => print_json(&json!({"severity": "warning", "message": text})),
        }
    }

    /// A problem of a manifest.
    pub(super) fn problem(self, problem: &Problem) {
        match self {
            Self::Text => print_error(&colored(problem, Colors::stderr())),
            Self::Json => print_json(&of_problem(problem)),
        }
    }

    /// Why the command ends with this code.
    pub(super) fn ended(self, code: ExitCode, text: &str) {
        SAID.store(code.code(), Ordering::Relaxed);
        match self {
            Self::Text => print_error(&folded(text)),
            Self::Json => print_json(&of_error(code, text)),
        }
    }

    /// The error that the command ends with.
    pub(super) fn failed(self, code: ExitCode, error: &anyhow::Error) {
        SAID.store(code.code(), Ordering::Relaxed);
        match self {
            Self::Text => {
                let text = folded(&format!("error: {error:#}"));
                print_error(&Colors::stderr().paint_in(&text, "error:", Tone::Bad));
            }
            Self::Json => print_json(&of_error(code, &format!("{error:#}"))),
        }
    }

    /// Says at the end, for machines, with which code the command ends, unless the last message said it.
    pub(super) fn close(self, code: ExitCode) {
        let is_success = matches!(code, ExitCode::Done | ExitCode::Changes);
        if self == Self::Json && !is_success && SAID.load(Ordering::Relaxed) != code.code() {
            self.ended(code, code.meaning());
        }
    }
}

/// A message in lines of the width of the terminal; elsewhere it stays one line, which can be searched.
fn folded(text: &str) -> String {
    match text::error_width() {
        Some(width) => text::folded(text.to_owned(), width).join("\n"),
        None => text.to_owned(),
    }
}

fn print_json(value: &Value) {
    print_error(&value.to_string());
}

fn of_error(code: ExitCode, text: &str) -> Value {
    json!({"severity": "error", "exitCode": code.code(), "message": text})
}

fn of_problem(problem: &Problem) -> Value {
    let Problem { file, line, path, message, severity, rule } = problem;
    let severity = match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    json!({
        "severity": severity, "file": &**file, "line": (*line > 0).then_some(line), "path": path,
        "rule": rule.as_str(), "message": message,
    })
}

/// A problem as text, with its place or its severity in colour.
fn colored(problem: &Problem, colors: Colors) -> String {
    let text = problem.to_string();
    match problem.severity {
        Severity::Error => colors.paint_in(&text, &problem.path, Tone::Bad),
        Severity::Warning => colors.paint_in(&text, "warning", Tone::Wait),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::Rule;

    #[test]
    fn a_problem_as_json_has_its_place_and_its_rule() {
        let problem = Problem {
            file: "m.yaml".into(),
            line: 0,
            path: "spec.x".to_owned(),
            message: "wrong".to_owned(),
            severity: Severity::Warning,
            rule: Rule::SCHEMA,
        };
        let expected = json!({
            "severity": "warning", "file": "m.yaml", "line": null, "path": "spec.x",
            "rule": "schema/value", "message": "wrong",
        });
        assert_eq!(of_problem(&problem), expected);
        assert_eq!(colored(&problem, Colors::NONE), problem.to_string());
        assert_eq!(of_error(ExitCode::Refused, "x")["exitCode"], 2);
    }
}
