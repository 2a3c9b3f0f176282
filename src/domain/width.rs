//! Letters, digits and signs of ASCII in the width of Chinese and Japanese ones, as input methods write
//! them. Pure.

use std::borrow::Cow;

/// What the full-width forms begin and end with, and how far they are from their ASCII ones.
const FIRST: char = '\u{ff01}';
const LAST: char = '\u{ff5e}';
const DISTANCE: u32 = 0xfee0;

/// The text with ASCII characters in place of their full-width forms (`ａ＠１`, the width mapping of
/// RFC 8265).
pub fn narrow(text: &str) -> Cow<'_, str> {
    let is_wide = |c: char| (FIRST..=LAST).contains(&c);
    if !text.contains(is_wide) {
        return text.into();
    }
    let narrowed = |c: char| char::from_u32(u32::from(c) - DISTANCE).unwrap_or(c);
    text.chars().map(|c| if is_wide(c) { narrowed(c) } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_visible_ascii_character_has_a_full_width_form() {
        let ascii: String = ('!'..='~').collect();
        let wide: String = (FIRST..=LAST).collect();
        assert_eq!(narrow(&wide), ascii);
        assert!(matches!(narrow(&ascii), Cow::Borrowed(_)));
        assert_eq!(narrow("山ａ\u{ff71}é"), "山a\u{ff71}é");
    }
}
