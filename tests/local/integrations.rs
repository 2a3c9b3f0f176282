//! What becomes of an integration that is refused or suspended, on a cluster in memory.

use std::sync::Arc;

use clinch_operator::{
    api::{ClinchIntegration, ClinchIntegrationStatus, ConditionType, Environment},
    app,
    clinch::{AllowedEndpoints, Timeouts},
    cluster::{Cluster, Kind, ObjectKey, ObjectRef, Reconciler},
    conditions::find,
    controllers::{Context, Controllers, NotifySettings, Regions, Settings},
    domain::Fence,
    local::{LoadOptions, Loader, LocalCluster, reconcile_queue},
    pipeline::Renderer,
    sandbox::{Action, Fault, Options, Sandbox},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use tokio_util::sync::CancellationToken;

struct World {
    sandbox: Sandbox,
    cluster: LocalCluster,
    controllers: Controllers<LocalCluster>,
    integration: ObjectKey,
}

impl World {
    /// With a request to reconcile, and these fields of the Secret and of the spec.
    async fn new(secret: &str, spec: &str) -> Self {
        let options = Options::default().with_credential("hireEZ", "K", "S");
        let sandbox = Sandbox::start(options).await.unwrap();
        let origin = sandbox.base_url();
        let manifests = format!(
            "
apiVersion: v1
kind: Secret
metadata: {{name: clinch}}
stringData: {{{secret}}}
---
apiVersion: clinch.hireez.dev/v1alpha1
kind: ClinchIntegration
metadata: {{name: clinch, annotations: {{clinch.hireez.dev/reconcile-requested-at: now}}}}
spec:
  endpoint: {origin}
  environment: Sandbox
  credentials: {{secretRef: {{name: clinch}}}}
  {spec}
"
        );
        let mut loader = Loader::new(LoadOptions::default());
        loader.add_text("manifests.yaml", &manifests);
        let (manifests, clock) = (loader.finish().unwrap(), app::system_clock());
        let cluster = LocalCluster::open(manifests, None, [7; 32], clock.clone()).unwrap();
        let settings = Settings {
            environment: Environment::Sandbox,
            allowed_endpoints: AllowedEndpoints::listed([origin.as_str()]).unwrap(),
            regions: Regions::default(),
            proxy: clinch_operator::network::OutboundProxy::default(),
            sources: Arc::default(),
            destinations: Arc::default(),
            notify: NotifySettings::default(),
            renderer: Renderer::default(),
            max_runs: 2,
            timeouts: Timeouts::default(),
        };
        let (queue, _requests) = reconcile_queue();
        let enqueue = Arc::new(move |kind: Kind, key: &ObjectKey| {
            let _closed = queue.send((kind, key.clone())).is_err();
        });
        let (fence, observer) = (Fence::open(), app::unobserved());
        let stop = CancellationToken::new();
        let context =
            Context::new(cluster.clone(), clock, settings, fence, enqueue, observer, stop);
        let integration = cluster.keys(Kind::Integration).remove(0);
        Self { sandbox, controllers: Controllers(Arc::new(context)), cluster, integration }
    }

    /// Reconciles on request, and returns the status.
    async fn pass(&self) -> ClinchIntegrationStatus {
        let key = &self.integration;
        if let Some(mut status) = self.cluster.status::<ClinchIntegration>(key) {
            // Somebody asks again.
            status.handled = None;
            let found = self.cluster.read::<ClinchIntegration>(key).await.unwrap().unwrap();
            let uid = found.metadata.uid.clone().unwrap_or_default();
            let object = ObjectRef { kind: Kind::Integration, key: key.clone(), uid };
            self.cluster.write_status::<ClinchIntegration>(&object, status).await.unwrap();
        }
        Box::pin(self.controllers.reconcile(Kind::Integration, key)).await.unwrap();
        self.cluster.status::<ClinchIntegration>(key).unwrap()
    }
}

fn condition(status: &ClinchIntegrationStatus, wanted: ConditionType) -> Option<&Condition> {
    find(&status.conditions, wanted)
}

fn reason(status: &ClinchIntegrationStatus, wanted: ConditionType) -> &str {
    condition(status, wanted).map_or("", |found| found.reason.as_str())
}

#[tokio::test]
async fn the_document_is_read_once_a_refusal_is_cured() {
    let world = World::new("accessKey: K, secretKey: S", "").await;
    for (code, expected) in [(403, "PermissionDenied"), (401, "CredentialsRejected")] {
        let refused = Action::Status { code, retry_after: None, html: false };
        world.sandbox.set_faults(vec![Fault::always("*", refused)]);
        // Twice: the second time the credential is known to be rejected.
        for _ in 0..2 {
            let status = world.pass().await;
            assert_eq!(reason(&status, ConditionType::Stalled), expected);
        }
        world.sandbox.set_faults(Vec::new());
        let status = world.pass().await;
        assert_eq!(reason(&status, ConditionType::Ready), "Verified");
        assert_eq!(reason(&status, ConditionType::ContractResolved), "Discovered", "after {code}");
    }
}

#[tokio::test]
async fn a_suspended_integration_with_a_fault_is_suspended_and_says_the_fault() {
    for (secret, spec, fault) in [
        ("accessKey: K", "suspend: true", "no field secretKey"),
        ("accessKey: 'K 1', secretKey: S", "suspend: true", "field accessKey"),
        ("accessKey: K, secretKey: S", "suspend: true", ""),
    ] {
        let world = World::new(secret, spec).await;
        let status = world.pass().await;
        let of = |wanted| condition(&status, wanted).map(|found| found.status.as_str());
        assert_eq!(of(ConditionType::Ready), Some("True"), "{fault}");
        assert_eq!(of(ConditionType::Suspended), Some("True"), "{fault}");
        assert_eq!((of(ConditionType::Stalled), of(ConditionType::Reconciling)), (None, None));
        let message = &condition(&status, ConditionType::Suspended).unwrap().message;
        assert!(message.contains(fault), "{message}");
        assert_eq!(world.sandbox.requests().total, 0);
    }
}
