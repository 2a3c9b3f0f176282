//! E-mail addresses as sources give them: what is one, and what is sent of it. Pure.

use std::fmt;

use thiserror::Error;

use super::{host::Host, invisible::is_invisible, placeholder::is_placeholder, width::narrow};

/// Maximum number of bytes of an address: 64 in front of `@` and 255 behind it.
pub(super) const MAX_BYTES: usize = 320;

/// Why a text is not one e-mail address. Does not carry the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AddressFault {
    /// Nothing but white space and invisible characters.
    #[error("it is blank")]
    Blank,
    /// No `@`: `N/A`, a name, the header of a column.
    #[error("it has no '@'")]
    NoAt,
    /// More than one `@`: a list, or two addresses in one.
    #[error("it has more than one '@'")]
    SeveralAt,
    /// A line break, a tab, a NUL.
    #[error("it has a control character")]
    Control,
    /// A space, or punctuation that no address has.
    #[error("it has a space or another character that no address has")]
    Character,
    /// Nothing in front of `@`.
    #[error("nothing stands in front of '@'")]
    Local,
    /// What follows `@` is no domain.
    #[error("what follows '@' is not a domain")]
    Domain,
    /// More than 320 bytes.
    #[error("it has more than {MAX_BYTES} bytes")]
    TooLong,
}

/// One e-mail address. Personal data: `Debug` is redacted.
#[derive(Clone, PartialEq, Eq)]
pub struct EmailAddress {
    pub(super) local: String,
    pub(super) host: Host,
}

impl EmailAddress {
    /// Reads one address. Takes it out of `mailto:` and out of the angle brackets of
    /// `Ann Alder <ann@example.com>`, and from beside placeholders (`N/A; ann@example.com`); removes
    /// invisible characters, no-break spaces, and white space at both ends; takes full-width letters,
    /// digits and signs for the ASCII ones. Whatever else is not part of an address is a fault.
    pub fn parse(written: &str) -> Result<Self, AddressFault> {
        in_text(&visible(written))
    }

    /// The address as it is sent: in the letters of the source.
    pub fn text(&self) -> String {
        format!("{}@{}", self.local, self.host.written)
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailAddress([redacted])")
    }
}

/// The text in the width of ASCII, without characters that nobody sees, and without white space at both
/// ends. Joiners are kept: domains may have them.
fn visible(text: &str) -> String {
    let kept = |c: &char| {
        let no_break_space = matches!(c, '\u{a0}' | '\u{2007}' | '\u{202f}');
        is_joiner(*c) || !(no_break_space || is_invisible(*c))
    };
    let visible: String = narrow(text).chars().filter(kept).collect();
    visible.trim_matches(|c: char| c.is_whitespace() || is_joiner(c)).to_owned()
}

fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

/// The address in a text.
fn in_text(text: &str) -> Result<EmailAddress, AddressFault> {
    if text.chars().any(char::is_control) {
        return Err(AddressFault::Control);
    }
    let found = alone(text);
    match beside_placeholders(text).filter(|_| found.is_err()) {
        Some(address) => alone(address),
        None => found,
    }
}

/// The address in a text that has no other.
fn alone(text: &str) -> Result<EmailAddress, AddressFault> {
    match text.strip_suffix('>').and_then(|text| text.rsplit_once('<')) {
        Some((name, address)) => in_brackets(name, address),
        None => of_link(text),
    }
}

/// The one item of a list whose others are placeholders.
fn beside_placeholders(text: &str) -> Option<&str> {
    let items = || text.split([';', ',', '|']).map(str::trim).filter(|item| !item.is_empty());
    let mut values = items().filter(|item| !is_placeholder(item));
    let only = values.next().filter(|_| values.next().is_none())?;
    items().any(is_placeholder).then_some(only)
}

/// An address that may be a link.
fn of_link(text: &str) -> Result<EmailAddress, AddressFault> {
    match mailto(text) {
        Some(target) => plain(&visible(&target?)),
        None => plain(text),
    }
}

fn plain(text: &str) -> Result<EmailAddress, AddressFault> {
    if text.is_empty() {
        return Err(AddressFault::Blank);
    }
    if text.chars().any(char::is_control) {
        return Err(AddressFault::Control);
    }
    let (local, domain) = text.split_once('@').ok_or(AddressFault::NoAt)?;
    if domain.contains('@') {
        return Err(AddressFault::SeveralAt);
    }
    let local: String = local.chars().filter(|c| !is_joiner(*c)).collect();
    if local.is_empty() {
        return Err(AddressFault::Local);
    }
    // A quote at the start is what a spreadsheet or a program for mail has put there.
    let strange = |c: char| c.is_whitespace() || "()<>[]:;,\\\"".contains(c);
    if local.contains(strange) || local.starts_with('\'') || domain.contains(strange) {
        return Err(AddressFault::Character);
    }
    let host = Host::parse(domain).ok_or(AddressFault::Domain)?;
    if local.len() + 1 + host.written.len() > MAX_BYTES {
        return Err(AddressFault::TooLong);
    }
    Ok(EmailAddress { local, host })
}

/// The address of `Ann Alder <ann@example.com>`. The name may repeat the address, and nothing else
/// with an `@`.
fn in_brackets(name: &str, address: &str) -> Result<EmailAddress, AddressFault> {
    let found = of_link(address.trim())?;
    let name = name.trim_matches(|c: char| c.is_whitespace() || "\"'".contains(c));
    let repeats = || {
        of_link(name).is_ok_and(|other| {
            let local = |address: &EmailAddress| address.local.to_lowercase();
            local(&other) == local(&found) && other.host.ascii == found.host.ascii
        })
    };
    if name.contains(['<', '>']) {
        return Err(AddressFault::Character);
    }
    if name.contains('@') && !repeats() {
        return Err(AddressFault::SeveralAt);
    }
    Ok(found)
}

/// The target of a `mailto:` link, decoded; its header fields are left out.
fn mailto(text: &str) -> Option<Result<String, AddressFault>> {
    const SCHEME: &str = "mailto:";
    let scheme = text.get(..SCHEME.len())?;
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return None;
    }
    let target = text[SCHEME.len()..].trim_start_matches('/');
    let target = target.split('?').next().unwrap_or_default();
    let decoded = percent_encoding::percent_decode_str(target).decode_utf8();
    Some(decoded.map(String::from).map_err(|_| AddressFault::Character))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_out_of_what_surrounds_them() {
        for (written, sent) in [
            ("ann@example.com", "ann@example.com"),
            (" Ann.Alder@Example.COM\t", "Ann.Alder@Example.COM"),
            ("mailto:ann@example.com", "ann@example.com"),
            ("MAILTO:ann@example.com?subject=Hi", "ann@example.com"),
            ("mailto://ann%40example.com", "ann@example.com"),
            ("<ann@example.com>", "ann@example.com"),
            ("<mailto:ann@example.com>", "ann@example.com"),
            ("Ann Alder <ann@example.com>", "ann@example.com"),
            ("\"Alder, Ann\" < ann@example.com >", "ann@example.com"),
            ("'ann@example.com' <Ann@example.com>", "Ann@example.com"),
            ("\u{feff}ann@exam\u{ad}ple.com", "ann@example.com"),
            ("\u{200b}ann\u{200d}@example\u{200c}.com\u{200f}", "ann@example.com"),
            ("ann\u{a0}@example.com\u{202f}", "ann@example.com"),
            ("ann@m\u{fc}nchen.example", "ann@m\u{fc}nchen.example"),
            ("o'brien+x@example.com", "o'brien+x@example.com"),
            ("a..b.@docomo.example", "a..b.@docomo.example"),
            ("ann@localhost", "ann@localhost"),
            ("N/A; ann@example.com", "ann@example.com"),
            ("ann@example.com; none;", "ann@example.com"),
            ("-, Ann Alder <ann@example.com>", "ann@example.com"),
            ("n/a | mailto:ann@example.com | n/a", "ann@example.com"),
            ("\u{ff41}nn\u{ff20}example.com", "ann@example.com"),
            ("\u{ff21}nn\u{ff11}@\u{ff45}xample\u{ff0e}com\u{3000}", "Ann1@example.com"),
            ("ann@under_score.example", "ann@under_score.example"),
        ] {
            let address = EmailAddress::parse(written).map(|address| address.text());
            assert_eq!(address.as_deref(), Ok(sent), "{written:?}");
        }
    }

    #[test]
    fn whatever_is_not_one_address_is_a_fault() {
        use AddressFault::{Blank, Character, Control, Domain, Local, NoAt, SeveralAt, TooLong};
        let long = format!("{}@example.com", "a".repeat(320));
        for (written, fault) in [
            ("", Blank),
            (" \u{200b}\u{a0}\u{200d}", Blank),
            ("N/A", NoAt),
            ("none", NoAt),
            ("Email", NoAt),
            ("mailto:", Blank),
            ("a@b@c.example", SeveralAt),
            ("a@x.example, b@x.example", SeveralAt),
            ("a@x.example;b@x.example", SeveralAt),
            ("a@x.example <b@x.example>", SeveralAt),
            ("mailto:a@x.example,b@x.example", SeveralAt),
            ("<a@x.example> <b@x.example>", Character),
            ("a\0b@x.example", Control),
            ("a@x.example\r\nBcc: z", Control),
            ("a\tb@x.example", Control),
            ("a b@x.example", Character),
            ("a @x.example", Character),
            ("ann alder ann@x.example", Character),
            ("a@x.example;", Character),
            ("N/A; none", NoAt),
            ("N/A; a@x.example; b@x.example", SeveralAt),
            ("N/A; ann", NoAt),
            ("N/A a@x.example", Character),
            ("a\u{3000}b@x.example", Character),
            ("a@x.example,", Character),
            ("SMTP:a@x.example", Character),
            ("\"a b\"@x.example", Character),
            ("'a@x.example", Character),
            ("a@x.example (work)", Character),
            ("@x.example", Local),
            ("\u{200d}@x.example", Local),
            ("a@", Domain),
            ("a@x.example.", Domain),
            ("a@.example", Domain),
            ("a@x..example", Domain),
            ("a@x.example'", Domain),
            ("a@[127.0.0.1]", Character),
            ("a@x/y.example", Domain),
            ("a@x\u{ff0f}y.example", Domain),
            (&long, TooLong),
        ] {
            let refused = EmailAddress::parse(written).map(|address| address.text());
            assert_eq!(refused, Err(fault), "{written:?}");
        }
    }

    #[test]
    fn debug_output_and_faults_show_no_personal_data() {
        let address = EmailAddress::parse("ann@example.com").unwrap();
        assert!(!format!("{address:?}").contains("ann"));
        assert!(!EmailAddress::parse("zyzzyva").unwrap_err().to_string().contains("zyz"));
    }
}
