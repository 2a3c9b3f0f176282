//! Turns tokens into a syntax tree. Pure. [`MAX_DEPTH`] bounds the recursion in advance and the height
//! of the tree, so that neither parsing nor evaluating nor dropping an expression can overflow the
//! stack.

use super::{
    ast::{Kind, LoopKind, Node, Operator},
    build::{node, too_deep},
    fault::SyntaxError,
    lexer::{Token, TokenKind, tokens},
    limits::{MAX_DEPTH, MAX_TEXT_BYTES},
    unsupported,
};
use crate::mapping::issue::shown;

/// Reserved words.
pub(super) const RESERVED: [&str; 21] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "false",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "namespace",
    "null",
    "package",
    "return",
    "true",
    "var",
    "void",
    "while",
];

/// Parses one expression.
pub fn parse(text: &str) -> Result<Node, SyntaxError> {
    if text.len() > MAX_TEXT_BYTES {
        let message = format!("{} bytes long; at most {MAX_TEXT_BYTES} are allowed", text.len());
        return Err(SyntaxError::limit(0, message));
    }
    let tokens = tokens(text)?;
    let mut parser = Parser { tokens, next: 0, nesting: 0, scope: Vec::new(), patterns: 0 };
    let node = parser.expression()?;
    match parser.peek() {
        TokenKind::End => Ok(node),
        _ => Err(SyntaxError::new(parser.at(), "expected the end of the expression")),
    }
}

/// The state of a parse.
pub(super) struct Parser {
    tokens: Vec<Token>,
    next: usize,
    nesting: u8,
    /// Variables of the enclosing comprehensions, outermost first.
    pub(super) scope: Vec<String>,
    /// How many `matches` patterns were found so far.
    pub(super) patterns: usize,
}

impl Parser {
    pub(super) fn peek(&self) -> &TokenKind {
        &self.tokens[self.next].kind
    }

    pub(super) fn at(&self) -> usize {
        self.tokens[self.next].at
    }

    fn advance(&mut self) -> TokenKind {
        let kind = self.peek().clone();
        // The End token is never passed, so `next` stays in range.
        if kind != TokenKind::End {
            self.next += 1;
        }
        kind
    }

    fn accept(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), TokenKind::Symbol(s) if *s == symbol);
        if found {
            self.next += 1;
        }
        found
    }

    pub(super) fn expect(&mut self, symbol: &str) -> Result<(), SyntaxError> {
        if self.accept(symbol) {
            return Ok(());
        }
        Err(SyntaxError::new(self.at(), format!("expected '{symbol}'")))
    }

    pub(super) fn word(&mut self, what: &str) -> Result<String, SyntaxError> {
        let at = self.at();
        match self.advance() {
            TokenKind::Word(word) => Ok(word),
            _ => Err(SyntaxError::new(at, format!("expected {what}"))),
        }
    }

    pub(super) fn expression(&mut self) -> Result<Node, SyntaxError> {
        self.deeper(|parser| {
            let condition = parser.any_of()?;
            let at = parser.at();
            if !parser.accept("?") {
                return Ok(condition);
            }
            let yes = parser.any_of()?;
            parser.expect(":")?;
            let no = parser.expression()?;
            node(at, Kind::If(Box::new([condition, yes, no])))
        })
    }

    /// Runs one nested rule; refuses to nest deeper than the limit.
    fn deeper(
        &mut self,
        rule: impl FnOnce(&mut Self) -> Result<Node, SyntaxError>,
    ) -> Result<Node, SyntaxError> {
        if self.nesting >= MAX_DEPTH {
            return Err(too_deep(self.at()));
        }
        self.nesting += 1;
        let result = rule(self);
        self.nesting -= 1;
        result
    }

    fn any_of(&mut self) -> Result<Node, SyntaxError> {
        let at = self.at();
        let mut sides = vec![self.every_of()?];
        while self.accept("||") {
            sides.push(self.every_of()?);
        }
        joined(at, sides, Kind::Or)
    }

    fn every_of(&mut self) -> Result<Node, SyntaxError> {
        let at = self.at();
        let mut sides = vec![self.relation()?];
        while self.accept("&&") {
            sides.push(self.relation()?);
        }
        joined(at, sides, Kind::And)
    }

    fn relation(&mut self) -> Result<Node, SyntaxError> {
        let mut left = self.sum()?;
        loop {
            let operator = match self.peek() {
                TokenKind::Symbol("==") => Operator::Equal,
                TokenKind::Symbol("!=") => Operator::NotEqual,
                TokenKind::Symbol("<") => Operator::Less,
                TokenKind::Symbol("<=") => Operator::LessOrEqual,
                TokenKind::Symbol(">") => Operator::Greater,
                TokenKind::Symbol(">=") => Operator::GreaterOrEqual,
                TokenKind::Word(word) if word == "in" => Operator::In,
                _ => return Ok(left),
            };
            left = self.binary(operator, left, Self::sum)?;
        }
    }

    fn sum(&mut self) -> Result<Node, SyntaxError> {
        let mut left = self.product()?;
        loop {
            let operator = match self.peek() {
                TokenKind::Symbol("+") => Operator::Add,
                TokenKind::Symbol("-") => Operator::Subtract,
                _ => return Ok(left),
            };
            left = self.binary(operator, left, Self::product)?;
        }
    }

    fn product(&mut self) -> Result<Node, SyntaxError> {
        let mut left = self.unary()?;
        loop {
            let operator = match self.peek() {
                TokenKind::Symbol("*") => Operator::Multiply,
                TokenKind::Symbol("/") => Operator::Divide,
                TokenKind::Symbol("%") => Operator::Modulo,
                _ => return Ok(left),
            };
            left = self.binary(operator, left, Self::unary)?;
        }
    }

    fn binary(
        &mut self,
        operator: Operator,
        left: Node,
        right: fn(&mut Self) -> Result<Node, SyntaxError>,
    ) -> Result<Node, SyntaxError> {
        let at = self.at();
        self.advance();
        let right = right(self)?;
        node(at, Kind::Binary(operator, Box::new([left, right])))
    }

    fn unary(&mut self) -> Result<Node, SyntaxError> {
        let at = self.at();
        if self.accept("!") {
            let of = self.deeper(Self::unary)?;
            return node(at, Kind::Not(Box::new(of)));
        }
        if !self.accept("-") {
            return self.member();
        }
        if let TokenKind::Int(value) = *self.peek() {
            self.advance();
            let value = 0i64
                .checked_sub_unsigned(value)
                .ok_or_else(|| SyntaxError::new(at, "the integer does not fit in 64 bits"))?;
            let literal = node(at, Kind::Int(value))?;
            return self.members_of(literal);
        }
        let of = self.deeper(Self::unary)?;
        node(at, Kind::Negate(Box::new(of)))
    }

    fn member(&mut self) -> Result<Node, SyntaxError> {
        let primary = self.primary()?;
        self.members_of(primary)
    }

    fn members_of(&mut self, mut of: Node) -> Result<Node, SyntaxError> {
        loop {
            let at = self.at();
            if self.accept(".") {
                let name = self.word("a member name")?;
                let called = matches!(self.peek(), TokenKind::Symbol("("));
                of = match LoopKind::named(&name) {
                    Some(kind) if called => self.comprehension(at, kind, of)?,
                    _ if called => self.call(at, &name, Some(of))?,
                    _ => select(at, of, name, false)?,
                };
            } else if self.accept(".?") {
                let name = self.word("a member name")?;
                of = select(at, of, name, true)?;
            } else if self.accept("[") {
                let optional = self.accept("?");
                let key = self.expression()?;
                self.expect("]")?;
                of = node(at, Kind::Index { of: Box::new(of), key: Box::new(key), optional })?;
            } else {
                return Ok(of);
            }
        }
    }

    fn primary(&mut self) -> Result<Node, SyntaxError> {
        let at = self.at();
        match self.advance() {
            TokenKind::Int(value) => match i64::try_from(value) {
                Ok(value) => node(at, Kind::Int(value)),
                Err(_) => Err(SyntaxError::new(at, "the integer does not fit in 64 bits")),
            },
            TokenKind::Double(value) => node(at, Kind::Double(value)),
            TokenKind::Text(value) => node(at, Kind::Text(value.into())),
            TokenKind::Word(word) => self.named(at, &word),
            TokenKind::Symbol("(") => {
                let inner = self.expression()?;
                self.expect(")")?;
                Ok(inner)
            }
            TokenKind::Symbol("[") => {
                let items = self.expressions("]")?;
                node(at, Kind::List(items))
            }
            TokenKind::Symbol("{") => self.map_literal(at),
            TokenKind::End => Err(SyntaxError::new(at, "unexpected end of the expression")),
            TokenKind::Symbol(_) => Err(SyntaxError::new(at, "expected a value")),
        }
    }

    fn named(&mut self, at: usize, word: &str) -> Result<Node, SyntaxError> {
        let kind = match word {
            "null" => Kind::Null,
            "true" => Kind::Bool(true),
            "false" => Kind::Bool(false),
            _ if matches!(self.peek(), TokenKind::Symbol("(")) => {
                return if word == "has" { self.has(at) } else { self.call(at, word, None) };
            }
            "candidate" => Kind::Candidate,
            _ => match self.scope.iter().position(|name| *name == word) {
                Some(slot) => Kind::Local(slot),
                None if RESERVED.contains(&word) => {
                    return Err(SyntaxError::new(at, format!("'{word}' is a reserved word")));
                }
                None if matches!(self.peek(), TokenKind::Symbol("."))
                    && unsupported::is_extension(word) =>
                {
                    let message = format!("CEL's extension '{word}' is not supported");
                    return Err(SyntaxError::new(at, message));
                }
                None => {
                    let word = shown(word);
                    let message = format!("unknown name '{word}'; the profile is called candidate");
                    return Err(SyntaxError::new(at, message));
                }
            },
        };
        node(at, kind)
    }

    pub(super) fn expressions(&mut self, close: &str) -> Result<Vec<Node>, SyntaxError> {
        let mut items = Vec::new();
        while !self.accept(close) {
            items.push(self.expression()?);
            if !self.accept(",") {
                self.expect(close)?;
                break;
            }
        }
        Ok(items)
    }

    fn map_literal(&mut self, at: usize) -> Result<Node, SyntaxError> {
        let mut entries = Vec::new();
        while !self.accept("}") {
            let key = self.expression()?;
            self.expect(":")?;
            entries.push((key, self.expression()?));
            if !self.accept(",") {
                self.expect("}")?;
                break;
            }
        }
        node(at, Kind::Map(entries))
    }
}

fn select(at: usize, of: Node, field: String, optional: bool) -> Result<Node, SyntaxError> {
    node(at, Kind::Select { of: Box::new(of), field: field.into(), optional })
}

fn joined(
    at: usize,
    mut sides: Vec<Node>,
    kind: fn(Vec<Node>) -> Kind,
) -> Result<Node, SyntaxError> {
    match sides.len() {
        1 => Ok(sides.remove(0)),
        _ => node(at, kind(sides)),
    }
}
