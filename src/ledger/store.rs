//! The port for segment stores: implemented in memory, on a folder, on an object store and on the
//! cluster. No I/O here.

use std::{future::Future, sync::Arc};

use bytes::Bytes;
use jiff::Timestamp;
use thiserror::Error;

use super::{AccountName, Moment};
use crate::domain::{Disposition, Reason};

/// Why a request to a store failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoreError {
    /// A segment at this position exists: this or another process wrote it.
    #[error("the segment exists already")]
    AlreadyExists,
    /// No room.
    #[error("a quota is used up: raise the quota of candidateledgers, or of the ledger's storage")]
    Quota,
    /// The store is full, e.g. etcd after a space alarm.
    #[error("the store is out of space: make room, and for etcd clear the alarm")]
    Full,
    /// The store accepts no segment of this size.
    #[error("the store accepts no segment of this size: raise its limit to 1 MiB")]
    TooLarge,
    /// The store cannot create an object only if none of its name exists.
    #[error("the object store has no conditional writes, without which ledgers are not safe")]
    NoFence,
    /// Not allowed.
    #[error("the operator may not {verb} ledger segments there")]
    Forbidden {
        /// What was refused, e.g. `create`.
        verb: &'static str,
    },
    /// The object store of `--ledger-url` does not do it before somebody changes something.
    #[error("the object store of --ledger-url does not {verb} segments: {why}")]
    Refused {
        /// What was refused, e.g. `create`.
        verb: &'static str,
        /// Why, and what to do.
        why: String,
    },
    /// The object store of `--ledger-url` does not do it now. Whether a write took place is unknown.
    #[error("the object store of --ledger-url does not {verb} segments now: {why}")]
    NoStore {
        /// What failed, e.g. `create`.
        verb: &'static str,
        /// Why, and what to do.
        why: String,
    },
    /// No answer, or a failure. Whether a write took place is unknown.
    #[error("the store failed ({what})")]
    Unavailable {
        /// HTTP status or kind of I/O error.
        what: String,
    },
}

impl StoreError {
    /// What the owner of the run does next.
    pub const fn disposition(&self) -> Disposition {
        match self {
            Self::Quota
            | Self::Full
            | Self::TooLarge
            | Self::NoFence
            | Self::Forbidden { .. }
            | Self::Refused { .. } => Disposition::retry(Reason::LedgerRefused),
            Self::NoStore { .. } => Disposition::retry(Reason::LedgerUnreachable),
            Self::AlreadyExists | Self::Unavailable { .. } => {
                Disposition::retry(Reason::InternalError)
            }
        }
    }
}

/// The segments of one export. They never change; two creates of one position never both succeed.
pub trait SegmentStore: Send + Sync + 'static {
    /// The positions of all segments, in any order.
    fn list(&self) -> impl Future<Output = Result<Vec<u64>, StoreError>> + Send;

    /// The bytes of a segment, unchecked; `None` when there is none.
    fn read(&self, seq: u64) -> impl Future<Output = Result<Option<Bytes>, StoreError>> + Send;

    /// When a segment was stored, if the store knows.
    fn stored_at(
        &self,
        _seq: u64,
    ) -> impl Future<Output = Result<Option<Timestamp>, StoreError>> + Send {
        std::future::ready(Ok(None))
    }

    /// Since when a segment is where it is, if the store knows: not the same in a copy.
    fn placed_at(
        &self,
        seq: u64,
    ) -> impl Future<Output = Result<Option<Timestamp>, StoreError>> + Send {
        self.stored_at(seq)
    }

    /// The present, as the processes that use the store can compare it.
    fn moment(&self) -> Option<Moment> {
        Moment::now()
    }

    /// Stores a segment, durably once it returns; [`StoreError::AlreadyExists`] is the fence.
    fn create(&self, seq: u64, bytes: Bytes)
    -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Deletes a segment; one that does not exist counts as deleted.
    fn delete(&self, seq: u64) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// The export or import that a ledger belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LedgerOwner {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
}

/// Where the ledgers of a cluster are kept.
pub trait LedgerHome {
    /// The store of one ledger.
    type Store: SegmentStore + 'static;

    /// The most people that one ledger may hold, if there is a limit.
    fn ledger_max(&self) -> Option<u64> {
        None
    }

    /// Called when an export or import was deleted, for stores that do not delete its ledger themselves.
    fn ledger_gone(&self, _uid: &str) {}

    /// The store of an export's ledger. Nothing is created before the first write.
    fn ledger_store(&self, owner: &LedgerOwner) -> Self::Store;

    /// The exports whose ledgers are kept although they are not among the objects of the cluster.
    fn kept_ledgers(&self) -> Vec<LedgerOwner> {
        Vec::new()
    }

    /// The store of which files an export has written, apart from its ledger of people: an export may
    /// change its destination. Nothing is created before the first write.
    fn files_store(&self, owner: &LedgerOwner) -> Self::Store;

    /// The store of what an import has written. Nothing is created before the first write.
    fn import_store(&self, owner: &LedgerOwner) -> Self::Store {
        self.ledger_store(owner)
    }

    /// The store of an account's suppression list, which outlives every export and integration.
    /// Nothing is created before the first write.
    fn suppression_store(&self, account: AccountName) -> Self::Store;

    /// The accounts that have a suppression list, in any order.
    fn suppressed_accounts(
        &self,
    ) -> impl Future<Output = Result<Vec<AccountName>, StoreError>> + Send;
}

impl<S: SegmentStore> SegmentStore for Arc<S> {
    fn list(&self) -> impl Future<Output = Result<Vec<u64>, StoreError>> + Send {
        (**self).list()
    }

    fn read(&self, seq: u64) -> impl Future<Output = Result<Option<Bytes>, StoreError>> + Send {
        (**self).read(seq)
    }

    fn stored_at(
        &self,
        seq: u64,
    ) -> impl Future<Output = Result<Option<Timestamp>, StoreError>> + Send {
        (**self).stored_at(seq)
    }

    fn placed_at(
        &self,
        seq: u64,
    ) -> impl Future<Output = Result<Option<Timestamp>, StoreError>> + Send {
        (**self).placed_at(seq)
    }

    fn moment(&self) -> Option<Moment> {
        (**self).moment()
    }

    fn create(
        &self,
        seq: u64,
        bytes: Bytes,
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        (**self).create(seq, bytes)
    }

    fn delete(&self, seq: u64) -> impl Future<Output = Result<(), StoreError>> + Send {
        (**self).delete(seq)
    }
}
