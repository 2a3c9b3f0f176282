//! Metrics of runs and of verifications of credentials.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError, atomic::AtomicU64},
};

use jiff::Timestamp;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

use crate::{
    cluster::Census,
    controllers::{NotificationOutcome, RunEnd, RunOutcome, VerificationOutcome, Work},
};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WorkLabel {
    work: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WorkEnded {
    work: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

/// Runs, and verifications of credentials.
pub(super) struct Runs {
    ended: Family<WorkEnded, Counter>,
    in_progress: Family<WorkLabel, Gauge>,
    seconds: Family<WorkLabel, Histogram>,
    last_success: Family<WorkLabel, Gauge<f64, AtomicU64>>,
    records: Family<WorkEnded, Counter>,
    verifications: Family<OutcomeLabel, Counter>,
    notifications: Family<OutcomeLabel, Counter>,
    import_own: Counter,
    import_near_misses: Counter,
    ledger_people: Gauge,
    largest_ledger: Gauge,
    /// People in each ledger that a run of this process opened, by the UID of its owner.
    ledgers: Mutex<HashMap<String, u64>>,
}

impl Runs {
    /// Registers them. Every counter starts at 0.
    pub(super) fn new(registry: &mut Registry) -> Self {
        // From 0.1 s to 7 h.
        let long = || Histogram::new(exponential_buckets(0.1, 4.0, 10));
        let found = Self {
            ended: Family::default(),
            in_progress: Family::default(),
            seconds: Family::new_with_constructor(long),
            last_success: Family::default(),
            records: Family::default(),
            verifications: Family::default(),
            notifications: Family::default(),
            import_own: Counter::default(),
            import_near_misses: Counter::default(),
            ledger_people: Gauge::default(),
            largest_ledger: Gauge::default(),
            ledgers: Mutex::default(),
        };
        for work in Work::ALL.map(Work::as_str) {
            let _zero = found.in_progress.get_or_create(&WorkLabel { work });
            for outcome in RunOutcome::ALL.map(RunOutcome::as_str) {
                let _zero = found.ended.get_or_create(&WorkEnded { work, outcome });
            }
        }
        for outcome in VerificationOutcome::ALL.map(VerificationOutcome::as_str) {
            let _zero = found.verifications.get_or_create(&OutcomeLabel { outcome });
        }
        for outcome in NotificationOutcome::ALL.map(NotificationOutcome::as_str) {
            let _zero = found.notifications.get_or_create(&OutcomeLabel { outcome });
        }
        for of in Work::ALL {
            for outcome in of.record_outcomes() {
                let work = of.as_str();
                let _zero = found.records.get_or_create(&WorkEnded { work, outcome });
            }
        }
        found.register(registry);
        found
    }

    fn register(&self, registry: &mut Registry) {
        registry.register(
            "runs",
            "Runs that ended, by what they do and outcome",
            self.ended.clone(),
        );
        registry.register(
            "runs_in_progress",
            "Runs that work or wait for a permit",
            self.in_progress.clone(),
        );
        registry.register_with_unit(
            "run_duration",
            "Duration of runs, with their wait for a permit",
            Unit::Seconds,
            self.seconds.clone(),
        );
        registry.register_with_unit(
            "last_success_timestamp",
            "When a run last decided everything, also before this process began, in seconds since 1970",
            Unit::Seconds,
            self.last_success.clone(),
        );
        registry.register(
            "records_processed",
            "Records that runs decided, by what they do and outcome",
            self.records.clone(),
        );
        registry.register(
            "credential_verifications",
            "Verifications of the credentials of integrations, by outcome",
            self.verifications.clone(),
        );
        registry.register(
            "notifications",
            "Notifications that were delivered or could not be, by outcome",
            self.notifications.clone(),
        );
        registry.register(
            "import_own",
            "People whom imports left out because they were as an export had written them",
            self.import_own.clone(),
        );
        registry.register(
            "import_near_miss",
            "People whom imports wrote although an export had written them, with other values",
            self.import_near_misses.clone(),
        );
        registry.register(
            "ledger_people",
            "People in the ledgers: as counted by runs of this process, else as the last run reported",
            self.ledger_people.clone(),
        );
        registry.register(
            "largest_ledger_people",
            "People in the largest of these ledgers",
            self.largest_ledger.clone(),
        );
    }

    /// A run was started.
    pub(super) fn started(&self, work: Work) {
        self.in_progress.get_or_create(&WorkLabel { work: work.as_str() }).inc();
    }

    /// A run ended.
    pub(super) fn ended(&self, end: &RunEnd<'_>) {
        let work = end.work.as_str();
        let label = WorkLabel { work };
        self.in_progress.get_or_create(&label).dec();
        self.ended.get_or_create(&WorkEnded { work, outcome: end.outcome.as_str() }).inc();
        self.seconds.get_or_create(&label).observe(end.took.as_secs_f64());
        if end.outcome.is_success() {
            self.succeeded(end.work, end.at);
        }
        for (outcome, count) in &end.records {
            if *count > 0 {
                self.records.get_or_create(&WorkEnded { work, outcome }).inc_by(*count);
            }
        }
        if let Some(people) = end.ledger_people {
            self.ledgers().insert(end.uid.to_owned(), people);
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "milliseconds of this age fit")]
    fn succeeded(&self, work: Work, at: Timestamp) {
        let known = self.last_success.get_or_create(&WorkLabel { work: work.as_str() });
        known.set(known.get().max(at.as_millisecond() as f64 / 1000.0));
    }

    /// An import compared people with what exports had written.
    pub(super) fn import_compared(&self, own: u64, near_misses: u64) {
        self.import_own.inc_by(own);
        self.import_near_misses.inc_by(near_misses);
    }

    /// A credential was verified.
    pub(super) fn verified(&self, outcome: VerificationOutcome) {
        self.verifications.get_or_create(&OutcomeLabel { outcome: outcome.as_str() }).inc();
    }

    /// A notification was delivered, or could not be.
    pub(super) fn notified(&self, outcome: NotificationOutcome) {
        self.notifications.get_or_create(&OutcomeLabel { outcome: outcome.as_str() }).inc();
    }

    /// An export or import was deleted, and its ledger with it.
    pub(super) fn forgotten(&self, uid: &str) {
        self.ledgers().remove(uid);
    }

    /// Shows what runs of this process left, and what the statuses say of runs before it.
    pub(super) fn show(&self, census: &Census) {
        for (work, last) in [(Work::Export, census.last_export), (Work::Import, census.last_import)]
        {
            if let Some(at) = last {
                self.succeeded(work, at);
            }
        }
        let ledgers = self.ledgers();
        let before = census.ledgers.iter().filter(|(uid, _)| !ledgers.contains_key(*uid));
        let people: Vec<u64> =
            ledgers.values().chain(before.map(|(_, people)| people)).copied().collect();
        let shown = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.ledger_people.set(shown(people.iter().sum()));
        self.largest_ledger.set(shown(people.into_iter().max().unwrap_or_default()));
    }

    fn ledgers(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.ledgers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_process_that_takes_over_shows_what_was_before_it() {
        let runs = Runs::new(&mut Registry::default());
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let mut census = Census {
            last_export: Some(at(1000)),
            ledgers: [("a".to_owned(), 170_000), ("b".to_owned(), 5)].into(),
            ..Census::default()
        };
        runs.show(&census);
        let last = |work: Work| {
            let label = WorkLabel { work: work.as_str() };
            runs.last_success.get(&label).map(|known| known.get())
        };
        assert_eq!((last(Work::Export), last(Work::Import)), (Some(1000.0), None));
        assert_eq!((runs.ledger_people.get(), runs.largest_ledger.get()), (170_005, 170_000));
        // A run of this process knows better.
        runs.ended(&RunEnd {
            work: Work::Export,
            uid: "a",
            outcome: RunOutcome::Completed,
            at: at(2000),
            took: Duration::from_secs(1),
            records: Vec::new(),
            ledger_people: Some(171_000),
        });
        runs.show(&census);
        assert_eq!(last(Work::Export), Some(2000.0));
        assert_eq!((runs.ledger_people.get(), runs.largest_ledger.get()), (171_005, 171_000));
        runs.forgotten("a");
        census.ledgers.remove("a");
        runs.show(&census);
        assert_eq!((runs.ledger_people.get(), runs.largest_ledger.get()), (5, 5));
    }
}
