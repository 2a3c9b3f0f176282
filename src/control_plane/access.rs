//! How clients reach a control plane: kubeconfig text and `kube::Config`. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::Config;
use kube::config::AuthInfo;
use serde_json::json;

use super::credentials::Credentials;

const NAME: &str = "clinch-control-plane";

/// Address and certificate authority of one API server.
#[derive(Debug, Clone)]
pub(super) struct Access {
    pub(super) url: http::Uri,
    pub(super) ca_pem: String,
    pub(super) ca_der: Vec<u8>,
}

impl Access {
    pub(super) fn new(port: u16, credentials: &Credentials) -> Self {
        let mut address = http::uri::Parts::default();
        address.scheme = Some(http::uri::Scheme::HTTPS);
        address.authority = format!("127.0.0.1:{port}").parse().ok();
        address.path_and_query = Some(http::uri::PathAndQuery::from_static("/"));
        Self {
            url: http::Uri::from_parts(address).unwrap_or_default(),
            ca_pem: credentials.ca_pem.clone(),
            ca_der: credentials.ca_der.clone(),
        }
    }

    /// A kubeconfig for the bearer of `token`. JSON, which is valid YAML.
    pub(super) fn kubeconfig(&self, token: &str) -> String {
        let url = self.url.to_string();
        let cluster = json!({
            "server": url.trim_end_matches('/'),
            "certificate-authority-data": STANDARD.encode(&self.ca_pem),
        });
        let kubeconfig = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{ "name": NAME, "cluster": cluster }],
            "users": [{ "name": NAME, "user": { "token": token } }],
            "contexts": [{ "name": NAME, "context": { "cluster": NAME, "user": NAME } }],
            "current-context": NAME,
        });
        format!("{kubeconfig:#}\n")
    }

    /// A client configuration for the bearer of `token`.
    pub(super) fn config(&self, token: &str) -> Config {
        let mut config = Config::new(self.url.clone());
        config.root_cert = Some(vec![self.ca_der.clone()]);
        config.auth_info = AuthInfo { token: Some(token.to_owned().into()), ..AuthInfo::default() };
        config
    }
}

#[cfg(test)]
mod tests {
    use kube::config::Kubeconfig;

    use super::*;

    #[test]
    fn the_kubeconfig_reads_back() {
        let access = Access {
            url: http::Uri::from_static("https://127.0.0.1:20001"),
            ca_pem: "pem".to_owned(),
            ca_der: Vec::new(),
        };
        let read = Kubeconfig::from_yaml(&access.kubeconfig("secret")).expect("reads");
        assert_eq!(read.current_context.as_deref(), Some(NAME));
        let cluster = read.clusters[0].cluster.as_ref().expect("a cluster");
        assert_eq!(cluster.server.as_deref(), Some("https://127.0.0.1:20001"));
    }
}
