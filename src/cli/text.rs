//! Text for people: how wide a line may be, how a text is wrapped into lines, and how numbers and times
//! are written.

use std::fmt;

/// The width of a line where nothing says how wide the terminal is, in characters.
pub(super) const WIDTH: usize = 80;
/// In less no text can be read.
const NARROWEST: usize = 40;

/// The width of the terminal that standard output is, in characters; [`WIDTH`] where it is none.
pub(super) fn width() -> usize {
    terminal_width().unwrap_or(WIDTH)
}

/// The width of the terminal that standard output is, in characters.
pub(super) fn terminal_width() -> Option<usize> {
    width_of(std::io::stdout())
}

/// The width of the terminal that standard error is, in characters.
pub(super) fn error_width() -> Option<usize> {
    width_of(std::io::stderr())
}

/// The width of a terminal in characters. A terminal need not say how many lines it has.
#[cfg(unix)]
fn width_of(stream: impl std::os::fd::AsFd) -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(stream).ok()?;
    (size.ws_col > 0).then(|| usize::from(size.ws_col).max(NARROWEST))
}

/// The width of a terminal in characters.
#[cfg(windows)]
fn width_of(stream: impl std::os::windows::io::AsHandle) -> Option<usize> {
    let (width, _) = terminal_size::terminal_size_of(stream)?;
    Some(usize::from(width.0).max(NARROWEST))
}

/// A line as it is, if it is not too wide; else in several lines, of which later ones are indented further.
/// Spaces between words are kept, as they may be columns.
pub(super) fn folded(line: String, width: usize) -> Vec<String> {
    if line.chars().count() <= width {
        return vec![line];
    }
    let content = line.trim_start_matches(' ');
    let indent = " ".repeat(line.len() - content.len());
    let content = content.replace(char::is_whitespace, " ");
    let mut lines = vec![indent.clone()];
    let (mut is_empty, mut spaces) = (true, String::new());
    for word in content.split(' ') {
        if word.is_empty() {
            spaces.push(' ');
            continue;
        }
        let before = if is_empty { "" } else { " " };
        let used = lines.last().map_or(0, |line| line.chars().count());
        let wide = used + before.len() + spaces.len() + word.chars().count() > width;
        if wide && !is_empty {
            lines.push(format!("{indent}    "));
        } else if let Some(last) = lines.last_mut() {
            *last += before;
            *last += &spaces;
        }
        if let Some(last) = lines.last_mut() {
            last.extend(word.chars().map(printable));
        }
        spaces.clear();
        is_empty = false;
    }
    lines
}

/// A line of JSON as it is, if it is not too wide; else in several lines, each of which ends with a comma.
pub(super) fn folded_json(line: String, width: usize) -> Vec<String> {
    if line.chars().count() <= width {
        return vec![line];
    }
    let indent = " ".repeat(line.len() - line.trim_start_matches(' ').len() + 2);
    let (mut is_text, mut is_escaped) = (false, false);
    let parts = line.split_inclusive(|letter| {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => is_text = !is_text,
            _ => {}
        }
        letter == ',' && !is_text
    });
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        match lines.last_mut() {
            Some(last) if last.chars().count() + part.chars().count() <= width => *last += part,
            Some(_) => lines.push(format!("{indent}{part}")),
            None => lines.push(part.to_owned()),
        }
    }
    lines
}

/// A text in lines of at most `width` characters. The first line begins with `first`, all others with
/// `rest`. Longer words are kept whole, so that they can be copied.
pub(super) fn wrapped(text: &str, first: &str, rest: &str, width: usize) -> Vec<String> {
    let (mut lines, mut line, mut is_empty) = (Vec::new(), first.to_owned(), true);
    for word in text.split_whitespace() {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::replace(&mut line, rest.to_owned()));
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.extend(word.chars().map(printable));
        is_empty = false;
    }
    lines.push(line);
    lines
}

/// What a terminal would take for a command becomes visible instead.
fn printable(character: char) -> char {
    if character.is_control() { char::REPLACEMENT_CHARACTER } else { character }
}

/// A number with commas between the thousands.
pub(super) struct Thousands(pub(super) i64);

impl fmt::Display for Thousands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.unsigned_abs().to_string();
        let sign = if self.0 < 0 { "-" } else { "" };
        f.write_str(sign)?;
        for (index, digit) in digits.char_indices() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                f.write_str(",")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

/// A number and what there is: `1 record`, `1,464 records`. For sentences; labels do without.
pub(super) fn count_of(count: impl TryInto<i64>, one: &str, several: &str) -> String {
    let count = count.try_into().unwrap_or(i64::MAX);
    format!("{} {}", Thousands(count), if count == 1 { one } else { several })
}

/// A time span in words: `1 h 5 min`, `3 min 20 s` or `4 s`.
pub(super) fn span(seconds: i64) -> String {
    let seconds = seconds.max(0);
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_terminal_that_says_no_height_has_its_width() {
        use rustix::{
            pty::{OpenptFlags, openpt},
            termios::{Winsize, tcsetwinsize},
        };
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        for (columns, width) in [(72, Some(72)), (12, Some(NARROWEST)), (0, None)] {
            let size = Winsize { ws_row: 0, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
            tcsetwinsize(&terminal, size).unwrap();
            assert_eq!(width_of(&terminal), width);
        }
        assert_eq!(width_of(tempfile::tempfile().unwrap()), None);
    }

    #[test]
    fn numbers_have_commas_between_the_thousands() {
        let shown = [0, 7, 999, 1000, 12_345, 1_234_567, -1000].map(|n| Thousands(n).to_string());
        assert_eq!(shown, ["0", "7", "999", "1,000", "12,345", "1,234,567", "-1,000"]);
    }

    #[test]
    fn what_is_counted_is_named_as_one_or_as_several() {
        let shown = [0, 1, 2, 1464].map(|count| count_of(count, "person", "people"));
        assert_eq!(shown, ["0 people", "1 person", "2 people", "1,464 people"]);
    }

    #[test]
    fn a_time_span_has_at_most_two_units() {
        for (seconds, text) in [(-1, "0 s"), (4, "4 s"), (200, "3 min 20 s"), (3900, "1 h 5 min")] {
            assert_eq!(span(seconds), text);
        }
    }

    #[test]
    fn lines_are_no_wider_than_asked_unless_one_word_is() {
        let lines = wrapped(&"word ".repeat(40), "- ", "  ", 20);
        assert!(lines.iter().all(|line| line.chars().count() <= 20), "{lines:?}");
        assert!(lines[0].starts_with("- word") && lines[1].starts_with("  word"), "{lines:?}");
        assert_eq!(lines.join(" ").matches("word").count(), 40);
        let long = wrapped("an https://example.com/a/long/address here", "", "", 12);
        assert_eq!(long, ["an", "https://example.com/a/long/address", "here"]);
        assert_eq!(wrapped("", "x ", "  ", 9), ["x "]);
    }

    #[test]
    fn only_a_line_that_is_too_wide_is_folded() {
        let line = "    an item, and  another";
        assert_eq!(folded(line.to_owned(), 25), [line]);
        assert_eq!(folded(line.to_owned(), 16), ["    an item, and", "        another"]);
        let columns = "  GET   /v2/candidates  (if\tnobody)";
        let lines = folded(columns.to_owned(), 30);
        assert_eq!(lines, ["  GET   /v2/candidates  (if", "      nobody)"]);
    }

    #[test]
    fn json_is_folded_behind_commas_that_are_not_text() {
        let line = r#"    {"a":"x, \", y","b":[1,2]}"#;
        assert_eq!(folded_json(line.to_owned(), 40), [line]);
        let lines = folded_json(line.to_owned(), 24);
        assert_eq!(lines, [r#"    {"a":"x, \", y","#, r#"      "b":[1,2]}"#]);
        assert_eq!(folded_json(line.to_owned(), 1).len(), 3);
    }

    #[test]
    fn no_text_commands_a_terminal() {
        assert_eq!(wrapped("a\u{1b}[2Jb", "", "", 80), ["a\u{fffd}[2Jb"]);
    }
}
