//! Ledgers of the local cluster: a folder for each export and for the anonymised people of each
//! account, or memory where no state is kept.

use std::{path::PathBuf, sync::PoisonError};

use bytes::Bytes;
use jiff::Timestamp;

use super::LocalCluster;
use crate::{
    cluster::{Kind, ObjectKey, ObjectRef},
    ledger::{
        AccountName, FolderStore, LedgerHome, LedgerOwner, MemoryStore, SegmentStore, StoreError,
        names_in,
    },
};

/// One ledger.
pub enum LocalLedger {
    /// In the state folder.
    Folder(FolderStore),
    /// In memory, for as long as the process lives.
    Memory(MemoryStore),
}

impl LedgerHome for LocalCluster {
    type Store = LocalLedger;

    fn ledger_store(&self, owner: &LedgerOwner) -> LocalLedger {
        let reference = ObjectRef {
            kind: Kind::Export,
            key: ObjectKey::new(&owner.namespace, &owner.name),
            uid: owner.uid.clone(),
        };
        self.ledger(self.segments_dir(&reference), owner.uid.clone())
    }

    fn kept_ledgers(&self) -> Vec<LedgerOwner> {
        self.exports_not_applied()
    }

    fn files_store(&self, owner: &LedgerOwner) -> LocalLedger {
        let name = format!("{}-files", owner.uid);
        let reference = ObjectRef {
            kind: Kind::Export,
            key: ObjectKey::new(&owner.namespace, &owner.name),
            uid: name.clone(),
        };
        self.ledger(self.segments_dir(&reference), name)
    }

    fn suppression_store(&self, account: AccountName) -> LocalLedger {
        self.ledger(self.suppression_dir(account), format!("suppression-{account}"))
    }

    async fn suppressed_accounts(&self) -> Result<Vec<AccountName>, StoreError> {
        let Some(dir) = self.suppressions_dir() else {
            // What is in memory was written by this process.
            return Ok(Vec::new());
        };
        let names = names_in(&dir).await?;
        Ok(names.iter().filter_map(|name| AccountName::parse(name)).collect())
    }
}

impl LocalCluster {
    fn ledger(&self, folder: Option<PathBuf>, name: String) -> LocalLedger {
        if let Some(folder) = folder {
            return LocalLedger::Folder(FolderStore::new(folder));
        }
        let ledgers = self.memory_ledgers();
        let mut ledgers = ledgers.lock().unwrap_or_else(PoisonError::into_inner);
        LocalLedger::Memory(ledgers.entry(name).or_default().clone())
    }
}

impl SegmentStore for LocalLedger {
    async fn list(&self) -> Result<Vec<u64>, StoreError> {
        match self {
            Self::Folder(store) => store.list().await,
            Self::Memory(store) => store.list().await,
        }
    }

    async fn read(&self, seq: u64) -> Result<Option<Bytes>, StoreError> {
        match self {
            Self::Folder(store) => store.read(seq).await,
            Self::Memory(store) => store.read(seq).await,
        }
    }

    async fn stored_at(&self, seq: u64) -> Result<Option<Timestamp>, StoreError> {
        match self {
            Self::Folder(store) => store.stored_at(seq).await,
            Self::Memory(store) => store.stored_at(seq).await,
        }
    }

    async fn placed_at(&self, seq: u64) -> Result<Option<Timestamp>, StoreError> {
        match self {
            Self::Folder(store) => store.placed_at(seq).await,
            Self::Memory(store) => store.placed_at(seq).await,
        }
    }

    async fn create(&self, seq: u64, bytes: Bytes) -> Result<(), StoreError> {
        match self {
            Self::Folder(store) => store.create(seq, bytes).await,
            Self::Memory(store) => store.create(seq, bytes).await,
        }
    }

    async fn delete(&self, seq: u64) -> Result<(), StoreError> {
        match self {
            Self::Folder(store) => store.delete(seq).await,
            Self::Memory(store) => store.delete(seq).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{
        domain::Clock,
        local::{LoadOptions, Loader},
    };

    fn open(manifest: &str, state: Option<&Path>) -> LocalCluster {
        let mut loader = Loader::new(LoadOptions::default());
        loader.add_text("x.yaml", manifest);
        let clock = Clock::fixed("2026-05-01T12:00:00Z".parse().unwrap());
        LocalCluster::open(loader.finish().unwrap(), state, [7; 32], clock).unwrap()
    }

    const EXPORT: &str = "apiVersion: clinch.hireez.dev/v1alpha1\nkind: CandidateExport\n\
        metadata: {name: e, namespace: talent}\nspec: {integrationRef: {name: i}, \
        source: {configMapRef: {name: c}}, destination: {prospect: {}}}\n";
    const NO_EXPORT: &str =
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: talent}\ndata: {}\n";

    #[tokio::test]
    async fn an_accounts_people_outlive_exports_and_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let account = AccountName::parse("00112233445566ff").unwrap();
        let cluster = open(EXPORT, Some(folder.path()));
        assert!(!folder.path().join("suppression").exists(), "nothing is made before a write");
        let store = cluster.suppression_store(account);
        store.create(3, Bytes::from_static(b"segment")).await.unwrap();
        assert!(folder.path().join("suppression/00112233445566ff").is_dir());
        cluster.ledger_gone("00112233445566ff");
        drop((store, cluster));
        let again = open(NO_EXPORT, Some(folder.path()));
        assert_eq!(again.suppression_store(account).list().await.unwrap(), [3]);
        let other = AccountName::parse("00112233445566fe").unwrap();
        assert!(again.suppression_store(other).list().await.unwrap().is_empty());
        assert_eq!(again.suppressed_accounts().await.unwrap(), [account]);
    }

    #[tokio::test]
    async fn without_a_folder_they_are_kept_until_the_process_ends() {
        let account = AccountName::parse("00112233445566ff").unwrap();
        let cluster = open(EXPORT, None);
        let store = cluster.suppression_store(account);
        store.create(0, Bytes::from_static(b"x")).await.unwrap();
        drop(store);
        assert_eq!(cluster.suppression_store(account).list().await.unwrap(), [0]);
    }
}
