//! The admin's own list of people who must never be written, in memory: keyed hashes and digests, no
//! addresses. Pure.

use std::fmt;

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::KeyHash;
use crate::domain::{MatchKey, is_invisible};

type HmacSha256 = Hmac<Sha256>;

/// The prefix of a line that identifies a person by a digest.
const DIGEST_PREFIX: &str = "hmac-sha256:";
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// The most entries. An address takes 16 bytes of memory, a digest 32.
const MAX_ENTRIES: usize = 4_000_000;

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LineFault {
    /// Bytes that are not UTF-8.
    #[error("not UTF-8 text")]
    NotText,
    /// No address, or more than one.
    #[error("not an address")]
    NotAnAddress,
    /// A digest of another length, or not hexadecimal.
    #[error("hmac-sha256: takes 64 hexadecimal digits")]
    NotADigest,
    /// A digest, without a key to compare it with.
    #[error("hmac-sha256: needs a key in the field hmacKey of the same Secret")]
    NoKey,
}

/// Why a list cannot be used. Names a line, never its content.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ListedFault {
    /// One line is wrong.
    #[error("field {field}, line {line}: {fault}")]
    Line {
        /// The field of the Secret, or the file.
        field: String,
        /// Counted from 1; blank lines and comments count.
        line: usize,
        /// What is wrong.
        fault: LineFault,
    },
    /// Blank lines and comments only. An admin who wants no list names none.
    #[error("no entries")]
    NoEntries,
    /// More than fit into memory.
    #[error("more than {limit} entries")]
    TooMany {
        /// Entries accepted.
        limit: usize,
    },
}

/// People who must never be written. `Debug` shows numbers only.
#[derive(Clone)]
pub struct Listed {
    /// Sorted, each once.
    people: Box<[KeyHash]>,
    /// Sorted, each once.
    digests: Box<[[u8; 32]]>,
    /// Keyed for the digests; absent where there are none.
    mac: Option<HmacSha256>,
    digest: [u8; 32],
}

enum Line {
    Person(KeyHash),
    Digest([u8; 32]),
}

impl Listed {
    /// Parses lists: one person per line, as an address or as `hmac-sha256:` and 64 hexadecimal
    /// digits. Blank lines and lines that start with `#` are skipped; lines may end with CRLF, and a
    /// list may start with a byte order mark. `parts`: the lists with their names; `hmac_key`: the
    /// key of the digests, an empty one counts as none; `hash`: the ledger's hash of a person.
    ///
    /// # Errors
    ///
    /// The first bad line, no entries, or more than 4 000 000 entries.
    pub fn parse(
        parts: &[(String, Bytes)],
        hmac_key: Option<&[u8]>,
        hash: impl Fn(&MatchKey) -> KeyHash,
    ) -> Result<Self, ListedFault> {
        Self::parse_at_most(MAX_ENTRIES, parts, hmac_key, hash)
    }

    fn parse_at_most(
        limit: usize,
        parts: &[(String, Bytes)],
        hmac_key: Option<&[u8]>,
        hash: impl Fn(&MatchKey) -> KeyHash,
    ) -> Result<Self, ListedFault> {
        let hmac_key = hmac_key.filter(|key| !key.is_empty());
        let (mut people, mut digests) = (Vec::new(), Vec::new());
        for (field, bytes) in parts {
            let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
            for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
                let read = read(line, hmac_key.is_some(), &hash);
                match read.map_err(|fault| ListedFault::Line {
                    field: field.clone(),
                    line: index + 1,
                    fault,
                })? {
                    None => continue,
                    Some(Line::Person(person)) => people.push(person),
                    Some(Line::Digest(digest)) => digests.push(digest),
                }
                if people.len() + digests.len() > limit {
                    return Err(ListedFault::TooMany { limit });
                }
            }
        }
        if people.is_empty() && digests.is_empty() {
            return Err(ListedFault::NoEntries);
        }
        let key = hmac_key.filter(|_| !digests.is_empty());
        let (people, digests) = (sorted(people), sorted(digests));
        let digest = sum(&people, &digests, key);
        let mac =
            key.map(|key| HmacSha256::new_from_slice(key).expect("HMAC takes keys of any length"));
        Ok(Self { people, digests, mac, digest })
    }

    /// Whether a person is listed. `hash`: the hash of `key` by the function given to
    /// [`Listed::parse`].
    pub fn contains(&self, key: &MatchKey, hash: &KeyHash) -> bool {
        if self.people.binary_search(hash).is_ok() {
            return true;
        }
        let Some(mac) = &self.mac else { return false };
        let has = |spelling: &str| {
            let mut mac = mac.clone();
            mac.update(spelling.as_bytes());
            let digest: [u8; 32] = mac.finalize().into_bytes().into();
            self.digests.binary_search(&digest).is_ok()
        };
        // The list's owner may have made a digest of any spelling.
        has(key.expose()) || key.expose_others().iter().any(|other| has(other))
    }

    /// The number of different entries.
    #[allow(clippy::len_without_is_empty, reason = "a list without entries is refused")]
    pub fn len(&self) -> usize {
        self.people.len() + self.digests.len()
    }

    /// Changes with the people listed and with the key of the digests. Made of hashes, not of
    /// addresses; for comparison within the process.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }
}

impl fmt::Debug for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Listed({} addresses, {} digests)", self.people.len(), self.digests.len())
    }
}

fn sorted<T: Ord>(mut entries: Vec<T>) -> Box<[T]> {
    entries.sort_unstable();
    entries.dedup();
    entries.into_boxed_slice()
}

fn sum(people: &[KeyHash], digests: &[[u8; 32]], key: Option<&[u8]>) -> [u8; 32] {
    let mut hasher = Sha256::new();
    // The count separates people from digests.
    hasher.update((people.len() as u64).to_be_bytes());
    people.iter().for_each(|person| hasher.update(person.0));
    digests.iter().for_each(|digest| hasher.update(digest));
    // Hashed, so that its length is fixed.
    hasher.update(key.map_or([0; 32], |key| Sha256::digest(key).into()));
    hasher.finalize().into()
}

fn read(
    line: &[u8],
    keyed: bool,
    hash: &impl Fn(&MatchKey) -> KeyHash,
) -> Result<Option<Line>, LineFault> {
    let line = std::str::from_utf8(line).map_err(|_| LineFault::NotText)?;
    let entry = line.trim();
    if entry.is_empty() || entry.starts_with('#') {
        return Ok(None);
    }
    if let Some(digits) = entry.strip_prefix(DIGEST_PREFIX) {
        let mut digest = [0; 32];
        hex::decode_to_slice(digits, &mut digest).map_err(|_| LineFault::NotADigest)?;
        return if keyed { Ok(Some(Line::Digest(digest))) } else { Err(LineFault::NoKey) };
    }
    // An entry that can never match would look like protection and be none: a row of a CSV file, a
    // name with its address, an address with a remark, UTF-16 text, invisible characters.
    let stray =
        |c: char| c.is_control() || c.is_whitespace() || is_invisible(c) || ",;<>:|\"".contains(c);
    if entry.contains(stray) || entry.starts_with('\'') || entry.ends_with(['\'', '.']) {
        return Err(LineFault::NotAnAddress);
    }
    let person = MatchKey::fold(entry).ok_or(LineFault::NotAnAddress)?;
    match person.expose().split_once('@') {
        Some((local, domain))
            if !local.is_empty() && !domain.is_empty() && !domain.contains('@') =>
        {
            Ok(Some(Line::Person(hash(&person))))
        }
        _ => Err(LineFault::NotAnAddress),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_that_could_never_match_are_refused() {
        for line in [
            "\"jane@example.com\"",
            "'jane@example.com'",
            "mailto:jane@example.com",
            "jane@example.com.",
            "jane@example.com|Jane",
            "jane@example.com # left",
        ] {
            assert!(read(line.as_bytes(), false, &hash).is_err(), "{line}");
        }
        assert!(read(b"  # jane@example.com", false, &hash).is_ok_and(|line| line.is_none()));
        assert!(read(b"o'brien@example.com", false, &hash).is_ok_and(|line| line.is_some()));
    }

    fn hash(key: &MatchKey) -> KeyHash {
        let mut hash = KeyHash::default();
        hash.0.copy_from_slice(&Sha256::digest(key.expose().as_bytes())[..16]);
        hash
    }

    fn parts<'a>(lists: impl IntoIterator<Item = &'a [u8]>) -> Vec<(String, Bytes)> {
        let named = |(at, list)| (format!("list-{at}.txt"), Bytes::copy_from_slice(list));
        lists.into_iter().enumerate().map(named).collect()
    }

    fn parse(list: &str, key: Option<&[u8]>) -> Result<Listed, ListedFault> {
        Listed::parse(&parts([list.as_bytes()]), key, hash)
    }

    fn has(listed: &Listed, address: &str) -> bool {
        let key = MatchKey::fold(address).unwrap();
        listed.contains(&key, &hash(&key))
    }

    fn hmac_line(key: &[u8], folded: &str) -> String {
        let mut mac = HmacSha256::new_from_slice(key).unwrap();
        mac.update(folded.as_bytes());
        format!("hmac-sha256:{}\n", hex::encode(mac.finalize().into_bytes()))
    }

    fn message(list: &[u8], key: Option<&[u8]>) -> String {
        Listed::parse(&parts([list]), key, hash).unwrap_err().to_string()
    }

    #[test]
    fn addresses_are_folded_and_comments_and_blank_lines_are_skipped() {
        let list = "# left\n\n  Jane.Doe@Example.com \n\t\nbob@x.org\n\u{ff43}arl\u{ff20}x.org";
        let listed = parse(list, None).unwrap();
        assert_eq!(listed.len(), 3);
        for (address, expected) in [
            ("jane.doe@example.com", true),
            ("BOB@x.org", true),
            ("\u{ff22}ob@x.org", true),
            ("N/A; bob@x.org", true),
            ("carl@x.org", true),
            ("ann@x.org", false),
        ] {
            assert_eq!(has(&listed, address), expected, "{address}");
        }
    }

    #[test]
    fn spellings_of_a_listed_address_are_listed() {
        let (letters, ascii) = ("jane@m\u{fc}nchen.example", "jane@xn--mnchen-3ya.example");
        for (entry, address) in [(letters, ascii), (ascii, letters)] {
            assert!(has(&parse(entry, None).unwrap(), address), "{entry}");
            let digest = hmac_line(b"k", entry);
            assert!(has(&parse(&digest, Some(b"k")).unwrap(), address), "{entry}");
        }
    }

    #[test]
    fn byte_order_marks_and_crlf_make_no_difference() {
        let listed = parse("\u{feff}jane@x.org\r\n\r\n# bye\r\nbob@x.org\r\n", None).unwrap();
        assert_eq!(listed.digest(), parse("jane@x.org\nbob@x.org\n", None).unwrap().digest());
    }

    #[test]
    fn digests_are_compared_under_the_admins_key() {
        let key = b"the admin's own".as_slice();
        // Made by a program in another language, for key and address of this test.
        let made = "hmac-sha256:\
                    23ee54a6c8190ffb0f57c42c982f14da53c7523b86cbb10d1e109463f1877e0c\n";
        assert_eq!(made, hmac_line(key, "jane@x.org"));
        let upper = hmac_line(key, "bob@x.org").to_uppercase();
        let upper = upper.replace("HMAC-SHA256", "hmac-sha256");
        let listed = parse(&format!("{made}{upper}ann@x.org\n"), Some(key)).unwrap();
        assert_eq!(listed.len(), 3);
        assert!(["JANE@x.org", "bob@x.org", "ann@x.org"].iter().all(|a| has(&listed, a)));
        assert!(!has(&listed, "eve@x.org"));
        let other = parse(made, Some(b"another key")).unwrap();
        assert!(!has(&other, "jane@x.org"), "a digest means nothing under another key");
        assert_ne!(other.digest(), parse(made, Some(key)).unwrap().digest());
    }

    #[test]
    fn bad_entries_are_reported_by_field_and_line_and_never_quoted() {
        let digest = hmac_line(b"k", "jane@x.org");
        let short = format!("{}\n", &digest[..digest.len() - 3]);
        let long = format!("{}0\n", digest.trim_end());
        let wide: Vec<u8> = "wide@x.org\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (line, key, fault) in [
            (&b"secret-person"[..], None, LineFault::NotAnAddress),
            (b"secret@x@y.org", None, LineFault::NotAnAddress),
            (b"@secret.org", None, LineFault::NotAnAddress),
            (b"secret@", None, LineFault::NotAnAddress),
            (b"secret@x.org,Secret", None, LineFault::NotAnAddress),
            (b"Secret <secret@x.org>", None, LineFault::NotAnAddress),
            (b"secret@x.org\tSecret", None, LineFault::NotAnAddress),
            (b"one@x.org\rsecret.org", None, LineFault::NotAnAddress),
            ("secret\u{200b}@x.org".as_bytes(), None, LineFault::NotAnAddress),
            (b"HMAC-SHA256:00", None, LineFault::NotAnAddress),
            (&wide, None, LineFault::NotAnAddress),
            (b"secret\xff@x.org", None, LineFault::NotText),
            (digest.as_bytes(), None, LineFault::NoKey),
            (digest.as_bytes(), Some(&b""[..]), LineFault::NoKey),
            (short.as_bytes(), Some(b"k"), LineFault::NotADigest),
            (long.as_bytes(), Some(b"k"), LineFault::NotADigest),
            (b"hmac-sha256:secret@x.org", Some(b"k"), LineFault::NotADigest),
        ] {
            let list = [b"# one\nfine@x.org\r\n\n", line].concat();
            let message = message(&list, key);
            assert_eq!(message, format!("field list-0.txt, line 4: {fault}"));
            assert!(!message.contains("secret"), "{message}");
        }
        let lists = parts([&b"fine@x.org\n"[..], b"\nno\n"]);
        let fault = Listed::parse(&lists, None, hash).unwrap_err();
        assert_eq!(fault.to_string(), "field list-1.txt, line 2: not an address");
    }

    #[test]
    fn a_list_without_entries_is_refused() {
        for empty in ["", "\n\r\n", "# nobody\n", "\u{feff}"] {
            assert_eq!(message(empty.as_bytes(), None), "no entries");
        }
        assert_eq!(Listed::parse(&[], None, hash).unwrap_err(), ListedFault::NoEntries);
    }

    #[test]
    fn the_digest_changes_with_the_people_and_not_with_their_order() {
        let of = |list: &str| parse(list, Some(b"k")).unwrap().digest();
        let both = of("jane@x.org\nbob@x.org\n");
        assert_eq!(both, of("bob@x.org\n# again\nJane@x.org\nbob@x.org\n"));
        assert_ne!(both, of("jane@x.org\n"));
        assert_ne!(both, of("jane@x.org\nbob@x.org\nann@x.org\n"));
        assert_ne!(both, of(&format!("jane@x.org\n{}", hmac_line(b"k", "bob@x.org"))));
    }

    #[test]
    fn debug_shows_numbers_only() {
        let list = format!("jane@x.org\n{}", hmac_line(b"k", "bob@x.org"));
        let listed = parse(&list, Some(b"k")).unwrap();
        assert_eq!(format!("{listed:?}"), "Listed(1 addresses, 1 digests)");
    }

    #[test]
    fn a_million_people_take_16_bytes_each() {
        use std::fmt::Write as _;
        let mut list = String::new();
        for person in 0..1_000_000 {
            writeln!(list, "person-{person}@example.com").unwrap();
        }
        let listed = parse(&list, None).unwrap();
        assert_eq!(size_of_val(&*listed.people), 16_000_000);
        assert_eq!((listed.len(), listed.digests.len()), (1_000_000, 0));
        assert!(has(&listed, "person-999999@example.com"));
        assert!(!has(&listed, "person-1000000@example.com"));
    }

    #[test]
    fn too_many_entries_are_refused() {
        let lists = parts([&b"a@x.org\n"[..], b"b@x.org\nc@x.org\n"]);
        assert_eq!(Listed::parse_at_most(3, &lists, None, hash).unwrap().len(), 3);
        let fault = Listed::parse_at_most(2, &lists, None, hash).unwrap_err();
        assert_eq!(fault.to_string(), "more than 2 entries");
    }
}
