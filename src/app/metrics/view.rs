//! Metrics that are computed when they are read: what the watches have seen, the queues, the accounts.

use std::{collections::BTreeMap, sync::atomic::AtomicU64, time::Duration};

use jiff::Timestamp;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};

use super::KindLabel;
use crate::{
    clinch::Rates,
    cluster::{Census, Kind},
};

/// What is shown of a process that leads, at one moment.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// Counts over all objects.
    pub census: Census,
    /// When this was.
    pub now: Timestamp,
    /// Per kind: reconciles that were requested and have not begun, and the wait of the first.
    pub waiting: Vec<(Kind, (usize, Duration))>,
    /// Per watched kind: how far its watch is behind.
    pub watch_lag: BTreeMap<&'static str, Duration>,
    /// The rates at which the accounts are used.
    pub rates: Rates,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ObjectLabel {
    kind: &'static str,
    condition: &'static str,
    status: &'static str,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RecordLabel {
    outcome: &'static str,
}

/// A family has no sample while it is empty, unlike a metric of its own.
pub(super) type NoLabels = [(&'static str, &'static str); 0];
type Seconds = Gauge<f64, AtomicU64>;

/// The metrics of a view. Absent while there is none.
#[derive(Default)]
pub(super) struct Viewed {
    objects: Family<ObjectLabel, Gauge>,
    records: Family<RecordLabel, Gauge>,
    oldest_pending: Family<NoLabels, Seconds>,
    queue_depth: Family<KindLabel, Gauge>,
    queue_age: Family<KindLabel, Seconds>,
    watch_lag: Family<KindLabel, Seconds>,
    accounts: Family<NoLabels, Gauge>,
    limited: Family<NoLabels, Gauge>,
    in_flight: Family<NoLabels, Gauge>,
    lowest_rate: Family<NoLabels, Seconds>,
}

impl Viewed {
    /// Registers them.
    pub(super) fn new(registry: &mut Registry) -> Self {
        let found = Self::default();
        registry.register(
            "objects",
            "Objects by kind and condition: each under Ready, and under Stalled and Suspended while \
             these are True",
            found.objects.clone(),
        );
        registry.register(
            "export_records",
            "Records of the latest run of each export that pushes, by outcome",
            found.records.clone(),
        );
        registry.register_with_unit(
            "oldest_pending_age",
            "For how long an export has had pending records, of the one that has waited longest",
            Unit::Seconds,
            found.oldest_pending.clone(),
        );
        registry.register(
            "queue_depth",
            "Reconciles that were requested and have not begun, by kind",
            found.queue_depth.clone(),
        );
        registry.register_with_unit(
            "queue_age",
            "For how long the first of these has waited, by kind",
            Unit::Seconds,
            found.queue_age.clone(),
        );
        registry.register_with_unit(
            "watch_lag",
            "For how long a watch fails, or a status that was written has not come back through it, by kind",
            Unit::Seconds,
            found.watch_lag.clone(),
        );
        registry.register("clinch_accounts", "Accounts in use", found.accounts.clone());
        registry.register(
            "clinch_accounts_limited",
            "Accounts whose requests are answered with nothing but 429",
            found.limited.clone(),
        );
        registry.register(
            "clinch_requests_in_flight",
            "Requests to Clinch in flight",
            found.in_flight.clone(),
        );
        registry.register(
            "clinch_lowest_requests_per_second",
            "Lowest rate in force of an account, configured or learned",
            found.lowest_rate.clone(),
        );
        found
    }

    /// Replaces what is shown.
    pub(super) fn show(&self, view: Option<&View>) {
        self.objects.clear();
        self.records.clear();
        self.queue_depth.clear();
        self.queue_age.clear();
        self.watch_lag.clear();
        self.lowest_rate.clear();
        let Some(view) = view else {
            self.oldest_pending.clear();
            self.accounts.clear();
            self.limited.clear();
            self.in_flight.clear();
            return;
        };
        for (cell, count) in &view.census.objects {
            let label = ObjectLabel {
                kind: cell.kind.as_str(),
                condition: cell.condition,
                status: cell.status,
                reason: cell.reason,
            };
            self.objects.get_or_create(&label).set(shown(*count));
        }
        for (outcome, count) in &view.census.records {
            self.records.get_or_create(&RecordLabel { outcome }).set(shown(*count));
        }
        let age = view
            .census
            .pending_since
            .map_or(0.0, |since| view.now.duration_since(since).as_secs_f64().max(0.0));
        self.oldest_pending.get_or_create(&[]).set(age);
        for (kind, (depth, wait)) in &view.waiting {
            let label = KindLabel { kind: kind.as_str() };
            self.queue_depth.get_or_create(&label).set(shown(*depth as u64));
            self.queue_age.get_or_create(&label).set(wait.as_secs_f64());
        }
        for (kind, lag) in &view.watch_lag {
            self.watch_lag.get_or_create(&KindLabel { kind }).set(lag.as_secs_f64());
        }
        self.accounts.get_or_create(&[]).set(shown(view.rates.accounts as u64));
        self.limited.get_or_create(&[]).set(shown(view.rates.limited as u64));
        self.in_flight.get_or_create(&[]).set(shown(view.rates.in_flight as u64));
        if let Some(lowest) = view.rates.lowest {
            self.lowest_rate.get_or_create(&[]).set(lowest);
        }
    }
}

fn shown(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
