//! Step 2: the only constructor of a validated export. Pure. Reports every condition that it can,
//! not only the first that fails.

mod file;
mod guards;
mod mapping;
mod permission;
mod resumes;
mod source;

pub(super) use file::{FORMAT, refuses_format, unusable};

use std::time::Duration;

pub(super) use self::mapping::{mapping_for, refused_direction, refuses_documents};
use super::{
    file_target::TargetFound,
    gather::Gathered,
    push_permission::{Permitted, permitted, rules},
    recorded,
};
use crate::{
    api::{ClinchIntegration, DuplicatePolicy, ExportMode},
    conditions::{Observation, Verdict},
    controllers::{
        content_revision,
        dependency::{self, Needed},
        read_permission::reveals,
        references::MappingFound,
        runs::{Schedule, Windows},
        sources::SourceFound,
    },
    domain::{Reason, digest_json, digest_parts},
    mapping::{Plan, Select, TargetAttributes},
    pipeline::{DestinationSpec, Duplicates, FileSpec, Mode, Renderer, RunSpec, Source},
};

/// What validation found: conditions, and either what to run or why not.
pub(super) struct Checked {
    /// Conditions on what the export refers to.
    pub(super) observations: Vec<Observation>,
    /// What a run would do; absent when an input is missing or faulty.
    pub(super) validated: Option<Box<Validated>>,
    /// Why no run may start now. Present together with `validated` when only the integration is
    /// not ready: then nothing needs to start if nothing is due.
    pub(super) blocked: Option<Verdict>,
    /// When runs may work.
    pub(super) windows: Windows,
}

/// An export that can be run.
pub(super) struct Validated {
    /// Digest of everything that the outcome depends on.
    pub(super) revision: String,
    /// What to run.
    pub(super) task: Task,
    /// The mode.
    pub(super) mode: ExportMode,
    /// Whether only Clinch's list of jobs says whether the destination is permitted.
    pub(super) asks_clinch: bool,
    /// When it runs again by itself.
    pub(super) schedule: Schedule,
    /// How long such a run may fail before Ready turns False.
    pub(super) grace: Duration,
    /// Digest of the credentials that a remote source is read with; else empty.
    pub(super) access: String,
}

/// What a run does.
pub(super) enum Task {
    /// It pushes to Clinch.
    Push(Box<RunSpec>),
    /// It writes a file.
    File(Box<FileSpec>),
}

/// Checks everything that can be checked without a request.
pub(super) fn validate(gathered: &Gathered) -> Checked {
    let spec = &gathered.export.spec;
    let connection = gathered.connection.as_ref();
    let (mut observations, mut faults, mut waits) = (Vec::new(), Vec::new(), Vec::new());

    let needed = Needed {
        integration: &gathered.integration,
        leaving: gathered.leaving.as_deref(),
        what: "export",
        namespace: &gathered.key().namespace,
        name: &spec.integration_ref.name,
        connection,
        sending: gathered.sending,
        lists: gathered.file.as_ref().map(|file| &file.lists),
    };
    dependency::check(&needed).record(&mut observations, &mut waits);
    let mapping = mapping::check(gathered).record(&mut observations, &mut faults);
    let source = source::check(gathered).record(&mut observations, &mut faults);
    let granted = gathered.integration.granted();
    if let Some(found) = granted {
        let plan = mapping.as_ref().and_then(Option::as_ref);
        let pushed = || permission::check(spec, found, connection, plan);
        let permitted = if gathered.file.is_some() {
            file::check(gathered, found)
        } else if gathered.report.is_some() {
            // The push first: without it there is nothing to report.
            let pushed = pushed();
            let report = file::check(gathered, found);
            if pushed.fault.is_none() && report.fault.is_some() { report } else { pushed }
        } else {
            pushed()
        };
        permitted.record(&mut observations, &mut faults);
    }
    let mut invalid = |message: String| {
        faults.insert(0, Verdict::stalled(Reason::InvalidSpec, message));
    };
    let select = spec.select.as_deref().and_then(|text| {
        let select = Select::compile(text, "spec.select");
        select.map_err(|issue| invalid(issue.to_string())).ok()
    });
    let schedule = Schedule::of(spec.interval.as_ref(), spec.schedule.as_ref());
    let schedule = schedule.unwrap_or_else(|fault| {
        invalid(fault);
        Schedule::Never
    });
    let windows = Windows::of(&spec.windows).unwrap_or_else(|fault| {
        invalid(fault);
        Windows::default()
    });
    let validated = match (mapping, source, granted, faults.is_empty()) {
        (Some(mapping), Some(source), Some(found), true) => {
            let inputs = Inputs { source, select, schedule };
            Some(Box::new(match (mapping, &gathered.file) {
                (mapping, Some(file)) => file::assemble(gathered, file, found, mapping, inputs),
                (Some(plan), None) => assemble(gathered, found, plan, inputs),
                // Without a file there always is a mapping.
                (None, None) => {
                    return Checked { observations, validated: None, blocked: None, windows };
                }
            }))
        }
        _ => None,
    };
    // Report faults that need a human before transient ones.
    faults.extend(waits);
    faults.sort_by_key(|verdict| !matches!(verdict, Verdict::Stalled(_)));
    Checked { observations, validated, blocked: faults.into_iter().next(), windows }
}

/// What a push would do, as far as it can be said without contacting anything.
pub(super) fn without_connection(
    gathered: &Gathered,
    target: &TargetAttributes,
) -> Option<RunSpec> {
    let integration = gathered.integration.granted()?;
    let plan = mapping_for(gathered, target).ok()?;
    let source = source::check(gathered).value?;
    let select = gathered.export.spec.select.as_deref();
    let select = select.map(|text| Select::compile(text, "spec.select")).transpose().ok()?;
    let inputs = Inputs { source, select, schedule: Schedule::Never };
    match assemble(gathered, integration, plan, inputs).task {
        Task::Push(spec) => Some(*spec),
        Task::File(_) => None,
    }
}

/// What a run that writes its file would do, as far as it can be said without contacting anything.
pub(super) fn file_without_connection(gathered: &Gathered) -> Option<FileSpec> {
    let file = gathered.file.as_ref()?;
    let integration = gathered.integration.granted()?;
    let mapping = mapping::check(gathered).value?;
    let source = source::check(gathered).value?;
    let select = gathered.export.spec.select.as_deref();
    let select = select.map(|text| Select::compile(text, "spec.select")).transpose().ok()?;
    let inputs = Inputs { source, select, schedule: Schedule::Never };
    match file::assemble(gathered, file, integration, mapping, inputs).task {
        Task::File(spec) => Some(*spec),
        Task::Push(_) => None,
    }
}

/// What all runs have.
struct Inputs {
    source: Source,
    select: Option<Select>,
    schedule: Schedule,
}

fn assemble(
    gathered: &Gathered,
    integration: &ClinchIntegration,
    plan: Plan,
    Inputs { source, select, schedule }: Inputs,
) -> Validated {
    let spec = &gathered.export.spec;
    let defaults = integration.spec.defaults.as_ref();
    let policy = spec
        .duplicate_policy
        .or_else(|| defaults.and_then(|defaults| defaults.duplicate_policy))
        .unwrap_or_default();
    // What only Clinch knows is asked again when the rules change.
    let permission = &integration.spec.push_permission;
    let asked = match permitted(&spec.destination, permission) {
        Permitted::AskClinch => Some(&permission.jobs),
        Permitted::Yes | Permitted::No(_) => None,
    };
    let content = hex::encode(gathered.keys.payload_digest(&source.fingerprint().to_string()).0);
    let revision = digest_json(&(
        (&spec.select, spec.limit, &spec.destination, policy, spec.mode),
        plan.digest().to_string(),
        &content,
        (&integration.metadata.uid, &integration.spec.region, &integration.spec.endpoint),
        &integration.spec.api_version,
        asked,
    ));
    // People removed from the admin's list are pushed; without a list nothing is added.
    let listed = gathered.connection.as_ref().and_then(|known| known.suppressions.listed());
    let revision = match &listed {
        Some(listed) => digest_parts([&revision.as_bytes()[..], &listed.digest()[..]]),
        None => revision,
    };
    // Absent limits add nothing: the revision is the one before there were any.
    let limits = (&spec.guards, &spec.approved_plan);
    let revision = if limits == (&None, &None) {
        revision
    } else {
        digest_parts([&revision.as_bytes()[..], &digest_json(&limits).as_bytes()[..]])
    };
    let revision = match &spec.report {
        Some(report) => {
            digest_parts([&revision.as_bytes()[..], &digest_json(report).as_bytes()[..]])
        }
        None => revision,
    };
    let revision = match resumes::digest(gathered, &plan) {
        Some(places) => digest_parts([&revision.as_bytes()[..], &places.as_bytes()[..]]),
        None => revision,
    };
    let target = plan.target_digest();
    let revision = match &target {
        Some(target) => format!("{}{TARGET}{}", revision.short(), target.short()),
        None => revision.short(),
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
    let guards = guards::guards(spec, &plan, gathered.connection.as_ref(), &gathered.previous);
    let run = RunSpec {
        guards,
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
        mode: mode(spec.mode),
        renderer: Renderer::default(),
        resumes: resumes::files(gathered),
        // A plan does not need it, and it may cost requests: only where the result of each person is kept.
        reveals: (spec.report.is_some() || gathered.report_due)
            .then(|| reveals(&integration.spec.read_permission))
            .flatten(),
    };
    let asks_clinch = asked.is_some();
    let unsure =
        matches!(gathered.mapping, MappingFound::Default) || integration.spec.suppression.is_some();
    Validated {
        revision: revision_to_compare(gathered, revision, unsure.then_some(&*content)),
        task: Task::Push(run.into()),
        mode: spec.mode,
        asks_clinch,
        schedule,
        grace: spec.ready_grace.get(),
        access: access(gathered),
    }
}

fn mode(mode: ExportMode) -> Mode {
    match mode {
        ExportMode::Push => Mode::Push,
        ExportMode::DryRun => Mode::DryRun,
    }
}

/// Digest of the credentials that a run reads and writes places with; empty where there are none.
fn access(gathered: &Gathered) -> String {
    let read = match &gathered.source {
        SourceFound::Remote(_, secret) => secret.as_ref().map(|secret| &secret.fields),
        _ => None,
    };
    let file = gathered.file.as_ref().map(|file| &file.target);
    let report = gathered.report.as_ref().map(|report| &report.target);
    let of = |target: Option<&TargetFound>| target?.secret.as_ref().ok()?.clone();
    let written = [of(file), of(report)];
    if read.is_none() && written.iter().all(Option::is_none) {
        return String::new();
    }
    let written = written.iter().map(Option::as_ref);
    let fields = [read].into_iter().chain(written).flatten().flatten();
    digest_parts(fields.flat_map(|(name, value)| [name.as_bytes(), value])).short()
}

/// Separates, in a revision, what the export decides from what the contract decides.
const TARGET: char = '-';

/// Without a connection the attributes that the default mapping fills and the admin's list are not
/// known, and so the revision is not. It is then taken to be the one in place, unless the source differs;
/// nothing can start before it is known. The same goes for the part that the contract decides.
/// `content`: of the source, if the revision is one of these.
fn revision_to_compare(gathered: &Gathered, revision: String, content: Option<&str>) -> String {
    let Gathered { previous, export, .. } = gathered;
    let unchanged = previous.observed_generation == export.metadata.generation;
    let whole = match content {
        Some(content) => content_revision::of(content, &revision),
        None => revision.clone(),
    };
    match (recorded::in_place(previous), content) {
        // Earlier versions left the content out.
        (Some(applied), _) if applied == revision => revision,
        (Some(applied), Some(content)) if gathered.connection.is_none() && unchanged => {
            if content_revision::is_of_other(applied, content) {
                whole
            } else {
                applied.to_owned()
            }
        }
        (Some(applied), _)
            if !gathered.is_connected()
                && applied.split_once(TARGET).is_some_and(|(ours, _)| ours == whole) =>
        {
            applied.to_owned()
        }
        _ => whole,
    }
}
