//! A page of a store's list of objects: takes out the names that the store's client cannot represent.
//! Without this, one odd name anywhere under a prefix makes the whole list unreadable. Pure.

use object_store::path::Path;
use quick_xml::{
    Reader,
    escape::{resolve_predefined_entity, unescape},
    events::{BytesRef, BytesStart, Event},
};

/// What is wrong with the name of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unusable {
    /// It ends in a slash: the marker of a folder, which holds nothing.
    Folder,
    /// It has empty segments, `.` or `..` segments, or control characters: the same object could be
    /// named in several ways, or not at all. Some stores list a control character as U+FFFD.
    Odd,
}

/// Why a name cannot be used, if it cannot.
pub(super) fn unusable(name: &str) -> Option<Unusable> {
    if name.ends_with('/') {
        return Some(Unusable::Folder);
    }
    let odd = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{fffd}');
    let same = Path::parse(name).is_ok_and(|path| path.as_ref() == name);
    (!same || name.is_empty() || name.contains(odd)).then_some(Unusable::Odd)
}

/// The page without the objects whose names cannot be used; each of those is noted. A page that is
/// not well-formed stays as it is: the store's client reports it.
pub(super) fn without_unusable(
    page: &[u8],
    mut note: impl FnMut(&str, Unusable),
) -> Option<Vec<u8>> {
    let mut reader = Reader::from_reader(page);
    reader.config_mut().check_end_names = true;
    let (mut kept, mut kept_up_to) = (Vec::new(), 0);
    loop {
        let start = usize::try_from(reader.buffer_position()).ok()?;
        match reader.read_event().ok()? {
            Event::Start(element) if is_object(&element) => {
                let name = name_of(&mut reader)?;
                if let Some(reason) = unusable(&name) {
                    note(&name, reason);
                    kept.extend_from_slice(page.get(kept_up_to..start)?);
                    kept_up_to = usize::try_from(reader.buffer_position()).ok()?;
                }
            }
            Event::Eof => break,
            _ => {}
        }
    }
    kept.extend_from_slice(page.get(kept_up_to..)?);
    Some(kept)
}

/// An object in the list of S3 and Google Cloud Storage, or of Azure.
fn is_object(element: &BytesStart<'_>) -> bool {
    matches!(element.local_name().as_ref(), b"Contents" | b"Blob")
}

/// Reads to the end of an object's element; its name.
fn name_of(reader: &mut Reader<&[u8]>) -> Option<String> {
    let (mut depth, mut name, mut in_name) = (0_u32, String::new(), None);
    loop {
        match reader.read_event().ok()? {
            Event::Start(element) => {
                let is_name = matches!(element.local_name().as_ref(), b"Key" | b"Name");
                if depth == 0 && is_name {
                    in_name = Some(is_encoded(&element));
                }
                depth += 1;
            }
            Event::End(_) if depth == 0 => return Some(name),
            Event::End(_) => {
                depth -= 1;
                if depth == 0 && in_name.take() == Some(true) {
                    name = percent_decoded(&name);
                }
            }
            Event::Text(text) if in_name.is_some() => {
                name += &unescape(&text.decode().ok()?).ok()?;
            }
            Event::CData(text) if in_name.is_some() => name += &text.decode().ok()?,
            Event::GeneralRef(reference) if in_name.is_some() => name += &resolved(&reference)?,
            Event::Eof => return None,
            _ => {}
        }
    }
}

/// Azure encodes names with characters that XML does not have.
fn is_encoded(element: &BytesStart<'_>) -> bool {
    let attribute = element.try_get_attribute("Encoded").ok().flatten();
    attribute.is_some_and(|attribute| attribute.value.as_ref() == b"true")
}

fn percent_decoded(name: &str) -> String {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let [first, tail @ ..] = rest {
        let decoded =
            (*first == b'%').then(|| tail.get(..2).and_then(|pair| hex::decode(pair).ok()));
        if let Some(byte) = decoded.flatten() {
            bytes.extend(byte);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The text behind `&amp;` or `&#10;`.
fn resolved(reference: &BytesRef<'_>) -> Option<String> {
    if let Some(character) = reference.resolve_char_ref().ok()? {
        return Some(character.to_string());
    }
    resolve_predefined_entity(&reference.decode().ok()?).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(page: &str) -> (String, Vec<(String, Unusable)>) {
        let mut noted = Vec::new();
        let kept =
            without_unusable(page.as_bytes(), |name, why| noted.push((name.to_owned(), why)));
        (String::from_utf8(kept.unwrap()).unwrap(), noted)
    }

    #[test]
    fn names_that_mean_more_than_one_thing_cannot_be_used() {
        for odd in [
            "a//b",
            "/a",
            "a/./b",
            "a/../b",
            "a\nb",
            "a\u{1}",
            "\u{85}",
            "a\u{2028}b",
            "\u{fffd}",
            "",
        ] {
            assert_eq!(unusable(odd), Some(Unusable::Odd), "{odd:?}");
        }
        for folder in ["a/", "a//", "/"] {
            assert_eq!(unusable(folder), Some(Unusable::Folder), "{folder:?}");
        }
        for plain in ["a", "a b/c.csv", "a/%2e/b", "\u{e9}.csv", ".hidden", "a..b", "a&b<c>.csv"] {
            assert_eq!(unusable(plain), None, "{plain:?}");
        }
    }

    #[test]
    fn odd_names_are_taken_out_of_a_page_and_everything_else_stays() {
        let object = |key: &str| {
            format!("<Contents><Key>{key}</Key><Owner><Key>x/</Key></Owner></Contents>")
        };
        let page = |objects: &[&str]| {
            let objects: String = objects.iter().map(|key| object(key)).collect();
            format!(
                "<?xml version=\"1.0\"?>\n<ListBucketResult xmlns=\"x\"><Name>b/</Name>{objects}<Z/></ListBucketResult>"
            )
        };
        let (kept, noted) = read(&page(&[
            "a&amp;b.csv",
            "a//b.csv",
            "c&#10;d",
            "<![CDATA[e/./f]]>",
            "g/",
            "h.csv",
        ]));
        assert_eq!(kept, page(&["a&amp;b.csv", "h.csv"]));
        let odd = |name: &str| (name.to_owned(), Unusable::Odd);
        let folder = ("g/".to_owned(), Unusable::Folder);
        assert_eq!(noted, [odd("a//b.csv"), odd("c\nd"), odd("e/./f"), folder]);
    }

    #[test]
    fn encoded_names_of_azure_are_decoded() {
        let page = "<EnumerationResults><Blobs><Blob><Name Encoded=\"true\">a%01/%C3%A9.csv</Name>\
             <Properties><Name>n</Name></Properties></Blob><Blob><Name>b.csv</Name></Blob></Blobs>\
             </EnumerationResults>";
        let (kept, noted) = read(page);
        assert_eq!(noted, [("a\u{1}/\u{e9}.csv".to_owned(), Unusable::Odd)]);
        let rest = "<EnumerationResults><Blobs><Blob><Name>b.csv</Name></Blob></Blobs></EnumerationResults>";
        assert_eq!(kept, rest);
    }

    #[test]
    fn what_is_no_page_is_not_changed() {
        for page in
            ["<a", "<a></b>", "<Contents><Key>a//b</Key>", "<Contents>&unknown;<Key>&x;</Key>"]
        {
            assert!(without_unusable(page.as_bytes(), |_, _| ()).is_none(), "{page}");
        }
        let text = "not XML";
        assert_eq!(without_unusable(text.as_bytes(), |_, _| ()).unwrap(), text.as_bytes());
    }
}
