//! The exports of an import's integration: where their ledgers are, and what they write. Reads the cluster
//! when a run asks for it.

use std::sync::Arc;

use super::gather::Gathered;
use crate::{
    api::{CandidateExport, DuplicatePolicy, OwnWrites},
    cluster::{Cluster, ClusterError, ObjectKey, integration_of},
    controllers::{Context, check::Check, connections::Connection, mappings, references},
    ledger::{AccountName, Keys, LedgerHome, LedgerOwner},
    mapping::{self, Plan, TargetAttributes},
    pipeline::{self, Duplicates, ExportLedger, ExportLedgers},
};

/// What becomes of people as exports wrote them, in a run that starts now.
pub(super) fn own_writes<C: Cluster + LedgerHome>(
    context: &Arc<Context<C>>,
    gathered: &Gathered,
    connection: &Connection,
) -> pipeline::OwnWrites<C::Store> {
    if gathered.import.spec.own_writes == OwnWrites::Include {
        return pipeline::OwnWrites::Include;
    }
    let exports = Exports {
        context: context.clone(),
        integration: integration_of(gathered.key(), &gathered.import.spec),
        account: connection.account.name(),
        target: connection.attributes.clone(),
    };
    let find = async move || exports.ledgers().await.map_err(|error| error.to_string());
    pipeline::OwnWrites::Exclude(Box::new(move || Box::pin(find())))
}

/// The exports of an integration.
struct Exports<C> {
    context: Arc<Context<C>>,
    integration: ObjectKey,
    account: AccountName,
    target: TargetAttributes,
}

impl<C: Cluster + LedgerHome> Exports<C> {
    async fn ledgers(self) -> Result<ExportLedgers<C::Store>, ClusterError> {
        let cluster = &self.context.cluster;
        let root = self.context.root_key().await?;
        let mut found = ExportLedgers {
            ledgers: Vec::new(),
            unusable: 0,
            kept: self.context.kept_writes.clone(),
        };
        for key in cluster.exports_of(&self.integration).await? {
            // Without an attempted run, nothing was written.
            let Some(uid) = cluster.attempted_export(&key) else { continue };
            let Some(export) = cluster.read::<CandidateExport>(&key).await? else { continue };
            if export.spec.destination.file.is_some() {
                continue;
            }
            let Some(plan) = self.plan(&key, &export).await? else {
                found.unusable += 1;
                continue;
            };
            let duplicates = match self.duplicate_policy(&export) {
                DuplicatePolicy::Update => Duplicates::Update,
                DuplicatePolicy::Skip => Duplicates::Skip,
                DuplicatePolicy::Fail => Duplicates::Fail,
            };
            let keys = Keys::of(&root, self.account, &uid);
            let name = format!("{} {uid}", self.account);
            let cluster = cluster.clone();
            let owner = LedgerOwner { namespace: key.namespace, name: key.name, uid };
            let open = Box::new(move || (keys, cluster.ledger_store(&owner)));
            found.ledgers.push(ExportLedger { name, plan, duplicates, open });
        }
        Ok(found)
    }

    fn duplicate_policy(&self, export: &CandidateExport) -> DuplicatePolicy {
        let integration = self.context.cluster.integration(&self.integration);
        let default = integration.and_then(|found| found.spec.defaults.as_ref()?.duplicate_policy);
        export.spec.duplicate_policy.or(default).unwrap_or_default()
    }

    /// The mapping of an export; `None` if it cannot be used, so that what was written is not known.
    async fn plan(
        &self,
        key: &ObjectKey,
        export: &CandidateExport,
    ) -> Result<Option<Plan>, ClusterError> {
        let cluster = &self.context.cluster;
        let integration = cluster.integration(&self.integration);
        let found = references::mapping(cluster, key, &export.spec, integration.as_ref()).await?;
        if mappings::not_for_exports(&found, "").is_some() {
            return Ok(None);
        }
        let source: Result<_, Box<Check<()>>> =
            mappings::source(&found, &key.namespace, &self.target);
        Ok(source.ok().and_then(|(_, spec)| mapping::compile(&spec).ok()))
    }
}
