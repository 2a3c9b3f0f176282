//! Which members of `candidate.x` an expression reads. Pure.

use std::collections::BTreeSet;

use super::ast::{Kind, Node};

/// Members of one member of the profile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MembersRead {
    /// Any of them, because the name is computed or the whole is read.
    pub all: bool,
    /// The names.
    pub names: BTreeSet<String>,
}

impl MembersRead {
    /// Adds what another part reads.
    pub fn extend(&mut self, other: Self) {
        self.all |= other.all;
        self.names.extend(other.names);
    }
}

/// The members of `candidate.<of>` that a tree reads.
pub(super) fn below(of: &str, root: &Node) -> MembersRead {
    let mut read = MembersRead::default();
    walk(Some(of), root, &mut read);
    read
}

/// The members of `candidate` itself that a tree reads.
pub(super) fn top(root: &Node) -> MembersRead {
    let mut read = MembersRead::default();
    walk(None, root, &mut read);
    read
}

fn walk(of: Option<&str>, node: &Node, read: &mut MembersRead) {
    match &node.kind {
        Kind::Candidate => read.all = true,
        Kind::Select { of: from, field, .. } | Kind::Has { of: from, field } => {
            member(of, from, Some(field), read);
        }
        Kind::Index { of: from, key, .. } => {
            let name = match &key.kind {
                Kind::Text(name) => Some(&**name),
                _ => None,
            };
            member(of, from, name, read);
            walk(of, key, read);
        }
        Kind::Not(inner) | Kind::Negate(inner) => walk(of, inner, read),
        Kind::And(all) | Kind::Or(all) | Kind::List(all) | Kind::Call(_, all) => {
            all.iter().for_each(|one| walk(of, one, read));
        }
        Kind::If(parts) => parts.iter().for_each(|one| walk(of, one, read)),
        Kind::Binary(_, sides) => sides.iter().for_each(|one| walk(of, one, read)),
        Kind::Map(pairs) => pairs.iter().for_each(|(key, value)| {
            walk(of, key, read);
            walk(of, value, read);
        }),
        Kind::Matches { text, .. } => walk(of, text, read),
        Kind::Loop(inner) => {
            let parts = [Some(&inner.range), inner.condition.as_ref(), inner.value.as_ref()];
            parts.into_iter().flatten().for_each(|one| walk(of, one, read));
        }
        Kind::Null
        | Kind::Bool(_)
        | Kind::Int(_)
        | Kind::Double(_)
        | Kind::Text(_)
        | Kind::Local(_) => {}
    }
}

/// A member `name` of a value; `None` if the name is computed.
fn member(of: Option<&str>, from: &Node, name: Option<&str>, read: &mut MembersRead) {
    let whole = matches!(from.kind, Kind::Candidate);
    if of.map_or(whole, |of| is_member(of, from)) {
        match name {
            Some(name) => drop(read.names.insert(name.to_owned())),
            None => read.all = true,
        }
    } else if whole {
        // The whole of it, or any member of the profile.
        read.all |= name.is_none_or(|name| Some(name) == of);
    } else {
        walk(of, from, read);
    }
}

/// Whether a node is `candidate.<of>`.
fn is_member(of: &str, node: &Node) -> bool {
    match &node.kind {
        Kind::Select { of: from, field, .. } => {
            matches!(from.kind, Kind::Candidate) && **field == *of
        }
        Kind::Index { of: from, key, .. } => {
            matches!(from.kind, Kind::Candidate)
                && matches!(&key.kind, Kind::Text(name) if **name == *of)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::mapping::cel::Expression;

    #[test]
    fn members_are_found_wherever_they_are_read() {
        for (text, all, names) in [
            ("candidate.x.Mail", false, &["Mail"][..]),
            (
                "candidate['x']['LAST-NAME'] + candidate.?x.?b.orValue('')",
                false,
                &["LAST-NAME", "b"],
            ),
            (
                "has(candidate.x.a) ? candidate.emails.filter(e, e.x == candidate.x.c)[0].value : ''",
                false,
                &["a", "c"],
            ),
            ("candidate.x.map(k, k).join()", true, &[]),
            ("candidate.x[candidate.id]", true, &[]),
            ("candidate[candidate.x.n]", true, &["n"]),
            ("candidate.title.matches('x') && {'x': candidate.y.x}.x == 1", false, &[]),
            ("size(candidate) > 1", true, &[]),
        ] {
            let read = Expression::compile(text).unwrap().reads_below("x");
            assert_eq!(read.all, all, "{text}");
            assert_eq!(read.names.iter().collect::<Vec<_>>(), names, "{text}");
        }
    }

    #[test]
    fn members_of_the_candidate_are_found_wherever_they_are_read() {
        for (text, all, names) in [
            ("candidate.email", false, &["email"][..]),
            ("candidate['a b'] + candidate.?x.?b.orValue('')", false, &["a b", "x"]),
            (
                "has(candidate.a) ? candidate.b.filter(e, e.x == candidate.c)[0].v : ''",
                false,
                &["a", "b", "c"],
            ),
            ("candidate.map(k, k).join()", true, &[]),
            ("candidate[candidate.n]", true, &["n"]),
            ("size(candidate) > 1", true, &[]),
        ] {
            let read = Expression::compile(text).unwrap().reads();
            assert_eq!(read.all, all, "{text}");
            assert_eq!(read.names.iter().collect::<Vec<_>>(), names, "{text}");
        }
    }
}
