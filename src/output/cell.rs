//! One cell of a CSV file: the text of a value, and what keeps a spreadsheet from computing it. Pure.

use std::borrow::Cow;

use serde_json::Value;

/// The text of a value; empty for null.
pub(super) fn text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Null => Cow::Borrowed(""),
        Value::String(text) => Cow::Borrowed(text),
        Value::Bool(true) => Cow::Borrowed("true"),
        Value::Bool(false) => Cow::Borrowed("false"),
        other => Cow::Owned(other.to_string()),
    }
}

/// Collects the text of one cell.
#[derive(Default)]
pub(super) struct Cell {
    text: String,
    /// Whether it is a number or boolean, which no spreadsheet computes.
    literal: bool,
    items: usize,
    altered: u64,
}

impl Cell {
    /// Begins with an empty cell; keeps the memory.
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.literal = false;
        self.items = 0;
    }

    /// Fills the cell with a value that is not a list.
    pub(super) fn put(&mut self, value: &Value) {
        self.literal = matches!(value, Value::Number(_) | Value::Bool(_));
        self.text += &text(value);
    }

    /// Adds an item of a list. Items are separated by `;`, which an item can therefore not have.
    pub(super) fn push(&mut self, item: &str, instead: &str) {
        let item = item.trim();
        if item.is_empty() {
            return;
        }
        if self.items > 0 {
            self.text.push(';');
        }
        self.items += 1;
        if item.contains(';') {
            self.altered += 1;
            self.text += &item.replace(';', instead);
        } else {
            self.text += item;
        }
    }

    /// Puts a quote in front of what a spreadsheet could take for a formula.
    pub(super) fn escape(&mut self) {
        if !self.literal && is_risky(&self.text) {
            self.text.insert(0, '\'');
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// How many items were altered so far, in all cells.
    pub(super) fn altered(&self) -> u64 {
        self.altered
    }
}

/// Whether a spreadsheet could compute the cell, or would take its first quote for an escape. Programs drop
/// white space and invisible characters in front of a cell.
fn is_risky(text: &str) -> bool {
    let passed = |c: char| {
        matches!(c, ' ' | '\u{a0}' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let begins = |c: char| {
        matches!(c, '=' | '+' | '-' | '@' | '\'' | '＝' | '＋' | '－' | '＠') || c.is_control()
    };
    text.chars().find(|c| !passed(*c)).is_some_and(begins)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn escaped(text: &str) -> String {
        let mut cell = Cell::default();
        cell.put(&json!(text));
        cell.escape();
        cell.text
    }

    #[test]
    fn what_a_spreadsheet_computes_gets_one_quote() {
        for risky in [
            "=cmd|' /C calc'!A0",
            "+41 44 668",
            "-1",
            "@SUM(A1)",
            "\t=1",
            "\r=1",
            "\n=1",
            "\0=1",
            "＝1",
            "＋1",
            "－1",
            "＠x",
            "'quoted",
            "''",
            " =1",
            "\u{feff}=1",
            "\u{202e}=1",
        ] {
            assert_eq!(escaped(risky), format!("'{risky}"));
        }
        for plain in ["", "Ada", "a=b", "1-2", "(+1)", "\"=1\"", "𝟙+1", "—dash"] {
            assert_eq!(escaped(plain), plain);
        }
        let mut number = Cell::default();
        number.put(&json!(-5));
        number.escape();
        assert_eq!(number.text, "-5", "a number is not computed");
    }

    #[test]
    fn items_are_joined_and_a_separator_in_an_item_is_counted() {
        let mut cell = Cell::default();
        for item in ["a", " ", "b; c ", "d"] {
            cell.push(item, ",");
        }
        assert_eq!((cell.text.as_str(), cell.altered), ("a;b, c;d", 1));
    }
}
