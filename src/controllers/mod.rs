//! One module per kind; kinds do not import each other. Each pass has five steps: gather (async),
//! validate (pure), plan (pure), execute (async), status (pure).

mod access;
mod budget;
mod candidate_export;
mod candidate_import;
mod check;
mod claims;
mod clinch_integration;
mod connections;
mod content_revision;
mod context;
mod decision;
mod dependency;
mod destinations;
mod drain;
mod field_mapping;
mod finding;
mod grants;
mod inspect;
mod link;
mod lists;
mod mappings;
mod not_previewed;
mod notify;
mod observer;
mod preview;
mod publish;
mod read_permission;
mod rediscovered;
mod references;
mod run_result;
mod runs;
mod secrets;
mod settings;
mod shards;
mod sources;
mod spans;
mod trouble;
mod waits;
mod young;

use std::{sync::Arc, time::Duration};

use tracing::Instrument as _;

pub use self::{
    context::Context,
    finding::Finding,
    not_previewed::NotPreviewed,
    observer::{NotificationOutcome, RunEnd, RunOutcome, VerificationOutcome, Work, WorkObserver},
    settings::{Enqueue, NotifySettings, Regions, Reports, Settings},
};
use crate::{
    cluster::{Cluster, ClusterError, Kind, ObjectKey, Reconciler},
    ledger::LedgerHome,
    mapping::TargetAttributes,
};

/// The controllers of all kinds.
pub struct Controllers<C>(pub Arc<Context<C>>);

impl<C: Cluster> Controllers<C> {
    /// What the controllers say of one object before anything is contacted. `target`: the attributes
    /// that mappings may fill, as far as they are known.
    pub async fn review(
        &self,
        kind: Kind,
        key: &ObjectKey,
        target: &TargetAttributes,
    ) -> Result<Vec<Finding>, ClusterError> {
        match kind {
            Kind::Integration => clinch_integration::review(&self.0, key).await,
            Kind::Mapping => field_mapping::review(&self.0, key, target).await,
            Kind::Export => candidate_export::review(&self.0, key, target).await,
            Kind::Import => candidate_import::review(&self.0, key, target).await,
        }
    }
}

impl<C: Cluster + LedgerHome> Reconciler for Controllers<C> {
    async fn reconcile(
        &self,
        kind: Kind,
        key: &ObjectKey,
    ) -> Result<Option<Duration>, ClusterError> {
        let span = spans::reconcile(kind, key);
        let pass = async {
            match kind {
                Kind::Integration => clinch_integration::reconcile(&self.0, key).await,
                Kind::Mapping => field_mapping::reconcile(&self.0, key).await,
                Kind::Export => Box::pin(candidate_export::reconcile(&self.0, key)).await,
                Kind::Import => Box::pin(candidate_import::reconcile(&self.0, key)).await,
            }
        };
        let result = pass.instrument(span.clone()).await;
        spans::reconciled(&span, result.is_ok());
        result
    }

    fn deleted(&self, kind: Kind, uid: &str) {
        self.0.notifier.forget(uid);
        match kind {
            Kind::Integration => {
                self.0.notifier.forget_integration(uid);
                self.0.connections.forget(uid);
                self.0.shards.forget(uid);
            }
            Kind::Mapping => {}
            Kind::Export => {
                self.0.shards.forget_user(uid);
                self.0.work.forgotten(uid);
                self.0.runs.forget(uid);
                self.0.verifications.forget(uid);
                self.0.cluster.ledger_gone(uid);
            }
            Kind::Import => {
                self.0.shards.forget_user(uid);
                self.0.work.forgotten(uid);
                self.0.imports.forget(uid);
                self.0.cluster.ledger_gone(uid);
            }
        }
    }
}
