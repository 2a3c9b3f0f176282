//! The syntax tree of an expression: names resolved, patterns compiled, depth bounded. Pure.

use regex::Regex;

use crate::mapping::issue::shown;

/// One node and the byte at which it starts.
#[derive(Debug)]
pub struct Node {
    /// Byte offset of the node's operator or first character in the expression.
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
    /// The variable of the n-th enclosing comprehension, from the outside.
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
    /// A binary operator.
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

/// A compiled `matches` pattern and its cost.
#[derive(Debug)]
pub struct Pattern {
    /// The regular expression; matching takes time linear in the string.
    pub regex: Regex,
    /// Steps per byte of the string, by the size of the compiled pattern.
    pub weight: u64,
}

/// A comprehension.
#[derive(Debug)]
pub struct Loop {
    /// Which one.
    pub kind: LoopKind,
    /// Which local variable it binds.
    pub slot: usize,
    /// What it iterates over.
    pub range: Node,
    /// The condition; none for `map` with two arguments.
    pub condition: Option<Node>,
    /// The value, for `map` only.
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

impl LoopKind {
    /// The comprehension called `name`.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "all" => Self::All,
            "exists" => Self::Exists,
            "exists_one" | "existsOne" => Self::ExistsOne,
            "filter" => Self::Filter,
            "map" => Self::Map,
            _ => return None,
        })
    }
}

/// The binary operators that evaluate both sides.
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

/// A function, identified by name, receiver and number of arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// `size(x)`, `x.size()`
    Size,
    /// `s.contains(s)`
    Contains,
    /// `s.startsWith(s)`
    StartsWith,
    /// `s.endsWith(s)`
    EndsWith,
    /// `s.lowerAscii()`
    LowerAscii,
    /// `s.upperAscii()`
    UpperAscii,
    /// `s.trim()`
    Trim,
    /// `s.split(s)`
    Split,
    /// `l.join()`, `l.join(s)`
    Join,
    /// `s.replace(s, s)`
    Replace,
    /// `s.substring(i)`, `s.substring(i, i)`
    Substring,
    /// `s.charAt(i)`
    CharAt,
    /// `s.indexOf(s)`
    IndexOf,
    /// `s.lastIndexOf(s)`
    LastIndexOf,
    /// `l.sum()`
    Sum,
    /// `l.min()`
    Min,
    /// `l.max()`
    Max,
    /// `l.distinct()`
    Distinct,
    /// `string(x)`
    ToText,
    /// `int(x)`
    ToInt,
    /// `double(x)`
    ToDouble,
    /// `bool(x)`
    ToBool,
    /// `o.orValue(x)`; evaluates the argument only if needed.
    OrValue,
    /// `o.hasValue()`
    HasValue,
}

/// Name, whether it has a receiver, minimum and maximum number of arguments including the receiver.
const TABLE: [(&str, bool, usize, usize, Function); 25] = [
    ("size", false, 1, 1, Function::Size),
    ("size", true, 1, 1, Function::Size),
    ("contains", true, 2, 2, Function::Contains),
    ("startsWith", true, 2, 2, Function::StartsWith),
    ("endsWith", true, 2, 2, Function::EndsWith),
    ("lowerAscii", true, 1, 1, Function::LowerAscii),
    ("upperAscii", true, 1, 1, Function::UpperAscii),
    ("trim", true, 1, 1, Function::Trim),
    ("split", true, 2, 2, Function::Split),
    ("join", true, 1, 2, Function::Join),
    ("replace", true, 3, 3, Function::Replace),
    ("substring", true, 2, 3, Function::Substring),
    ("charAt", true, 2, 2, Function::CharAt),
    ("indexOf", true, 2, 2, Function::IndexOf),
    ("lastIndexOf", true, 2, 2, Function::LastIndexOf),
    ("sum", true, 1, 1, Function::Sum),
    ("min", true, 1, 1, Function::Min),
    ("max", true, 1, 1, Function::Max),
    ("distinct", true, 1, 1, Function::Distinct),
    ("string", false, 1, 1, Function::ToText),
    ("int", false, 1, 1, Function::ToInt),
    ("double", false, 1, 1, Function::ToDouble),
    ("bool", false, 1, 1, Function::ToBool),
    ("orValue", true, 2, 2, Function::OrValue),
    ("hasValue", true, 1, 1, Function::HasValue),
];

impl Function {
    /// The function as written.
    pub fn name(self) -> &'static str {
        TABLE.iter().find(|row| row.4 == self).map_or("the function", |row| row.0)
    }

    /// Finds a function; the error states what is wrong with the call.
    pub fn find(name: &str, receiver: bool, arguments: usize) -> Result<Self, String> {
        let named: Vec<_> = TABLE.iter().filter(|row| row.0 == name).collect();
        if named.is_empty() {
            return Err(format!("unknown function '{}'", shown(name)));
        }
        let Some(row) = named.iter().find(|row| row.1 == receiver) else {
            let form = if receiver { "as f(x)" } else { "on a value, as x.f()" };
            return Err(format!("{name} is called {form}"));
        };
        if !(row.2..=row.3).contains(&arguments) {
            let hidden = usize::from(receiver);
            let (least, most) = (row.2 - hidden, row.3 - hidden);
            let count =
                if least == most { least.to_string() } else { format!("{least} or {most}") };
            let plural = if most == 1 { "" } else { "s" };
            return Err(format!("{name} takes {count} argument{plural}"));
        }
        Ok(row.4)
    }
}
