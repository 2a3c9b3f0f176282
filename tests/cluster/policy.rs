//! The chart's admission policy for endpoints, on a real API server, compared with what the
//! operator itself would do with the same endpoint.

use std::{collections::BTreeSet, time::Instant};

use clinch_operator::{
    api::Environment,
    clinch::{AllowedEndpoints, Endpoint},
};
use kube::{
    Api,
    api::{ApiResource, DynamicObject, GroupVersionKind, PostParams},
};
use serde_json::json;

use crate::support::{
    manifests::{INTEGRATION, PROSPECT, export},
    world::{SOON, World},
};

/// The policy as the chart includes it.
const POLICY: &str = include_str!("../../charts/clinch-operator/files/endpoint-policy.yaml");

const ORIGINS: &[&str] =
    &["https://api.clinchtalent.com", "https://proxy.example:8443", "http://127.0.0.1:18080"];

/// Who refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Taken,
    BySchema,
    ByPolicy,
}

struct Server {
    integrations: Api<DynamicObject>,
    resource: ApiResource,
}

impl Server {
    fn of(world: &World) -> Self {
        let kind = GroupVersionKind::gvk("clinch.hireez.dev", "v1alpha1", "ClinchIntegration");
        let resource = ApiResource::from_gvk_with_plural(&kind, "clinchintegrations");
        let integrations = Api::namespaced_with(world.admin.clone(), &world.namespace, &resource);
        Self { integrations, resource }
    }

    /// The verdict on an integration with this endpoint; nothing is stored.
    async fn judge(&self, endpoint: &str, environment: Environment) -> Verdict {
        let object = DynamicObject::new("judged", &self.resource).data(json!({"spec": {
            "endpoint": endpoint,
            "environment": environment,
            "credentials": {"secretRef": {"name": "clinch"}},
        }}));
        let params = PostParams { dry_run: true, field_manager: None };
        match self.integrations.create(&params, &object).await {
            Ok(_) => Verdict::Taken,
            Err(kube::Error::Api(refusal)) => {
                if refusal.message.contains("ValidatingAdmissionPolicy") {
                    assert!(!refusal.message.contains("expression"), "no failure of the policy");
                    Verdict::ByPolicy
                } else {
                    assert!(refusal.message.contains("spec"), "{}", refusal.message);
                    Verdict::BySchema
                }
            }
            Err(error) => panic!("no answer about {endpoint:?}: {error}"),
        }
    }

    /// Waits until the policy is in force, which follows its creation a little later.
    async fn wait_for_policy(&self, refused: &str) {
        self.wait_for(refused, Verdict::ByPolicy).await;
    }

    /// Waits until an endpoint gets this verdict.
    async fn wait_for(&self, endpoint: &str, verdict: Verdict) {
        let started = Instant::now();
        while self.judge(endpoint, Environment::Sandbox).await != verdict {
            assert!(started.elapsed() < SOON, "{endpoint} does not become {verdict:?}");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
}

/// The policy and its binding for this namespace alone, as the chart renders them.
fn rendered(origins: &[&str]) -> String {
    let quoted: Vec<_> = origins.iter().map(|origin| format!("'{origin}'")).collect();
    let origins = format!("[{}]", quoted.join(", "));
    let rest = POLICY.replace("'ENVIRONMENT'", "'Sandbox'").replace("[ORIGINS]", &origins);
    format!(
        "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicy\n\
         metadata: {{name: NS-endpoints}}\n{rest}\n\
         ---\napiVersion: admissionregistration.k8s.io/v1\n\
         kind: ValidatingAdmissionPolicyBinding\nmetadata: {{name: NS-endpoints}}\n\
         spec:\n  policyName: NS-endpoints\n  validationActions: [Deny]\n  \
         matchResources:\n    namespaceSelector:\n      matchExpressions:\n      \
         - {{key: kubernetes.io/metadata.name, operator: In, values: [NS]}}\n"
    )
}

/// Puts the policy in force for this namespace alone.
fn install(world: &World, origins: &[&str]) {
    world.apply(&rendered(origins));
}

/// Takes the policy away, as Helm does.
fn uninstall(world: &World) {
    let name = format!("{}-endpoints", world.namespace);
    for kind in ["validatingadmissionpolicybinding", "validatingadmissionpolicy"] {
        world.kubectl(&["delete", kind, &name]);
    }
}

fn operator_takes(endpoint: &str, environment: Environment) -> bool {
    let allowed = AllowedEndpoints::listed(ORIGINS.iter().copied()).expect("origins");
    Endpoint::parse(endpoint, environment).is_ok_and(|endpoint| allowed.check(&endpoint).is_some())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_listed_origins_are_admitted_however_an_endpoint_is_written() {
    let Some(world) = World::prepare().await else { return };
    install(&world, ORIGINS);
    let server = Server::of(&world);
    server.wait_for_policy("https://elsewhere.example").await;
    for endpoint in [
        "https://api.clinchtalent.com",
        "https://api.clinchtalent.com/",
        "https://API.ClinchTalent.COM",
        "HTTPS://api.clinchtalent.com",
        "https://api.clinchtalent.com:443",
        "https://api.clinchtalent.com:443/",
        "https://proxy.example:8443",
        "http://127.0.0.1:18080",
    ] {
        assert_eq!(
            server.judge(endpoint, Environment::Sandbox).await,
            Verdict::Taken,
            "{endpoint}"
        );
        assert!(operator_takes(endpoint, Environment::Sandbox), "{endpoint}");
    }
    for (endpoint, by) in [
        // Look-alikes.
        ("https://api.clinchtalent.com.evil.example", Verdict::ByPolicy),
        ("https://evilapi.clinchtalent.com", Verdict::ByPolicy),
        ("https://career.clinchtalent.com", Verdict::ByPolicy),
        ("https://clinchtalent.com", Verdict::ByPolicy),
        ("https://api.clinchtalent.com.", Verdict::ByPolicy),
        ("https://api-clinchtalent.com", Verdict::ByPolicy),
        ("https://api.cl\u{456}nchtalent.com", Verdict::ByPolicy),
        ("https://api.xn--clnchtalent-o9e.com", Verdict::ByPolicy),
        ("https://api%2eclinchtalent.com", Verdict::BySchema),
        // Ports and schemes.
        ("https://api.clinchtalent.com:8443", Verdict::ByPolicy),
        ("https://api.clinchtalent.com:80", Verdict::ByPolicy),
        ("https://api.clinchtalent.com:0443", Verdict::ByPolicy),
        ("https://api.clinchtalent.com:", Verdict::ByPolicy),
        ("https://proxy.example", Verdict::ByPolicy),
        ("http://api.clinchtalent.com", Verdict::ByPolicy),
        ("http://api.clinchtalent.com:443", Verdict::ByPolicy),
        ("ftp://api.clinchtalent.com", Verdict::BySchema),
        // User info, and what hides behind it.
        ("https://api.clinchtalent.com@evil.example", Verdict::BySchema),
        ("https://user:password@api.clinchtalent.com", Verdict::BySchema),
        ("https://api.clinchtalent.com/@evil.example", Verdict::BySchema),
        ("https://evil.example#api.clinchtalent.com", Verdict::BySchema),
        ("https://evil.example?api.clinchtalent.com", Verdict::BySchema),
        ("https://evil.example\\api.clinchtalent.com", Verdict::BySchema),
        ("https://evil.example/api.clinchtalent.com", Verdict::BySchema),
        // Inside the cluster and the machine.
        ("https://kubernetes.default.svc", Verdict::ByPolicy),
        ("http://169.254.169.254", Verdict::ByPolicy),
        ("https://10.0.0.1", Verdict::ByPolicy),
        ("https://localhost", Verdict::ByPolicy),
        ("https://[::1]", Verdict::ByPolicy),
        ("https://[::ffff:127.0.0.1]", Verdict::ByPolicy),
        // Other spellings of an address that is listed.
        ("http://127.1:18080", Verdict::ByPolicy),
        ("http://2130706433:18080", Verdict::ByPolicy),
        ("http://0x7f000001:18080", Verdict::ByPolicy),
        ("http://127.0.0.1:18081", Verdict::ByPolicy),
        // White space, other slashes, several lines.
        (" https://api.clinchtalent.com", Verdict::BySchema),
        ("https://api.clinchtalent.com ", Verdict::BySchema),
        ("https://api.clinchtalent.com\n", Verdict::BySchema),
        ("https://api.clinch\ttalent.com", Verdict::BySchema),
        ("https:api.clinchtalent.com", Verdict::BySchema),
        ("https:/api.clinchtalent.com", Verdict::BySchema),
        ("https:\\\\api.clinchtalent.com", Verdict::BySchema),
        ("https://api.clinchtalent.com//", Verdict::BySchema),
        ("https://", Verdict::BySchema),
    ] {
        let said = server.judge(endpoint, Environment::Sandbox).await;
        assert_eq!(said, by, "{endpoint:?}");
        assert!(!operator_takes(endpoint, Environment::Sandbox), "the operator takes {endpoint:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn policy_and_operator_take_the_same_endpoints() {
    let Some(world) = World::prepare().await else { return };
    install(&world, ORIGINS);
    let server = Server::of(&world);
    server.wait_for_policy("https://elsewhere.example").await;
    let mut endpoints = BTreeSet::new();
    for scheme in ["https://", "http://", "HTTPS://", "https:/", "//"] {
        for host in [
            "api.clinchtalent.com",
            "API.clinchtalent.com",
            "a@api.clinchtalent.com",
            "api.clinchtalent.com.evil.example",
            "127.0.0.1",
            "127.0.0.01",
            "[::1]",
            "proxy.example",
        ] {
            for port in ["", ":443", ":8443", ":18080", ":", ":00443", ":99999"] {
                for tail in ["", "/", "/v2", "?", "#"] {
                    endpoints.insert(format!("{scheme}{host}{port}{tail}"));
                }
            }
        }
    }
    let mut taken = 0;
    for endpoint in &endpoints {
        let admitted = server.judge(endpoint, Environment::Sandbox).await == Verdict::Taken;
        let used = operator_takes(endpoint, Environment::Sandbox);
        assert_eq!(admitted, used, "{endpoint:?}: admitted {admitted}, used {used}");
        taken += usize::from(admitted);
    }
    assert!(taken > 10 && taken < endpoints.len() / 4, "{taken} of {}", endpoints.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shortened_list_refuses_new_endpoints_and_affects_nothing_else() {
    let Some(world) = World::start().await else { return };
    let origin = world.sandbox.base_url();
    world.apply(INTEGRATION);
    world.ready("ClinchIntegration", "acme", "True", "Verified").await;
    install(&world, &["https://api.clinchtalent.com"]);
    let server = Server::of(&world);
    server.wait_for_policy(&origin).await;
    // What does not touch the endpoint still works: labels, suspension, deletion.
    world.apply(&INTEGRATION.replace("spec:", "spec:\n  suspend: true"));
    let moved = INTEGRATION.replace("endpoint: ORIGIN", "endpoint: https://elsewhere.example");
    let (taken, refusal) = world.try_apply(&moved);
    assert!(!taken && refusal.contains("allowedEndpoints"), "{refusal}");
    // The policy does not concern regions and the other environment.
    let by_region = INTEGRATION.replace("endpoint: ORIGIN", "region: EU").replace("acme", "eu");
    world.apply(&by_region);
    let elsewhere = "https://elsewhere.example";
    assert_eq!(server.judge(elsewhere, Environment::Production).await, Verdict::Taken);
    world.kubectl(&["delete", "clint", "acme", "-n", &world.namespace]);
    // An upgrade with another list.
    install(&world, &["https://elsewhere.example"]);
    server.wait_for("https://api.clinchtalent.com", Verdict::ByPolicy).await;
    assert_eq!(server.judge(elsewhere, Environment::Sandbox).await, Verdict::Taken);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_is_removed_and_installed_again_works_each_time() {
    let Some(world) = World::prepare().await else { return };
    let server = Server::of(&world);
    let (listed, elsewhere) = (ORIGINS[0], "https://elsewhere.example");
    let named = INTEGRATION.replace("ORIGIN", listed);
    for round in 0..3 {
        install(&world, ORIGINS);
        server.wait_for_policy(elsewhere).await;
        assert_eq!(server.judge(listed, Environment::Sandbox).await, Verdict::Taken, "{round}");
        // Creates the integration, or changes it.
        world.apply(
            &named.replace("metadata: {", &format!("metadata: {{labels: {{round: r{round}}}, ")),
        );
        let suspended = named.replace("spec:", &format!("spec:\n  suspend: {}", round % 2 == 0));
        world.apply(&suspended);
        uninstall(&world);
        server.wait_for(elsewhere, Verdict::Taken).await;
        // Without the policy.
        world.apply(&suspended.replace(listed, elsewhere));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_policy_the_operator_refuses_by_itself() {
    let Some(world) = World::start().await else { return };
    world.apply(&INTEGRATION.replace("ORIGIN", "https://api.clinchtalent.com.evil.example"));
    world.apply(&export("refused", 1, PROSPECT));
    world.ready("ClinchIntegration", "acme", "False", "EndpointNotAllowed").await;
    assert_eq!(world.sandbox.requests().total, 0);
}
