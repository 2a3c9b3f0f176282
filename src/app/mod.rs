//! Composition root: telemetry, metrics, the admin server, and how the parts are put together.

mod admin;
mod ledgers;
mod liveness;
mod log_level;
mod metrics;
mod operator;
mod telemetry;
mod traces;

use std::sync::Arc;

pub use admin::{Admin, Readiness};
pub use liveness::{Limits as LivenessLimits, Liveness};
pub use metrics::{Metered, Metrics, View};
pub use operator::{Lease, OperatorConfig, RunError, run};
pub use telemetry::{LogFilter, LogFormat, init as init_telemetry};
pub use traces::{
    Exporting, FLUSH as TRACES_FLUSH, SpanLayer, TraceError, TraceSampler, TraceSettings, Traces,
};

use crate::domain::Clock;
pub use crate::{
    ledger::ObjectLedgers,
    network::{AMBIENT_PROXIES, OutboundProxy, ProxyError, install_tls_provider},
    storage::{AllowedPlaces, StoragePolicy},
};

/// The system's clock.
#[expect(clippy::disallowed_methods, reason = "the clock that everything else takes")]
pub fn system_clock() -> Clock {
    Clock::new(jiff::Timestamp::now)
}

/// 32 bytes of secret randomness from the operating system.
pub fn random_key() -> anyhow::Result<[u8; 32]> {
    let mut key = [0_u8; 32];
    rustls::crypto::ring::default_provider()
        .secure_random
        .fill(&mut key)
        .map_err(|_| anyhow::anyhow!("the system's random generator failed"))?;
    Ok(key)
}

/// An observer that discards everything.
pub fn unobserved() -> Arc<dyn crate::clinch::Observer> {
    Arc::new(crate::clinch::Unobserved)
}
