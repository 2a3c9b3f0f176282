//! Colour for people: only on a terminal, and not if the environment refuses it. Pure, but for the look at
//! the environment.

use std::io::IsTerminal;

use clap::builder::styling::{AnsiColor, Style};

/// What a word means to its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// As it should be.
    Good,
    /// It needs no person now.
    Wait,
    /// A person must act.
    Bad,
    /// Beside the point.
    Dim,
}

/// Whether texts are coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Colors(bool);

impl Colors {
    /// None.
    #[cfg(test)]
    pub(super) const NONE: Self = Self(false);

    /// Those of standard output.
    pub(super) fn stdout() -> Self {
        Self(std::io::stdout().is_terminal() && !is_refused())
    }

    /// Those of standard error.
    pub(super) fn stderr() -> Self {
        Self(std::io::stderr().is_terminal() && !is_refused())
    }

    /// Whether there are any.
    pub(super) const fn are_on(self) -> bool {
        self.0
    }

    /// A text in the colour of its tone.
    pub(super) fn paint(self, tone: Tone, text: &str) -> String {
        if !self.0 || text.is_empty() {
            return text.to_owned();
        }
        let style = match tone {
            Tone::Good => AnsiColor::Green.on_default(),
            Tone::Wait => AnsiColor::Yellow.on_default(),
            Tone::Bad => AnsiColor::Red.on_default().bold(),
            Tone::Dim => Style::new().dimmed(),
        };
        format!("{style}{text}{style:#}")
    }

    /// The first occurrence of a word in a line, coloured.
    pub(super) fn paint_in(self, line: &str, word: &str, tone: Tone) -> String {
        line.replacen(word, &self.paint(tone, word), usize::from(!word.is_empty()))
    }
}

/// `NO_COLOR` is set to anything, or the terminal knows no colours.
fn is_refused() -> bool {
    let mut environment = super::environment();
    environment.any(|(name, value)| match name.as_str() {
        "NO_COLOR" => !value.is_empty(),
        "TERM" => value == "dumb",
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_painted_once_and_only_where_colours_are_on() {
        let on = Colors(true);
        let painted = on.paint_in("export/a  STALLED  STALLED", "STALLED", Tone::Bad);
        assert!(
            painted.starts_with("export/a  \u{1b}[") && painted.ends_with("\u{1b}[0m  STALLED")
        );
        assert_eq!(Colors::NONE.paint_in("a Ready", "Ready", Tone::Good), "a Ready");
        assert_eq!(on.paint_in("a b", "", Tone::Good), "a b");
        assert_eq!(on.paint(Tone::Dim, ""), "");
    }
}
