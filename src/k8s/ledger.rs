//! Ledger segments as `CandidateLedger` objects beside their export: deterministic names, so that
//! a create conflict is a fence; owned by the export, so that they go with it.

use std::time::Duration;

use bytes::Bytes;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, ObjectMeta, PostParams},
};
use tokio::time::timeout;

use super::KubeCluster;
use crate::{
    api::{CandidateLedger, CandidateLedgerSpec, GROUP, VERSION},
    ledger::{
        LedgerHome, LedgerOwner, SegmentStore, StoreError, StoredSegment, from_text, to_text,
    },
};

/// Label by which the segments of one export are found.
const EXPORT_LABEL: &str = "clinch.hireez.dev/export-uid";
/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Segments per page of a list: at most 700 kB each.
const PAGE: u32 = 8;

/// The ledger of one export on the Kubernetes API.
pub struct KubeLedger {
    api: Api<CandidateLedger>,
    owner: LedgerOwner,
}

impl LedgerHome for KubeCluster {
    type Store = KubeLedger;

    fn ledger_store(&self, owner: &LedgerOwner) -> KubeLedger {
        KubeLedger::new(self.client.clone(), owner.clone())
    }
}

impl KubeLedger {
    fn new(client: Client, owner: LedgerOwner) -> Self {
        Self { api: Api::namespaced(client, &owner.namespace), owner }
    }

    fn name(&self, seq: u64) -> String {
        format!("{}-{seq}", self.owner.uid)
    }

    fn object(&self, seq: u64, bytes: &[u8]) -> CandidateLedger {
        CandidateLedger {
            metadata: ObjectMeta {
                name: Some(self.name(seq)),
                labels: Some([(EXPORT_LABEL.to_owned(), self.owner.uid.clone())].into()),
                owner_references: Some(vec![OwnerReference {
                    api_version: format!("{GROUP}/{VERSION}"),
                    kind: "CandidateExport".to_owned(),
                    name: self.owner.name.clone(),
                    uid: self.owner.uid.clone(),
                    controller: Some(true),
                    block_owner_deletion: None,
                }]),
                ..ObjectMeta::default()
            },
            spec: CandidateLedgerSpec {
                export_name: self.owner.name.clone(),
                export_uid: self.owner.uid.clone(),
                sequence: i64::try_from(seq).unwrap_or(i64::MAX),
                data: to_text(bytes),
            },
        }
    }
}

impl SegmentStore for KubeLedger {
    async fn list(&self) -> Result<Vec<StoredSegment>, StoreError> {
        let mut found = Vec::new();
        let mut params =
            ListParams::default().labels(&format!("{EXPORT_LABEL}={}", self.owner.uid)).limit(PAGE);
        loop {
            let page = answered("list", self.api.list(&params)).await?;
            for object in page.items {
                let Ok(seq) = u64::try_from(object.spec.sequence) else { continue };
                // Text that cannot be decoded is a segment that cannot be used, like any other.
                let bytes = from_text(&object.spec.data).unwrap_or_default();
                found.push(StoredSegment { seq, bytes });
            }
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => return Ok(found),
            }
        }
    }

    async fn create(&self, seq: u64, bytes: Bytes) -> Result<(), StoreError> {
        let object = self.object(seq, &bytes);
        answered("create", self.api.create(&PostParams::default(), &object)).await.map(|_| ())
    }

    async fn delete(&self, seq: u64) -> Result<(), StoreError> {
        let name = self.name(seq);
        match answered("delete", self.api.delete(&name, &DeleteParams::default())).await {
            Ok(_) => Ok(()),
            Err(StoreError::Unavailable { what }) if what == "404" => Ok(()),
            Err(error) => Err(error),
        }
    }
}

async fn answered<T>(
    verb: &'static str,
    request: impl Future<Output = kube::Result<T>>,
) -> Result<T, StoreError> {
    let answer = timeout(PATIENCE, request)
        .await
        .map_err(|_| StoreError::Unavailable { what: "no answer in 30 s".to_owned() })?;
    answer.map_err(|error| match &error {
        kube::Error::Api(status) => match status.code {
            403 if status.message.contains("exceeded quota") => StoreError::Quota,
            403 => StoreError::Forbidden { verb },
            409 if status.is_already_exists() => StoreError::AlreadyExists,
            413 => StoreError::TooLarge,
            507 => StoreError::Quota,
            code => StoreError::Unavailable { what: code.to_string() },
        },
        _ => StoreError::Unavailable { what: super::error::gist(&error) },
    })
}
