//! By what a person is recognised: their e-mail address, in one spelling of the several that it has.
//! Pure.

use std::{
    borrow::Cow,
    fmt,
    hash::{Hash, Hasher},
};

use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};

use super::{
    address::{EmailAddress, MAX_BYTES},
    host::Host,
    invisible::is_invisible,
};

/// The value by which a person is recognised in Clinch: their e-mail address without regard to case,
/// invisible characters, composed letters (NFC), the width of letters, and whether a domain is written
/// in letters or in ASCII. Two keys are equal if they are of the same person.
///
/// Personal data: `Debug` is redacted.
#[derive(Clone)]
pub struct MatchKey {
    folded: Box<str>,
    /// As versions before folded it, where that differs and is no longer than an address.
    before: Option<Box<str>>,
    /// The address in the letters in which it was written, where these differ.
    spelled: Option<Box<str>>,
}

impl MatchKey {
    /// Folds the address of a person in Clinch, which may be anything. `None` when nothing is left.
    pub fn fold(text: &str) -> Option<Self> {
        if let Ok(address) = EmailAddress::parse(text) {
            return Some(Self::of(&address, text));
        }
        let kept: String =
            text.chars().filter(|c| !c.is_whitespace() && !is_invisible(*c)).collect();
        let folded = composed_lower(&kept);
        (!folded.is_empty()).then(|| Self::new(folded, &kept, text))
    }

    /// The key of an address. `written`: the whole text that it was taken from.
    pub fn of(address: &EmailAddress, written: &str) -> Self {
        let EmailAddress { local, host } = address;
        let folded = format!("{}@{}", composed_lower(local), host.ascii);
        Self::new(folded, &address.text(), written)
    }

    fn new(folded: String, spelled: &str, written: &str) -> Self {
        let before: String =
            written.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect();
        let differs = before != folded && (1..=MAX_BYTES).contains(&before.len());
        let before = differs.then(|| before.into());
        let spelled = (spelled != folded).then(|| spelled.into());
        Self { folded: folded.into(), before, spelled }
    }

    /// The folded text. Personal data: for requests and keyed hashes only.
    pub fn expose(&self) -> &str {
        &self.folded
    }

    /// The address in the letters in which it was written, where these are not the folded ones: a Clinch
    /// that tells them apart finds the person by nothing else. Personal data, as above.
    pub fn expose_spelled(&self) -> Option<&str> {
        self.spelled.as_deref()
    }

    /// Whether it was written with capitals.
    pub fn has_capitals(&self) -> bool {
        self.spelled.as_ref().is_some_and(|spelled| spelled.chars().any(char::is_uppercase))
    }

    /// The same key, without the letters in which it was written.
    #[must_use]
    pub fn as_folded(&self) -> Self {
        Self { spelled: None, ..self.clone() }
    }

    /// Other texts under which the person may be known: the one that versions before used, and the
    /// same address with its domain in letters, or with decomposed letters (NFD). Empty for an address
    /// in ASCII that was written plainly. Personal data, as above.
    pub fn expose_others(&self) -> Vec<Cow<'_, str>> {
        let mut others: Vec<Cow<'_, str>> =
            self.before.as_deref().map(Cow::from).into_iter().collect();
        let letters = match self.folded.rsplit_once('@') {
            Some((local, host)) => Host::letters(host).map(|host| format!("{local}@{host}")),
            None => None,
        };
        if letters.is_none() && self.folded.is_ascii() {
            return others;
        }
        let mut add = |text: &str| {
            if text != &*self.folded && !others.iter().any(|known| known == text) {
                others.push(Cow::Owned(text.to_owned()));
            }
        };
        for text in [Some(&*self.folded), letters.as_deref()].into_iter().flatten() {
            add(text);
            add(&DecomposingNormalizerBorrowed::new_nfd().normalize(text));
        }
        others
    }
}

/// Lower case, with composed letters.
fn composed_lower(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let normalizer = ComposingNormalizerBorrowed::new_nfc();
    // Of the whole text: how a sigma ends a word is seen by what is around it.
    normalizer.normalize(&normalizer.normalize(text).to_lowercase()).into_owned()
}

impl PartialEq for MatchKey {
    fn eq(&self, other: &Self) -> bool {
        self.folded == other.folded
    }
}

impl Eq for MatchKey {}

impl Hash for MatchKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.folded.hash(state);
    }
}

impl fmt::Debug for MatchKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MatchKey([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fold(text: &str) -> MatchKey {
        MatchKey::fold(text).unwrap()
    }

    #[test]
    fn spellings_of_one_address_are_equal() {
        for (one, other) in [
            (" Jane.Doe@Example.com ", "jane.doe@example.COM"),
            ("\u{200b}ann@example.com", "ann@example.com"),
            ("mailto:ann@example.com", "Ann <ann@example.com>"),
            ("jos\u{e9}@example.com", "JOSE\u{301}@example.com"),
            (
                "\u{39d}\u{399}\u{39a}\u{39f}\u{3a3}@example.com",
                "\u{3bd}\u{3b9}\u{3ba}\u{3bf}\u{3c2}@example.com",
            ),
            ("ann@m\u{fc}nchen.example", "ann@xn--mnchen-3ya.example"),
            ("ann@mu\u{308}nchen.example", "ANN@M\u{dc}NCHEN.example"),
            ("\u{ff41}nn\u{ff20}example.com", "Ann@example.com"),
            ("N/A; ann@example.com", "ann@example.com"),
        ] {
            assert_eq!(fold(one), fold(other), "{one:?} {other:?}");
        }
        for (one, other) in [
            ("jose@example.com", "jos\u{e9}@example.com"),
            ("ann@muenchen.example", "ann@m\u{fc}nchen.example"),
            ("a.nn@example.com", "ann@example.com"),
            ("ann+x@example.com", "ann@example.com"),
        ] {
            assert_ne!(fold(one), fold(other), "{one:?} {other:?}");
        }
    }

    #[test]
    fn text_in_ascii_is_folded_like_any_other() {
        let ascii: String = (0..128).filter_map(char::from_u32).collect();
        // A letter that is lower case and composed already takes the other way.
        let folded = composed_lower(&format!("{ascii}\u{e9}"));
        assert_eq!(format!("{}\u{e9}", composed_lower(&ascii)), folded);
    }

    #[test]
    fn whatever_clinch_has_is_folded() {
        assert_eq!(MatchKey::fold(" \t\u{200b}"), None);
        assert_eq!(fold("N / A").expose(), "n/a");
        assert_eq!(fold("a@b@C").expose(), "a@b@c");
    }

    #[test]
    fn a_plain_address_has_one_spelling_and_others_have_every_one() {
        assert!(fold(" Ann@Example.com").expose_others().is_empty());
        assert_eq!(fold("\u{200b}Ann@x.org").expose_others(), ["\u{200b}ann@x.org"]);
        assert_eq!(fold("mailto:ann@x.org").expose_others(), ["mailto:ann@x.org"]);
        assert_eq!(fold("\u{ff21}nn@x.org").expose_others(), ["\u{ff41}nn@x.org"]);
        let letters = "ann@m\u{fc}nchen.example";
        let apart = "ann@mu\u{308}nchen.example";
        let ascii = "ann@xn--mnchen-3ya.example";
        assert_eq!(fold(letters).expose(), ascii);
        assert_eq!(fold(letters).expose_others(), [letters, apart]);
        assert_eq!(fold(ascii).expose_others(), [letters, apart]);
        assert_eq!(fold(apart).expose_others(), [apart, letters]);
        assert_eq!(fold("JOS\u{c9}@x.org").expose_others(), ["jose\u{301}@x.org"]);
        // As versions before folded it.
        assert_eq!(fold("\u{39f}\u{3a3}@x.org").expose_others(), ["\u{3bf}\u{3c3}@x.org"]);
    }

    #[test]
    fn the_letters_in_which_an_address_was_written_are_known() {
        for (written, spelled, capitals) in [
            ("ann@x.org", None, false),
            (" Ann Alder <Ann@X.org>", Some("Ann@X.org"), true),
            ("ann@m\u{fc}nchen.example", Some("ann@m\u{fc}nchen.example"), false),
            ("N / A", Some("N/A"), true),
        ] {
            let key = fold(written);
            assert_eq!((key.expose_spelled(), key.has_capitals()), (spelled, capitals));
            assert_eq!((key.as_folded(), key.as_folded().expose_spelled()), (key, None));
        }
    }

    #[test]
    fn debug_output_is_redacted() {
        assert!(!format!("{:?}", fold("jane@x.org")).contains("jane"));
    }
}
