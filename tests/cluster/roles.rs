//! The chart's roles for people, on a real API server: what each may do, and what none may.

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::{Api, api::PostParams};

use crate::support::{
    manifests::{INTEGRATION, PROSPECT, export},
    world::World,
};

const VIEWER: &str = include_str!("../../charts/clinch-operator/files/rules-viewer.yaml");
const MEMBER: &str = include_str!("../../charts/clinch-operator/files/rules-member.yaml");
const ADMIN: &str = include_str!("../../charts/clinch-operator/files/rules-admin.yaml");

const READ: &[&str] = &["get", "list", "watch"];
const WRITE: &[&str] = &["create", "update", "patch", "delete", "deletecollection"];
const EXPORTS: &str = "candidateexports";
const KINDS: &[&str] = &[EXPORTS, "clinchintegrations", "fieldmappings"];
/// What nobody has through these roles, whatever the verb.
const NEVER: &[(&str, &str)] = &[
    ("clinch.hireez.dev", "candidateledgers"),
    ("", "secrets"),
    ("", "configmaps"),
    ("", "serviceaccounts"),
    ("coordination.k8s.io", "leases"),
    ("rbac.authorization.k8s.io", "roles"),
];

/// Binds each role, made of the chart's rules as its template composes them, to a user.
fn bind(world: &World) {
    for (role, rules) in [
        ("viewer", vec![VIEWER]),
        ("member", vec![VIEWER, MEMBER]),
        ("admin", vec![VIEWER, MEMBER, ADMIN]),
    ] {
        world.apply(&format!(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {{name: {role}}}\n\
             rules:\n{}\n---\n\
             apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\n\
             metadata: {{name: {role}}}\n\
             roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: {role}}}\n\
             subjects: [{{kind: User, apiGroup: rbac.authorization.k8s.io, name: {role}}}]\n",
            rules.join("\n")
        ));
    }
}

/// Who asks, in which namespace.
struct Asking<'a> {
    reviews: Api<SubjectAccessReview>,
    namespace: &'a str,
}

impl Asking<'_> {
    async fn may(&self, user: &str, verb: &str, group: &str, resource: &str) -> bool {
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let attributes = ResourceAttributes {
            namespace: Some(self.namespace.to_owned()),
            verb: Some(verb.to_owned()),
            group: Some(group.to_owned()),
            resource: Some(resource.to_owned()),
            subresource: Some(subresource.to_owned()),
            ..ResourceAttributes::default()
        };
        let spec = SubjectAccessReviewSpec {
            user: Some(user.to_owned()),
            resource_attributes: Some(attributes),
            ..SubjectAccessReviewSpec::default()
        };
        let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
        let answer = self.reviews.create(&PostParams::default(), &review).await.expect("answered");
        answer.status.expect("decided").allowed
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_may_do_exactly_what_it_is_for() {
    let Some(world) = World::prepare().await else { return };
    bind(&world);
    let reviews = || Api::all(world.admin.clone());
    let here = Asking { reviews: reviews(), namespace: &world.namespace };
    let elsewhere = Asking { reviews: reviews(), namespace: "default" };
    let group = "clinch.hireez.dev";
    for user in ["viewer", "member", "admin"] {
        for kind in KINDS {
            for verb in READ {
                assert!(here.may(user, verb, group, kind).await, "{user} may {verb} {kind}");
                assert!(!elsewhere.may(user, verb, group, kind).await, "{user}: {verb} {kind}");
            }
            let writes = user == "admin" || (user == "member" && *kind == EXPORTS);
            for verb in WRITE {
                let may = here.may(user, verb, group, kind).await;
                assert_eq!(may, writes, "{user}: {verb} {kind}");
                let status = format!("{kind}/status");
                let may = here.may(user, verb, group, &status).await;
                assert!(!may, "{user} may {verb} {status}: only the operator writes a status");
            }
            assert!(here.may(user, "get", group, &format!("{kind}/status")).await);
        }
        for (group, resource) in NEVER {
            for verb in [READ, WRITE].concat() {
                let may = here.may(user, verb, group, resource).await;
                assert!(!may, "{user} may {verb} {resource}");
            }
        }
    }
    assert!(!here.may("nobody", "get", group, EXPORTS).await, "it is the roles that grant it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_exports_through_an_integration_it_can_neither_make_nor_change() {
    let Some(world) = World::start().await else { return };
    bind(&world);
    let as_user = |user: &str, manifest: &str| world.try_apply_as(user, manifest);
    let only_integration = INTEGRATION.split("---").nth(1).expect("after the Secret");
    let (allowed, error) = as_user("member", only_integration);
    assert!(!allowed && error.contains("orbidden"), "{error}");
    world.apply(INTEGRATION);
    let with_people = export("theirs", 2, PROSPECT);
    let (people, export) = with_people.split_once("---").expect("a ConfigMap and an export");
    world.apply(people);
    let (allowed, error) = as_user("viewer", export);
    assert!(!allowed && error.contains("orbidden"), "{error}");
    let (allowed, error) = as_user("member", export);
    assert!(allowed, "{error}");
    world.ready("CandidateExport", "theirs", "True", "Synced").await;
    let elsewhere = "endpoint: https://elsewhere.example";
    let changed = only_integration.replace("endpoint: ORIGIN", elsewhere);
    let (allowed, error) = as_user("member", &changed);
    assert!(!allowed && error.contains("orbidden"), "{error}");
    let (allowed, error) = as_user("admin", &only_integration.replace("ENG-101", "ENG-102"));
    assert!(allowed, "{error}");
    // Only the operator reads what was pushed.
    let ledgers: &[&str] = &["get", "candidateledgers", "-n", &world.namespace, "--as"];
    for user in ["viewer", "member", "admin"] {
        let (allowed, error) = world.try_kubectl(&[ledgers, &[user]].concat());
        assert!(!allowed && error.contains("orbidden"), "{user}: {error}");
        let status = format!("{{\"status\":{{\"delivered\":\"9/9\",\"by\":\"{user}\"}}}}");
        let forged: &[&str] = &["patch", "clexp", "theirs", "--subresource=status", "-p", &status];
        let named = ["--type=merge", "-n", &world.namespace, "--as", user];
        let (allowed, error) = world.try_kubectl(&[forged, &named].concat());
        assert!(!allowed && error.contains("orbidden"), "{user}: {error}");
    }
}
