//! Which records are shown. Pure.

use std::{fmt, str::FromStr};

/// A record as a user names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// By its number among the selected records of its export, from 1.
    Number(u64),
    /// By its position, as output and `failures` name it.
    Position(String),
}

impl Wanted {
    /// Whether it is the record with this number and position.
    pub(super) fn is(&self, number: usize, position: &str) -> bool {
        match self {
            Self::Number(wanted) => *wanted == number as u64,
            Self::Position(wanted) => wanted == position,
        }
    }
}

impl FromStr for Wanted {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            let number = text.parse().ok().filter(|number| *number > 0);
            return number.map(Self::Number).ok_or("records are numbered from 1");
        }
        Ok(Self::Position(text.to_owned()))
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Position(position) => write!(f, "{position:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_named_by_number_or_position() {
        let wanted = |text: &str| text.parse::<Wanted>();
        assert!(wanted("2").unwrap().is(2, "a.csv line 3"));
        assert!(!wanted("2").unwrap().is(3, "a.csv line 3"));
        assert!(wanted("a.csv line 3").unwrap().is(9, "a.csv line 3"));
        assert!(!wanted("a.csv line 3").unwrap().is(9, "a.csv line 31"));
        for wrong in ["0", "", "99999999999999999999"] {
            assert!(wanted(wrong).is_err(), "{wrong}");
        }
    }
}
