//! Metrics of requests to Clinch.

use std::sync::atomic::AtomicU64;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::{Registry, Unit},
};

use super::fast_histogram;
use crate::clinch::{Attempt, Ended, Op};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    operation: &'static str,
    class: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Operation {
    operation: &'static str,
}

/// Requests to Clinch.
pub(super) struct Requests {
    attempts: Family<Request, Counter>,
    seconds: Family<Operation, Histogram>,
    pub(super) rejected_credentials: Counter,
    pub(super) pauses: Counter<f64, AtomicU64>,
}

impl Requests {
    /// Registers them. Every counter starts at 0, so that its first increase is seen as one.
    pub(super) fn new(registry: &mut Registry) -> Self {
        let found = Self {
            attempts: Family::default(),
            seconds: Family::new_with_constructor(fast_histogram),
            rejected_credentials: Counter::default(),
            pauses: Counter::default(),
        };
        for operation in Op::ALL.map(Op::name) {
            for class in Ended::CLASSES {
                let _zero = found.attempts.get_or_create(&Request { operation, class });
            }
        }
        registry.register(
            "clinch_requests",
            "Attempts of requests to Clinch, by operation and class of response",
            found.attempts.clone(),
        );
        registry.register_with_unit(
            "clinch_request_duration",
            "Duration of attempts of requests to Clinch",
            Unit::Seconds,
            found.seconds.clone(),
        );
        registry.register(
            "credentials_rejected",
            "Times that Clinch started to reject a credential",
            found.rejected_credentials.clone(),
        );
        registry.register_with_unit(
            "clinch_rate_limit_pause",
            "Time for which answers of 429 paused the requests of an account",
            Unit::Seconds,
            found.pauses.clone(),
        );
        found
    }

    /// Counts an attempt.
    pub(super) fn attempt(&self, attempt: &Attempt) {
        let operation = attempt.operation;
        self.attempts.get_or_create(&Request { operation, class: attempt.ended.class() }).inc();
        self.seconds
            .get_or_create(&Operation { operation })
            .observe(attempt.duration.as_secs_f64());
    }
}
