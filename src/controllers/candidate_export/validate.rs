//! Step 2: the only constructor of a validated export. Pure. Tells every condition it can, not
//! merely the first that fails.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use super::{
    super::{connections::Connection, field_mapping},
    gather::{Gathered, MappingFound, SourceFound},
};
use crate::{
    api::{
        CandidateExportSpec, ClinchIntegration, ConditionType, DuplicatePolicy, ExportMode,
        Permission, PushPermission, STATUS_TRUE, SourceFormat,
    },
    conditions::{Observation, Verdict, find, is_ready},
    domain::{Reason, digest_json},
    mapping::{self, Issue, MappingSpec, Plan, Select, TargetAttributes},
    pipeline::{Duplicates, Mode, RunSpec, Source, WantedDestination},
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
    /// What to run.
    pub(super) run: RunSpec,
    /// The mode.
    pub(super) mode: ExportMode,
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
    if let Some(found) = &gathered.integration {
        let (observation, fault) = permitted(spec, found, connection, plan.as_ref());
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
    let validated = match (plan, source, &gathered.integration, faults.is_empty()) {
        (Some(plan), Some(source), Some(found), true) => {
            Some(assemble(gathered, found, plan, source, select))
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
    let name = &gathered.export.spec.integration_ref.name;
    let observe = |status, reason, message: String| {
        Observation::new(ConditionType::IntegrationReady, status, reason, message)
    };
    let waiting = |reason, message: String| Dependency {
        observation: observe(Some(false), reason, message.clone()),
        blocked: Some(Verdict::Reconciling { reason, message }),
    };
    let Some(found) = &gathered.integration else {
        let message = format!("ClinchIntegration {name} is not in this namespace");
        return waiting(Reason::DependencyNotFound, message);
    };
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
    let observe = |status, reason, message: &str| {
        Observation::new(ConditionType::MappingReady, status, reason, message)
    };
    let unknown = TargetAttributes::UNKNOWN;
    let target = connection.map_or(&unknown, |connection| &connection.attributes);
    let (name, mut engine) = match &gathered.mapping {
        MappingFound::Missing(name) => {
            let message = format!("FieldMapping {name} is not in this namespace");
            let reason = Reason::DependencyNotFound;
            let verdict = Verdict::Reconciling { reason, message: message.clone() };
            return (None, observe(false, reason, &message), Some(verdict));
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
        let observation = observe(false, Reason::MappingInvalid, &message);
        (None, observation, Some(stalled(Reason::MappingInvalid, message)))
    };
    match mapping::compile(&engine) {
        Err(issues) => faulty(&issues),
        Ok(plan) => match plan.check(target) {
            issues if issues.is_empty() => {
                (Some(plan), observe(true, Reason::Resolved, &format!("{name} is usable")), None)
            }
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
    let format = format.map(|format| match format {
        SourceFormat::Json => Format::Json,
        SourceFormat::Ndjson => Format::Ndjson,
        SourceFormat::Csv => Format::Csv,
    });
    Part { name: key.into(), bytes: bytes.clone(), format }
}

fn csv_options(gathered: &Gathered) -> CsvOptions {
    let csv = gathered.export.spec.source.csv.as_ref();
    CsvOptions { headers: csv.map(|csv| csv.headers.clone()).unwrap_or_default() }
}

fn permitted(
    spec: &CandidateExportSpec,
    integration: &ClinchIntegration,
    connection: Option<&Connection>,
    plan: Option<&Plan>,
) -> (Observation, Option<Verdict>) {
    let observe = |status, reason, message: &str| {
        Observation::new(ConditionType::Permitted, status, reason, message)
    };
    let refusal = refused(spec, &integration.spec.push_permission)
        .map(|message| (Reason::NotPermitted, message))
        .or_else(|| {
            let steps = Steps::of(spec, plan?);
            let unsupported = connection?.unsupported(&steps)?;
            Some((Reason::ContractUnsupported, unsupported))
        });
    match refusal {
        None => (observe(true, Reason::Allowed, "the destination is permitted"), None),
        Some((reason, message)) => {
            (observe(false, reason, &message), Some(stalled(reason, message)))
        }
    }
}

/// Why the integration's push permission refuses the destination.
fn refused(spec: &CandidateExportSpec, permission: &PushPermission) -> Option<String> {
    let Some(job) = &spec.destination.job else {
        return (permission.prospects == Permission::Denied).then(|| {
            "the integration does not permit pushing prospects (spec.pushPermission.prospects)"
                .to_owned()
        });
    };
    let named = job.id.as_deref().or(job.reference.as_deref()).unwrap_or_default();
    let matches = |pattern: &String, value: &str| pattern == "*" || pattern == value;
    let allowed = permission.jobs.iter().any(|permitted| {
        matches(&permitted.job, named)
            && permitted.stages.iter().any(|stage| matches(stage, &job.stage))
    });
    (!allowed).then(|| {
        "the integration does not permit pushing to this job and stage \
         (spec.pushPermission.jobs)"
            .to_owned()
    })
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
) -> Validated {
    let spec = &gathered.export.spec;
    let defaults = integration.spec.defaults.as_ref();
    let policy = spec
        .duplicate_policy
        .or_else(|| defaults.and_then(|defaults| defaults.duplicate_policy))
        .unwrap_or_default();
    let revision = digest_json(&(
        (&spec.select, spec.limit, &spec.destination, policy, spec.mode),
        plan.digest().to_string(),
        hex::encode(gathered.keys.payload_digest(&source.fingerprint().to_string()).0),
        (&integration.metadata.uid, &integration.spec.region, &integration.spec.endpoint),
        &integration.spec.api_version,
    ));
    let destination = match &spec.destination.job {
        None => WantedDestination::Prospect,
        Some(job) => WantedDestination::Job {
            id: job.id.clone(),
            reference: job.reference.clone(),
            stage: job.stage.clone(),
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
    Validated { revision: revision.short(), run, mode: spec.mode }
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
