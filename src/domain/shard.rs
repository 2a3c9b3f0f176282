//! Shards: the parts into which the integrations of an installation are divided. Each part has a process of its
//! own. Pure.

use std::{fmt, sync::Arc};

use thiserror::Error;

/// The name of a shard.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Shard(Arc<str>);

/// A text that is no name of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ShardError {
    /// It is not made as labels and names of objects are.
    #[error(
        "a shard has 1 to 40 characters of a-z, 0-9 and -, and begins and ends with a-z or 0-9"
    )]
    Malformed,
    /// It is the name of the shard that is always there.
    #[error("`default` is the shard of the process that names none")]
    Default,
}

impl Shard {
    /// The name of the shard of everything that asks for no other.
    pub const DEFAULT: &str = "default";
    /// The longest name: it is part of names of objects.
    const MAX: usize = 40;

    /// The shard of this name.
    pub fn parse(name: &str) -> Result<Self, ShardError> {
        let ends = |character: u8| character.is_ascii_lowercase() || character.is_ascii_digit();
        let bytes = name.as_bytes();
        match (bytes.first(), bytes.last()) {
            (Some(first), Some(last)) if ends(*first) && ends(*last) => {}
            _ => return Err(ShardError::Malformed),
        }
        let known = bytes.iter().all(|character| ends(*character) || *character == b'-');
        if !known || name.len() > Self::MAX {
            return Err(ShardError::Malformed);
        }
        if name == Self::DEFAULT {
            return Err(ShardError::Default);
        }
        Ok(Self(name.into()))
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the shard of everything that asks for no other.
    pub fn is_default(&self) -> bool {
        self.as_str() == Self::DEFAULT
    }

    /// The name of the Lease of the shard called `shard`; `base` is that of the default shard.
    pub fn lease(base: &str, shard: &str) -> String {
        if shard == Self::DEFAULT { base.to_owned() } else { format!("{base}-{shard}") }
    }
}

impl Default for Shard {
    fn default() -> Self {
        Self(Self::DEFAULT.into())
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_labels_and_objects() {
        for good in ["a", "7", "emea", "team-2", &"x".repeat(40)] {
            assert_eq!(Shard::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "-a", "a-", "A", "a_b", "a.b", "ä", " a", "a\n", &"x".repeat(41)] {
            assert_eq!(Shard::parse(bad), Err(ShardError::Malformed), "{bad:?}");
        }
        assert_eq!(Shard::parse("default"), Err(ShardError::Default));
        assert!(Shard::default().is_default() && !Shard::parse("a").unwrap().is_default());
    }

    #[test]
    fn each_shard_has_a_lease_of_its_own() {
        assert_eq!(Shard::lease("clinch-operator", "default"), "clinch-operator");
        assert_eq!(Shard::lease("clinch-operator", "emea"), "clinch-operator-emea");
    }
}
