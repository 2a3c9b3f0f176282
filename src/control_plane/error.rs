//! Why a control plane did not start. Each message says what to do. No I/O.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

/// A failed start or restart, named after the attempt.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// No usable folder with the binaries.
    #[error(
        "no kube-apiserver, etcd and kubectl found: run hack/control-plane.sh once (it needs Go), \
         or set KUBEBUILDER_ASSETS to a folder that has them ({detail})"
    )]
    MissingAssets {
        /// What was checked.
        detail: String,
    },
    /// The folder of the control plane cannot be written.
    #[error("cannot write {}: name another folder or free some space", path.display())]
    Folder {
        /// The file or folder.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// Another control plane uses the named folder.
    #[error(
        "{} is in use by another control plane: stop it or name another folder",
        path.display()
    )]
    FolderInUse {
        /// The folder.
        path: PathBuf,
    },
    /// Keys or certificates could not be generated.
    #[error("cannot generate the keys and certificates of the control plane")]
    Certificates(#[from] rcgen::Error),
    /// No three free ports on loopback.
    #[error("found no free ports on 127.0.0.1: stop what listens there and try again")]
    Ports(#[source] io::Error),
    /// A supervisor process could not be started.
    #[error("cannot start {component}: is `sh` on the PATH and the process limit not reached?")]
    Spawn {
        /// The component.
        component: &'static str,
        /// The error of the system.
        source: io::Error,
    },
    /// A component ended before it was ready.
    #[error("{component} ended while starting ({status}); its log {} ends with:\n{tail}", log.display())]
    Exited {
        /// The component.
        component: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// Its whole output.
        log: PathBuf,
        /// The last lines of it.
        tail: String,
    },
    /// A component did not become ready in time.
    #[error(
        "{component} was not ready within {} s: raise Options::ready_within on a busy machine; \
         its log {} ends with:\n{tail}",
        limit.as_secs(), log.display()
    )]
    NotReady {
        /// The component.
        component: &'static str,
        /// The limit that passed.
        limit: Duration,
        /// Its whole output.
        log: PathBuf,
        /// The last lines of it.
        tail: String,
    },
    /// The client that probes readiness could not be built.
    #[error("cannot build a client for the new API server")]
    Client(#[source] Box<kube::Error>),
}

impl StartError {
    /// Whether another program took a port before it was used.
    pub(super) fn is_port_conflict(&self) -> bool {
        match self {
            Self::Exited { tail, .. } => tail.contains("address already in use"),
            _ => false,
        }
    }
}
