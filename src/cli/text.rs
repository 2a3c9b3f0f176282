//! Text for people: how wide a line may be, and how a text is wrapped into lines.

/// The width of a line where nothing says how wide the terminal is, in characters.
pub(super) const WIDTH: usize = 80;

/// The width of the terminal that standard output is, in characters; [`WIDTH`] where it is none.
pub(super) fn width() -> usize {
    let found = terminal_size::terminal_size_of(std::io::stdout());
    found.map_or(WIDTH, |(width, _)| usize::from(width.0).max(40))
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

#[cfg(test)]
mod tests {
    use super::*;

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
    fn no_text_commands_a_terminal() {
        assert_eq!(wrapped("a\u{1b}[2Jb", "", "", 80), ["a\u{fffd}[2Jb"]);
    }
}
