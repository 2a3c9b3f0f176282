//! A tree as text. Pure.

use super::{
    super::{color::Colors, text::wrapped},
    found::State,
    tree::Node,
};

/// How a tree is printed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style<'a> {
    /// The widest line, in characters.
    pub(super) width: usize,
    /// The namespace that need not be named; none: every object's is named.
    pub(super) namespace: Option<&'a str>,
    /// The messages of Ready objects, too.
    pub(super) wide: bool,
    /// Whether states are coloured.
    pub(super) colors: Colors,
}

/// One object: its line, and what is printed below it.
struct Row {
    name: String,
    state: State,
    reason: String,
    detail: String,
    below: Vec<String>,
    /// What each line below begins with.
    margin: String,
}

/// The lines of a tree.
pub(super) fn lines(roots: &[Node], style: Style<'_>) -> Vec<String> {
    let mut rows = Vec::new();
    for root in roots {
        add(root, "", "", style, &mut rows);
    }
    let widest = |of: fn(&Row) -> usize| rows.iter().map(of).max().unwrap_or(0);
    let name = widest(|row| row.name.chars().count());
    let state = widest(|row| row.state.word().len());
    let reason = widest(|row| row.reason.len());
    let mut lines = Vec::new();
    for row in &rows {
        let word = row.state.word();
        let line = format!("{:<name$}  {word:<state$}  {:<reason$}", row.name, row.reason);
        let full = format!("{line}  {}", row.detail);
        // Names have no capitals, so the first such word is the state.
        let painted = |line: &str| style.colors.paint_in(line.trim_end(), word, row.state.tone());
        if full.trim_end().chars().count() <= style.width {
            lines.push(painted(&full));
        } else {
            lines.push(painted(&line));
            lines.extend(wrapped(&row.detail, &row.margin, &row.margin, style.width));
        }
        for text in &row.below {
            let rest = format!("{}  ", row.margin);
            lines.extend(wrapped(text, &row.margin, &rest, style.width));
        }
    }
    lines
}

/// Adds a node and what belongs to it. `first` begins its line, `rest` all lines below it.
fn add(node: &Node, first: &str, rest: &str, style: Style<'_>, rows: &mut Vec<Row>) {
    let below = node.children.is_empty();
    let margin = if below { format!("{rest}    ") } else { format!("{rest}│   ") };
    rows.push(Row {
        name: format!("{first}{}", shown(node, style)),
        state: node.state,
        reason: node.reason.clone(),
        detail: node.detail.clone(),
        below: texts(node, style),
        margin,
    });
    for (number, child) in node.children.iter().enumerate() {
        let is_last = number + 1 == node.children.len();
        let (branch, more) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        add(child, &format!("{rest}{branch}"), &format!("{rest}{more}"), style, rows);
    }
}

fn shown(node: &Node, style: Style<'_>) -> String {
    let name = format!("{}/{}", node.kind, node.name);
    if style.namespace == Some(&node.namespace) {
        name
    } else {
        format!("{name} ({})", node.namespace)
    }
}

/// What blocks it, the deepest first; then its own message, and what helps.
fn texts(node: &Node, style: Style<'_>) -> Vec<String> {
    let mut texts = Vec::new();
    for blocker in &node.blockers {
        texts.extend(
            self::texts(blocker, style)
                .into_iter()
                .map(|text| format!("{} {}: {text}", shown(blocker, style), blocker.state.word())),
        );
    }
    if !node.message.is_empty() && (node.state != State::Ready || style.wide) {
        texts.push(node.message.clone());
    }
    texts.extend(node.notes.iter().cloned());
    texts.extend(node.next.as_ref().map(|next| format!("→ {next}")));
    texts
}
