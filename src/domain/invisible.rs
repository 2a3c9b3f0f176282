//! Characters that nobody sees, as they come with text copied from web pages and documents. Pure.

use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{DefaultIgnorableCodePoint, GeneralCategory},
};

/// Whether a character has no shape of its own: Unicode's format characters (zero width, direction,
/// byte order mark, soft hyphen), and others that programs leave out when they show text.
pub fn is_invisible(c: char) -> bool {
    !c.is_ascii()
        && (CodePointMapData::<GeneralCategory>::new().get(c) == GeneralCategory::Format
            || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn format_characters_are_invisible_and_letters_and_spaces_are_not() {
        for c in "\u{ad}\u{200b}\u{200d}\u{200e}\u{202a}\u{2060}\u{2066}\u{feff}\u{fe0f}\u{e0061}"
            .chars()
        {
            assert!(is_invisible(c), "{c:?}");
        }
        for c in "aé٣-. \u{a0}\u{301}\n\0".chars() {
            assert!(!is_invisible(c), "{c:?}");
        }
    }
}
