//! Ledger segments as `CandidateLedger` objects. Their names are deterministic, so that a create
//! conflict is a fence. Segments of an export or import are in its namespace and owned by it, so that
//! they are deleted with it; those of an account's anonymised people are in the operator's own namespace
//! and have no owner. Where ledgers are kept in an object store, new segments go there; older ones
//! in the cluster are still read, and deleted once they are not needed.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{
    Api,
    api::{DeleteParams, ListParams, ObjectMeta, PostParams},
    core::{PartialObjectMeta, Status},
};
use tokio::time::{Instant, sleep, timeout};

use super::KubeCluster;
use crate::{
    api::{CandidateLedger, CandidateLedgerSpec, GROUP, VERSION},
    cluster::Kind,
    ledger::{
        AccountName, LedgerHome, LedgerOwner, ObjectSegments, SegmentStore, StoreError, from_text,
        to_text,
    },
};

/// Label by which the segments of one export or import are found.
const EXPORT_LABEL: &str = "clinch.hireez.dev/export-uid";
/// Label by which the segments of an account's anonymised people are found.
const SUPPRESSION_LABEL: &str = "clinch.hireez.dev/suppression";
/// The timeout of one request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How long an API server may ask to wait (429) before that counts as a failure: it does so for a
/// second while it sets up the storage of a new CRD.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long is waited where it does not say.
const USUAL_WAIT: Duration = Duration::from_secs(1);
/// The longest that a run of a deleted export continues: its requests in flight, and its last
/// segment.
const DELETED_RUN_TIMEOUT: Duration = Duration::from_secs(180);
/// Names per page of a list.
const PAGE: u32 = 500;

/// One ledger.
pub struct KubeLedger {
    cluster: InCluster,
    objects: Option<ObjectSegments>,
}

/// The part of a ledger on the Kubernetes API.
struct InCluster {
    api: Api<CandidateLedger>,
    place: Place,
}

/// Where the segments of one ledger are, and how they are named.
struct Place {
    namespace: String,
    /// A segment's name is this, a hyphen and the position.
    prefix: String,
    /// Key and value of the label that selects them.
    label: (&'static str, String),
    /// Name and UID of the export or import in their spec.
    export_name: String,
    export_uid: String,
    /// The object that they are deleted with.
    owner: Option<OwnerReference>,
}

impl Place {
    /// `kind`: of the owner.
    fn of(kind: Kind, owner: &LedgerOwner) -> Self {
        Self {
            namespace: owner.namespace.clone(),
            prefix: owner.uid.clone(),
            label: (EXPORT_LABEL, owner.uid.clone()),
            export_name: owner.name.clone(),
            export_uid: owner.uid.clone(),
            owner: Some(OwnerReference {
                api_version: format!("{GROUP}/{VERSION}"),
                kind: kind.as_str().to_owned(),
                name: owner.name.clone(),
                uid: owner.uid.clone(),
                controller: Some(true),
                block_owner_deletion: None,
            }),
        }
    }

    /// Of the files that an export has written.
    fn of_files(owner: &LedgerOwner) -> Self {
        let prefix = files(&owner.uid);
        // They are not listed among what was pushed.
        let label = (EXPORT_LABEL, prefix.clone());
        Self { prefix, label, ..Self::of(Kind::Export, owner) }
    }

    /// `home`: the operator's own namespace; an account belongs to no export.
    fn of_suppression(home: &str, account: AccountName) -> Self {
        Self {
            namespace: home.to_owned(),
            prefix: suppression(account),
            label: (SUPPRESSION_LABEL, account.to_string()),
            export_name: "suppression".to_owned(),
            export_uid: format!("account-{account}"),
            owner: None,
        }
    }

    fn name(&self, seq: u64) -> String {
        format!("{}-{seq}", self.prefix)
    }

    /// Selects one segment. For a list instead of a get: the permission to list is enough.
    fn named(&self, seq: u64) -> ListParams {
        ListParams::default().fields(&format!("metadata.name={}", self.name(seq)))
    }

    /// The position in an object's name; `None` if it is not a segment of this ledger.
    fn position(&self, object: &PartialObjectMeta<CandidateLedger>) -> Option<u64> {
        let digits = object.metadata.name.as_deref()?.strip_prefix(&self.prefix)?;
        digits.strip_prefix('-')?.parse().ok()
    }

    fn object(&self, seq: u64, bytes: &[u8]) -> CandidateLedger {
        let (label, value) = &self.label;
        CandidateLedger {
            metadata: ObjectMeta {
                name: Some(self.name(seq)),
                labels: Some([((*label).to_owned(), value.clone())].into()),
                owner_references: self.owner.clone().map(|owner| vec![owner]),
                ..ObjectMeta::default()
            },
            spec: CandidateLedgerSpec {
                export_name: self.export_name.clone(),
                export_uid: self.export_uid.clone(),
                sequence: i64::try_from(seq).unwrap_or(i64::MAX),
                data: to_text(bytes),
            },
        }
    }
}

/// Names the segments about the files of an export, in the cluster and in an object store.
fn files(uid: &str) -> String {
    format!("{uid}-files")
}

/// Names the segments of an account's anonymised people, in the cluster and in an object store.
fn suppression(account: AccountName) -> String {
    format!("suppression-{account}")
}

impl LedgerHome for KubeCluster {
    type Store = KubeLedger;

    fn ledger_max(&self) -> Option<u64> {
        self.ledgers.is_none().then_some(self.ledger_etcd_max)
    }

    fn ledger_gone(&self, uid: &str) {
        let Some(ledgers) = &self.ledgers else { return };
        let kept = [ledgers.of(uid), ledgers.of(&files(uid))];
        // Once now, and once after a run that was still active must have ended.
        tokio::spawn(async move {
            for wait in [Duration::ZERO, DELETED_RUN_TIMEOUT] {
                tokio::time::sleep(wait).await;
                for segments in &kept {
                    if let Err(error) = segments.delete_all().await {
                        tracing::warn!(%error, "the ledger of a deleted object was not deleted");
                    }
                }
            }
        });
    }

    fn ledger_store(&self, owner: &LedgerOwner) -> KubeLedger {
        self.ledger(Place::of(Kind::Export, owner))
    }

    fn files_store(&self, owner: &LedgerOwner) -> KubeLedger {
        self.ledger(Place::of_files(owner))
    }

    fn import_store(&self, owner: &LedgerOwner) -> KubeLedger {
        self.ledger(Place::of(Kind::Import, owner))
    }

    fn suppression_store(&self, account: AccountName) -> KubeLedger {
        self.ledger(Place::of_suppression(&self.home, account))
    }

    async fn suppressed_accounts(&self) -> Result<Vec<AccountName>, StoreError> {
        let mut found = Vec::new();
        if let Some(ledgers) = &self.ledgers {
            let names = ledgers.names().await?;
            found.extend(
                names
                    .iter()
                    .filter_map(|name| AccountName::parse(name.strip_prefix("suppression-")?)),
            );
        }
        let api: Api<CandidateLedger> = Api::namespaced(self.client.clone(), &self.home);
        let mut params = ListParams::default().labels(SUPPRESSION_LABEL).limit(PAGE);
        loop {
            let page = request("list", || api.list_metadata(&params)).await?;
            let label = |object: &PartialObjectMeta<CandidateLedger>| {
                let labels = object.metadata.labels.as_ref()?;
                AccountName::parse(labels.get(SUPPRESSION_LABEL)?)
            };
            found.extend(page.items.iter().filter_map(label));
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => break,
            }
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }
}

impl KubeCluster {
    fn ledger(&self, place: Place) -> KubeLedger {
        let api = Api::namespaced(self.client.clone(), &place.namespace);
        KubeLedger {
            objects: self.ledgers.as_ref().map(|ledgers| ledgers.of(&place.prefix)),
            cluster: InCluster { api, place },
        }
    }
}

impl SegmentStore for KubeLedger {
    async fn list(&self) -> Result<Vec<u64>, StoreError> {
        let mut found = self.cluster.list().await?;
        if let Some(objects) = &self.objects {
            found.extend(objects.list().await?);
            found.sort_unstable();
            found.dedup();
        }
        Ok(found)
    }

    async fn read(&self, seq: u64) -> Result<Option<Bytes>, StoreError> {
        if let Some(objects) = &self.objects
            && let Some(bytes) = objects.read(seq).await?
        {
            return Ok(Some(bytes));
        }
        self.cluster.read(seq).await
    }

    async fn stored_at(&self, seq: u64) -> Result<Option<Timestamp>, StoreError> {
        if let Some(objects) = &self.objects
            && let Some(stored_at) = objects.stored_at(seq).await?
        {
            return Ok(Some(stored_at));
        }
        self.cluster.stored_at(seq).await
    }

    async fn placed_at(&self, seq: u64) -> Result<Option<Timestamp>, StoreError> {
        if let Some(objects) = &self.objects
            && let Some(placed_at) = objects.placed_at(seq).await?
        {
            return Ok(Some(placed_at));
        }
        self.cluster.placed_at(seq).await
    }

    async fn create(&self, seq: u64, bytes: Bytes) -> Result<(), StoreError> {
        match &self.objects {
            Some(objects) => objects.create(seq, bytes).await,
            None => self.cluster.create(seq, bytes).await,
        }
    }

    async fn delete(&self, seq: u64) -> Result<(), StoreError> {
        if let Some(objects) = &self.objects {
            objects.delete(seq).await?;
        }
        self.cluster.delete(seq).await
    }
}

impl SegmentStore for InCluster {
    async fn list(&self) -> Result<Vec<u64>, StoreError> {
        let mut found = Vec::new();
        let (label, value) = &self.place.label;
        let mut params = ListParams::default().labels(&format!("{label}={value}")).limit(PAGE);
        loop {
            // The names hold the positions; segments are read one at a time.
            let page = request("list", || self.api.list_metadata(&params)).await?;
            found.extend(page.items.iter().filter_map(|object| self.place.position(object)));
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => return Ok(found),
            }
        }
    }

    async fn read(&self, seq: u64) -> Result<Option<Bytes>, StoreError> {
        let named = self.place.named(seq);
        let found = request("list", || self.api.list(&named)).await?.items.pop();
        // Text that cannot be decoded becomes an unusable segment, like any other damage.
        Ok(found.map(|object| from_text(&object.spec.data).unwrap_or_default()))
    }

    async fn stored_at(&self, seq: u64) -> Result<Option<Timestamp>, StoreError> {
        let named = self.place.named(seq);
        let found = request("list", || self.api.list_metadata(&named)).await?.items.pop();
        Ok(found.and_then(|object| object.metadata.creation_timestamp).map(|time| time.0))
    }

    async fn create(&self, seq: u64, bytes: Bytes) -> Result<(), StoreError> {
        let object = self.place.object(seq, &bytes);
        let params = PostParams::default();
        request("create", || self.api.create(&params, &object)).await.map(|_| ())
    }

    async fn delete(&self, seq: u64) -> Result<(), StoreError> {
        let name = self.place.name(seq);
        let params = DeleteParams::default();
        match request("delete", || self.api.delete(&name, &params)).await {
            Ok(_) => Ok(()),
            Err(StoreError::Unavailable { what }) if what == "404" => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Sends a request. One that is answered with 429 was not looked at, and is sent again after the wait that is
/// asked for.
async fn request<T, F: Future<Output = kube::Result<T>>>(
    verb: &'static str,
    send: impl Fn() -> F,
) -> Result<T, StoreError> {
    let until = Instant::now() + PATIENCE;
    let answer = loop {
        let answer = timeout(REQUEST_TIMEOUT, send())
            .await
            .map_err(|_| StoreError::Unavailable { what: "no answer in 30 s".to_owned() })?;
        match answer.as_ref().err().and_then(asked_to_wait) {
            Some(wait) if Instant::now() + wait < until => sleep(wait).await,
            _ => break answer,
        }
    };
    answer.map_err(|error| match &error {
        kube::Error::Api(status) => refused(verb, status),
        _ => StoreError::Unavailable { what: super::error::summary(&error) },
    })
}

/// How long the API server asks to wait, if it does.
fn asked_to_wait(error: &kube::Error) -> Option<Duration> {
    let kube::Error::Api(status) = error else { return None };
    let asked = status.details.as_ref().map(|details| details.retry_after_seconds);
    let wait = asked.filter(|seconds| *seconds > 0);
    let wait = wait.map_or(USUAL_WAIT, |seconds| Duration::from_secs(seconds.into()));
    (status.code == 429).then_some(wait)
}

/// What a refusal of the API server means. Those of etcd arrive as internal errors and are
/// recognised by their text.
fn refused(verb: &'static str, status: &Status) -> StoreError {
    let says = |words: &str| status.message.contains(words);
    match status.code {
        403 if says("exceeded quota") => StoreError::Quota,
        403 => StoreError::Forbidden { verb },
        409 if status.is_already_exists() => StoreError::AlreadyExists,
        413 => StoreError::TooLarge,
        500 | 400 if says("request is too large") || says("larger than max") => {
            StoreError::TooLarge
        }
        500 | 503 if says("database space exceeded") => StoreError::Full,
        507 => StoreError::Full,
        code => StoreError::Unavailable { what: code.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use kube::core::PartialObjectMetaExt;

    use super::*;
    use crate::domain::Reason;

    #[test]
    fn segments_of_an_export_are_deleted_with_it() {
        let (namespace, name) = ("talent".to_owned(), "people".to_owned());
        let owner = LedgerOwner { namespace, name, uid: "uid-1".to_owned() };
        let place = Place::of(Kind::Export, &owner);
        let object = place.object(7, b"bytes");
        assert_eq!((place.namespace.as_str(), place.name(7).as_str()), ("talent", "uid-1-7"));
        let owners = object.metadata.owner_references.unwrap();
        assert_eq!((owners.len(), owners[0].uid.as_str()), (1, "uid-1"));
        assert_eq!(owners[0].kind, "CandidateExport");
        let import = Place::of(Kind::Import, &owner).object(7, b"bytes").metadata;
        assert_eq!(import.owner_references.unwrap()[0].kind, "CandidateImport");
        assert_eq!(object.metadata.labels.unwrap()[EXPORT_LABEL], "uid-1");
        assert_eq!((object.spec.export_name.as_str(), object.spec.sequence), ("people", 7));
        // Those about its files are apart from those about people.
        let files = Place::of_files(&owner);
        assert_eq!(files.name(7), "uid-1-files-7");
        let named = |name: String| ObjectMeta { name: Some(name), ..ObjectMeta::default() };
        assert_eq!(place.position(&named(files.name(7)).into_response_partial()), None);
        assert_eq!(files.position(&named(place.name(7)).into_response_partial()), None);
        let object = files.object(7, b"bytes").metadata;
        assert_eq!(object.owner_references.unwrap()[0].uid, "uid-1");
        assert_eq!(object.labels.unwrap()[EXPORT_LABEL], "uid-1-files");
    }

    #[test]
    fn segments_of_an_account_are_in_the_operators_namespace_and_have_no_owner() {
        let account = AccountName::parse("00112233445566ff").unwrap();
        let place = Place::of_suppression("clinch-system", account);
        let object = place.object(7, b"bytes");
        assert_eq!(place.namespace, "clinch-system");
        assert_eq!(object.metadata.name.as_deref(), Some("suppression-00112233445566ff-7"));
        assert_eq!(object.metadata.owner_references, None);
        assert_eq!(object.metadata.labels.unwrap()[SUPPRESSION_LABEL], "00112233445566ff");
        assert_eq!(object.spec.export_name, "suppression");
        assert_eq!(object.spec.export_uid, "account-00112233445566ff");
    }

    #[test]
    fn names_of_other_ledgers_are_not_segments_of_this_one() {
        let account = AccountName::parse("00112233445566ff").unwrap();
        let place = Place::of_suppression("clinch-system", account);
        let position = |name: &str| {
            let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
            place.position(&metadata.into_response_partial())
        };
        assert_eq!(position("suppression-00112233445566ff-12"), Some(12));
        for other in ["suppression-00112233445566fe-12", "suppression-00112233445566ff", "uid-1-12"]
        {
            assert_eq!(position(other), None, "{other}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_is_sent_again_after_the_wait_that_the_api_server_asks_for() {
        let busy = |seconds| {
            let mut status = Status::failure("storage is (re)initializing", "TooManyRequests");
            let details = serde_json::json!({"retryAfterSeconds": seconds});
            status.details = serde_json::from_value(details).unwrap();
            kube::Error::Api(Box::new(status.with_code(429)))
        };
        let (sent, began) = (std::cell::Cell::new(0), Instant::now());
        let once_ready = |after| {
            sent.set(sent.get() + 1);
            std::future::ready(if began.elapsed() < after { Err(busy(2)) } else { Ok(7) })
        };
        let soon = request("list", || once_ready(Duration::from_secs(3))).await;
        assert_eq!((soon.unwrap(), sent.get(), began.elapsed().as_secs()), (7, 3, 4));
        let never = request("list", || once_ready(Duration::MAX)).await.unwrap_err();
        assert_eq!(never, StoreError::Unavailable { what: "429".to_owned() });
        assert!(began.elapsed() < Duration::from_secs(4) + PATIENCE, "a failure counts at last");
    }

    #[test]
    fn quota_size_and_permission_errors_differ_and_are_all_refusals() {
        for (code, reason, message, expected) in [
            (403, "Forbidden", "exceeded quota: q, requested: ...", StoreError::Quota),
            (403, "Forbidden", "cannot create", StoreError::Forbidden { verb: "create" }),
            (413, "RequestEntityTooLarge", "limit is 3145728", StoreError::TooLarge),
            (500, "", "etcdserver: request is too large", StoreError::TooLarge),
            (
                500,
                "",
                "rpc error: trying to send message larger than max (2 vs. 1)",
                StoreError::TooLarge,
            ),
            (500, "", "etcdserver: mvcc: database space exceeded", StoreError::Full),
        ] {
            let status = Status::failure(message, reason).with_code(code);
            let error = refused("create", &status);
            assert_eq!(error, expected);
            assert_eq!(error.disposition().reason(), Reason::LedgerRefused, "{message}");
        }
        let conflict = Status::failure("exists", "AlreadyExists").with_code(409);
        assert_eq!(refused("create", &conflict), StoreError::AlreadyExists);
        let failing = refused("create", &Status::failure("etcdserver: timeout", "").with_code(500));
        assert_eq!(failing, StoreError::Unavailable { what: "500".to_owned() });
    }
}
