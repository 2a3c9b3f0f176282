//! Builds nodes and bounds the height of the tree. Pure.

use super::{
    ast::{Kind, Node},
    fault::SyntaxError,
    limits::MAX_DEPTH,
};

/// The error for an expression that is nested too deeply.
pub fn too_deep(at: usize) -> SyntaxError {
    SyntaxError::limit(at, format!("nested or chained more than {MAX_DEPTH} levels deep"))
}

/// Builds a node and checks its height.
pub fn node(at: usize, kind: Kind) -> Result<Node, SyntaxError> {
    let highest = |nodes: &[Node]| nodes.iter().map(|n| n.depth).max().unwrap_or(0);
    let below = match &kind {
        Kind::Select { of, .. }
        | Kind::Has { of, .. }
        | Kind::Not(of)
        | Kind::Negate(of)
        | Kind::Matches { text: of, .. } => of.depth,
        Kind::Index { of, key, .. } => of.depth.max(key.depth),
        Kind::And(nodes) | Kind::Or(nodes) | Kind::List(nodes) | Kind::Call(_, nodes) => {
            highest(nodes)
        }
        Kind::If(parts) => highest(&parts[..]),
        Kind::Binary(_, sides) => highest(&sides[..]),
        Kind::Map(entries) => entries.iter().map(|(k, v)| k.depth.max(v.depth)).max().unwrap_or(0),
        Kind::Loop(l) => {
            let parts = [Some(&l.range), l.condition.as_ref(), l.value.as_ref()];
            parts.into_iter().flatten().map(|n| n.depth).max().unwrap_or(0)
        }
        _ => 0,
    };
    if below >= MAX_DEPTH {
        return Err(too_deep(at));
    }
    Ok(Node { at, depth: below + 1, kind })
}
