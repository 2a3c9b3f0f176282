//! Finds expressions that fail for every profile, whatever it holds: `1 + 'years'`, `size(5)`. Pure.
//!
//! Follows the kinds of values as far as they are known without a profile. An expression that has a
//! value, or is missing, for some profile is never refused: a fault in a branch that may not be taken, or
//! beside an operand that may decide `&&` or `||`, is left to the evaluation.

use std::borrow::Cow;

use super::ast::{Function, Kind, Loop, LoopKind, Node, Operator};

/// A set of kinds that a value may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kinds(u8);

impl Kinds {
    const NULL: Self = Self(1);
    const BOOL: Self = Self(1 << 1);
    const INT: Self = Self(1 << 2);
    const DOUBLE: Self = Self(1 << 3);
    const TEXT: Self = Self(1 << 4);
    const LIST: Self = Self(1 << 5);
    const MAP: Self = Self(1 << 6);
    const OPTIONAL: Self = Self(1 << 7);
    const NUMBER: Self = Self(Self::INT.0 | Self::DOUBLE.0);
    const ANY: Self = Self(u8::MAX);

    const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether the value may be of one of these kinds.
    const fn may_be(self, kinds: Self) -> bool {
        self.0 & kinds.0 != 0
    }

    /// The kinds, as an evaluation names them.
    fn words(self) -> String {
        let words = [
            (Self::NULL, "null"),
            (Self::BOOL, "a boolean"),
            (Self::NUMBER, "a number"),
            (Self::TEXT, "a string"),
            (Self::LIST, "a list"),
            (Self::MAP, "a map"),
            (Self::OPTIONAL, "an optional value"),
        ];
        let words: Vec<_> = words
            .into_iter()
            .filter(|(kind, _)| self.may_be(*kind))
            .map(|(_, word)| word)
            .collect();
        words.join(" or ")
    }
}

/// Why an expression never has a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeverValid {
    /// Byte offset of the operation in the text.
    pub at: usize,
    /// What is wrong.
    pub message: Cow<'static, str>,
}

/// Checks a whole expression.
pub fn check(root: &Node) -> Result<(), NeverValid> {
    Inference { locals: Vec::new() }.of(root).map(drop)
}

/// The kinds of the variables of the enclosing comprehensions.
struct Inference {
    locals: Vec<Kinds>,
}

impl Inference {
    fn of(&mut self, node: &Node) -> Result<Kinds, NeverValid> {
        let never = |message: String| Err(NeverValid { at: node.at, message: message.into() });
        match &node.kind {
            Kind::Null => Ok(Kinds::NULL),
            Kind::Bool(_) => Ok(Kinds::BOOL),
            Kind::Int(_) => Ok(Kinds::INT),
            Kind::Double(_) => Ok(Kinds::DOUBLE),
            Kind::Text(_) => Ok(Kinds::TEXT),
            Kind::Candidate => Ok(Kinds::MAP),
            Kind::Local(slot) => Ok(self.locals.get(*slot).copied().unwrap_or(Kinds::ANY)),
            Kind::Select { of, optional, .. } => {
                self.with_members(node, of)?;
                Ok(if *optional { Kinds::OPTIONAL } else { Kinds::ANY })
            }
            Kind::Has { of, .. } => {
                self.with_members(node, of)?;
                Ok(Kinds::BOOL)
            }
            Kind::Index { of, key, optional } => {
                let (of, key) = (self.of(of)?, self.of(key)?);
                let fits = of.may_be(Kinds::NULL.or(Kinds::OPTIONAL))
                    || (of.may_be(Kinds::LIST) && key.may_be(Kinds::INT))
                    || (of.may_be(Kinds::MAP) && key.may_be(Kinds::TEXT));
                if !fits {
                    return never(format!("{} cannot be indexed by {}", of.words(), key.words()));
                }
                Ok(if *optional { Kinds::OPTIONAL } else { Kinds::ANY })
            }
            Kind::Not(of) => match self.of(of)? {
                of if of.may_be(Kinds::BOOL) => Ok(Kinds::BOOL),
                of => never(format!("! does not accept {}", of.words())),
            },
            Kind::Negate(of) => match self.of(of)? {
                of if of.may_be(Kinds::NUMBER) => Ok(of.and(Kinds::NUMBER)),
                of => never(format!("- does not accept {}", of.words())),
            },
            Kind::And(sides) => self.logical(node, sides, false),
            Kind::Or(sides) => self.logical(node, sides, true),
            Kind::If(parts) => self.branches(node, parts),
            Kind::Binary(operator, sides) => {
                let (left, right) = (self.of(&sides[0])?, self.of(&sides[1])?);
                binary(*operator, left, right).map_or_else(
                    || {
                        let symbol = operator.symbol();
                        let (left, right) = (left.words(), right.words());
                        never(format!("{symbol} does not accept {left} and {right}"))
                    },
                    Ok,
                )
            }
            Kind::List(items) => {
                items.iter().try_for_each(|item| self.of(item).map(drop))?;
                Ok(Kinds::LIST)
            }
            Kind::Map(entries) => self.table(entries),
            Kind::Call(function, arguments) => self.call(node, *function, arguments),
            Kind::Matches { text, .. } => match self.of(text)? {
                text if text.may_be(Kinds::TEXT) => Ok(Kinds::BOOL),
                text => never(format!("matches does not accept {}", text.words())),
            },
            Kind::Loop(l) => self.comprehension(node, l),
        }
    }

    fn with_members(&mut self, node: &Node, of: &Node) -> Result<(), NeverValid> {
        let of = self.of(of)?;
        if of.may_be(Kinds::MAP.or(Kinds::NULL).or(Kinds::OPTIONAL)) {
            return Ok(());
        }
        let message = format!("{} has no members", of.words());
        Err(NeverValid { at: node.at, message: message.into() })
    }

    /// A truth value; `Err`: never one.
    fn truth(&mut self, node: &Node, at: usize) -> Result<(), NeverValid> {
        let kinds = self.of(node)?;
        if kinds.may_be(Kinds::BOOL) {
            return Ok(());
        }
        let message = format!("expected a boolean, got {}", kinds.words());
        Err(NeverValid { at, message: message.into() })
    }

    /// `&&` and `||`: a side that may be decisive may overrule the faults of others.
    fn logical(
        &mut self,
        node: &Node,
        sides: &[Node],
        decisive: bool,
    ) -> Result<Kinds, NeverValid> {
        let mut fault = None;
        for side in sides {
            match self.truth(side, node.at) {
                Ok(()) if !matches!(side.kind, Kind::Bool(value) if value != decisive) => {
                    return Ok(Kinds::BOOL);
                }
                Ok(()) => {}
                Err(never) => fault = fault.or(Some(never)),
            }
        }
        fault.map_or(Ok(Kinds::BOOL), Err)
    }

    fn branches(&mut self, node: &Node, parts: &[Node; 3]) -> Result<Kinds, NeverValid> {
        let [condition, yes, no] = parts;
        let kinds = self.of(condition)?;
        if !kinds.may_be(Kinds::BOOL) {
            let kinds = kinds.words();
            let message = format!("the condition of ?: must be a boolean, not {kinds}");
            return Err(NeverValid { at: node.at, message: message.into() });
        }
        match (&condition.kind, self.of(yes), self.of(no)) {
            (Kind::Bool(true), yes, _) => yes,
            (Kind::Bool(false), _, no) => no,
            (_, Ok(yes), Ok(no)) => Ok(yes.or(no)),
            (_, Ok(one), Err(_)) | (_, Err(_), Ok(one)) => Ok(one),
            (_, Err(yes), Err(_)) => Err(yes),
        }
    }

    fn table(&mut self, entries: &[(Node, Node)]) -> Result<Kinds, NeverValid> {
        let mut names = Vec::new();
        for (key, value) in entries {
            let never =
                |message: &'static str| Err(NeverValid { at: key.at, message: message.into() });
            if !self.of(key)?.may_be(Kinds::TEXT) {
                return never("map keys must be strings");
            }
            if let Kind::Text(name) = &key.kind {
                if names.contains(&name) {
                    return never("duplicate map key");
                }
                names.push(name);
            }
            self.of(value)?;
        }
        Ok(Kinds::MAP)
    }

    fn call(
        &mut self,
        node: &Node,
        function: Function,
        arguments: &[Node],
    ) -> Result<Kinds, NeverValid> {
        let (accepted, result) = signature(function);
        if function == Function::OrValue {
            // The second argument is evaluated only if there is no value.
            let of = self.of(&arguments[0])?;
            return if of.may_be(Kinds::OPTIONAL) {
                Ok(result)
            } else {
                let message = format!("orValue does not accept {}", of.words());
                Err(NeverValid { at: node.at, message: message.into() })
            };
        }
        let kinds: Vec<Kinds> =
            arguments.iter().map(|argument| self.of(argument)).collect::<Result<_, _>>()?;
        // The last kind stands for all further arguments.
        let accepted = |at: usize| accepted[at.min(accepted.len() - 1)];
        if kinds.iter().enumerate().all(|(at, kinds)| kinds.may_be(accepted(at))) {
            return Ok(result);
        }
        let words: Vec<String> = kinds.into_iter().map(Kinds::words).collect();
        let message = format!("{} does not accept {}", function.name(), words.join(", "));
        Err(NeverValid { at: node.at, message: message.into() })
    }

    fn comprehension(&mut self, node: &Node, l: &Loop) -> Result<Kinds, NeverValid> {
        let range = self.of(&l.range)?;
        if !range.may_be(Kinds::LIST.or(Kinds::MAP).or(Kinds::NULL)) {
            let message = format!("expected a list, got {}", range.words());
            return Err(NeverValid { at: node.at, message: message.into() });
        }
        let item = self.item_of(&l.range, range);
        self.locals.push(item);
        let condition = l.condition.as_ref().map_or(Ok(()), |of| self.truth(of, node.at));
        let value = l.value.as_ref().map_or(Ok(Kinds::ANY), |of| self.of(of));
        self.locals.pop();
        // Without an item nothing is evaluated.
        if matches!(&l.range.kind, Kind::List(items) if !items.is_empty()) {
            condition?;
            if l.condition.is_none() {
                value?;
            }
        }
        Ok(match l.kind {
            LoopKind::All | LoopKind::Exists | LoopKind::ExistsOne => Kinds::BOOL,
            LoopKind::Filter | LoopKind::Map => Kinds::LIST,
        })
    }

    /// The kinds of the items of a range.
    fn item_of(&mut self, range: &Node, kinds: Kinds) -> Kinds {
        match &range.kind {
            Kind::List(items) => items
                .iter()
                .map(|item| self.of(item).unwrap_or(Kinds::ANY))
                .reduce(Kinds::or)
                .unwrap_or(Kinds::ANY),
            Kind::Call(Function::Split, _) => Kinds::TEXT,
            // The keys of a map.
            _ if kinds == Kinds::MAP => Kinds::TEXT,
            _ => Kinds::ANY,
        }
    }
}

/// The kinds of the result of an operator; `None`: it accepts no such operands.
fn binary(operator: Operator, left: Kinds, right: Kinds) -> Option<Kinds> {
    let both = |kinds: Kinds| left.may_be(kinds) && right.may_be(kinds);
    match operator {
        Operator::Equal | Operator::NotEqual => Some(Kinds::BOOL),
        Operator::In => right.may_be(Kinds::LIST.or(Kinds::MAP)).then_some(Kinds::BOOL),
        Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual => {
            let fits = both(Kinds::NUMBER) || both(Kinds::TEXT) || both(Kinds::BOOL);
            fits.then_some(Kinds::BOOL)
        }
        Operator::Add => [Kinds::NUMBER, Kinds::TEXT, Kinds::LIST]
            .into_iter()
            .filter(|kinds| both(*kinds))
            .reduce(Kinds::or),
        Operator::Subtract | Operator::Multiply | Operator::Divide => {
            both(Kinds::NUMBER).then_some(Kinds::NUMBER)
        }
        Operator::Modulo => both(Kinds::INT).then_some(Kinds::INT),
    }
}

/// The kinds that a function accepts, argument by argument, and the kinds of its result.
const fn signature(function: Function) -> (&'static [Kinds], Kinds) {
    const TEXT: Kinds = Kinds::TEXT;
    const SIZED: Kinds = Kinds::TEXT.or(Kinds::LIST).or(Kinds::MAP);
    const TO_NUMBER: Kinds = Kinds::NUMBER.or(Kinds::TEXT);
    const TO_TEXT: Kinds = TO_NUMBER.or(Kinds::BOOL);
    const TO_BOOL: Kinds = Kinds::TEXT.or(Kinds::BOOL);
    match function {
        Function::Size => (&[SIZED], Kinds::INT),
        Function::Contains | Function::StartsWith | Function::EndsWith => (&[TEXT], Kinds::BOOL),
        Function::LowerAscii | Function::UpperAscii | Function::Trim | Function::Replace => {
            (&[TEXT], TEXT)
        }
        Function::Split => (&[TEXT], Kinds::LIST),
        Function::Join => (&[Kinds::LIST, TEXT], TEXT),
        Function::Substring | Function::CharAt => (&[TEXT, Kinds::INT], TEXT),
        Function::IndexOf | Function::LastIndexOf => (&[TEXT], Kinds::INT),
        Function::Sum => (&[Kinds::LIST], Kinds::NUMBER),
        Function::Min | Function::Max => (&[Kinds::LIST], Kinds::ANY),
        Function::Distinct => (&[Kinds::LIST], Kinds::LIST),
        Function::ToText => (&[TO_TEXT], TEXT),
        Function::ToInt => (&[TO_NUMBER], Kinds::INT),
        Function::ToDouble => (&[TO_NUMBER], Kinds::DOUBLE),
        Function::ToBool => (&[TO_BOOL], Kinds::BOOL),
        Function::OrValue => (&[Kinds::OPTIONAL, Kinds::ANY], Kinds::ANY),
        Function::HasValue => (&[Kinds::OPTIONAL], Kinds::BOOL),
    }
}

#[cfg(test)]
mod tests {
    use crate::mapping::cel::Expression;

    #[test]
    fn expressions_that_always_fail_do_not_compile() {
        for (text, part) in [
            ("1 + 'years'", "line 1, column 3: + does not accept a number and a string"),
            ("string(5) + 1", "+ does not accept a string and a number"),
            ("{1: 'one', 2: 'two'}[candidate.grade]", "map keys must be strings"),
            ("{'a': 1, true: 2}", "column 10: map keys must be strings"),
            ("{'a': 1, 'a': 2}", "duplicate map key"),
            ("size(5) > 1", "size does not accept a number"),
            ("!'a'", "! does not accept a string"),
            ("-'a'", "- does not accept a string"),
            ("'a' in 'abc'", "in does not accept a string and a string"),
            ("'a' in null", "in does not accept a string and null"),
            ("'a' < 1", "< does not accept a string and a number"),
            ("null < 1", "< does not accept null and a number"),
            ("[1] - [1]", "- does not accept a list and a list"),
            ("5.5 % 2", "% does not accept a number and a number"),
            ("candidate + 1", "+ does not accept a map and a number"),
            ("'a'.b", "a string has no members"),
            ("has('a'.b)", "a string has no members"),
            ("[1]['a']", "a list cannot be indexed by a string"),
            ("candidate[1]", "a map cannot be indexed by a number"),
            ("'a' ? 1 : 2", "the condition of ?: must be a boolean, not a string"),
            ("1 && 2", "expected a boolean, got a number"),
            ("true && 'a'", "expected a boolean, got a string"),
            ("candidate.x ? !1 : !2", "! does not accept a number"),
            ("(candidate.x ? 1 : 2) + 'a'", "+ does not accept a number and a string"),
            ("'a'.map(x, x)", "expected a list, got a string"),
            ("[1, 2].map(x, x + 'a')", "+ does not accept a number and a string"),
            ("['a'].filter(x, size(x))", "expected a boolean, got a number"),
            ("5.contains('a')", ""),
            ("'abc'.contains(5)", "contains does not accept a string, a number"),
            ("'abc'.substring('a')", "substring does not accept a string, a string"),
            ("[1].join(5)", "join does not accept a list, a number"),
            ("int(true)", "int does not accept a boolean"),
            ("string([1])", "string does not accept a list"),
            ("5.matches('a')", ""),
            ("candidate.x.size() + 'a'", "+ does not accept a number and a string"),
            ("candidate.?x.size()", "size does not accept an optional value"),
            ("candidate.x.split(',').orValue('a')", "orValue does not accept a list"),
        ] {
            let Err((_, message)) = Expression::compile(text) else { panic!("{text} compiles") };
            assert!(message.contains(part), "{text}: {message}");
        }
    }

    #[test]
    fn expressions_that_may_have_a_value_compile() {
        for text in [
            "candidate.firstName + 1",
            "candidate.x ? 1 + 'a' : 2",
            "false && 32",
            "32 && false",
            "candidate.x || 'a'",
            "true || 1 + 'a' == 2",
            "true ? 1 : !'a'",
            "candidate.skills.map(s, 1 + 'a')",
            "[].all(x, 1)",
            "1 == 'a' && 'a' != null",
            "1 in {'a': 1}",
            "null.a",
            "null[5]",
            "null.map(x, x)",
            "{'a': candidate.?x}['a'].orValue(1)",
            "candidate.?x.y.z == 5",
            "candidate.?x.orValue(1 + 'a')",
            "[1, 'a'].map(x, x + 1)",
            "{'a': 1}.map(k, k + 'b')",
            "candidate.a.min() + 1",
            "(candidate.x ? 1 : 'b') + 'a'",
            "{candidate.a: 1}",
            "-candidate.a",
            "1 + 2.5",
        ] {
            let compiled = Expression::compile(text);
            assert!(compiled.is_ok(), "{text}: {:?}", compiled.err());
        }
    }
}
