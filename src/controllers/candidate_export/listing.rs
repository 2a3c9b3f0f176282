//! The list of people whom an export wrote: asked for by annotation, and written beside the report of the
//! export, whatever state the export is in. The decision and the status are pure; the list itself is a
//! supervised task that no pass awaits.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    gather::Gathered,
    push_permission::{places_grant, refuses_places},
    results::reported,
    validate::unusable,
};
use crate::{
    api::{CandidateExportStatus, WrittenSeen},
    cluster::{Cluster, integration_of},
    conditions::whole_seconds,
    controllers::{
        Context,
        read_permission::reveals,
        runs::{ListReport, ListRun, RunHandle},
    },
    domain::{Cause, Grant, GrantState, Reason},
    ledger::{Believed, LedgerHome, SegmentStore, written_people},
    pipeline::{LineFormat, write_list},
    storage::Destination,
};

/// How many characters of a message are kept.
const MESSAGE: usize = 1024;

/// What to do about a list.
pub(super) enum Listing {
    /// None is asked for.
    Idle,
    /// One is asked for, and cannot be written.
    Refused(String, Cause),
    /// It starts.
    Starts(String),
    /// It is being written.
    Works,
    /// It has ended; the status does not say so yet.
    Ended,
}

/// Decides.
pub(super) fn listing(gathered: &Gathered) -> Listing {
    let Some(asked) = &gathered.asked_to_list else { return Listing::Idle };
    match &gathered.listing {
        // An older request; its end causes another pass.
        Some(run) if run.ended().is_none() => Listing::Works,
        Some(run) if run.requested == *asked => Listing::Ended,
        _ => match refusal(gathered) {
            Some(cause) => Listing::Refused(asked.clone(), cause),
            None => Listing::Starts(asked.clone()),
        },
    }
}

/// Why no list can be written, if so.
fn refusal(gathered: &Gathered) -> Option<Cause> {
    let denied = |message: &str| Some(Cause::new(Reason::NotPermitted, message));
    if gathered.is_file() {
        return denied("the export writes a file: it has written nobody to Clinch");
    }
    let Some(target) = &gathered.list_target else {
        return denied("the list is written beside the report of the export: set spec.report");
    };
    let Some(integration) = gathered.integration.granted() else {
        return denied("the export may not use its integration, which permits reports");
    };
    if reveals(&integration.spec.read_permission).is_none() {
        return denied(
            "the integration does not permit reports that name people in Clinch; ask its admin to set \
             spec.readPermission.candidates: Allowed",
        );
    }
    refuses_places([target.url.as_str()].into_iter(), &integration.spec)
        .map(|message| Cause::new(Reason::NotPermitted, message))
        .or_else(|| unusable(gathered, target))
}

/// Starts a list.
pub(super) fn start<C: Cluster + LedgerHome>(
    context: &Arc<Context<C>>,
    gathered: &Gathered,
    requested: String,
) {
    // Decided before.
    let Some(target) = &gathered.list_target else { return };
    let secret = target.secret.as_ref().ok().and_then(Option::as_ref);
    let Ok(destination) = Destination::open(&target.url, secret, &gathered.destinations) else {
        return;
    };
    let uid = gathered.uid().to_owned();
    let list = List {
        format: LineFormat::of_name(&target.url),
        destination,
        owner: format!("{uid}/written"),
        store: context.cluster.ledger_store(&gathered.ledger_owner()),
        keys: gathered.keys.clone(),
        grant: grant(&context.cluster, gathered, target.url.clone()),
        expected: gathered.previous.ledger.as_ref().and_then(|ledger| ledger.next_segment),
    };
    let ended = gathered.ended(context.enqueue.clone());
    let run = ListRun { requested, ..ListRun::default() };
    let work = |handle: RunHandle<()>| async move {
        let stopped = || ListReport::failed(Cause::new(Reason::Suspended, "the operator ended"));
        handle.cancel.run_until_cancelled(list.write()).await.unwrap_or_else(stopped)
    };
    context.listings.start(&gathered.reference, run, work, ended);
    if !context.cluster.has_export(&gathered.reference) {
        context.listings.forget(&uid);
    }
}

/// Revoked as soon as the integration is seen to forbid the place, or to name people in Clinch.
fn grant<C: Cluster>(cluster: &C, gathered: &Gathered, url: String) -> Grant {
    let places = places_grant(cluster, gathered, vec![url]);
    let integration = integration_of(gathered.key(), &gathered.export.spec);
    let cluster = cluster.clone();
    Grant::new(move || {
        let found = cluster.integration(&integration);
        let names = found.is_some_and(|found| reveals(&found.spec.read_permission).is_some());
        if names { places.state() } else { GrantState::Revoked }
    })
}

/// A list that is to be written.
struct List<S> {
    destination: Destination,
    format: LineFormat,
    /// Identifies what is left of a list by a killed process.
    owner: String,
    store: S,
    keys: crate::ledger::Keys,
    grant: Grant,
    /// The position after the last segment, as the status names it.
    expected: Option<i64>,
}

impl<S: SegmentStore> List<S> {
    async fn write(self) -> ListReport {
        let people = match written_people(&self.store, Believed::Authentic(&[&self.keys])).await {
            Ok(people) => people,
            Err(error) => {
                let message = format!("the ledger cannot be read: {error}");
                return ListReport::failed(Cause::new(error.disposition().reason(), message));
            }
        };
        let expected = self.expected.and_then(|expected| u64::try_from(expected).ok());
        let mut flaws = people.flaws(expected);
        flaws.extend((people.undecided > 0).then(|| {
            format!("it is not known yet whether {} more were written", people.undecided)
        }));
        if self.grant.state() == GrantState::Revoked {
            let message = "the integration does not permit the list any more";
            return ListReport::failed(Cause::new(Reason::NotPermitted, message));
        }
        let url = self.destination.location().to_string();
        match write_list(&self.destination, self.format, &self.owner, &people).await {
            Ok((file, counts)) => ListReport { file: Ok(file), counts, flaws },
            Err(fault) => {
                let reason = fault.disposition().reason();
                ListReport::failed(Cause::new(reason, format!("{url} {fault}")))
            }
        }
    }
}

/// Takes over the end of a list, or why there is none, and the receipt.
pub(super) fn show(next: &mut CandidateExportStatus, gathered: &Gathered, listing: &Listing) {
    let (requested, seen) = match (listing, &gathered.listing) {
        (Listing::Refused(asked, cause), _) => {
            let listed_at = Time(whole_seconds(gathered.now));
            (asked, seen(&ListReport::failed(cause.clone()), listed_at))
        }
        (Listing::Ended, Some(run)) => {
            let Some(ended) = run.ended() else { return };
            (&run.requested, seen(&ended.report, Time(whole_seconds(ended.at))))
        }
        _ => return,
    };
    next.written = Some(seen);
    next.handled.get_or_insert_default().written_requested_at = Some(requested.clone());
}

fn seen(report: &ListReport, listed_at: Time) -> WrittenSeen {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let message = match &report.file {
        Ok(_) => (!report.flaws.is_empty()).then(|| report.flaws.join("; ")),
        Err(cause) => Some(cause.message.clone()),
    };
    WrittenSeen {
        created: number(report.counts.created),
        updated: number(report.counts.updated),
        unchanged: number(report.counts.unchanged),
        unknown: number(report.counts.unknown),
        report: report.file.as_ref().ok().map(|file| reported(file, listed_at.0)),
        message: message.map(|message| message.chars().take(MESSAGE).collect()),
        listed_at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said_with_the_list_and_why_there_is_none_without() {
        let at = || Time(jiff::Timestamp::UNIX_EPOCH);
        let cause = Cause::new(Reason::NotPermitted, "no");
        let refused = seen(&ListReport::failed(cause), at());
        assert_eq!((refused.report.is_none(), refused.message.as_deref()), (true, Some("no")));
        let file = crate::pipeline::FileInfo {
            url: "s3://b/x".to_owned(),
            rows: 2,
            altered: 0,
            bytes: 9,
            sha256: "00".to_owned(),
            version: String::new(),
        };
        let counts = crate::pipeline::WrittenCounts { created: 2, ..Default::default() };
        let written = ListReport { file: Ok(file), counts, flaws: vec!["a".into(), "b".into()] };
        let shown = seen(&written, at());
        assert_eq!((shown.created, shown.report.map(|report| report.lines)), (2, Some(2)));
        assert_eq!(shown.message.as_deref(), Some("a; b"));
    }
}
