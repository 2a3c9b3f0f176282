//! YAML documents as trees with the line of every field. Pure. No text causes a panic; nesting and
//! the copies made by aliases are bounded. JSON is read as YAML, of which it is a subset.

use std::{collections::HashMap, iter::Peekable};

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};

use super::{
    node::{Entry, Node, Value},
    problem::{Fault, Rule, indexed, member},
    scalar::{Plain, resolve},
};

/// The deepest nesting accepted; no kind needs more than a dozen levels.
const MAX_DEPTH: usize = 64;
/// The most nodes that aliases may copy within one document.
const MAX_ALIASED: usize = 10_000;

/// Every readable document of a text, and the faults of the others. A fault in one document does
/// not hide the next: the text is cut at its `---` lines first, as `kubectl` does.
pub(super) fn documents(text: &str) -> (Vec<Node>, Vec<Fault>) {
    let (mut nodes, mut faults) = (Vec::new(), Vec::new());
    for (first_line, chunk) in chunks(text.strip_prefix('\u{feff}').unwrap_or(text)) {
        let mut options = granit_parser::Options::default();
        options.set_emit_comments(false);
        let mut reader = Reader {
            events: Parser::new_from_str_with_options(chunk, options).peekable(),
            before: first_line - 1,
            last_line: first_line,
            anchors: HashMap::new(),
            aliased: 0,
            faults: Vec::new(),
        };
        if let Err(fault) = reader.read_all(&mut nodes) {
            reader.faults.push(fault);
        }
        if let (Some(first), true) = (reader.faults.first_mut(), is_template(chunk)) {
            first.message.push_str(TEMPLATE);
        }
        faults.extend(reader.faults.into_iter().map(|fault| fault.under(Rule::YAML)));
    }
    (nodes, faults)
}

/// What to do about a template.
const TEMPLATE: &str = "; it looks like a template, which has to be rendered first, e.g. helm template \
                        CHART | clinch-operator validate -f -";

/// Whether a text has a `{{ }}` outside of comments.
fn is_template(text: &str) -> bool {
    let line = |line: &str| {
        let at = line.find("{{").filter(|at| line[*at..].contains("}}"));
        at.is_some_and(|at| !line[..at].contains('#'))
    };
    text.lines().any(line)
}

/// The text between separator lines, each with its first line's number.
fn chunks(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let (mut start, mut start_line, mut offset) = (0, 1, 0);
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let rest = line.strip_prefix("---").map(str::trim);
        if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('#')) {
            found.push((start_line, &text[start..offset]));
            start = offset + line.len();
            start_line = index + 2;
        }
        offset += line.len();
    }
    found.push((start_line, &text[start..]));
    found
}

type Events<'a> = Peekable<Parser<'a, StrInput<'a>>>;

struct Reader<'a> {
    events: Events<'a>,
    /// Lines of the file before this chunk.
    before: usize,
    last_line: usize,
    anchors: HashMap<usize, Node>,
    aliased: usize,
    faults: Vec<Fault>,
}

impl<'a> Reader<'a> {
    fn read_all(&mut self, nodes: &mut Vec<Node>) -> Result<(), Fault> {
        while let Some((event, line)) = self.next()? {
            match event {
                Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
                Event::DocumentStart(..) => self.anchors.clear(),
                other => {
                    let node = self.node(other, line, "", 0)?;
                    if node.value != Value::Null {
                        nodes.push(node);
                    }
                }
            }
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Option<(Event<'a>, usize)>, Fault> {
        loop {
            match self.events.next() {
                None => return Ok(None),
                Some(Err(error)) => return Err(self.syntax(&error)),
                Some(Ok((Event::Comment(..) | Event::Anchor(..), _))) => {}
                Some(Ok((event, span))) => {
                    self.last_line = self.line_of(span);
                    return Ok(Some((event, self.last_line)));
                }
            }
        }
    }

    fn line_of(&self, span: Span) -> usize {
        self.before + span.start.line().max(1)
    }

    fn syntax(&self, error: &ScanError) -> Fault {
        let line = self.before + error.marker().line().max(1);
        Fault::new(line, "", format!("not valid YAML: {}", error.kind()))
    }

    fn expect_next(&mut self) -> Result<(Event<'a>, usize), Fault> {
        let line = self.last_line;
        self.next()?.ok_or_else(|| Fault::new(line, "", "not valid YAML: the text ends early"))
    }

    fn node(
        &mut self,
        event: Event<'a>,
        line: usize,
        path: &str,
        depth: usize,
    ) -> Result<Node, Fault> {
        if depth > MAX_DEPTH {
            return Err(Fault::new(line, "", format!("nested more than {MAX_DEPTH} levels deep")));
        }
        let (value, anchor) = match event {
            Event::Alias(id) => return self.alias(id, line, path),
            Event::Scalar(text, style, anchor, tag) => {
                let plain = matches!(style, ScalarStyle::Plain);
                (self.scalar(text.into_owned(), plain, tag.as_deref(), line, path), anchor)
            }
            Event::SequenceStart(_, anchor, _) => (self.list(path, depth)?, anchor),
            Event::MappingStart(_, anchor, _) => (self.map(path, depth)?, anchor),
            _ => return Err(Fault::new(line, path, "not valid YAML: a value is missing")),
        };
        let node = Node { line, value };
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self, path: &str, depth: usize) -> Result<Value, Fault> {
        let mut items = Vec::new();
        loop {
            let (event, line) = self.expect_next()?;
            if matches!(event, Event::SequenceEnd) {
                return Ok(Value::List(items));
            }
            items.push(self.node(event, line, &indexed(path, items.len()), depth + 1)?);
        }
    }

    fn map(&mut self, path: &str, depth: usize) -> Result<Value, Fault> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut lines: HashMap<String, usize> = HashMap::new();
        let mut merged = Vec::new();
        loop {
            let (event, line) = self.expect_next()?;
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let is_merge =
                matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, _) if text == "<<");
            let key = self.node(event, line, path, depth + 1)?;
            let name = key_name(&key);
            let here = member(path, name.as_deref().unwrap_or("?"));
            let (event, value_line) = self.expect_next()?;
            let node = self.node(event, value_line, &here, depth + 1)?;
            if is_merge {
                merged.push(node);
            } else if let Some(name) = name {
                if let Some(first) = lines.get(&name) {
                    let message = format!("duplicate key; first on line {first}");
                    self.fault(line, &here, message);
                } else {
                    lines.insert(name.clone(), line);
                    entries.push(Entry { key: name, line, node });
                }
            } else {
                self.fault(line, path, format!("a key must be text, not {}", key.type_name()));
            }
        }
        for node in merged {
            let sources = match node.value {
                Value::List(items) => items,
                value => vec![Node { line: node.line, value }],
            };
            for entry in sources.iter().flat_map(Node::entries) {
                if !lines.contains_key(&entry.key) {
                    lines.insert(entry.key.clone(), entry.line);
                    entries.push(entry.clone());
                }
            }
        }
        Ok(Value::Map(entries))
    }

    fn alias(&mut self, id: usize, line: usize, path: &str) -> Result<Node, Fault> {
        let Some(node) = self.anchors.get(&id) else {
            return Err(Fault::new(line, path, "an alias is inside its own anchor"));
        };
        self.aliased += node.size();
        if self.aliased > MAX_ALIASED {
            let message = format!("aliases copy more than {MAX_ALIASED} values");
            return Err(Fault::new(line, path, message));
        }
        Ok(Node { line, value: node.value.clone() })
    }

    fn scalar(
        &mut self,
        text: String,
        plain: bool,
        tag: Option<&Tag>,
        line: usize,
        path: &str,
    ) -> Value {
        let kind = match tag {
            None if !plain => return Value::String(text),
            None => None,
            Some(tag) => match tag.core_suffix() {
                Some("str") => return Value::String(text),
                Some(kind) => Some(kind.to_owned()),
                None => {
                    self.fault(line, path, "this YAML tag is not used by Kubernetes");
                    return Value::String(text);
                }
            },
        };
        let value = match resolve(&text) {
            Plain::Null => Value::Null,
            Plain::Bool(value) => Value::Bool(value),
            Plain::Number(number) => Value::Number(number),
            Plain::Text => Value::String(text),
            Plain::NotJson => {
                self.fault(line, path, "infinity and not-a-number cannot be stored");
                Value::Null
            }
        };
        let fits = matches!(
            (kind.as_deref(), &value),
            (None, _)
                | (Some("null"), Value::Null)
                | (Some("bool"), Value::Bool(_))
                | (Some("int" | "float"), Value::Number(_))
        );
        if !fits {
            self.fault(line, path, "the value does not fit its YAML tag");
        }
        value
    }

    fn fault(&mut self, line: usize, path: &str, message: impl Into<String>) {
        self.faults.push(Fault::new(line, path, message));
    }
}

/// A key's text. `kubectl` turns plain numbers and booleans into their JSON text.
fn key_name(key: &Node) -> Option<String> {
    match &key.value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::List(_) | Value::Map(_) => None,
    }
}
