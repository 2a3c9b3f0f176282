//! The syntax tree of an expression: names resolved, patterns compiled, depth bounded. Pure.

use regex::Regex;

use super::functions::Function;

/// One node and the byte at which it starts.
#[derive(Debug)]
pub struct Node {
    /// Byte offset of the node's operator or first character in the text.
    pub at: usize,
    /// Height of the tree below and including this node.
    pub depth: u8,
    /// What the node is.
    pub kind: Kind,
}

/// What a node is.
#[derive(Debug)]
pub enum Kind {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// `5`
    Int(i64),
    /// `1.5`
    Double(f64),
    /// `'text'`
    Text(Box<str>),
    /// The profile.
    Candidate,
    /// The variable of the n-th enclosing comprehension, counted from outside.
    Local(usize),
    /// `of.field`, or `of.?field`
    Select { of: Box<Node>, field: Box<str>, optional: bool },
    /// `has(of.field)`
    Has { of: Box<Node>, field: Box<str> },
    /// `of[key]`, or `of[?key]`
    Index { of: Box<Node>, key: Box<Node>, optional: bool },
    /// `!x`
    Not(Box<Node>),
    /// `-x`
    Negate(Box<Node>),
    /// `a && b && c`
    And(Vec<Node>),
    /// `a || b || c`
    Or(Vec<Node>),
    /// `condition ? yes : no`
    If(Box<[Node; 3]>),
    /// An operator with two sides.
    Binary(Operator, Box<[Node; 2]>),
    /// `[a, b]`
    List(Vec<Node>),
    /// `{'a': b}`
    Map(Vec<(Node, Node)>),
    /// A function; a receiver is the first argument.
    Call(Function, Vec<Node>),
    /// `text.matches('pattern')`
    Matches { text: Box<Node>, pattern: Box<Pattern> },
    /// A comprehension over a list, or over the keys of a map.
    Loop(Box<Loop>),
}

/// A compiled `matches` pattern and what it costs.
#[derive(Debug)]
pub struct Pattern {
    /// The engine; its running time is linear in the text.
    pub regex: Regex,
    /// Steps per byte of text, from the size of the compiled pattern.
    pub weight: u64,
}

/// A comprehension.
#[derive(Debug)]
pub struct Loop {
    /// Which one.
    pub kind: LoopKind,
    /// Which local variable it binds.
    pub slot: usize,
    /// What it runs over.
    pub range: Node,
    /// The condition; for `map` with two arguments there is none.
    pub condition: Option<Node>,
    /// The value computed, for `map` only.
    pub value: Option<Node>,
}

/// The comprehensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoopKind {
    /// True for every item.
    All,
    /// True for at least one item.
    Exists,
    /// True for exactly one item.
    ExistsOne,
    /// The items for which it is true.
    Filter,
    /// A value for each item.
    Map,
}

/// The operators with two sides that evaluate both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`
    Modulo,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `in`
    In,
}

impl Operator {
    /// The operator as written.
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::In => "in",
        }
    }
}
