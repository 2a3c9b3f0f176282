//! The part of the grammar that looks like a call: `has`, functions, `matches`, comprehensions.
//! Pure.

use regex::RegexBuilder;

use super::{
    ast::{Function, Kind, Loop, LoopKind, Node, Pattern},
    build::node,
    fault::SyntaxError,
    limits::{MAX_LOOPS, MAX_PATTERNS},
    parser::{Parser, RESERVED},
};

/// Sizes of a compiled pattern and the steps per byte that a pattern of the size costs.
const PATTERN_CLASSES: [(usize, u64); 3] = [(16 << 10, 1), (64 << 10, 4), (256 << 10, 16)];

/// The most memory that the search for one pattern may keep, in bytes.
const SEARCH_CACHE: usize = 512 << 10;

impl Parser {
    pub(super) fn has(&mut self, at: usize) -> Result<Node, SyntaxError> {
        self.expect("(")?;
        let inner = self.expression()?;
        self.expect(")")?;
        match inner.kind {
            Kind::Select { of, field, optional: false } => node(at, Kind::Has { of, field }),
            _ => Err(SyntaxError::new(at, "has takes a member, as in has(candidate.title)")),
        }
    }

    pub(super) fn call(
        &mut self,
        at: usize,
        name: &str,
        of: Option<Node>,
    ) -> Result<Node, SyntaxError> {
        self.expect("(")?;
        let receiver = of.is_some();
        let mut arguments: Vec<Node> = of.into_iter().collect();
        arguments.extend(self.expressions(")")?);
        if name == "matches" && arguments.len() == 2 {
            return self.matches(at, arguments);
        }
        let function = Function::find(name, receiver, arguments.len())
            .map_err(|message| SyntaxError::new(at, message))?;
        node(at, Kind::Call(function, arguments))
    }

    fn matches(&mut self, at: usize, mut arguments: Vec<Node>) -> Result<Node, SyntaxError> {
        let pattern = arguments.pop().map(|argument| argument.kind);
        let (Some(Kind::Text(pattern)), Some(text)) = (pattern, arguments.pop()) else {
            return Err(SyntaxError::new(at, "matches takes a pattern written as a text"));
        };
        self.patterns += 1;
        if self.patterns > MAX_PATTERNS {
            return Err(SyntaxError::limit(at, format!("more than {MAX_PATTERNS} patterns")));
        }
        for (size, weight) in PATTERN_CLASSES {
            let built =
                RegexBuilder::new(&pattern).size_limit(size).dfa_size_limit(SEARCH_CACHE).build();
            match built {
                Ok(regex) => {
                    let pattern = Box::new(Pattern { regex, weight });
                    return node(at, Kind::Matches { text: Box::new(text), pattern });
                }
                Err(regex::Error::CompiledTooBig(_)) => {}
                Err(_) => return Err(SyntaxError::new(at, "the pattern is not valid")),
            }
        }
        Err(SyntaxError::limit(at, "the pattern is too large once compiled"))
    }

    pub(super) fn comprehension(
        &mut self,
        at: usize,
        kind: LoopKind,
        range: Node,
    ) -> Result<Node, SyntaxError> {
        self.expect("(")?;
        let name_at = self.at();
        let name = self.word("the name of a variable")?;
        if RESERVED.contains(&name.as_str()) || name == "candidate" || self.scope.contains(&name) {
            return Err(SyntaxError::new(name_at, "the variable needs a name of its own"));
        }
        self.expect(",")?;
        let slot = self.scope.len();
        if slot >= MAX_LOOPS {
            let message = format!("more than {MAX_LOOPS} comprehensions inside each other");
            return Err(SyntaxError::limit(at, message));
        }
        self.scope.push(name);
        let arguments = self.expressions(")");
        self.scope.pop();
        let mut arguments = arguments?.into_iter();
        let (condition, value) = match (kind, arguments.len()) {
            (LoopKind::Map, 1) => (None, arguments.next()),
            (LoopKind::Map, 2) => (arguments.next(), arguments.next()),
            (LoopKind::Map, _) => {
                return Err(SyntaxError::new(at, "map takes (variable, [condition,] value)"));
            }
            (_, 1) => (arguments.next(), None),
            _ => {
                return Err(SyntaxError::new(
                    at,
                    "two arguments are expected: variable, condition",
                ));
            }
        };
        node(at, Kind::Loop(Box::new(Loop { kind, slot, range, condition, value })))
    }
}
