//! Revisions that carry the content of a source, where the rest of them is not known without a connection. Pure.

/// Separates the content from the rest.
const CONTENT: char = '+';
/// How many hex digits stand for the content.
const DIGITS: usize = 16;

fn short(content: &str) -> &str {
    content.get(..DIGITS).unwrap_or(content)
}

/// The revision with this content, a digest in hex.
pub(super) fn of(content: &str, revision: &str) -> String {
    format!("{}{CONTENT}{revision}", short(content))
}

/// Whether a revision carries other content than this; not if it carries none, as those of earlier versions.
pub(super) fn is_of_other(revision: &str, content: &str) -> bool {
    revision.split_once(CONTENT).is_some_and(|(read, _)| read != short(content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_content_is_known_from_a_revision_that_carries_it() {
        let [ours, other] = ["0123456789abcdef01", "0123456789abcdee01"];
        let carrying = of(ours, "aa-bb");
        assert_eq!(carrying, "0123456789abcdef+aa-bb");
        assert!(!is_of_other(&carrying, ours) && is_of_other(&carrying, other));
        assert!(!is_of_other("aa-bb", other), "an earlier version left it out");
    }
}
