//! Control planes: one that the tests of a binary share, and others for tests that need their own.

use std::path::PathBuf;

use clinch_operator::{
    app,
    control_plane::{ControlPlane, Options, StartError},
};
use tokio::sync::OnceCell;

use super::kubectl::Kubectl;

static SHARED: OnceCell<Option<ControlPlane>> = OnceCell::const_new();

/// Whether a missing control plane is a failure.
pub fn in_ci() -> bool {
    std::env::var_os("CI").is_some()
}

/// Prints why a test did nothing.
pub fn skipped(why: &str) {
    eprintln!("skipped: {}", why.trim());
}

/// A control plane for the caller alone; `None` where there are no binaries, outside CI.
pub async fn start() -> Option<ControlPlane> {
    start_in(None).await
}

/// The same, in a folder that is kept.
pub async fn start_in(dir: Option<PathBuf>) -> Option<ControlPlane> {
    app::install_tls_provider();
    // With its HTTP gateway, through which a test can store an object as it was stored elsewhere.
    let etcd_arguments = vec!["--enable-grpc-gateway=true".to_owned()];
    match ControlPlane::start(Options { dir, etcd_arguments, ..Options::default() }).await {
        Ok(plane) => Some(plane),
        Err(error @ StartError::MissingAssets { .. }) if !in_ci() => {
            skipped(&error.to_string());
            None
        }
        Err(error) => panic!("the control plane does not start: {error}"),
    }
}

/// Installs the CRDs and waits until they can be used.
pub fn install_crds(kubectl: &Kubectl) {
    install_crds_with(|args| kubectl.run(args));
}

/// The same, with kubectl as a function.
pub fn install_crds_with(kubectl: impl Fn(&[&str]) -> String) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");
    kubectl(&["apply", "--server-side", "--force-conflicts", "-f", folder]);
    kubectl(&["wait", "crd", "--all", "--for=condition=Established", "--timeout=30s"]);
}

/// The API server that the tests of this binary share, with the CRDs installed.
pub async fn shared() -> Option<&'static ControlPlane> {
    let started = SHARED.get_or_init(|| async {
        let plane = start().await?;
        install_crds(&Kubectl::admin(&plane));
        Some(plane)
    });
    started.await.as_ref()
}
