//! The JSON text of a profile as one line: without the white space between its tokens, and otherwise as
//! the source gave it, with the order of its members and the spelling of its numbers. Pure.

use std::collections::HashSet;

/// Appends the text of one JSON value as a line without its end. False, and nothing is appended, if an
/// object names a member twice: programs disagree about which of the two counts. The text is valid JSON.
pub(super) fn append(text: &str, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    let mut names = Names::default();
    let (bytes, mut at, mut kept) = (text.as_bytes(), 0, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                let end = end_of_string(bytes, at);
                if !names.is_new(&text[at..end]) {
                    out.truncate(start);
                    return false;
                }
                at = end;
            }
            b' ' | b'\t' | b'\r' | b'\n' => {
                out.extend_from_slice(&bytes[kept..at]);
                at += 1;
                kept = at;
            }
            byte => {
                names.step(byte);
                at += 1;
            }
        }
    }
    out.extend_from_slice(&bytes[kept..]);
    true
}

/// Where the string that begins at `at` ends.
fn end_of_string(bytes: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    while let Some(byte) = bytes.get(end) {
        match byte {
            b'"' => return end + 1,
            b'\\' => end += 2,
            _ => end += 1,
        }
    }
    bytes.len()
}

/// The names of the members of the objects that are open.
#[derive(Default)]
struct Names<'a> {
    open: Vec<Container<'a>>,
}

enum Container<'a> {
    Array,
    Object { names: Seen<'a>, expects_name: bool },
}

/// Most objects have few members.
enum Seen<'a> {
    Few(Vec<&'a str>),
    Many(HashSet<&'a str>),
    /// A name with an escape, which may be spelled in another way: not worth comparing.
    Unknown,
}

const FEW: usize = 32;

impl<'a> Names<'a> {
    /// Takes a byte outside of strings.
    fn step(&mut self, byte: u8) {
        match (byte, self.open.last_mut()) {
            (b'{', _) => {
                let names = Seen::Few(Vec::new());
                self.open.push(Container::Object { names, expects_name: true });
            }
            (b'[', _) => self.open.push(Container::Array),
            (b'}' | b']', _) => drop(self.open.pop()),
            (b',', Some(Container::Object { expects_name, .. })) => *expects_name = true,
            (b':', Some(Container::Object { expects_name, .. })) => *expects_name = false,
            _ => {}
        }
    }

    /// Takes a string with its quotes; false if it is a name that its object has already, or may have.
    fn is_new(&mut self, string: &'a str) -> bool {
        match self.open.last_mut() {
            Some(Container::Object { names, expects_name: true }) => names.insert(string),
            _ => true,
        }
    }
}

impl<'a> Seen<'a> {
    fn insert(&mut self, name: &'a str) -> bool {
        if name.contains('\\') {
            let first = matches!(self, Self::Few(names) if names.is_empty());
            *self = Self::Unknown;
            return first;
        }
        match self {
            Self::Few(names) if names.len() < FEW => {
                let new = !names.contains(&name);
                names.push(name);
                new
            }
            Self::Few(names) => {
                let mut all: HashSet<&str> = names.drain(..).collect();
                let new = all.insert(name);
                *self = Self::Many(all);
                new
            }
            Self::Many(names) => names.insert(name),
            Self::Unknown => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Option<String> {
        let mut out = b"x".to_vec();
        let appended = append(text, &mut out);
        let line = String::from_utf8(out).unwrap().strip_prefix('x').unwrap().to_owned();
        assert!(appended || line.is_empty());
        appended.then_some(line)
    }

    #[test]
    fn white_space_between_tokens_goes_and_everything_else_stays() {
        let text = "\n{ \"b\" : [ 1.50 , 1e2,\t12345678901234567890 ],\r\n \"a\": \"x  \\\" y: {\", \"n\": {\"a\": 1}}\n";
        let kept = r#"{"b":[1.50,1e2,12345678901234567890],"a":"x  \" y: {","n":{"a":1}}"#;
        assert_eq!(line(text).unwrap(), kept);
        assert_eq!(line(r#"{"a":"b","b":"a","c":["a","a"]}"#).unwrap().len(), 31);
    }

    #[test]
    fn a_member_that_is_named_twice_is_noticed_in_any_spelling() {
        assert_eq!(line(r#"{"a":1,"a":2}"#), None);
        assert_eq!(line(r#"{"x":[{"a":1,"b":{},"a":2}]}"#), None);
        assert_eq!(line(r#"{"a":1,"\u0061":2}"#), None);
        assert_eq!(line(r#"{"\u0061":1,"a":2}"#), None);
        assert!(line(r#"{"a":{"a":1},"b":{"a":1}}"#).is_some());
        let many: Vec<String> = (0..100).map(|n| format!("\"m{n}\":1")).collect();
        assert!(line(&format!("{{{}}}", many.join(","))).is_some());
        assert_eq!(line(&format!("{{{},\"m7\":2}}", many.join(","))), None);
    }
}
