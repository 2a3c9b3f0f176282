//! Text of a profile, without what cannot be shown or would change other text.

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{GeneralCategory, NoncharacterCodePoint},
};

/// A fact on one line: white space is folded, so that a line break inside a name breaks nothing. None
/// if nothing is left.
pub(super) fn line(text: &str) -> Option<String> {
    let text = composed(text);
    let mut line = String::with_capacity(text.len());
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        let before = line.len();
        if before > 0 {
            line.push(' ');
        }
        let start = line.len();
        line.extend(word.chars().filter(|c| is_kept(*c)));
        if line.len() == start {
            line.truncate(before);
        }
    }
    (!line.is_empty()).then_some(line)
}

/// A bullet, as items of lists begin in a document.
const BULLET: &str = "• ";

/// The paragraphs of a longer text: its lines that are not empty. Items of lists begin with a bullet,
/// however the text marks them.
pub(super) fn paragraphs(text: &str) -> Vec<String> {
    text.split(['\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}'])
        .filter_map(line)
        .map(bulleted)
        .collect()
}

fn bulleted(line: String) -> String {
    let item = line.strip_prefix(['•', '●', '▪', '◦', '‣', '∙', '·', '*', '-', '–', '—']);
    match item.and_then(|item| item.strip_prefix(' ')) {
        Some(item) => format!("{BULLET}{item}"),
        None => line,
    }
}

/// Whether a paragraph is an item of a list.
pub(super) fn is_item(paragraph: &str) -> bool {
    paragraph.starts_with(BULLET)
}

fn composed(text: &str) -> std::borrow::Cow<'_, str> {
    if text.is_ascii() {
        text.into()
    } else {
        ComposingNormalizerBorrowed::new_nfc().normalize(text)
    }
}

/// Control characters, noncharacters and the byte order mark have no shape. Embeddings, overrides and
/// isolates could show a text in another order than it is read in.
fn is_kept(c: char) -> bool {
    if c.is_ascii() {
        return true;
    }
    let reorders = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let none = matches!(c, '\u{feff}' | '\u{fff9}'..='\u{fffc}' | '\u{ad}');
    let private = CodePointMapData::<GeneralCategory>::new().get(c) == GeneralCategory::PrivateUse;
    let tag = matches!(c, '\u{e0000}'..='\u{e007f}');
    !(reorders
        || none
        || private
        || tag
        || CodePointSetData::new::<NoncharacterCodePoint>().contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_single_spaces_and_no_invisible_control() {
        assert_eq!(line(" Ada\r\n\tLovelace\u{0}\u{7f} ").unwrap(), "Ada Lovelace");
        assert_eq!(line("a\u{202e}b\u{2066}c\u{feff}d\u{ffff}e\u{f8ff}").unwrap(), "abcde");
        assert_eq!(line("e\u{301}").unwrap(), "\u{e9}");
        assert_eq!(line("a \u{feff} b").unwrap(), "a b");
        for nothing in ["", "  ", "\n\u{0}", "\u{202e}"] {
            assert_eq!(line(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn paragraphs_are_the_lines_with_text() {
        assert_eq!(paragraphs("one\r\n\r\n two \u{2028}three"), ["one", "two", "three"]);
        assert_eq!(paragraphs("- a\n* b\n–c\n•  d"), ["• a", "• b", "–c", "• d"]);
    }
}
