//! Whether an operation of a contract may be used. Pure.

use thiserror::Error;

use super::{Contract, Effect, Op, State};
use crate::api::Environment;

/// Why an operation may not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Unsupported {
    /// The published document lacks it.
    #[error("the Clinch API document offers no {0}; contractOverrides.paths can name its path")]
    NotOffered(Op),
    /// The write is undocumented, and the account is not a sandbox.
    #[error(
        "{0} is not documented by Clinch and is refused in Production; \
         list it in acceptAssumedWrites or name it in contractOverrides.paths"
    )]
    AssumedWrite(Op),
}

impl Unsupported {
    /// The operation.
    pub const fn op(&self) -> Op {
        match self {
            Self::NotOffered(op) | Self::AssumedWrite(op) => *op,
        }
    }
}

impl Contract {
    /// Whether `op` may be used. Assumed reads and operations on candidates themselves are always
    /// allowed; other assumed writes are allowed in Production only if `accepted` lists them.
    pub fn permits(
        &self,
        op: Op,
        environment: Environment,
        accepted: &[Op],
    ) -> Result<(), Unsupported> {
        match self.operation(op).state {
            State::NotOffered => Err(Unsupported::NotOffered(op)),
            State::Assumed
                if op.effect() != Effect::Read
                    && !op.is_candidate()
                    && environment == Environment::Production
                    && !accepted.contains(&op) =>
            {
                Err(Unsupported::AssumedWrite(op))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clinch::contract::Overrides;

    #[test]
    fn assumed_writes_need_consent_in_production_only() {
        let contract = Contract::built_in();
        let (production, sandbox) = (Environment::Production, Environment::Sandbox);
        for op in Op::ALL {
            assert_eq!(contract.permits(op, sandbox, &[]), Ok(()), "{op}");
            let write =
                [Op::CreateApplication, Op::CreateAttachment, Op::CreateActivity].contains(&op);
            let expected = if write { Err(Unsupported::AssumedWrite(op)) } else { Ok(()) };
            assert_eq!(contract.permits(op, production, &[]), expected, "{op}");
            assert_eq!(contract.permits(op, production, &[op]), Ok(()), "{op}");
        }
        let mut overrides = Overrides::default();
        overrides.path("createActivity", "/candidates/{candidate_id}/notes").unwrap();
        let overridden = contract.with(&overrides);
        assert_eq!(overridden.permits(Op::CreateActivity, production, &[]), Ok(()));
    }

    #[test]
    fn an_operation_that_is_not_offered_is_refused_even_if_accepted() {
        let mut contract = Contract::built_in();
        contract.operations.get_mut(&Op::CreateActivity).unwrap().state = State::NotOffered;
        let op = Op::CreateActivity;
        let refused = contract.permits(op, Environment::Sandbox, &[op]);
        assert_eq!(refused, Err(Unsupported::NotOffered(op)));
        assert_eq!(refused.unwrap_err().op(), op);
    }
}
