//! The part of the grammar that looks like a call: `has`, functions, `matches`, comprehensions.
//! Pure.

use regex::RegexBuilder;

use super::{
    ast::{Function, Kind, Loop, LoopKind, Node, Pattern},
    build::node,
    fault::SyntaxError,
    limits::{MAX_LOOPS, MAX_PATTERNS},
    parser::{Parser, RESERVED},
    unsupported,
};

/// Sizes of a compiled pattern, and the steps that a pattern of this size costs per byte.
const PATTERN_CLASSES: [(usize, u64); 3] = [(16 << 10, 1), (64 << 10, 4), (256 << 10, 16)];

/// Maximum memory of the search cache of one pattern, in bytes.
const SEARCH_CACHE: usize = 512 << 10;

impl Parser {
    pub(super) fn has(&mut self, at: usize) -> Result<Node, SyntaxError> {
        self.expect("(")?;
        let inner = self.expression()?;
        self.expect(")")?;
        match inner.kind {
            Kind::Select { of, field, optional: false } => node(at, Kind::Has { of, field }),
            _ => Err(SyntaxError::new(at, "has expects a member, as in has(candidate.title)")),
        }
    }

    pub(super) fn call(
        &mut self,
        at: usize,
        name: &str,
        of: Option<Node>,
    ) -> Result<Node, SyntaxError> {
        // Before the arguments, which may be in the notation of an extension, too.
        if let Some(message) = unsupported::function(name) {
            return Err(SyntaxError::new(at, message));
        }
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
            return Err(SyntaxError::new(at, "matches expects a string literal as its pattern"));
        };
        self.patterns += 1;
        if self.patterns > MAX_PATTERNS {
            return Err(SyntaxError::limit(
                at,
                format!("more than {MAX_PATTERNS} matches patterns"),
            ));
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
                Err(_) => {
                    return Err(SyntaxError::new(
                        at,
                        "the pattern is not a valid regular expression",
                    ));
                }
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
        let name = self.word("a variable name")?;
        if RESERVED.contains(&name.as_str()) || name == "candidate" || self.scope.contains(&name) {
            return Err(SyntaxError::new(
                name_at,
                "the variable name is reserved or already in use",
            ));
        }
        self.expect(",")?;
        let slot = self.scope.len();
        if slot >= MAX_LOOPS {
            let message = format!("more than {MAX_LOOPS} nested comprehensions");
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
                return Err(SyntaxError::new(at, "map expects (variable, [condition,] value)"));
            }
            (_, 1) => (arguments.next(), None),
            _ => {
                return Err(SyntaxError::new(at, "expected two arguments: variable, condition"));
            }
        };
        node(at, Kind::Loop(Box::new(Loop { kind, slot, range, condition, value })))
    }
}
