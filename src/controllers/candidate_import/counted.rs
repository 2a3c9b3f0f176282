//! The verdict on the counts of a run that has ended, as the status shows them. Pure.

use super::reported::Reported;
use crate::{
    api::{ACCEPT_DELETIONS, CandidateImportStatus, ConditionType},
    controllers::{budget, run_result::RunResult, runs::ImportRun},
    domain::Reason,
};

/// The verdict on what is in place.
pub(super) fn settled(next: &CandidateImportStatus, reported: &Reported<'_>) -> RunResult {
    let counts = next.counts.unwrap_or_default();
    let known = next.last_full_scan.as_ref().map_or(0, |scan| scan.known);
    let rejected = next.rejected.unwrap_or_default();
    let allowed = budget::allowed(reported.budget, counts.scanned.max(known));
    let mut message = written(next, known);
    let lost = reported.run.filter(|run| run.is_completed()).and_then(ImportRun::lost);
    if let Some(why) = lost {
        message = format!("{message}; everybody was written again: {why}");
    }
    if reported.unaccepted.is_some() {
        message = format!(
            "{message}; the annotation {ACCEPT_DELETIONS} accepts nothing, because no deletions are held"
        );
    }
    // Everybody who is selected is known, or left out as an export wrote them.
    let nobody = reported.selects && known == 0 && counts.own == 0 && counts.not_selected > 0;
    let (complete, reason) = if rejected == 0 && nobody {
        let unseen = reported.unseen.map(|unseen| format!("{unseen}; ")).unwrap_or_default();
        message = format!("none of {} people is selected; {unseen}{message}", counts.not_selected);
        (true, Reason::NothingSelected)
    } else if rejected == 0 {
        (true, Reason::Imported)
    } else {
        let rest = rejections(next, rejected);
        if rejected > allowed {
            let message = format!(
                "{message}; {rejected} rejected, more than failureBudget allows ({allowed}): {rest}"
            );
            return RunResult::rejected(ConditionType::Imported, message);
        }
        message = format!("{message}; {rejected} rejected, within failureBudget: {rest}");
        (false, Reason::ImportedWithRejections)
    };
    if let Some(unlisted) = next.unlisted.filter(|_| rejected <= allowed) {
        let message = format!(
            "{message}; the list of Clinch says that it has {unlisted} more people than it shows, so \
             nobody counts as deleted, and every run reads everybody"
        );
        return ready(false, Reason::SourceUnsettled, message);
    }
    ready(complete, reason, message)
}

fn ready(complete: bool, reason: Reason, message: String) -> RunResult {
    RunResult::ready(ConditionType::Imported, complete, reason, message)
}

/// Who was rejected, by cause, and what to do. `rejected`: also those whom the last run did not read.
fn rejections(next: &CandidateImportStatus, rejected: i64) -> String {
    let counts = next.counts.unwrap_or_default();
    let before = counts.refused_before.unwrap_or_default();
    let earlier = rejected.saturating_sub(counts.rejected());
    let causes = [
        (counts.invalid, "could not be read or mapped (invalid)"),
        (counts.failed, "were offered, and the destination refused them (failed)"),
        (before, "were refused by an earlier run, and not offered again (refusedBefore)"),
        (earlier, "were found by earlier runs"),
    ];
    let causes = causes.iter().filter(|(count, _)| *count > 0);
    let mut message: Vec<String> = causes.map(|(count, why)| format!("{count} {why}")).collect();
    let first = next.failures.first();
    message.extend(first.map(|failure| format!("first: {}: {}", failure.reason, failure.message)));
    let refused = counts.failed + before > 0;
    let at_fault = match (counts.invalid > 0, refused) {
        (true, true) => "their values, the mapping, or what the destination takes",
        (false, true) => "their values, or what the destination takes",
        (_, false) => "their values, or the mapping",
    };
    message.push(format!("correct {at_fault} (status.failures); each full scan tries them again"));
    message.join("; ")
}

/// What the run has written, and what the list is to Clinch.
fn written(next: &CandidateImportStatus, known: i64) -> String {
    let counts = next.counts.unwrap_or_default();
    let mut message = format!("{} written, {} tombstones", counts.emitted, counts.tombstones);
    let suppressed = counts.suppressed.unwrap_or_default();
    for (count, why) in [
        (counts.own, "left out as exports wrote them"),
        (suppressed, "left out by spec.suppression of the integration"),
    ] {
        if count > 0 {
            message = format!("{message}, {count} {why}");
        }
    }
    if known > 0 {
        message = format!("{message}; {known} known");
    }
    let Some(list) = &next.rediscovery else { return message };
    message = format!(
        "{message}; of the list {} known, {} changed, {} new",
        list.known, list.changed, list.new
    );
    for (count, class) in [
        (list.possible.unwrap_or_default(), "possible"),
        (list.ambiguous, "ambiguous"),
        (list.suppressed, "suppressed"),
        (list.unmatchable, "unmatchable"),
    ] {
        if count > 0 {
            message = format!("{message}, {count} {class}");
        }
    }
    message
}
