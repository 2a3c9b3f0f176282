//! The kind of an expression's value, as far as it is known without a profile. Pure.

use super::ast::{Function, Kind, LoopKind, Node, Operator};
use crate::mapping::shape::Shape;

/// The shape of a node's value.
pub fn of(node: &Node) -> Shape {
    match &node.kind {
        Kind::Bool(_)
        | Kind::Has { .. }
        | Kind::Not(_)
        | Kind::And(_)
        | Kind::Or(_)
        | Kind::Matches { .. } => Shape::Boolean,
        Kind::Int(_) | Kind::Double(_) | Kind::Negate(_) => Shape::Number,
        Kind::Text(_) => Shape::Text,
        Kind::List(_) => Shape::List,
        Kind::Map(_) | Kind::Candidate => Shape::Object,
        Kind::If(parts) => agreed(of(&parts[1]), of(&parts[2])),
        Kind::Binary(operator, sides) => match operator {
            Operator::Add => agreed(of(&sides[0]), of(&sides[1])),
            Operator::Subtract | Operator::Multiply | Operator::Divide | Operator::Modulo => {
                Shape::Number
            }
            _ => Shape::Boolean,
        },
        Kind::Call(function, _) => call(*function),
        Kind::Loop(l) => match l.kind {
            LoopKind::All | LoopKind::Exists | LoopKind::ExistsOne => Shape::Boolean,
            LoopKind::Filter | LoopKind::Map => Shape::List,
        },
        Kind::Null | Kind::Local(_) | Kind::Select { .. } | Kind::Index { .. } => Shape::Unknown,
    }
}

fn agreed(left: Shape, right: Shape) -> Shape {
    if left == right { left } else { Shape::Unknown }
}

fn call(function: Function) -> Shape {
    match function {
        Function::Contains
        | Function::StartsWith
        | Function::EndsWith
        | Function::ToBool
        | Function::HasValue => Shape::Boolean,
        Function::LowerAscii
        | Function::UpperAscii
        | Function::Trim
        | Function::Join
        | Function::Replace
        | Function::Substring
        | Function::CharAt
        | Function::ToText => Shape::Text,
        Function::Size
        | Function::IndexOf
        | Function::LastIndexOf
        | Function::Sum
        | Function::ToInt
        | Function::ToDouble => Shape::Number,
        Function::Split | Function::Distinct => Shape::List,
        // Depends on the profile.
        Function::Min | Function::Max | Function::OrValue => Shape::Unknown,
    }
}
