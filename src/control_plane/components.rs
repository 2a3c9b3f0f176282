//! The command lines of etcd and kube-apiserver, and the files they read. Writes those files; starts
//! nothing.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::StartError;
use super::credentials::Credentials;
use super::ports::Ports;
use super::scratch::Scratch;

const AUDIT_POLICY: &str = include_str!("audit-policy.yaml");
const ISSUER: &str = "https://kubernetes.default.svc";

/// The files that both components read.
#[derive(Debug)]
pub(super) struct Files {
    ca: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
    tokens: PathBuf,
    service_account_key: PathBuf,
    service_account_public_key: PathBuf,
    audit_policy: PathBuf,
}

impl Files {
    pub(super) fn write(scratch: &Scratch, credentials: &Credentials) -> Result<Self, StartError> {
        Ok(Self {
            ca: scratch.write("ca.crt", &credentials.ca_pem)?,
            certificate: scratch.write("server.crt", &credentials.server.certificate)?,
            key: scratch.write("server.key", &credentials.server.key)?,
            tokens: scratch.write("tokens.csv", &credentials.token_file())?,
            service_account_key: scratch
                .write("service-account.key", &credentials.service_account_key)?,
            service_account_public_key: scratch
                .write("service-account.pub", &credentials.service_account_public_key)?,
            audit_policy: scratch.write("audit-policy.yaml", AUDIT_POLICY)?,
        })
    }
}

/// TLS with client certificates on the client port: the API server of another control plane that
/// raced for the same port is refused instead of sharing the data.
pub(super) fn etcd_arguments(scratch: &Scratch, files: &Files, ports: Ports) -> Vec<OsString> {
    let client = format!("https://127.0.0.1:{}", ports.etcd_client);
    let peer = format!("http://127.0.0.1:{}", ports.etcd_peer);
    let mut arguments = vec![
        with_path("--data-dir", &scratch.etcd_data()),
        "--name=default".into(),
        format!("--listen-client-urls={client}").into(),
        format!("--advertise-client-urls={client}").into(),
        format!("--listen-peer-urls={peer}").into(),
        format!("--initial-advertise-peer-urls={peer}").into(),
        format!("--initial-cluster=default={peer}").into(),
        with_path("--cert-file", &files.certificate),
        with_path("--key-file", &files.key),
        with_path("--trusted-ca-file", &files.ca),
        "--client-cert-auth".into(),
        "--enable-grpc-gateway=false".into(),
        // Faster; the data need not survive a crash of the machine.
        "--unsafe-no-fsync".into(),
    ];
    if scratch.holds_data() {
        // The peer port of an earlier start may be taken, and there is no other member.
        arguments.push("--force-new-cluster".into());
    }
    arguments
}

pub(super) fn apiserver_arguments(
    scratch: &Scratch,
    files: &Files,
    ports: Ports,
    extra: &[String],
) -> Vec<OsString> {
    let mut arguments = vec![
        format!("--etcd-servers=https://127.0.0.1:{}", ports.etcd_client).into(),
        with_path("--etcd-cafile", &files.ca),
        with_path("--etcd-certfile", &files.certificate),
        with_path("--etcd-keyfile", &files.key),
        "--bind-address=127.0.0.1".into(),
        "--advertise-address=127.0.0.1".into(),
        format!("--secure-port={}", ports.apiserver).into(),
        // No endpoints to keep for the `kubernetes` Service: a loopback address is refused there.
        "--endpoint-reconciler-type=none".into(),
        "--service-cluster-ip-range=10.0.0.0/24".into(),
        with_path("--tls-cert-file", &files.certificate),
        with_path("--tls-private-key-file", &files.key),
        with_path("--client-ca-file", &files.ca),
        with_path("--token-auth-file", &files.tokens),
        "--authorization-mode=Node,RBAC".into(),
        format!("--service-account-issuer={ISSUER}").into(),
        format!("--api-audiences={ISSUER}").into(),
        with_path("--service-account-key-file", &files.service_account_public_key),
        with_path("--service-account-signing-key-file", &files.service_account_key),
        with_path("--audit-policy-file", &files.audit_policy),
        with_path("--audit-log-path", &scratch.audit_log()),
        // In MB: never rotate, readers rely on one growing file.
        "--audit-log-maxsize=102400".into(),
        "--profiling=false".into(),
        // Ends open watches when asked to stop, instead of waiting a minute for their clients.
        "--shutdown-watch-termination-grace-period=1s".into(),
    ];
    arguments.extend(extra.iter().map(OsString::from));
    arguments
}

fn with_path(flag: &str, path: &Path) -> OsString {
    let mut argument = OsString::from(flag);
    argument.push("=");
    argument.push(path);
    argument
}
