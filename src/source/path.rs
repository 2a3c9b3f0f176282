//! Paths of profile fields, as columns name them: `emails[0].value`, `skills[]`. Pure.

/// Bounds that keep one header from building a large or deep profile.
const MAX_BYTES: usize = 256;
const MAX_SEGMENTS: usize = 8;
const MAX_INDEX: u8 = 99;

/// One step from a value into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    /// A member of an object.
    Name(Box<str>),
    /// An element of an array.
    Index(u8),
    /// A new element at the end of an array.
    Append,
}

/// Parses a path; `None` when the text is not one.
pub(super) fn parse(text: &str) -> Option<Vec<Segment>> {
    if text.len() > MAX_BYTES {
        return None;
    }
    let mut segments = Vec::new();
    for step in text.split('.') {
        let (name, brackets) = step.split_at(step.find('[').unwrap_or(step.len()));
        if name.is_empty() || name.contains(']') || name.trim() != name {
            return None;
        }
        segments.push(Segment::Name(name.into()));
        let mut rest = brackets;
        while let Some(inner) = rest.strip_prefix('[') {
            let (index, after) = inner.split_once(']')?;
            segments.push(if index.is_empty() {
                Segment::Append
            } else {
                let index = index.parse::<u8>().ok().filter(|index| *index <= MAX_INDEX)?;
                Segment::Index(index)
            });
            rest = after;
        }
        if !rest.is_empty() {
            return None;
        }
    }
    (segments.len() <= MAX_SEGMENTS).then_some(segments)
}

/// The path as written.
pub(super) fn shown(path: &[Segment]) -> String {
    let mut text = String::new();
    for segment in path {
        match segment {
            Segment::Name(name) if text.is_empty() => text += name,
            Segment::Name(name) => text = text + "." + name,
            Segment::Index(index) => text = format!("{text}[{index}]"),
            Segment::Append => text += "[]",
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_indexes_and_appends_are_read() {
        let name = |n: &str| Segment::Name(n.into());
        assert_eq!(
            parse("emails[1].value").unwrap(),
            [name("emails"), Segment::Index(1), name("value")]
        );
        assert_eq!(shown(&parse("a[1].b[].c").unwrap()), "a[1].b[].c");
        assert_eq!(parse("x.my tags[]").unwrap(), [name("x"), name("my tags"), Segment::Append]);
    }

    #[test]
    fn text_that_is_no_path_and_paths_that_are_too_large_are_refused() {
        for bad in ["", ".", "a.", "a[", "a[x]", "a[-1]", "a[100]", "a]b", "a[0]b", "[0]", " a"] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
        assert_eq!(parse(&["a"; 9].join(".")), None);
        assert_eq!(parse(&"a".repeat(257)), None);
    }
}
