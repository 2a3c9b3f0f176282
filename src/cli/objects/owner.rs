//! Who else writes an object: a tool that applies what Git declares, and so undoes other changes. Pure.

use serde_json::Value as Json;

use super::found::Found;

const ARGO_TRACKING: &str = "argocd.argoproj.io/tracking-id";
const ARGO_INSTANCE: &str = "argocd.argoproj.io/instance";
const FLUX_KUSTOMIZATION: &str = "kustomize.toolkit.fluxcd.io";
const FLUX_HELM: &str = "helm.toolkit.fluxcd.io";

/// The tool that applies this object, in words; `None` where none can be seen.
pub(super) fn owner(found: &Found) -> Option<String> {
    let metadata = |part: &str, name: &str| {
        found.json.get("metadata")?.get(part)?.get(name).and_then(Json::as_str)
    };
    let flux = |group: &str| {
        let name = metadata("labels", &format!("{group}/name"))?;
        let namespace = metadata("labels", &format!("{group}/namespace")).unwrap_or("?");
        Some(format!("{namespace}/{name}"))
    };
    if let Some(name) = flux(FLUX_KUSTOMIZATION) {
        return Some(format!("the Flux Kustomization {name}"));
    }
    if let Some(name) = flux(FLUX_HELM) {
        return Some(format!("the Flux HelmRelease {name}"));
    }
    // `application:group/Kind:namespace/name`.
    let tracked = metadata("annotations", ARGO_TRACKING).and_then(|id| id.split(':').next());
    if let Some(name) = tracked.or_else(|| metadata("labels", ARGO_INSTANCE)) {
        return Some(format!("the Argo CD application {name}"));
    }
    let managed = |names: &[&str]| managers(found).any(|manager| names.contains(&manager));
    if managed(&["argocd-controller", "argocd-application-controller"]) {
        return Some("Argo CD".to_owned());
    }
    if managed(&["kustomize-controller", "helm-controller"]) {
        return Some("Flux".to_owned());
    }
    let is_helm = metadata("labels", "app.kubernetes.io/managed-by") == Some("Helm");
    let release = metadata("annotations", "meta.helm.sh/release-name").filter(|_| is_helm);
    release.map(|release| format!("the Helm release {release}"))
}

fn managers(found: &Found) -> impl Iterator<Item = &str> {
    let entries = found.json.pointer("/metadata/managedFields").and_then(Json::as_array);
    entries.into_iter().flatten().filter_map(|entry| entry["manager"].as_str())
}

/// A warning that a change of this field may be undone.
pub(super) fn warning(found: &Found, field: &str) -> Option<String> {
    let owner = owner(found)?;
    let name = found.name();
    Some(format!(
        "{name} is applied by {owner}, which sets {field} back if Git declares it; change it in \
         Git, too"
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cluster::Kind;

    #[test]
    fn the_tool_that_applies_an_object_is_seen_by_its_marks() {
        for (metadata, expected) in [
            (json!({}), None),
            (json!({"labels": {"app.kubernetes.io/instance": "x"}}), None),
            (
                json!({"labels": {
                    "kustomize.toolkit.fluxcd.io/name": "apps",
                    "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
                }}),
                Some("the Flux Kustomization flux-system/apps"),
            ),
            (
                json!({"labels": {"helm.toolkit.fluxcd.io/name": "talent"}}),
                Some("the Flux HelmRelease ?/talent"),
            ),
            (
                json!({"annotations": {"argocd.argoproj.io/tracking-id":
                    "talent:clinch.hireez.dev/CandidateExport:talent/a"}}),
                Some("the Argo CD application talent"),
            ),
            (
                json!({"labels": {"argocd.argoproj.io/instance": "talent"}}),
                Some("the Argo CD application talent"),
            ),
            (
                json!({"managedFields": [{"manager": "kubectl"}, {"manager": "argocd-controller"}]}),
                Some("Argo CD"),
            ),
            (json!({"managedFields": [{"manager": "kustomize-controller"}]}), Some("Flux")),
            (
                json!({"labels": {"app.kubernetes.io/managed-by": "Helm"},
                    "annotations": {"meta.helm.sh/release-name": "clinch"}}),
                Some("the Helm release clinch"),
            ),
        ] {
            let mut object = json!({"metadata": metadata});
            object["metadata"]["name"] = "a".into();
            let found = Found::new(Kind::Export, object).unwrap();
            assert_eq!(owner(&found).as_deref(), expected);
            assert_eq!(warning(&found, "spec.suspend").is_some(), expected.is_some());
        }
    }
}
