//! The chart's rights of the operator: used in full, and nothing beyond them is allowed.

use clinch_operator::controllers::Regions;

use crate::support::{
    manifests::{INTEGRATION, PROSPECT, export, import},
    world::{SOON, World},
};

#[tokio::test(flavor = "multi_thread")]
async fn the_rights_are_enough_and_no_more_than_enough() {
    let Some(mut world) = World::prepare().await else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let place = format!("file://{}/", folder.path().display());
    world.allowed_destinations = vec![place.clone()];
    world.run_operator(Regions::default());
    world.apply(INTEGRATION);
    world.apply(&import("rights", &place));
    world.ready("CandidateImport", "rights", "False", "NotPermitted").await;
    world.apply(&export("rights", 3, PROSPECT));
    world.ready("CandidateExport", "rights", "True", "Synced").await;
    world.apply(&export("rights", 3, PROSPECT).replace("First", "Second"));
    world
        .wait("CandidateExport", "rights", "pushed again", SOON, |object| {
            object["status"]["counts"]["updated"] == 3
        })
        .await;
    world.stop_operator().await;
    let (user, log) = (world.user(), world.audit());
    // Read once: it holds the requests of all tests.
    let mut entries = log.entries().unwrap();
    entries.retain(|entry| entry.user == user);
    let refused: Vec<String> = entries
        .iter()
        .filter(|entry| entry.code == 403)
        .map(|entry| format!("{} {}", entry.verb, entry.resource))
        .collect();
    assert!(refused.is_empty(), "refused in a normal run: {refused:?}");
    let used = |verb: &str, resource: &str, subresource: &str| {
        entries.iter().any(|entry| {
            entry.verb == verb
                && entry.resource == resource
                && entry.subresource == subresource
                && entry.code < 400
        })
    };
    for resource in ["clinchintegrations", "candidateexports", "candidateimports"] {
        assert!(["get", "list", "watch"].iter().all(|verb| used(verb, resource, "")), "{resource}");
        assert!(used("patch", resource, "status"), "{resource}/status");
    }
    for (verb, resource) in [
        ("list", "fieldmappings"),
        ("watch", "fieldmappings"),
        ("get", "configmaps"),
        ("list", "configmaps"),
        ("watch", "configmaps"),
        ("get", "secrets"),
        ("list", "secrets"),
        ("watch", "secrets"),
        ("update", "secrets"),
        ("list", "candidateledgers"),
        ("create", "candidateledgers"),
        ("create", "events"),
        ("create", "leases"),
        ("update", "leases"),
        ("get", "leases"),
    ] {
        assert!(used(verb, resource, ""), "{verb} {resource} is granted and was not used");
    }
    let namespace = world.namespace.clone();
    for args in [
        vec!["get", "secret", "anything", "-n", "kube-system"],
        vec!["delete", "secret", "clinch", "-n", &namespace],
        vec!["create", "secret", "generic", "x", "-n", &namespace],
        vec!["create", "token", "clinch-operator", "-n", &namespace],
        vec!["delete", "clexp", "rights", "-n", &namespace],
        vec!["get", "pods", "-n", &namespace],
        vec!["get", "secrets", "-A"],
    ] {
        let (allowed, error) = world.kubectl_as_operator(&args);
        assert!(!allowed && error.contains("orbidden"), "{args:?}: {error}");
    }
}
