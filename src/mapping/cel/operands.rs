//! The paths in a profile that an expression reads. Pure.

use super::ast::{Kind, Node};
use crate::mapping::path::Path;

/// The paths that an expression reads, each once: the longest that are written out, through the items of
/// lists. Those that the expression may do without, because it asks with `has` or `.?`, are left out.
pub fn of(root: &Node) -> Vec<Path> {
    let mut walk = Walk::default();
    walk.visit(root);
    let Walk { mut read, asked, .. } = walk;
    read.retain(|path| !asked.iter().any(|asked| path.starts_with(asked)));
    read
}

#[derive(Default)]
struct Walk {
    read: Vec<Path>,
    /// The paths that `has` asks for.
    asked: Vec<Path>,
    /// What the variables of the enclosing comprehensions stand for, if it is a path.
    locals: Vec<Option<Path>>,
}

impl Walk {
    fn path(&self, node: &Node) -> Option<Path> {
        match &node.kind {
            Kind::Candidate => Some(Path::default()),
            Kind::Local(slot) => self.locals.get(*slot)?.clone(),
            Kind::Select { of, field, optional: false } => Some(self.path(of)?.member(field)),
            Kind::Index { of, key, optional: false } => match &key.kind {
                Kind::Text(name) => Some(self.path(of)?.member(name)),
                Kind::Int(index) => Some(self.path(of)?.item(usize::try_from(*index).ok()?)),
                _ => None,
            },
            _ => None,
        }
    }

    fn visit(&mut self, node: &Node) {
        if let Some(path) = self.path(node) {
            // A variable alone is an item of a list, or a key of a map.
            if path.ends_with_a_name() && !self.read.contains(&path) {
                self.read.push(path);
            }
            return;
        }
        match &node.kind {
            Kind::Has { of, field } => {
                self.asked.extend(self.path(of).map(|path| path.member(field)));
            }
            Kind::Select { of, .. } | Kind::Not(of) | Kind::Negate(of) => self.visit(of),
            Kind::Matches { text, .. } => self.visit(text),
            Kind::Index { of, key, .. } => {
                self.visit(of);
                self.visit(key);
            }
            Kind::And(nodes) | Kind::Or(nodes) | Kind::List(nodes) | Kind::Call(_, nodes) => {
                nodes.iter().for_each(|node| self.visit(node));
            }
            Kind::If(parts) => parts.iter().for_each(|part| self.visit(part)),
            Kind::Binary(_, sides) => sides.iter().for_each(|side| self.visit(side)),
            Kind::Map(entries) => entries.iter().for_each(|(key, value)| {
                self.visit(key);
                self.visit(value);
            }),
            Kind::Loop(l) => {
                self.visit(&l.range);
                self.locals.push(self.path(&l.range).map(Path::every));
                l.condition.iter().chain(&l.value).for_each(|part| self.visit(part));
                self.locals.pop();
            }
            Kind::Null
            | Kind::Bool(_)
            | Kind::Int(_)
            | Kind::Double(_)
            | Kind::Text(_)
            | Kind::Candidate
            | Kind::Local(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::mapping::cel::Expression;

    #[test]
    fn an_expression_reads_the_paths_that_are_written_in_it() {
        for (text, expected) in [
            ("'Rust' in candidate.skills", &["skills"][..]),
            (
                "candidate.location.city == 'Oslo' && candidate['odd name'] > 1",
                &["location.city", "['odd name']"],
            ),
            ("candidate.emails[0].value.endsWith('.org')", &["emails[0].value"]),
            (
                "candidate.positions.exists(p, p.title == 'x' && p.years.all(y, y > 1))",
                &["positions", "positions[*].title", "positions[*].years"],
            ),
            ("candidate.a.filter(x, x.b)[0].c == 1", &["a", "a[*].b"]),
            ("candidate.location.exists(k, k == 'city')", &["location"]),
            ("has(candidate.a) && candidate.a.b == 1", &[]),
            ("candidate.?a.b.orValue(candidate.c) == 1", &["c"]),
            ("candidate.a[candidate.b] == candidate.a[candidate.b]", &["a", "b"]),
            ("{'x': candidate.a}[candidate.b] == [candidate.c][0]", &["a", "b", "c"]),
            ("size(candidate) > 1", &[]),
        ] {
            let expression = Expression::compile(text).unwrap();
            let paths: Vec<String> =
                expression.operands().iter().map(ToString::to_string).collect();
            assert_eq!(paths, expected, "{text}");
        }
    }
}
