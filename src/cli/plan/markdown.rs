//! A plan for the comment of a pull request, in Markdown. Holds no value of a person. Pure.

use super::text::{PERIODIC, facts, summary};
use crate::cli::{
    plan_file::{Obstacle, PlanFile, PlanResult, PlannedExport},
    text::count_of,
};

/// How many exports are described in full: hosts limit the length of a comment.
const DETAILED: usize = 20;
/// How many exports have a row.
const ROWS: usize = 200;

/// The text.
pub(super) fn markdown(plan: &PlanFile) -> String {
    let mut lines = vec![format!("### {}", summary(plan)), String::new()];
    lines.push("| export | result | create | update | unchanged | other | rejected |".to_owned());
    lines.push("|---|---|---:|---:|---:|---:|---:|".to_owned());
    lines.extend(plan.exports.iter().take(ROWS).map(row));
    lines.extend(more(plan.exports.len(), ROWS));
    for export in plan.exports.iter().take(DETAILED) {
        lines.extend(details(export));
    }
    lines.extend(more(plan.exports.len(), DETAILED));
    lines.extend(plan.obstacles.iter().take(DETAILED).map(obstacle));
    lines.join("\n")
}

fn more(all: usize, shown: usize) -> Option<String> {
    (all > shown).then(|| {
        format!("\n{} not shown.", count_of(all - shown, "more export is", "more exports are"))
    })
}

fn row(export: &PlannedExport) -> String {
    let name = code(&format!("{}/{}", export.namespace, export.name));
    let result = match export.result {
        PlanResult::Planned => "planned",
        PlanResult::HeldBack => "**held back**",
        PlanResult::File => "file",
        PlanResult::Suspended => "suspended",
        PlanResult::NotPlanned => "**not planned**",
    };
    let counts = export.counts.unwrap_or_default();
    let other = counts.skipped + counts.suppressed + counts.undecided;
    let numbers = [counts.create, counts.update, counts.unchanged, other, counts.rejected];
    let cells = match export.counts {
        Some(_) => numbers.map(|number| number.to_string()).join(" | "),
        None => [""; 5].join(" | "),
    };
    format!("| {name} | {result} | {cells} |")
}

fn details(export: &PlannedExport) -> Vec<String> {
    let name = code(&format!("{}/{}", export.namespace, export.name));
    let mut lines = vec![
        String::new(),
        format!("<details><summary>{}/{}</summary>", export.namespace, export.name),
        String::new(),
    ];
    lines.extend(facts(export).iter().map(|(word, more)| format!("- {word}: {}", code(more))));
    lines.extend([String::new(), "</details>".to_owned()]);
    let Some(digest) = &export.digest else { return lines };
    if export.periodic {
        lines.extend([String::new(), format!("{name}: approval {PERIODIC}: `{digest}`")]);
        return lines;
    }
    lines.push(String::new());
    let state = match export.approved {
        Some(true) => {
            lines.push(format!("{name} approves this plan."));
            return lines;
        }
        Some(false) => "approves **another plan**",
        None => "has no approved plan",
    };
    lines.push(format!("{name} {state}. To push exactly this plan:"));
    let snippet = ["", "```yaml", "spec:", &format!("  approvedPlan: {digest}"), "```"];
    lines.extend(snippet.map(str::to_owned));
    lines
}

fn obstacle(obstacle: &Obstacle) -> String {
    let Obstacle { kind, namespace, name, reason, message } = obstacle;
    format!("\n**{kind} {namespace}/{name}**: {}", code(&format!("{reason}: {message}")))
}

/// A text as it is: neither markup nor mentions, and within one cell of a table.
fn code(text: &str) -> String {
    let plain = text.chars().map(|character| match character {
        '`' => '\'',
        '|' => '/',
        character if character.is_control() => ' ',
        character => character,
    });
    format!("`{}`", plain.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_neither_markup_nor_a_mention() {
        assert_eq!(code("a `b` | @c\n<d>"), "`a 'b' / @c <d>`");
    }
}
