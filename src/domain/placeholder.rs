//! What people and programs write where there is no value. Pure.

/// In lower case, without the marks around them.
const WORDS: [&str; 9] =
    ["n/a", "na", "n.a", "none", "null", "nil", "unknown", "not available", "not provided"];

/// Whether a text stands for no value: `N/A`, `none`, `-`. Blank text is none.
pub fn is_placeholder(text: &str) -> bool {
    let is_dash = |c: char| matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}');
    let text = text.trim();
    if !text.is_empty() && text.chars().all(is_dash) {
        return true;
    }
    let is_around = |c: char| "#()[]<>.\"'".contains(c) || c.is_whitespace();
    let word = text.trim_matches(is_around).to_lowercase();
    WORDS.contains(&word.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_no_value_are_placeholders_and_values_are_not() {
        for text in [
            "N/A",
            "n/a",
            " n/a ",
            "#N/A",
            "N.A.",
            "NA",
            "-",
            "--",
            "\u{2014}",
            "none",
            "(none)",
            "<none>",
            "NULL",
            "Unknown",
            "not available",
        ] {
            assert!(is_placeholder(text), "{text}");
        }
        for text in ["", " ", "0", "ann@example.com", "Nona", "na@example.com", "-1", "n/a; x", "."]
        {
            assert!(!is_placeholder(text), "{text}");
        }
    }
}
