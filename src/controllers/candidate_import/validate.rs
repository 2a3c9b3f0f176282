//! Step 2: the only constructor of a validated import. Pure. Reports every condition that it can, not
//! only the first that fails.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{
    accepted,
    gather::{Gathered, SinkFound},
    mapping, permission,
    recorded::in_place,
    rediscovery::{self, Comparison},
};
use crate::{
    api::{CandidateImportSpec, ClinchIntegration, ConditionType, Deletions as Wanted},
    conditions::{Observation, Verdict},
    controllers::{
        check::Check,
        content_revision,
        dependency::{self, Needed},
        destinations::refused,
        read_permission,
        references::MappingFound,
        runs::{Schedule, Windows},
    },
    domain::{Cause, Reason, digest_json, digest_parts},
    mapping::{ImportPlan, Select},
    pipeline::{Deletions, ImportName, ImportSpec, MaxDeletions},
    signing::WebhookKeys,
    storage::{Destination, Endpoint},
};

/// What validation found: conditions, and either what to run or why not.
pub(super) struct Checked {
    /// Conditions on what the import refers to.
    pub(super) observations: Vec<Observation>,
    /// What a run would do; absent when an input is missing or faulty.
    pub(super) validated: Option<Box<Validated>>,
    /// Why no run may start now.
    pub(super) blocked: Option<Verdict>,
    /// When runs may work.
    pub(super) windows: Windows,
}

/// An import that can be run.
pub(super) struct Validated {
    /// Digest of everything that the outcome depends on.
    pub(super) revision: String,
    /// What to run.
    pub(super) spec: ImportSpec,
    /// What `spec.select` reads and never sees, if there is such a thing.
    pub(super) unseen: Option<String>,
    /// The list to compare with Clinch, if there is one.
    pub(super) comparison: Option<Comparison>,
    /// When it runs again by itself.
    pub(super) schedule: Schedule,
    /// How long such a run may fail before Ready turns False.
    pub(super) grace: Duration,
    /// Digest of the credentials that it writes with; else empty.
    pub(super) access: String,
}

/// Checks everything that can be checked without a request.
pub(super) fn validate(gathered: &Gathered) -> Checked {
    let spec = &gathered.import.spec;
    let (mut observations, mut faults, mut waits) = (Vec::new(), Vec::new(), Vec::new());
    let needed = Needed {
        integration: &gathered.integration,
        leaving: gathered.leaving.as_deref(),
        what: "import",
        namespace: &gathered.key().namespace,
        name: &spec.integration_ref.name,
        connection: gathered.connection.as_ref(),
        sending: gathered.sending,
        lists: None,
    };
    dependency::check(&needed).record(&mut observations, &mut waits);
    let granted = gathered.integration.granted();
    // Where nothing may leave, that is what has to be said.
    let attributes =
        granted.and_then(|found| read_permission::reveals(&found.spec.read_permission));
    let select = spec.select.as_deref().map(|text| Select::compile(text, "spec.select"));
    let unseen = select.as_ref().zip(attributes.as_ref()).and_then(|(select, attributes)| {
        let target = &gathered.connection.as_ref()?.attributes;
        mapping::unseen(select.as_ref().ok()?, attributes, target)
    });
    let plan = mapping::check(gathered, attributes.as_ref()).record(&mut observations, &mut faults);
    if let Some(found) = granted {
        let permitted = permitted(gathered, found, unseen.as_deref());
        let is_permitted = permitted.fault.is_none();
        permitted.record(&mut observations, &mut faults);
        // The faults of a place are not shown to those who may not write there.
        if is_permitted {
            sink(gathered).record(&mut observations, &mut faults);
        }
    }
    let wanted = gathered.list.as_ref().zip(spec.rediscovery.as_ref());
    let comparison = wanted.and_then(|(found, wanted)| {
        rediscovery::check(gathered, found, wanted).record(&mut observations, &mut faults)
    });
    let lacks_list = wanted.is_some() && comparison.is_none();
    let mut invalid = |message: String| {
        faults.insert(0, Verdict::stalled(Reason::InvalidSpec, message));
    };
    let select = select.and_then(|select| select.map_err(|issue| invalid(issue.to_string())).ok());
    let schedule = Schedule::of(spec.interval.as_ref(), spec.schedule.as_ref());
    let schedule = schedule.unwrap_or_else(|fault| {
        invalid(fault);
        Schedule::Never
    });
    let windows = Windows::of(&spec.windows).unwrap_or_else(|fault| {
        invalid(fault);
        Windows::default()
    });
    let validated = match (plan, granted, faults.is_empty() && !lacks_list) {
        (Some(plan), Some(found), true) => {
            let optional = Optional { select, unseen, comparison };
            Some(Box::new(assemble(gathered, found, plan, optional, schedule)))
        }
        _ => None,
    };
    // Report faults that need a human before transient ones.
    faults.extend(waits);
    faults.sort_by_key(|verdict| !matches!(verdict, Verdict::Stalled(_)));
    Checked { observations, validated, blocked: faults.into_iter().next(), windows }
}

/// `unseen`: what the selection reads and never sees.
fn permitted(
    gathered: &Gathered,
    integration: &ClinchIntegration,
    unseen: Option<&str>,
) -> Check<()> {
    let condition = ConditionType::Permitted;
    match permission::refusal(&integration.spec.read_permission, &gathered.places()) {
        None => {
            let mut message = "the integration permits this import".to_owned();
            if let Some(unseen) = unseen {
                message = format!("{message}; {unseen}");
            }
            let observation = Observation::new(condition, true, Reason::Allowed, message);
            Check { value: Some(()), observation, fault: None }
        }
        Some(cause) => refused_by(condition, cause),
    }
}

/// Whether the sink may be used, as far as that can be known without a request.
fn sink(gathered: &Gathered) -> Check<()> {
    let condition = ConditionType::SinkReady;
    let Some(found) = &gathered.sink else {
        let cause = Cause::new(Reason::InvalidSpec, "spec.sink names no destination");
        return refused_by(condition, cause);
    };
    match unusable(gathered, found) {
        None => Check { value: Some(()), observation: not_yet(), fault: None },
        Some(cause) => refused_by(condition, cause),
    }
}

fn unusable(gathered: &Gathered, found: &SinkFound) -> Option<Cause> {
    if let Some(unread) = found.secrets().find_map(|secret| secret.as_ref().err()) {
        // Before the Secrets: a caller who may not use the place must not see their faults.
        let place = of_place(gathered, found, None).filter(|fault| {
            matches!(fault.reason, Reason::DestinationNotAllowed | Reason::InvalidSpec)
        });
        return place.or_else(|| Some(unread.clone()));
    }
    let secret = found.secret.as_ref().and_then(|read| read.as_ref().ok());
    let signing = || {
        let fields = found.signing.as_ref()?.as_ref().ok()?;
        let error = WebhookKeys::of_fields(fields).err()?;
        let message = format!("the signing Secret cannot be used: {error}");
        Some(Cause::new(Reason::DestinationDenied, message))
    };
    of_place(gathered, found, secret).or_else(signing)
}

/// Why the place cannot be opened with the fields of this Secret.
fn of_place(
    gathered: &Gathered,
    found: &SinkFound,
    secret: Option<&BTreeMap<String, Bytes>>,
) -> Option<Cause> {
    let policy = &gathered.destinations;
    let error = if found.signing.is_some() {
        Endpoint::open(&found.url, secret, policy).err()
    } else {
        Destination::open(&found.some_file(), secret, policy).err()
    };
    error.map(|error| refused(found.field(), &error))
}

/// The condition before any run has written there.
fn not_yet() -> Observation {
    let message = "checked when a run writes";
    Observation::new(ConditionType::SinkReady, None, Reason::Progressing, message)
}

fn refused_by(condition: ConditionType, cause: Cause) -> Check<()> {
    let observation = Observation::new(condition, false, cause.reason, cause.message.clone());
    Check { value: None, observation, fault: Some(Verdict::Stalled(cause)) }
}

/// What an import need not have.
struct Optional {
    select: Option<Select>,
    unseen: Option<String>,
    comparison: Option<Comparison>,
}

fn assemble(
    gathered: &Gathered,
    integration: &ClinchIntegration,
    plan: ImportPlan,
    Optional { select, unseen, comparison }: Optional,
    schedule: Schedule,
) -> Validated {
    let spec = &gathered.import.spec;
    let permission = &integration.spec.read_permission;
    // A change of this makes the run read everybody again.
    let emitted = digest_json(&(
        plan.digest().to_string(),
        &permission.attributes,
        (&spec.select, spec.own_writes),
        (&integration.metadata.uid, &integration.spec.region, &integration.spec.endpoint),
    ));
    let revision = digest_json(&(
        emitted.to_string(),
        (&spec.sink, spec.deletions, &spec.max_deletions),
        (&spec.full_scan_interval, &spec.updated_after),
        &integration.spec.api_version,
    ));
    // Without a list nothing is added.
    let revision = match &comparison {
        Some(list) => digest_parts([&revision.as_bytes()[..], list.digest.as_bytes()]),
        None => revision,
    };
    let run = ImportSpec {
        import: ImportName {
            namespace: gathered.key().namespace.clone(),
            name: gathered.key().name.clone(),
            uid: gathered.uid().to_owned(),
        },
        mapping: Arc::new(plan),
        attributes: read_permission::attributes(permission),
        select: select.map(Arc::new),
        updated_after: spec.updated_after.as_ref().map(|time| time.0),
        deletions: match spec.deletions {
            Wanted::Tombstone => Deletions::Tombstone,
            Wanted::Ignore => Deletions::Ignore,
        },
        max_deletions: max_deletions(spec),
        accept_deletions: gathered.accepts.as_deref().and_then(accepted::run_of),
        full_scan_interval: spec.full_scan_interval.get(),
        digest: emitted.short(),
    };
    let content = comparison.as_ref().map(|list| &*list.content);
    Validated {
        revision: revision_to_compare(gathered, revision.short(), content),
        spec: run,
        unseen,
        comparison,
        schedule,
        grace: spec.ready_grace.get(),
        access: access(gathered),
    }
}

fn max_deletions(spec: &CandidateImportSpec) -> MaxDeletions {
    match &spec.max_deletions {
        IntOrString::Int(people) => MaxDeletions::People(u64::try_from(*people).unwrap_or(0)),
        IntOrString::String(percent) => {
            MaxDeletions::Percent(percent.trim_end_matches('%').parse().unwrap_or(0))
        }
    }
}

/// Digest of the credentials that a run writes with; empty where there are none.
fn access(gathered: &Gathered) -> String {
    let secrets = gathered.sink.iter().flat_map(SinkFound::secrets);
    let secrets: Vec<_> = secrets.filter_map(|secret| secret.as_ref().ok()).collect();
    if secrets.is_empty() {
        return String::new();
    }
    let fields = secrets.into_iter().flatten();
    digest_parts(fields.flat_map(|(name, value)| [name.as_bytes(), value])).short()
}

/// Without a connection the attributes that the default mapping fills are not known, and so the revision
/// is not. It is then taken to be the one in place, unless the list differs; nothing can start before it is known.
/// `content`: of the list, if there is one.
fn revision_to_compare(gathered: &Gathered, revision: String, content: Option<&str>) -> String {
    let Gathered { previous, import, .. } = gathered;
    let unchanged = previous.observed_generation == import.metadata.generation;
    let list = gathered.list.as_ref().map(|list| &list.mapping);
    let is_default = |mapping| matches!(mapping, &MappingFound::Default);
    let unsure = is_default(&gathered.mapping) || list.is_some_and(is_default);
    let content = content.filter(|_| unsure);
    let whole = match content {
        Some(content) => content_revision::of(content, &revision),
        None => revision.clone(),
    };
    match in_place(previous) {
        // Earlier versions left the content out.
        Some(applied) if applied == revision => revision,
        Some(applied) if gathered.connection.is_none() && unsure && unchanged => {
            let differs = |content| content_revision::is_of_other(applied, content);
            if content.is_some_and(differs) { whole } else { applied.to_owned() }
        }
        _ => whole,
    }
}
