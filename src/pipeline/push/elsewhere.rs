//! The other ledgers of the account as a whole, for people whose record in Clinch is gone: another export may
//! know them under another id, and may have been killed while it created them. Reads ledgers through their
//! stores.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use tokio::{sync::OnceCell, time::Instant};

use super::{
    crm::CrmFailure,
    doubts::Doubts,
    guard::PeopleGuard,
    neighbours::{Neighbours, found},
};
use crate::{
    domain::ClinchId,
    ledger::{KeyHash, Ledger, SegmentStore},
};

/// The other ledgers; read when the first person is met whose record is gone.
pub(super) struct Elsewhere {
    export: String,
    read: Box<dyn Fn() -> BoxFuture<'static, Result<Vec<Ledger>, CrmFailure>> + Send + Sync>,
    ledgers: OnceCell<Vec<Ledger>>,
}

impl Elsewhere {
    /// `longest`: how long requests of a process that was killed may take.
    pub(super) fn of<S: SegmentStore>(
        neighbours: Neighbours<S>,
        guard: &Arc<PeopleGuard>,
        export: &str,
        longest: Duration,
    ) -> Self {
        let guard = Arc::clone(guard);
        let read = move || -> BoxFuture<'static, _> {
            let (neighbours, guard) = (Arc::clone(&neighbours), Arc::clone(&guard));
            Box::pin(async move {
                let mut ledgers = Vec::new();
                for neighbour in found(&neighbours).await? {
                    ledgers.push(neighbour.read(&guard.doubts, longest).await?);
                }
                Ok(ledgers)
            })
        };
        let ledgers = OnceCell::new();
        Self { export: export.to_owned(), read: Box::new(read), ledgers }
    }

    /// For a run that creates nobody.
    pub(super) fn nowhere() -> Self {
        let read = || -> BoxFuture<'static, _> { Box::pin(async { Ok(Vec::new()) }) };
        let ledgers = OnceCell::new();
        Self { export: String::new(), read: Box::new(read), ledgers }
    }

    /// The ids under which they know a person.
    pub(super) async fn ids(&self, person: &KeyHash) -> Result<Vec<ClinchId>, CrmFailure> {
        let ledgers = self.ledgers.get_or_try_init(|| (self.read)()).await?;
        Ok(ledgers.iter().filter_map(|ledger| ledger.id(person)).collect())
    }

    /// Until when requests of other processes may be carried out, if they may.
    pub(super) fn in_doubt_until(&self, doubts: &Doubts) -> Option<Instant> {
        let rest = doubts.rest(&self.export);
        (!rest.is_zero()).then(|| Instant::now() + rest)
    }
}
