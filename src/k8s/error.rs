//! Turns errors of the Kubernetes client into errors of the port. Pure.

use crate::cluster::ClusterError;

/// Turns a client error into a port error that names the attempt and no content.
pub(crate) fn cluster_error(
    verb: &'static str,
    what: impl Into<String>,
    error: &kube::Error,
) -> ClusterError {
    let what = what.into();
    let kube::Error::Api(status) = error else {
        return ClusterError::Unavailable { verb, what, code: summary(error) };
    };
    if status.is_forbidden() {
        // Quota refusals are 403 too.
        if status.message.contains("exceeded quota") {
            return ClusterError::Refused { what, why: "over the namespace's quota" };
        }
        return ClusterError::Forbidden { verb, what };
    }
    match status.code {
        409 => ClusterError::Conflict { what },
        413 => ClusterError::Refused { what, why: "too large" },
        code => ClusterError::Unavailable { verb, what, code: code.to_string() },
    }
}

/// Whether a status says that the API server is busy, or not ready yet.
pub(super) const fn is_busy(code: u16) -> bool {
    code == 429 || (code >= 500 && code < 600)
}

/// An error in a few words, without content that a server may have echoed.
pub(crate) fn summary(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => format!("{} {}", status.code, status.reason),
        kube::Error::SerdeError(_) => "an object that cannot be read as its kind".to_owned(),
        _ => "no answer".to_owned(),
    }
}
