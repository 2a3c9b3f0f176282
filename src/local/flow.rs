//! Where a field is in a line of YAML in flow style, such as `- {to: email, from: emails}`. Pure; total on
//! any text.

use std::ops::Range;

use granit_parser::{Event, Parser, Span};

use super::problem::{indexed, member};

/// A field in a line, as ranges of characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowField {
    /// Its name.
    pub key: Range<usize>,
    /// Its value, if that is a scalar.
    pub value: Option<Range<usize>>,
}

/// What is open at a place in the line.
enum Open {
    Map { path: String, key: Option<(String, Range<usize>)> },
    List { path: String, count: usize },
}

/// The field of a line at the end of a path such as `spec.fields[3].from`. The line may be a part of a
/// document.
pub fn flow_field(line: &str, wanted: &str) -> Option<FlowField> {
    let mut best: Option<(usize, FlowField)> = None;
    let (mut open, mut options) = (Vec::new(), granit_parser::Options::default());
    options.set_emit_comments(false);
    // An error ends it: the line may end within a list.
    for (event, span) in Parser::new_from_str_with_options(line, options).map_while(Result::ok) {
        let is_node = match &event {
            Event::MappingEnd | Event::SequenceEnd => {
                open.pop();
                false
            }
            Event::Scalar(..)
            | Event::MappingStart(..)
            | Event::SequenceStart(..)
            | Event::Alias(..) => true,
            _ => false,
        };
        if !is_node {
            continue;
        }
        let here = match open.last_mut() {
            None => String::new(),
            Some(Open::List { path, count }) => {
                *count += 1;
                indexed(path, *count - 1)
            }
            Some(Open::Map { path, key }) => match key.take() {
                None => {
                    // A name that is no scalar is no field of ours.
                    let Event::Scalar(text, ..) = &event else {
                        return best.map(|(_, found)| found);
                    };
                    *key = Some((text.to_string(), columns(span)));
                    continue;
                }
                Some((name, range)) => {
                    let here = member(path, &name);
                    let is_scalar = matches!(event, Event::Scalar(..));
                    let field = FlowField { key: range, value: is_scalar.then(|| columns(span)) };
                    let length = here.len();
                    if is_end(&here, wanted)
                        && best.as_ref().is_none_or(|(longest, _)| length > *longest)
                    {
                        best = Some((length, field));
                    }
                    here
                }
            },
        };
        match event {
            Event::MappingStart(..) => open.push(Open::Map { path: here, key: None }),
            Event::SequenceStart(..) => open.push(Open::List { path: here, count: 0 }),
            _ => {}
        }
    }
    best.map(|(_, found)| found)
}

fn columns(span: Span) -> Range<usize> {
    span.start.col()..span.end.col().max(span.start.col() + 1)
}

/// Whether a place in the line is the end of a path. The line does not say which item of a list it is.
fn is_end(here: &str, wanted: &str) -> bool {
    let mut here = here;
    while let Some((_, after)) = here.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        here = after.strip_prefix('.').unwrap_or(after);
    }
    let before = wanted.strip_suffix(here).filter(|_| !here.is_empty());
    before.is_some_and(|before| before.is_empty() || before.ends_with(['.', ']']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<'l>(line: &'l str, path: &str) -> Option<(&'l str, Option<&'l str>)> {
        let found = flow_field(line, path)?;
        Some((&line[found.key], found.value.map(|value| &line[value])))
    }

    #[test]
    fn a_field_is_found_by_the_end_of_its_path() {
        let item = "    - {to: email, from: emial, transforms: [{name: trim}]}";
        assert_eq!(of(item, "spec.fields[3].from"), Some(("from", Some("emial"))));
        assert_eq!(of(item, "spec.fields[3].transforms[0].name"), Some(("name", Some("trim"))));
        assert_eq!(of(item, "spec.fields[3].transforms"), Some(("transforms", None)));
        assert_eq!(of(item, "spec.fields[3].other"), None);
        let nested = "spec: {a: {name: x}, b: {name: \"y, z\"}}";
        assert_eq!(of(nested, "spec.b.name"), Some(("name", Some("\"y, z\""))));
        assert_eq!(of(nested, "spec.a.name"), Some(("name", Some("x"))));
    }

    #[test]
    fn a_line_may_be_a_part_of_something_or_no_yaml() {
        let begun = "  source: {http: {url: 'x',";
        assert_eq!(of(begun, "spec.source.http.url"), Some(("url", Some("'x'"))));
        for line in ["", "}", "{{ .Values.x }}", "{? [a] : b}", "- &a {b: *a}", "{a: {a: {a:"] {
            let _any = flow_field(line, "spec.a");
        }
        assert_eq!(flow_field("a: b", ""), None);
    }
}
