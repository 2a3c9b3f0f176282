//! Step 2: the only constructor of a validated export. Pure. Tells every condition it can, not
//! merely the first that fails.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use serde_json::Value;

use super::{
    super::{connections::Connection, durations::duration, field_mapping},
    distant,
    gather::{Gathered, IntegrationFound, MappingFound, SourceFound},
    permission::{Permitted, permitted, rules},
    timing::Recurrence,
};
use crate::{
    api::{
        CandidateExportSpec, ClinchIntegration, ConditionType, DuplicatePolicy, ExportMode,
        STATUS_TRUE, SourceFormat,
    },
    conditions::{Observation, Verdict, find, is_ready},
    domain::{Reason, digest_json, digest_parts},
    mapping::{self, Issue, MappingSpec, Plan, Select, TargetAttributes},
    pipeline::{DestinationSpec, Duplicates, Mode, RunSpec, Source},
    source::{CsvOptions, Format, Limits, Part},
};

/// What validation found: conditions, and either what to run or why not.
pub(super) struct Checked {
    /// Conditions on what the export refers to.
    pub(super) observations: Vec<Observation>,
    /// What a run would do; absent when an input is missing or faulty.
    pub(super) validated: Option<Validated>,
    /// Why no run may start now. Present together with `validated` when only the integration is
    /// in the way: then nothing needs to start if nothing is due.
    pub(super) blocked: Option<Verdict>,
}

/// An export that can be run.
pub(super) struct Validated {
    /// Digest of everything that the outcome depends on.
    pub(super) revision: String,
    /// Whether it is known: which attributes the default mapping fills is told by the contract,
    /// and there is none before the integration was verified.
    pub(super) certain: bool,
    /// What to run.
    pub(super) run: RunSpec,
    /// The mode.
    pub(super) mode: ExportMode,
    /// Whether the destination is permitted can only be told with Clinch's list of jobs.
    pub(super) asks_clinch: bool,
    /// When it runs again by itself.
    pub(super) recurrence: Recurrence,
    /// How long such a run may fail before Ready is taken back.
    pub(super) grace: Duration,
    /// Changes with the credentials that a distant source is read with; else empty.
    pub(super) access: String,
}

/// Checks everything that can be checked without a request.
pub(super) fn validate(gathered: &Gathered, connection: Option<&Connection>) -> Checked {
    let spec = &gathered.export.spec;
    let mut observations = Vec::new();
    let mut faults = Vec::new();

    let integration = integration(gathered);
    observations.push(integration.observation);
    let (plan, observation, fault) = check_mapping(gathered, connection);
    observations.push(observation);
    faults.extend(fault);
    let (source, observation, fault) = check_source(gathered);
    observations.push(observation);
    faults.extend(fault);
    let granted = gathered.integration.granted();
    if let Some(found) = granted {
        let (observation, fault) = check_permission(spec, found, connection, plan.as_ref());
        observations.push(observation);
        faults.extend(fault);
    }
    let select = match spec.select.as_deref().map(|text| Select::compile(text, "spec.select")) {
        None => None,
        Some(Ok(select)) => Some(select),
        Some(Err(issue)) => {
            faults.insert(0, stalled(Reason::InvalidSpec, issue.to_string()));
            None
        }
    };
    let recurrence = Recurrence::of(spec).unwrap_or_else(|fault| {
        faults.insert(0, stalled(Reason::InvalidSpec, fault));
        Recurrence::Never
    });
    let validated = match (plan, source, granted, faults.is_empty()) {
        (Some(plan), Some(source), Some(found), true) => {
            Some(assemble(gathered, found, plan, source, select, recurrence))
        }
        _ => None,
    };
    // A fault that a person has to mend comes before one that mends itself.
    faults.extend(integration.blocked);
    faults.sort_by_key(|verdict| !matches!(verdict, Verdict::Stalled { .. }));
    Checked { observations, validated, blocked: faults.into_iter().next() }
}

struct Dependency {
    observation: Observation,
    blocked: Option<Verdict>,
}

fn integration(gathered: &Gathered) -> Dependency {
    let observe = |status, reason, message: String| {
        Observation::new(ConditionType::IntegrationReady, status, reason, message)
    };
    let waiting = |reason, message: String| Dependency {
        observation: observe(Some(false), reason, message.clone()),
        blocked: Some(Verdict::Reconciling { reason, message }),
    };
    let found = match &gathered.integration {
        IntegrationFound::Granted(found) => found,
        IntegrationFound::Missing(named) if named.namespace == gathered.key.namespace => {
            let name = &named.name;
            let message = format!("ClinchIntegration {name} is not in this namespace");
            return waiting(Reason::DependencyNotFound, message);
        }
        // One answer for "does not exist" and "may not be used": an export is no way to find out
        // what other namespaces have.
        IntegrationFound::Missing(named) => {
            let message = format!(
                "ClinchIntegration {named} does not exist, or this namespace may not use it; mend \
                 spec.integrationRef, or ask the admin of namespace {} for access",
                named.namespace
            );
            return waiting(Reason::DependencyNotFound, message);
        }
        IntegrationFound::Awaiting(named) => {
            let message = format!(
                "ask the admin of ClinchIntegration {named} to add namespace {} to \
                 spec.access.approved; this export then goes on by itself",
                gathered.key.namespace
            );
            return waiting(Reason::AwaitingApproval, message);
        }
    };
    let name = &gathered.export.spec.integration_ref.name;
    if found.spec.suspend {
        let message = format!("ClinchIntegration {name} is suspended");
        return waiting(Reason::IntegrationSuspended, message);
    }
    let generation = found.metadata.generation.unwrap_or_default();
    if is_ready(found.status.as_ref(), generation) {
        let message = format!("ClinchIntegration {name} is ready");
        return Dependency {
            observation: observe(Some(true), Reason::Ready, message),
            blocked: None,
        };
    }
    let why = found
        .status
        .as_ref()
        .filter(|status| status.observed_generation == Some(generation))
        .and_then(|status| find(&status.conditions, ConditionType::Ready))
        .filter(|ready| ready.status != STATUS_TRUE);
    let reason = why.and_then(|ready| Reason::from_word(&ready.reason));
    let message = match reason {
        Some(reason) => format!("ClinchIntegration {name} is not ready: {reason}"),
        None => format!("ClinchIntegration {name} has not been verified yet"),
    };
    if let Some(
        reason @ (Reason::AccountShared | Reason::AccountChanged | Reason::SuppressionUnreadable),
    ) = reason
    {
        // Told by its name, not as something that passes: a run under way is to end, too.
        return waiting(reason, message);
    }
    if reason == Some(Reason::EnvironmentMismatch) {
        return Dependency {
            observation: observe(Some(false), Reason::EnvironmentMismatch, message.clone()),
            blocked: Some(stalled(Reason::EnvironmentMismatch, message)),
        };
    }
    waiting(Reason::DependencyNotReady, message)
}

fn check_mapping(
    gathered: &Gathered,
    connection: Option<&Connection>,
) -> (Option<Plan>, Observation, Option<Verdict>) {
    let observe = |status: Option<bool>, reason, message: &str| {
        Observation::new(ConditionType::MappingReady, status, reason, message)
    };
    let unknown = TargetAttributes::UNKNOWN;
    let target = connection.map_or(&unknown, |connection| &connection.attributes);
    let (name, mut engine) = match &gathered.mapping {
        MappingFound::Withheld => {
            let message = "looked for once the integration may be used";
            return (None, observe(None, Reason::DependencyNotReady, message), None);
        }
        MappingFound::Forbidden(message) => {
            let reason = Reason::ReferenceForbidden;
            let verdict = stalled(reason, message.clone());
            return (None, observe(Some(false), reason, message), Some(verdict));
        }
        MappingFound::Missing(named) => {
            let message = if named.namespace == gathered.key.namespace {
                format!("FieldMapping {} is not in this namespace", named.name)
            } else {
                format!("FieldMapping {named} does not exist; mend spec.fieldMappingRef")
            };
            let reason = Reason::DependencyNotFound;
            let verdict = Verdict::Reconciling { reason, message: message.clone() };
            return (None, observe(Some(false), reason, &message), Some(verdict));
        }
        MappingFound::Default => {
            ("the default mapping".to_owned(), MappingSpec::default_for(target))
        }
        MappingFound::Named(object) => {
            let name = object.metadata.name.as_deref().unwrap_or_default();
            (format!("FieldMapping {name}"), field_mapping::engine_spec(&object.spec))
        }
    };
    let spec = &gathered.export.spec;
    if let Some(resume) = &spec.resume {
        engine.resume.attach = resume.attach;
    }
    if let Some(tags) = &spec.tags {
        engine.tags.enabled = tags.enabled;
    }
    let faulty = |issues: &[Issue]| {
        let message = format!("{name}: {}", field_mapping::summary(issues));
        let observation = observe(Some(false), Reason::MappingInvalid, &message);
        (None, observation, Some(stalled(Reason::MappingInvalid, message)))
    };
    match mapping::compile(&engine) {
        Err(issues) => faulty(&issues),
        Ok(plan) => match plan.check(target) {
            issues if issues.is_empty() => (
                Some(plan),
                observe(Some(true), Reason::Resolved, &format!("{name} is usable")),
                None,
            ),
            issues => faulty(&issues),
        },
    }
}

fn check_source(gathered: &Gathered) -> (Option<Source>, Observation, Option<Verdict>) {
    let observe = |status, reason, message: String| {
        Observation::new(ConditionType::SourceReady, status, reason, message)
    };
    let spec = &gathered.export.spec.source;
    match &gathered.source {
        SourceFound::Inline => {
            let values: Arc<[Value]> = spec.inline.clone().unwrap_or_default().into();
            let message = format!("{} inline candidates", values.len());
            (Some(Source::Inline(values)), observe(true, Reason::Read, message), None)
        }
        SourceFound::Parts(parts) => {
            let names: Vec<&str> = parts.iter().map(|(key, _)| key.as_str()).collect();
            let message = shorten(&format!("read {}", names.join(", ")));
            let source = Source::Parts {
                parts: parts.iter().map(|(key, bytes)| part(key, bytes, spec.format)).collect(),
                csv: csv_options(gathered),
                limits: Limits::default(),
            };
            (Some(source), observe(true, Reason::Read, message), None)
        }
        SourceFound::Distant(location, secret) => {
            let format = spec.format.map(format_of);
            let csv = csv_options(gathered);
            match distant::source(location.clone(), secret.as_ref(), &gathered.policy, format, csv)
            {
                Ok(source) => (Some(source), distant::not_yet(), None),
                Err((reason, message)) => {
                    let verdict = stalled(reason, message.clone());
                    (None, observe(false, reason, message), Some(verdict))
                }
            }
        }
        SourceFound::Unusable(message) => {
            let verdict = stalled(Reason::InvalidSpec, message.clone());
            (None, observe(false, Reason::InvalidSpec, message.clone()), Some(verdict))
        }
        SourceFound::Missing(what) => {
            let message = format!("{what} does not exist");
            let reason = Reason::SourceNotFound;
            let verdict = Verdict::Reconciling { reason, message: message.clone() };
            (None, observe(false, reason, message), Some(verdict))
        }
        SourceFound::KeyMissing(message) => {
            let reason = Reason::SourceNotFound;
            let verdict = Verdict::Reconciling { reason, message: message.clone() };
            (None, observe(false, reason, message.clone()), Some(verdict))
        }
        SourceFound::Forbidden(message) => {
            let reason = Reason::ReferenceForbidden;
            let verdict = stalled(reason, message.clone());
            (None, observe(false, reason, message.clone()), Some(verdict))
        }
    }
}

fn part(key: &str, bytes: &Bytes, format: Option<SourceFormat>) -> Part {
    Part { name: key.into(), bytes: bytes.clone(), format: format.map(format_of) }
}

fn format_of(format: SourceFormat) -> Format {
    match format {
        SourceFormat::Json => Format::Json,
        SourceFormat::Ndjson => Format::Ndjson,
        SourceFormat::Csv => Format::Csv,
    }
}

fn csv_options(gathered: &Gathered) -> CsvOptions {
    let csv = gathered.export.spec.source.csv.as_ref();
    CsvOptions { headers: csv.map(|csv| csv.headers.clone()).unwrap_or_default() }
}

fn check_permission(
    spec: &CandidateExportSpec,
    integration: &ClinchIntegration,
    connection: Option<&Connection>,
    plan: Option<&Plan>,
) -> (Observation, Option<Verdict>) {
    let observe = |status: Option<bool>, reason, message: &str| {
        Observation::new(ConditionType::Permitted, status, reason, message)
    };
    let permitted = permitted(&spec.destination, &integration.spec.push_permission);
    let refusal = match &permitted {
        Permitted::No(message) => Some((Reason::NotPermitted, message.clone())),
        Permitted::Yes | Permitted::AskClinch => plan
            .and_then(|plan| connection?.unsupported(&Steps::of(spec, plan)))
            .map(|unsupported| (Reason::ContractUnsupported, unsupported)),
    };
    match (refusal, permitted) {
        (Some((reason, message)), _) => {
            (observe(Some(false), reason, &message), Some(stalled(reason, message)))
        }
        (None, Permitted::AskClinch) => {
            let message = "Clinch is asked which job this is before anything is sent";
            (observe(None, Reason::Progressing, message), None)
        }
        (None, _) => (observe(Some(true), Reason::Allowed, "the destination is permitted"), None),
    }
}

/// The optional steps that an export takes.
pub(in crate::controllers) struct Steps {
    pub(in crate::controllers) application: bool,
    pub(in crate::controllers) resume: bool,
    pub(in crate::controllers) tags: bool,
}

impl Steps {
    fn of(spec: &CandidateExportSpec, plan: &Plan) -> Self {
        Self {
            application: spec.destination.job.is_some(),
            resume: plan.attaches_resume(),
            tags: plan.tags_activity().is_some(),
        }
    }
}

fn assemble(
    gathered: &Gathered,
    integration: &ClinchIntegration,
    plan: Plan,
    source: Source,
    select: Option<Select>,
    recurrence: Recurrence,
) -> Validated {
    let spec = &gathered.export.spec;
    let defaults = integration.spec.defaults.as_ref();
    let policy = spec
        .duplicate_policy
        .or_else(|| defaults.and_then(|defaults| defaults.duplicate_policy))
        .unwrap_or_default();
    // What only Clinch can tell is asked again when the rules change.
    let permission = &integration.spec.push_permission;
    let asked = match permitted(&spec.destination, permission) {
        Permitted::AskClinch => Some(&permission.jobs),
        Permitted::Yes | Permitted::No(_) => None,
    };
    let revision = digest_json(&(
        (&spec.select, spec.limit, &spec.destination, policy, spec.mode),
        plan.digest().to_string(),
        hex::encode(gathered.keys.payload_digest(&source.fingerprint().to_string()).0),
        (&integration.metadata.uid, &integration.spec.region, &integration.spec.endpoint),
        &integration.spec.api_version,
        asked,
    ));
    // Who is taken off the admin's list is pushed; without a list nothing is added.
    let listed = gathered.connection.as_ref().and_then(|known| known.suppressions.listed());
    let revision = match &listed {
        Some(listed) => digest_parts([&revision.as_bytes()[..], &listed.digest()[..]]),
        None => revision,
    };
    let destination = match &spec.destination.job {
        None => DestinationSpec::Prospect,
        Some(job) => DestinationSpec::Job {
            id: job.id.clone(),
            reference: job.reference.clone(),
            stage: job.stage.clone(),
            permitted: rules(permission),
        },
    };
    let run = RunSpec {
        source,
        select,
        limit: spec.limit.and_then(|limit| u64::try_from(limit).ok()),
        plan,
        destination,
        duplicates: match policy {
            DuplicatePolicy::Update => Duplicates::Update,
            DuplicatePolicy::Skip => Duplicates::Skip,
            DuplicatePolicy::Fail => Duplicates::Fail,
        },
        mode: match spec.mode {
            ExportMode::Push => Mode::Push,
            ExportMode::DryRun => Mode::DryRun,
        },
    };
    let asks_clinch = asked.is_some();
    let access = match &gathered.source {
        SourceFound::Distant(_, Some(fields)) => {
            digest_parts(fields.iter().flat_map(|(name, value)| [name.as_bytes(), value])).short()
        }
        _ => String::new(),
    };
    let grace = duration(&spec.ready_grace).unwrap_or_default();
    let revision = revision.short();
    let certain = gathered.connection.is_some()
        || !(matches!(gathered.mapping, MappingFound::Default)
            || integration.spec.suppression.is_some());
    Validated { revision, certain, run, mode: spec.mode, asks_clinch, recurrence, grace, access }
}

fn stalled(reason: Reason, message: String) -> Verdict {
    Verdict::Stalled { reason, message }
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
