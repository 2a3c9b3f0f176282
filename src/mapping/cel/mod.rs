//! The expression language: a bounded subset of CEL over one variable, `candidate`.
//! Pure, total, no I/O, no clock, no randomness.
//!
//! Not a library, because the libraries have no step limit: a comprehension over a large profile, or a
//! string doubled a few dozen times, would block a worker. The bounds are in [`limits`];
//! `docs/MAPPING.md` is the reference for users. Where CEL yields a value, this yields the same value;
//! where CEL fails it may yield one (see the reference).

mod ast;
mod build;
mod calls;
mod eval;
mod fault;
mod functions;
mod lexer;
pub mod limits;
mod number;
mod operands;
mod parser;
mod reads;
mod shape;
#[cfg(test)]
mod tests;
mod types;
mod unsupported;
mod value;

use serde_json::{Map, Value};

use fault::{Fault, place};
pub use fault::{FaultKind, SyntaxError};
use limits::{Fuel, STEP_LIMIT};
pub use reads::MembersRead;
pub use value::{Text, Val};

use super::{path::Path, shape::Shape};

/// A compiled expression.
#[derive(Debug)]
pub struct Expression {
    text: Box<str>,
    root: ast::Node,
}

/// Why an expression has no value for one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvalError {
    /// The kind of failure.
    pub cause: FaultKind,
    /// Describes the failure and its place in the expression; contains no candidate value.
    pub message: String,
}

impl Expression {
    /// Compiles an expression; the error states the place within it. An expression that fails whatever
    /// the profile does not compile.
    pub fn compile(text: &str) -> Result<Self, (SyntaxError, String)> {
        let compiled = parser::parse(text).and_then(|root| match types::check(&root) {
            Ok(()) => Ok(root),
            Err(never) => Err(SyntaxError::new(never.at, never.message)),
        });
        match compiled {
            Ok(root) => Ok(Self { text: text.into(), root }),
            Err(error) => {
                let message = format!("{}: {}", place(text, error.at), error.message);
                Err((error, message))
            }
        }
    }

    /// Evaluates the expression for one profile; `None` if the result is a key or item that does not
    /// exist.
    ///
    /// Takes at most [`STEP_LIMIT`] steps, and no more than `fuel` has left.
    pub fn value<'a>(
        &'a self,
        candidate: &'a Map<String, Value>,
        fuel: &mut Fuel,
    ) -> Result<Option<Val<'a>>, EvalError> {
        let mut own = Fuel::new(STEP_LIMIT.min(fuel.left()));
        let result = eval::Machine::new(candidate, &mut own).run(&self.root);
        let paid = fuel.spend(own.used());
        debug_assert!(paid.is_ok(), "an evaluation never takes more than is left");
        match result {
            Ok(Val::Optional(None)) | Err(Fault { cause: FaultKind::Missing, .. }) => Ok(None),
            Ok(Val::Optional(Some(value))) => Ok(Some((*value).clone())),
            Ok(value) => Ok(Some(value)),
            Err(fault) => Err(EvalError {
                message: format!("{}: {}", place(&self.text, fault.at), fault.cause.message()),
                cause: fault.cause,
            }),
        }
    }

    /// The members of `candidate.<member>` that it reads.
    pub fn reads_below(&self, member: &str) -> MembersRead {
        reads::below(member, &self.root)
    }

    /// The members of `candidate` that it reads.
    pub fn reads(&self) -> MembersRead {
        reads::top(&self.root)
    }

    /// The paths in a profile that the expression needs, each once.
    pub fn operands(&self) -> Vec<Path> {
        operands::of(&self.root)
    }

    /// The kind of the expression's value, as far as it is known without a profile.
    pub fn shape(&self) -> Shape {
        shape::of(&self.root)
    }
}
