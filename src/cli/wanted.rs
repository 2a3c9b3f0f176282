//! Which records are shown. Pure.

use std::{fmt, str::FromStr};

use crate::domain::RecordId;

/// A record as a user names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// By its number, from 1.
    Number(u64),
    /// By its opaque id, as reports and `failures` show it.
    Id(RecordId),
    /// By its position, as output and `failures` name it.
    Position(String),
}

impl Wanted {
    /// Whether it is the record with this number, position and id.
    pub(super) fn is(&self, number: usize, position: &str, id: Option<RecordId>) -> bool {
        match self {
            Self::Number(wanted) => *wanted == number as u64,
            Self::Id(wanted) => id == Some(*wanted),
            Self::Position(wanted) => wanted == position,
        }
    }
}

impl FromStr for Wanted {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // An id may have no letter; nothing has as many records as a number of 16 digits says.
        if let Some(id) = RecordId::parse(text) {
            return Ok(Self::Id(id));
        }
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
            Self::Id(id) => id.fmt(f),
            Self::Position(position) => write!(f, "{position:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_named_by_number_id_or_position() {
        let wanted = |text: &str| text.parse::<Wanted>();
        assert!(wanted("2").unwrap().is(2, "a.csv line 3", None));
        assert!(!wanted("2").unwrap().is(3, "a.csv line 3", None));
        assert!(wanted("a.csv line 3").unwrap().is(9, "a.csv line 3", None));
        assert!(!wanted("a.csv line 3").unwrap().is(9, "a.csv line 31", None));
        for id in ["b61f0c22a17e0cb7", "1234567890123456"] {
            assert!(wanted(id).unwrap().is(9, "a.csv line 3", RecordId::parse(id)), "{id}");
            assert!(!wanted(id).unwrap().is(9, id, None), "{id}");
        }
        for wrong in ["0", "", "99999999999999999999"] {
            assert!(wanted(wrong).is_err(), "{wrong}");
        }
    }
}
