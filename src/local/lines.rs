//! The line of every field of one object, by its path. Pure.

use std::{collections::HashMap, sync::Arc};

use super::{
    node::{Node, Value},
    problem::{Problem, Rule, Severity, member},
};

/// The file of an object, and the line of each of its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lines {
    pub file: Arc<str>,
    first: usize,
    /// By dotted path: `spec.fields.3.from`.
    by_path: HashMap<String, usize>,
}

impl Lines {
    pub(super) fn of(file: &Arc<str>, node: &Node) -> Self {
        let mut lines = Self { file: Arc::clone(file), first: node.line, by_path: HashMap::new() };
        lines.add(node, "");
        lines
    }

    fn add(&mut self, node: &Node, path: &str) {
        match &node.value {
            Value::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    let path = member(path, &index.to_string());
                    self.add(item, &path);
                    self.by_path.insert(path, item.line);
                }
            }
            Value::Map(entries) => {
                for entry in entries {
                    let path = member(path, &entry.key);
                    self.add(&entry.node, &path);
                    self.by_path.insert(path, entry.line);
                }
            }
            _ => {}
        }
    }

    /// The line of a field, or of its nearest parent in the manifest.
    pub(super) fn line(&self, path: &str) -> usize {
        let dotted = path.replace('[', ".").replace(']', "");
        let mut path = dotted.as_str();
        loop {
            if let Some(line) = self.by_path.get(path) {
                return *line;
            }
            match path.rfind('.') {
                Some(end) => path = &path[..end],
                None => return self.first,
            }
        }
    }

    pub(super) fn problem(
        &self,
        path: &str,
        message: impl Into<String>,
        severity: Severity,
        rule: Rule,
    ) -> Problem {
        Problem {
            file: Arc::clone(&self.file),
            line: self.line(path),
            path: path.to_owned(),
            message: message.into(),
            severity,
            rule,
        }
    }
}
