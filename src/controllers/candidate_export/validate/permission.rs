//! Whether the integration permits what an export does, and whether the contract supports it. Pure.

use crate::{
    api::{CandidateExportSpec, ClinchIntegration, ConditionType},
    clinch::Op,
    conditions::{Observation, Verdict},
    controllers::{
        candidate_export::push_permission::{Permitted, lacks_plan, permitted},
        check::Check,
        connections::Connection,
    },
    domain::Reason,
    mapping::Plan,
};

/// Whether the destination is permitted and every operation is supported. `plan`: the mapping,
/// where it compiles.
pub(super) fn check(
    spec: &CandidateExportSpec,
    integration: &ClinchIntegration,
    connection: Option<&Connection>,
    plan: Option<&Plan>,
) -> Check<()> {
    let permitted = permitted(&spec.destination, &integration.spec.push_permission);
    let refusal = match &permitted {
        Permitted::No(message) => Some((Reason::NotPermitted, message.clone())),
        Permitted::Yes | Permitted::AskClinch => {
            let lacks = lacks_plan(spec, &integration.spec.push_permission);
            let unsupported =
                || plan.and_then(|plan| connection?.unsupported(operations(spec, plan)));
            lacks
                .map(|lacks| (Reason::NotPermitted, lacks.to_owned()))
                .or_else(|| Some((Reason::ContractUnsupported, unsupported()?)))
        }
    };
    let observe = |status: Option<bool>, reason, message: &str| {
        Observation::new(ConditionType::Permitted, status, reason, message)
    };
    let (observation, fault) = match (refusal, permitted) {
        (Some((reason, message)), _) => {
            let observation = observe(Some(false), reason, &message);
            (observation, Some(Verdict::stalled(reason, message)))
        }
        (None, Permitted::AskClinch) => {
            let message = "Clinch is asked which job this is before anything is sent";
            (observe(None, Reason::Progressing, message), None)
        }
        (None, _) => (observe(Some(true), Reason::Allowed, "the destination is permitted"), None),
    };
    Check { value: fault.is_none().then_some(()), observation, fault }
}

/// The optional operations that an export needs.
fn operations(spec: &CandidateExportSpec, plan: &Plan) -> impl Iterator<Item = Op> {
    let needed = [
        (spec.destination.job.is_some(), Op::CreateApplication),
        (plan.attaches_resume(), Op::CreateAttachment),
        (plan.tags_activity().is_some(), Op::CreateActivity),
    ];
    needed.into_iter().filter_map(|(needed, op)| needed.then_some(op))
}
