//! How the API server is reached: as the kubeconfig says, else as a pod of the cluster.

use anyhow::Context as _;
use kube::{
    Config,
    config::{KubeConfigOptions, Kubeconfig},
};

/// Keeps the client's loader from reading HTTPS_PROXY where the kubeconfig names no proxy.
const NO_PROXY_NAMED: &str = "http://none.invalid";

/// The connection to the API server. A proxy is used only if the kubeconfig names one (`proxy-url`):
/// neither HTTPS_PROXY nor --proxy applies to it.
pub(super) async fn connection() -> anyhow::Result<Config> {
    let mut config = match of_kubeconfig().await {
        Ok(config) => config,
        Err(error) => match Config::incluster() {
            Ok(config) => config,
            Err(in_pod) => anyhow::bail!(
                "cannot find a Kubernetes API server: run in a pod ({in_pod}), or set KUBECONFIG \
                 ({error:#})"
            ),
        },
    };
    config.apply_debug_overrides();
    Ok(config)
}

async fn of_kubeconfig() -> anyhow::Result<Config> {
    of(Kubeconfig::read()?).await
}

async fn of(mut kubeconfig: Kubeconfig) -> anyhow::Result<Config> {
    let proxy = take_proxy(&mut kubeconfig);
    let mut config =
        Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    config.proxy_url = proxy.as_deref().map(parsed).transpose()?;
    Ok(config)
}

/// Takes the proxy of the current context's cluster out.
fn take_proxy(kubeconfig: &mut Kubeconfig) -> Option<String> {
    let current = kubeconfig.current_context.as_deref()?;
    let context = kubeconfig.contexts.iter().find(|context| context.name == current)?;
    let name = &context.context.as_ref()?.cluster;
    let cluster = kubeconfig.clusters.iter_mut().find(|cluster| cluster.name == *name)?;
    let cluster = cluster.cluster.as_mut()?;
    cluster.proxy_url.replace(NO_PROXY_NAMED.to_owned()).filter(|proxy| !proxy.is_empty())
}

/// Errors do not repeat the URL, which may hold a password.
fn parsed(proxy: &str) -> anyhow::Result<http::Uri> {
    let url: http::Uri = proxy.parse().context("proxy-url of the kubeconfig")?;
    match url.scheme_str() {
        Some("http" | "https") => Ok(url),
        _ => anyhow::bail!("proxy-url of the kubeconfig must begin with http:// or https://"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kubeconfig(more: &str) -> Kubeconfig {
        let text = format!(
            "apiVersion: v1
kind: Config
current-context: here
contexts: [{{name: here, context: {{cluster: one, user: me}}}}]
users: [{{name: me, user: {{token: t}}}}]
clusters:
- {{name: other, cluster: {{server: 'https://127.0.0.1:2', proxy-url: 'http://127.0.0.1:3'}}}}
- {{name: one, cluster: {{server: 'https://127.0.0.1:1'{more}}}}}"
        );
        Kubeconfig::from_yaml(&text).unwrap()
    }

    #[tokio::test]
    async fn the_api_server_is_reached_through_the_proxy_of_the_kubeconfig_and_no_other() {
        assert_eq!(of(kubeconfig("")).await.unwrap().proxy_url, None);
        let named = of(kubeconfig(", proxy-url: 'http://u:s3cr3t@127.0.0.1:8'")).await.unwrap();
        assert_eq!(named.proxy_url.unwrap().port_u16(), Some(8));
        for wrong in ["socks5://u:s3cr3t@127.0.0.1:8", "u:s3cr3t@127.0.0.1:8 x"] {
            let error = of(kubeconfig(&format!(", proxy-url: '{wrong}'"))).await.unwrap_err();
            assert!(format!("{error:#}").contains("proxy-url"), "{error:#}");
            assert!(!format!("{error:#}").contains("s3cr3t"), "{error:#}");
        }
    }
}
