//! The objects of a cluster, read and changed with the rights of the user. Not the port of the
//! controllers: that is for the operator, which can do other things.

use anyhow::{Context as _, anyhow};
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client,
    api::{DynamicObject, ListParams, Patch, PatchParams},
    runtime::watcher,
};
use serde_json::Value as Json;

use super::{
    super::{BadArgument, kubeconfig},
    args::{ClusterArgs, LabelArgs},
    found::Found,
    kinds::{self, Target},
    segments::Segments,
};
use crate::{
    api::{CandidateLedger, GROUP, VERSION},
    cluster::{Kind, ObjectKey},
    ledger::from_text,
};

/// Who writes, in `metadata.managedFields`. Flux takes over what managers named `kubectl...` own.
pub(super) const FIELD_MANAGER: &str = "clinch-cli";
/// The label of the segments of an export, as the operator sets it.
const EXPORT_LABEL: &str = "clinch.hireez.dev/export-uid";
/// How many objects one list request returns.
const PAGE: u32 = 500;

/// A cluster, and the namespace in which names are looked up.
#[derive(Clone)]
pub(super) struct Objects {
    client: Client,
    server: String,
    pub(super) namespace: String,
}

/// Why an object was not read.
pub(super) enum NotRead {
    /// There is no such object.
    NotFound,
    /// The user has no right to it.
    Forbidden(anyhow::Error),
    Failed(anyhow::Error),
}

impl From<NotRead> for anyhow::Error {
    fn from(error: NotRead) -> Self {
        match error {
            NotRead::NotFound => anyhow!("it does not exist"),
            NotRead::Forbidden(error) | NotRead::Failed(error) => error,
        }
    }
}

impl Objects {
    /// Connects as the arguments say.
    pub(super) async fn connect(args: &ClusterArgs) -> anyhow::Result<Self> {
        let config = kubeconfig::connection(&args.access()).await?;
        let namespace = args.namespace.clone().unwrap_or(config.default_namespace.clone());
        let server = config.cluster_url.to_string();
        let client = Client::try_from(config).context("cannot set up the Kubernetes client")?;
        Ok(Self { client, server, namespace })
    }

    fn api(&self, kind: Kind, namespace: Option<&str>) -> Api<DynamicObject> {
        let resource = &kinds::row(kind).resource;
        match namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, resource),
            None => Api::all_with(self.client.clone(), resource),
        }
    }

    /// The objects of a kind, of one namespace or of all.
    pub(super) async fn list(
        &self,
        kind: Kind,
        namespace: Option<&str>,
        selector: Option<&str>,
    ) -> anyhow::Result<Vec<Found>> {
        let api = self.api(kind, namespace);
        let mut params = ListParams::default().limit(PAGE);
        params.label_selector = selector.map(str::to_owned);
        let mut all = Vec::new();
        loop {
            let page = api.list(&params).await;
            let page = page.map_err(|error| match (&error, selector) {
                (kube::Error::Api(status), Some(selector)) if status.code == 400 => {
                    let why = status.message.trim();
                    BadArgument(anyhow!("-l {selector}: it is not a selector: {why}")).into()
                }
                _ => self.explained(&error, "list", plural(kind)),
            })?;
            for object in page.items {
                all.extend(found(kind, &object)?);
            }
            params.continue_token = page.metadata.continue_.filter(|token| !token.is_empty());
            if params.continue_token.is_none() {
                return Ok(all);
            }
        }
    }

    /// One object.
    pub(super) async fn get(&self, kind: Kind, key: &ObjectKey) -> Result<Found, NotRead> {
        match self.api(kind, Some(&key.namespace)).get_opt(&key.name).await {
            Ok(Some(object)) => {
                let object = found(kind, &object).map_err(NotRead::Failed)?;
                object.ok_or(NotRead::NotFound)
            }
            Ok(None) => Err(NotRead::NotFound),
            Err(error) => {
                let forbidden = matches!(&error, kube::Error::Api(status) if status.code == 403);
                let explained = self.explained(&error, "get", plural(kind));
                Err(if forbidden {
                    NotRead::Forbidden(explained)
                } else {
                    NotRead::Failed(explained)
                })
            }
        }
    }

    /// The objects of these kinds that a user names, or that have the labels instead.
    pub(super) async fn chosen(
        &self,
        targets: &[Target],
        labels: &LabelArgs,
        takes: &[Kind],
    ) -> anyhow::Result<Vec<Found>> {
        let mut all = Vec::new();
        for target in targets {
            all.push(self.named(target, takes).await?);
        }
        let Some(selector) = labels.selector.as_deref() else { return Ok(all) };
        for kind in takes {
            all.extend(self.list(*kind, Some(&self.namespace), Some(selector)).await?);
        }
        if all.is_empty() {
            let words: Vec<&str> = takes.iter().map(|kind| kinds::word(*kind)).collect();
            let (words, namespace) = (words.join(", "), &self.namespace);
            let text = format!("-l {selector}: nothing in namespace {namespace} has it ({words})");
            return Err(BadArgument(anyhow!(text)).into());
        }
        Ok(all)
    }

    /// The object that a user names, which is of one of the kinds that the command takes.
    pub(super) async fn named(&self, target: &Target, takes: &[Kind]) -> anyhow::Result<Found> {
        let kinds = target.among(takes).map_err(BadArgument)?;
        let key = ObjectKey::new(&self.namespace, &target.name);
        let mut all = Vec::new();
        for kind in &kinds {
            match self.get(*kind, &key).await {
                Ok(found) => all.push(found),
                Err(NotRead::NotFound) => {}
                Err(error) => return Err(error.into()),
            }
        }
        match (all.len(), all.pop()) {
            (1, Some(found)) => Ok(found),
            (_, None) => Err(self.unknown(target, &kinds).await),
            (_, Some(last)) => {
                let names: Vec<String> = all.iter().chain([&last]).map(Found::name).collect();
                let text = format!("{target} is the name of several: {}", names.join(", "));
                Err(BadArgument(anyhow!(text)).into())
            }
        }
    }

    /// The error for a name that nothing has, with similar names.
    async fn unknown(&self, target: &Target, kinds: &[Kind]) -> anyhow::Error {
        let mut names = Vec::new();
        for kind in kinds {
            // The user may have the right to get and not to list.
            let listed = self.list(*kind, Some(&self.namespace), None).await;
            names.extend(listed.unwrap_or_default().iter().map(|found| found.key.name.clone()));
        }
        let similar = crate::domain::did_you_mean(&target.name, names.iter().map(String::as_str));
        let hint = match similar {
            Some(similar) => format!("did you mean {similar}?"),
            None => "name its namespace with -n".to_owned(),
        };
        let namespace = &self.namespace;
        let target = match kinds {
            [kind] => format!("{}/{}", kinds::word(*kind), target.name),
            _ => target.to_string(),
        };
        BadArgument(anyhow!("there is no {target} in namespace {namespace}; {hint}")).into()
    }

    /// The segments of the ledger of the export with this UID.
    pub(super) async fn segments(&self, namespace: &str, uid: &str) -> anyhow::Result<Segments> {
        let api: Api<CandidateLedger> = Api::namespaced(self.client.clone(), namespace);
        // One segment may have half a megabyte.
        let mut params = ListParams::default().labels(&format!("{EXPORT_LABEL}={uid}")).limit(20);
        let mut all = Segments::default();
        loop {
            let page = api.list(&params).await;
            let page = page.map_err(|error| self.explained(&error, "list", "candidateledgers"))?;
            for CandidateLedger { metadata, spec } in page.items {
                let stored_at = metadata.creation_timestamp.map(|time| time.0);
                // What is no Base64 is no segment.
                let bytes = from_text(&spec.data).unwrap_or_default();
                let seq = u64::try_from(spec.sequence).unwrap_or_default();
                all.add(seq, bytes, stored_at);
            }
            params.continue_token = page.metadata.continue_.filter(|token| !token.is_empty());
            if params.continue_token.is_none() {
                return Ok(all);
            }
        }
    }

    /// Changes an object by a merge patch.
    pub(super) async fn merge(&self, found: &Found, patch: &Json) -> anyhow::Result<Found> {
        self.patch(found, Patch::Merge(patch)).await
    }

    /// Changes an object by a server-side apply: what the field manager applied earlier and leaves out
    /// now is removed.
    pub(super) async fn apply(&self, found: &Found, patch: &Json) -> anyhow::Result<Found> {
        self.patch(found, Patch::Apply(patch)).await
    }

    /// Changes an object by a merge patch with a resource version; `None` if it has another one by now.
    pub(super) async fn merge_unchanged(
        &self,
        found: &Found,
        patch: &Json,
    ) -> anyhow::Result<Option<Found>> {
        match self.try_patch(found, Patch::Merge(patch)).await {
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(None),
            patched => self.patched(found, patched).map(Some),
        }
    }

    /// Whether a namespace does not exist; false where the user may not know.
    pub(super) async fn lacks_namespace(&self, name: &str) -> bool {
        let api: Api<Namespace> = Api::all(self.client.clone());
        matches!(api.get_metadata_opt(name).await, Ok(None))
    }

    async fn patch(&self, object: &Found, patch: Patch<&Json>) -> anyhow::Result<Found> {
        self.patched(object, self.try_patch(object, patch).await)
    }

    async fn try_patch(&self, object: &Found, patch: Patch<&Json>) -> kube::Result<DynamicObject> {
        let api = self.api(object.kind, Some(&object.key.namespace));
        let params =
            PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        api.patch(&object.key.name, &params, &patch).await
    }

    fn patched(
        &self,
        object: &Found,
        patched: kube::Result<DynamicObject>,
    ) -> anyhow::Result<Found> {
        let patched =
            patched.map_err(|error| self.explained(&error, "patch", plural(object.kind)))?;
        found(object.kind, &patched)?.context("the API server returned an object without a name")
    }

    /// An object each time it changes, at first as it is; `None` once it is deleted. Ends with an error
    /// that waiting does not remove; after another one the watch is begun again.
    pub(super) fn watch(
        &self,
        kind: Kind,
        key: &ObjectKey,
    ) -> impl Stream<Item = anyhow::Result<Option<Found>>> + Send + use<> {
        use kube::runtime::WatchStreamExt as _;
        let api = self.api(kind, Some(&key.namespace));
        let this = self.clone();
        watcher::watch_object(api, &key.name)
            .default_backoff()
            .filter_map(move |event| {
                let event = match event {
                    Ok(object) => Some(object.map_or(Ok(None), |object| found(kind, &object))),
                    Err(error) => this.lasting(error, kind).map(Err),
                };
                futures::future::ready(event)
            })
            .into_stream()
    }

    /// The error, if waiting does not remove it.
    fn lasting(&self, error: watcher::Error, kind: Kind) -> Option<anyhow::Error> {
        let (watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error)) = error
        else {
            return None;
        };
        let lasts =
            matches!(&error, kube::Error::Api(status) if [401, 403, 404].contains(&status.code));
        lasts.then(|| self.explained(&error, "watch", plural(kind)))
    }

    /// An error of the client in one line that says what to do.
    fn explained(&self, error: &kube::Error, verb: &str, plural: &str) -> anyhow::Error {
        let server = &self.server;
        match error {
            kube::Error::Api(status) => match status.code {
                401 => anyhow!("{server} does not accept the credentials of the kubeconfig (401)"),
                403 => anyhow!(
                    "you may not {verb} {plural}: {}; docs/CLI.md lists the rights that each command \
                     needs",
                    status.message.trim()
                ),
                404 if status.details.as_ref().is_none_or(|details| details.name.is_empty()) => {
                    anyhow!(
                        "{server} has no {plural}.{GROUP}/{VERSION}; install the CRDs: \
                         clinch-operator crds | kubectl apply --server-side --force-conflicts -f -"
                    )
                }
                409 => anyhow!("somebody changed it meanwhile; nothing was done, try again"),
                _ => anyhow!("cannot {verb} {plural}: {}", status.message.trim()),
            },
            _ => anyhow!("cannot reach {server}: {}", innermost(error)),
        }
    }
}

fn plural(kind: Kind) -> &'static str {
    &kinds::row(kind).resource.plural
}

/// The cause that no other error caused.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

fn found(kind: Kind, object: &DynamicObject) -> anyhow::Result<Option<Found>> {
    let mut json = serde_json::to_value(object).context("cannot read an object")?;
    if let Some(members) = json.as_object_mut() {
        // Lists leave them out.
        members.insert("apiVersion".to_owned(), format!("{GROUP}/{VERSION}").into());
        members.insert("kind".to_owned(), kind.as_str().into());
    }
    Ok(Found::new(kind, json))
}
