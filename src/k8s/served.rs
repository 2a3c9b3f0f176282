//! Whether the API server serves every kind of this operator with every field of this version. Reads
//! discovery documents, which everybody who is authenticated may read.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use http::Request;
use kube::Client;
use serde_json::Value as Json;
use tokio::time::timeout;

use super::{REQUEST_TIMEOUT, error::cluster_error};
use crate::{
    api::{GROUP, VERSION, crds},
    cluster::ClusterError,
};

/// Helm, which may have installed the CRDs, owns their fields: hence `--force-conflicts`.
const APPLY: &str = "kubectl apply --server-side --force-conflicts -f crds/";

/// What is missing at the API server. `Display`: in words that follow "waiting for".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lack {
    /// Kinds are not served, as before the CRDs are installed.
    Kinds(String),
    /// A CRD of another version is installed: what this one writes or reads would be dropped or refused.
    Outdated(String),
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Kinds(what) | Self::Outdated(what)) = self;
        f.write_str(what)
    }
}

/// What the API server serves of our group.
pub struct ServedApi {
    client: Client,
    /// The version of the schemas that were found to be complete.
    complete: Mutex<Option<String>>,
}

impl ServedApi {
    /// Nothing was read yet.
    pub fn new(client: Client) -> Self {
        Self { client, complete: Mutex::default() }
    }

    /// What is missing; `None` when nothing is.
    pub async fn missing(&self) -> Result<Option<Lack>, ClusterError> {
        let served = self.kinds().await?;
        let crds: Vec<Json> =
            crds().iter().map(|crd| serde_json::to_value(crd).expect("a CRD is JSON")).collect();
        let kind = |crd: &Json| crd["spec"]["names"]["kind"].as_str().map(str::to_owned);
        let absent: Vec<String> =
            crds.iter().filter_map(kind).filter(|k| !served.contains(k)).collect();
        if !absent.is_empty() {
            return Ok(Some(not_installed(&absent)));
        }
        let Some(version) = self.version().await? else { return Ok(None) };
        if self.complete().as_ref() == Some(&version) {
            return Ok(None);
        }
        let document = self.get(&version, "the schemas").await?.unwrap_or_default();
        let outdated = crds.iter().find_map(|crd| outdated(crd, &document));
        if outdated.is_none() {
            *self.complete() = Some(version);
        }
        Ok(outdated.map(Lack::Outdated))
    }

    fn complete(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.complete.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The kinds that are served; empty when the group is not known.
    async fn kinds(&self) -> Result<Vec<String>, ClusterError> {
        let found = self.get(&format!("/apis/{GROUP}/{VERSION}"), "the kinds").await?;
        let resources = found.as_ref().and_then(|found| found["resources"].as_array());
        let kind = |resource: &Json| resource["kind"].as_str().map(str::to_owned);
        Ok(resources.into_iter().flatten().filter_map(kind).collect())
    }

    /// The path of the document with the schemas, which has a hash of its content; `None` where schemas
    /// are not published.
    async fn version(&self) -> Result<Option<String>, ClusterError> {
        let index = self.get("/openapi/v3", "the index of the schemas").await?;
        let path = index.as_ref().and_then(|index| {
            index["paths"][format!("apis/{GROUP}/{VERSION}")]["serverRelativeURL"].as_str()
        });
        Ok(path.map(str::to_owned))
    }

    /// A document; `None` where there is none, or it may not be read.
    async fn get(&self, path: &str, what: &str) -> Result<Option<Json>, ClusterError> {
        let what = || format!("{what} of {GROUP}/{VERSION}");
        let request = Request::get(path).body(Vec::new()).expect("a path is a valid URI");
        match timeout(REQUEST_TIMEOUT, self.client.request(request)).await {
            Err(_) => Err(ClusterError::Unavailable {
                verb: "get",
                what: what(),
                code: "no answer in 10 s".to_owned(),
            }),
            Ok(Ok(document)) => Ok(Some(document)),
            Ok(Err(kube::Error::Api(status))) if matches!(status.code, 403 | 404) => Ok(None),
            Ok(Err(error)) => Err(cluster_error("get", what(), &error)),
        }
    }
}

/// What to say of kinds that are not served.
fn not_installed(kinds: &[String]) -> Lack {
    Lack::Kinds(format!(
        "the CRDs of {GROUP}/{VERSION}, which are not installed: {}. Install them: {APPLY}",
        kinds.join(", ")
    ))
}

/// What to say of a CRD that lacks a field of this version, by the document with the served schemas.
fn outdated(crd: &Json, document: &Json) -> Option<String> {
    let names = &crd["spec"]["names"];
    let kind = names["kind"].as_str()?;
    let group: Vec<&str> = GROUP.split('.').rev().collect();
    let served =
        &document["components"]["schemas"][format!("{}.{VERSION}.{kind}", group.join("."))];
    // Schemas are published a moment after the kind.
    if !served.is_object() {
        return None;
    }
    let ours = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let field = ["spec", "status"].into_iter().find_map(|part| {
        let (ours, served) = (&ours["properties"][part], &served["properties"][part]);
        first_missing(part, ours, served)
    })?;
    Some(format!(
        "the CRD {}.{GROUP} of this version: the one in the cluster is another and lacks {field}. \
         Apply the CRDs of this version: {APPLY}",
        names["plural"].as_str()?
    ))
}

/// What of `ours` is first found not to be in `served`: a field, which the API server would drop, or in a
/// status a value, which it would refuse.
fn first_missing(path: &str, ours: &Json, served: &Json) -> Option<String> {
    if served["x-kubernetes-preserve-unknown-fields"] == true {
        return None;
    }
    let values = |schema: &Json| schema["enum"].as_array().cloned();
    // A value that a spec may not have is refused when it is applied, which nobody can overlook.
    if let (Some(ours), Some(served), true) =
        (values(ours), values(served), path.starts_with("status"))
        && let Some(value) = ours.iter().find(|value| !served.contains(value))
    {
        return Some(format!("{path}: {}", value.as_str().unwrap_or_default()));
    }
    let properties = ours["properties"].as_object().into_iter().flatten();
    let missing = properties.into_iter().find_map(|(name, ours)| {
        let path = format!("{path}.{name}");
        match served["properties"].get(name) {
            Some(served) => first_missing(&path, ours, served),
            None => Some(path),
        }
    });
    let within = |word: &str, mark: &str| {
        let ours = ours.get(word).filter(|ours| ours.is_object())?;
        first_missing(&format!("{path}{mark}"), ours, &served[word])
    };
    missing.or_else(|| within("items", "[]")).or_else(|| within("additionalProperties", "[]"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document(change: impl FnOnce(&mut Json)) -> (Json, Json) {
        let crd = serde_json::to_value(&crds()[2]).unwrap();
        let mut schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone();
        change(&mut schema);
        let name = "dev.hireez.clinch.v1alpha1.CandidateExport";
        (crd, json!({"components": {"schemas": {name: schema}}}))
    }

    #[test]
    fn kinds_that_are_not_served_are_named_with_the_command_that_installs_them() {
        let lack = not_installed(&["FieldMapping".to_owned(), "CandidateExport".to_owned()]);
        assert_eq!(
            lack.to_string(),
            "the CRDs of clinch.hireez.dev/v1alpha1, which are not installed: FieldMapping, \
             CandidateExport. Install them: kubectl apply --server-side --force-conflicts -f crds/"
        );
    }

    #[test]
    fn a_crd_that_lacks_a_field_is_named_with_the_field() {
        let (crd, same) = document(|_| {});
        assert_eq!(outdated(&crd, &same), None);
        let remove = |schema: &mut Json, parent: &str, field: &str| {
            schema.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(field).unwrap();
        };
        for (parent, field, path) in [
            ("/properties/status/properties", "ledger", "status.ledger"),
            ("/properties/spec/properties", "limit", "spec.limit"),
            (
                "/properties/status/properties/failures/items/properties",
                "record",
                "status.failures[].record",
            ),
        ] {
            let (crd, older) = document(|schema| remove(schema, parent, field));
            let said = outdated(&crd, &older).unwrap();
            let crd = "the CRD candidateexports.clinch.hireez.dev of this version";
            assert!(said.starts_with(crd), "{said}");
            assert!(said.contains(&format!("lacks {path}. Apply the CRDs")), "{said}");
        }
    }

    #[test]
    fn a_value_that_a_status_may_not_have_is_named_and_one_of_a_spec_is_not() {
        let known = |values: &[&str]| json!({"type": "string", "enum": values});
        let crd = |part: &str, values: &[&str]| {
            let (mut crd, mut document) = document(|_| {});
            let field = |schema: &mut Json, values: &[&str]| {
                schema["properties"][part]["properties"]["kind"] = known(values);
            };
            field(&mut crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"], &["Old", "New"]);
            let name = "dev.hireez.clinch.v1alpha1.CandidateExport";
            field(&mut document["components"]["schemas"][name], values);
            (crd, document)
        };
        let (ours, served) = crd("status", &["Old"]);
        assert!(outdated(&ours, &served).unwrap().contains("lacks status.kind: New. Apply"));
        for (part, values) in [("status", &["New", "Old", "Newer"][..]), ("spec", &["Old"])] {
            let (ours, served) = crd(part, values);
            assert_eq!(outdated(&ours, &served), None, "{part}");
        }
    }

    #[test]
    fn where_unknown_fields_are_preserved_none_is_missing() {
        let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        let (crd, served) = document(|schema| schema["properties"]["status"] = open);
        assert_eq!(outdated(&crd, &served), None);
    }

    #[test]
    fn a_newer_crd_and_schemas_that_are_not_published_yet_are_no_fault() {
        let more = json!({"type": "string"});
        let (crd, newer) = document(|s| s["properties"]["spec"]["properties"]["new"] = more);
        assert_eq!(outdated(&crd, &newer), None);
        assert_eq!(outdated(&crd, &json!({})), None);
    }
}
