//! String transforms by letter and word. Pure.

use std::borrow::Cow;

/// Removes white space at both ends, without copying a borrowed string.
pub fn trim(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) if text.trim().len() == text.len() => Cow::Owned(text),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    }
}

/// Lower case, without copying a string that already is.
pub fn lower(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase()) {
        return text;
    }
    Cow::Owned(text.to_lowercase())
}

/// Keeps the first `length` characters, without trailing white space.
pub fn truncate(text: Cow<'_, str>, length: usize) -> Cow<'_, str> {
    let Some((end, _)) = text.char_indices().nth(length) else { return text };
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text[..end].trim_end()),
        Cow::Owned(text) => Cow::Owned(text[..end].trim_end().to_owned()),
    }
}

/// First letter of each word upper case. The other letters become lower case if the word is all upper
/// case (`O'NEIL`), and stay if it is mixed (`McDonald`).
///
/// White space and hyphens separate words; so does an apostrophe followed by two or more letters.
pub fn title_case(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    for piece in text.split_inclusive(|c: char| c.is_whitespace() || c == '-') {
        let shouting = !piece.chars().any(char::is_lowercase);
        let mut first = true;
        let mut rest = piece.chars();
        while let Some(c) = rest.next() {
            if !c.is_alphabetic() {
                let followed = rest.clone().take_while(|c| c.is_alphabetic()).count() > 1;
                first |= matches!(c, '\'' | '\u{2019}') && followed;
                result.push(c);
                continue;
            }
            if first {
                result.extend(c.to_uppercase());
            } else if shouting {
                result.extend(c.to_lowercase());
            } else {
                result.push(c);
            }
            first = false;
        }
    }
    result
}
