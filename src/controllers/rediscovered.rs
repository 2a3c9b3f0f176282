//! What a list of people is to Clinch, as counts. Pure.

use crate::{
    api::RediscoveryCounts,
    pipeline::{MatchClass, Progress},
};

/// What the records of a dry run are to Clinch.
pub(super) fn rediscovery(progress: &Progress) -> RediscoveryCounts {
    let (counts, rejected) = (&progress.counts, &progress.by_reason);
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let rejected = |class: MatchClass| -> u64 {
        let of_class = rejected
            .iter()
            .filter(|((reason, _), _)| MatchClass::of_rejected(Some(*reason)) == class);
        of_class.map(|(_, count)| count).sum()
    };
    let (known, ambiguous) = (rejected(MatchClass::Known), rejected(MatchClass::Ambiguous));
    RediscoveryCounts {
        known: number(counts.unchanged + counts.skipped + known),
        changed: number(counts.updated),
        new: number(counts.created.saturating_sub(counts.possible)),
        possible: progress.profiles_compared.then(|| number(counts.possible)),
        ambiguous: number(ambiguous),
        suppressed: number(counts.suppressed),
        unmatchable: number(counts.rejected().saturating_sub(known + ambiguous)),
    }
}
