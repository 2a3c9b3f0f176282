//! The domain of an e-mail address, in the spellings that name the same one. Pure.

use idna::AsciiDenyList;

/// A domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Host {
    /// As written, without characters that are not part of it.
    pub(super) written: String,
    /// In lower case and ASCII: `xn--mnchen-3ya.example`.
    pub(super) ascii: String,
}

impl Host {
    /// Reads a domain. `None`: it is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let joined: String =
            text.chars().filter(|c| !matches!(c, '\u{200c}' | '\u{200d}')).collect();
        // Joiners are part of some domains, and the rules say where. Elsewhere they came along.
        let written =
            if joined == text || ascii(text).is_some() { text.to_owned() } else { joined };
        let ascii = ascii(&written)?;
        Some(Self { written, ascii })
    }

    /// The letters that the ASCII form of a domain stands for, if it stands for others.
    pub(super) fn letters(ascii: &str) -> Option<String> {
        if !ascii.split('.').any(|label| label.starts_with("xn--")) {
            return None;
        }
        let (letters, valid) = idna::domain_to_unicode(ascii);
        (valid.is_ok() && letters != ascii).then_some(letters)
    }
}

/// The ASCII form of a domain.
fn ascii(text: &str) -> Option<String> {
    let ascii = match idna::domain_to_ascii_cow(text.as_bytes(), AsciiDenyList::URL) {
        Ok(ascii) => ascii.into_owned(),
        // A label that only looks encoded is a name like any other.
        Err(_) if text.is_ascii() => text.to_ascii_lowercase(),
        Err(_) => return None,
    };
    let is_label = |label: &str| {
        let part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        !label.is_empty() && label.bytes().all(part)
    };
    ascii.split('.').all(is_label).then_some(ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_domain_have_one_ascii_form() {
        let ascii = |text: &str| Host::parse(text).map(|host| host.ascii);
        for text in [
            "m\u{fc}nchen.example",
            "mu\u{308}nchen.example",
            "M\u{dc}NCHEN.Example",
            "XN--MNCHEN-3YA.example",
            "m\u{fc}nchen\u{3002}example",
        ] {
            assert_eq!(ascii(text).as_deref(), Some("xn--mnchen-3ya.example"), "{text}");
        }
        assert_ne!(ascii("stra\u{df}e.example"), ascii("strasse.example"), "two domains");
        assert_eq!(ascii("XN--Not-Encoded-.example").as_deref(), Some("xn--not-encoded-.example"));
        assert_eq!(
            Host::letters("xn--mnchen-3ya.example").as_deref(),
            Some("m\u{fc}nchen.example")
        );
        assert_eq!(Host::letters("example.com"), None);
    }

    #[test]
    fn joiners_stay_where_they_are_part_of_the_domain() {
        let persian = "\u{646}\u{627}\u{645}\u{647}\u{200c}\u{627}\u{6cc}.example";
        assert_eq!(Host::parse(persian).unwrap().ascii, "xn--mgba3gch31f060k.example");
        assert_eq!(Host::parse("exam\u{200c}ple.com").unwrap().written, "example.com");
    }
}
