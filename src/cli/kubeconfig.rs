//! How the API server is reached: as the kubeconfig says, else as a pod of the cluster.

use std::{
    ffi::OsStr,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use kube::{
    Config,
    config::{Cluster, KubeConfigOptions, Kubeconfig, KubeconfigError},
};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};

use super::BadArgument;

/// Keeps the client's loader from reading HTTPS_PROXY where the kubeconfig names no proxy.
const NO_PROXY_NAMED: &str = "http://none.invalid";

/// Which API server, as which user; by default as the environment says.
#[derive(Debug, Clone, Default)]
pub(super) struct Access {
    /// The kubeconfig.
    pub(super) kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig.
    pub(super) context: Option<String>,
    /// The user to act as.
    pub(super) user: Option<String>,
}

/// The connection to the API server. A proxy is used only if the kubeconfig names one (`proxy-url`):
/// neither HTTPS_PROXY nor --proxy applies to it.
pub(super) async fn connection(access: &Access) -> anyhow::Result<Config> {
    let files = variable();
    let named = access.kubeconfig.is_some() || access.context.is_some() || files.is_some();
    let mut config = match of_kubeconfig(access, files.as_deref()).await {
        Ok(config) => config,
        // What was asked for and is not there is not replaced by something else.
        Err(error) if named => return Err(BadArgument(error).into()),
        Err(error) => match Config::incluster() {
            Ok(config) => config,
            Err(in_pod) => anyhow::bail!(
                "cannot find a Kubernetes API server: name a kubeconfig with KUBECONFIG ({error:#}), or run \
                 in a pod ({in_pod})"
            ),
        },
    };
    config.apply_debug_overrides();
    if let Some(user) = &access.user {
        config.auth_info.impersonate = Some(user.clone());
    }
    Ok(config)
}

/// The variable KUBECONFIG, if it names anything.
#[expect(clippy::disallowed_methods, reason = "the command line reads the environment")]
fn variable() -> Option<std::ffi::OsString> {
    std::env::var_os("KUBECONFIG").filter(|files| listed(files).next().is_some())
}

/// The files of a list such as that of KUBECONFIG.
fn listed(files: &OsStr) -> impl Iterator<Item = PathBuf> + '_ {
    std::env::split_paths(files).filter(|path| !path.as_os_str().is_empty())
}

/// The files of KUBECONFIG as one kubeconfig. As kubectl does, those that do not exist are left out; at least
/// one has to.
fn merged(files: &OsStr) -> anyhow::Result<Kubeconfig> {
    let mut merged = None::<Kubeconfig>;
    for path in listed(files) {
        let what = || format!("KUBECONFIG: {}", path.display());
        let next = match Kubeconfig::read_from(&path) {
            Err(KubeconfigError::ReadConfig(error, _)) if error.kind() == ErrorKind::NotFound => {
                continue;
            }
            read => read.map_err(|error| plain(&error)).with_context(what)?,
        };
        merged = Some(match merged {
            Some(before) => before.merge(next).map_err(|error| plain(&error)).with_context(what)?,
            None => next,
        });
    }
    merged.with_context(|| {
        let missing: Vec<String> = listed(files).map(|path| path.display().to_string()).collect();
        format!("KUBECONFIG: there is no such file: {}", missing.join(", "))
    })
}

fn of_file(path: &Path) -> anyhow::Result<Kubeconfig> {
    let read = Kubeconfig::read_from(path).map_err(|error| plain(&error));
    read.with_context(|| format!("--kubeconfig {}", path.display()))
}

async fn of_kubeconfig(access: &Access, files: Option<&OsStr>) -> anyhow::Result<Config> {
    let mut kubeconfig = match (&access.kubeconfig, files) {
        (Some(path), _) => of_file(path)?,
        (None, Some(files)) => merged(files)?,
        (None, None) => Kubeconfig::read().map_err(|error| plain(&error))?,
    };
    if let Some(context) = &access.context {
        let known: Vec<&str> = kubeconfig.contexts.iter().map(|known| &*known.name).collect();
        if !known.contains(&context.as_str()) {
            let known = known.join(", ");
            anyhow::bail!("--context {context}: the kubeconfig has no such context, but: {known}");
        }
        kubeconfig.current_context = Some(context.clone());
    }
    of(kubeconfig).await
}

/// Why a kubeconfig cannot be used. Errors of the client have their cause in their own text and again as their
/// source; the one of a file that cannot be read needs no more than the last of them.
fn plain(error: &KubeconfigError) -> anyhow::Error {
    match error {
        KubeconfigError::ReadConfig(cause, path) => {
            anyhow::anyhow!("cannot read {}: {cause}", path.display())
        }
        // Its text shows the lines around the fault, which may hold a token.
        KubeconfigError::Parse(error) => match error.location() {
            Some(at) => anyhow::anyhow!("line {} is not that of a kubeconfig in YAML", at.line()),
            None => anyhow::anyhow!("it is no kubeconfig in YAML"),
        },
        error => anyhow::anyhow!("{error}"),
    }
}

async fn of(mut kubeconfig: Kubeconfig) -> anyhow::Result<Config> {
    let proxy = take_proxy(&mut kubeconfig);
    let options = KubeConfigOptions::default();
    let mut config = match Config::from_custom_kubeconfig(kubeconfig.clone(), &options).await {
        // The client's loader reads NO_PROXY in any case, and fails if it cannot.
        Err(KubeconfigError::ParseNoProxy(_)) => {
            tracing::warn!(
                "NO_PROXY cannot be read and is ignored: it must be a comma-separated list of hosts \
                 and addresses; it does not apply to the API server"
            );
            without_no_proxy(&kubeconfig)?
        }
        loaded => loaded?,
    };
    config.proxy_url = proxy.as_deref().map(parsed).transpose()?;
    Ok(config)
}

/// What the client's loader makes of the current context, without a look at the environment. It has read
/// the same kubeconfig up to the proxy, so only what that leaves open is checked here.
fn without_no_proxy(kubeconfig: &Kubeconfig) -> anyhow::Result<Config> {
    let current = kubeconfig.current_context.as_deref().unwrap_or_default();
    let context = kubeconfig.contexts.iter().find(|context| context.name == current);
    let context = context.and_then(|context| context.context.clone());
    let context = context.context("the kubeconfig has no current context")?;
    let cluster = kubeconfig.clusters.iter().find(|cluster| cluster.name == context.cluster);
    let cluster = cluster.and_then(|cluster| cluster.cluster.as_ref());
    let cluster = cluster.context("the kubeconfig has no cluster for its current context")?;
    let user = context.user.as_deref();
    let user = kubeconfig.auth_infos.iter().find(|info| Some(info.name.as_str()) == user);
    let mut user = user.and_then(|user| user.auth_info.clone()).unwrap_or_default();
    if let Some(exec) = &mut user.exec
        && exec.provide_cluster_info
    {
        exec.cluster = Some(cluster.try_into()?);
    }
    let server = cluster.server.as_deref().context("the kubeconfig names no server")?;
    let mut config = Config::new(server.parse().context("the server of the kubeconfig")?);
    config.default_namespace = context.namespace.unwrap_or_else(|| "default".to_owned());
    config.root_cert = authorities(cluster)?;
    config.accept_invalid_certs = cluster.insecure_skip_tls_verify.unwrap_or(false);
    config.disable_compression = cluster.disable_compression.unwrap_or(false);
    config.tls_server_name.clone_from(&cluster.tls_server_name);
    config.auth_info = user;
    Ok(config)
}

/// The certificates that the server's is checked with.
fn authorities(cluster: &Cluster) -> anyhow::Result<Option<Vec<Vec<u8>>>> {
    let pem = match (&cluster.certificate_authority_data, &cluster.certificate_authority) {
        (Some(data), _) => STANDARD.decode(data).context("certificate-authority-data")?,
        (None, Some(path)) => std::fs::read(path).context("certificate-authority")?,
        (None, None) => return Ok(None),
    };
    let certificates = CertificateDer::pem_slice_iter(&pem).map(|found| Ok(found?.to_vec()));
    certificates.collect::<anyhow::Result<_>>().map(Some)
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

    #[test]
    fn files_of_the_list_that_do_not_exist_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, context: &str| {
            let text = format!("apiVersion: v1\nkind: Config\ncurrent-context: {context}\n");
            std::fs::write(folder.path().join(name), text).unwrap();
        };
        write("b", "first");
        write("c", "second");
        std::fs::write(folder.path().join("bad"), "{").unwrap();
        let of = |names: &[&str]| {
            let paths = names.iter().map(|name| folder.path().join(name));
            merged(&std::env::join_paths(paths).unwrap())
        };
        let current = |names: &[&str]| of(names).unwrap().current_context.unwrap();
        assert_eq!(current(&["a", "b"]), "first");
        assert_eq!(current(&["b", "a", "c"]), "first");
        assert_eq!(current(&["c", "b"]), "second");
        let none = of(&["a", "d"]).unwrap_err().to_string();
        assert!(none.contains("no such file: /") && none.ends_with("/d"), "{none}");
        let bad = format!("{:#}", of(&["a", "bad", "b"]).unwrap_err());
        assert!(bad.contains("/bad: "), "{bad}");
    }

    #[test]
    fn a_kubeconfig_with_a_fault_is_not_shown() {
        let text = "apiVersion: v1\nusers:\n- name: a\n  user:\n    token: MARKED\n   client: x\n";
        let error = plain(&Kubeconfig::from_yaml(text).unwrap_err());
        let shown = format!("{error:#} {error:?}");
        assert!(shown.contains("line 6 is not") && !shown.contains("MARKED"), "{shown}");
    }

    #[tokio::test]
    async fn without_a_look_at_no_proxy_the_same_is_read() {
        let key = rcgen::KeyPair::generate().unwrap();
        let authority = rcgen::CertificateParams::default().self_signed(&key).unwrap();
        let data = STANDARD.encode(authority.pem());
        for more in [
            String::new(),
            format!(", certificate-authority-data: {data}, tls-server-name: api"),
            ", insecure-skip-tls-verify: true, disable-compression: true".to_owned(),
        ] {
            let mut kubeconfig = kubeconfig(&more);
            take_proxy(&mut kubeconfig);
            let options = KubeConfigOptions::default();
            let read = without_no_proxy(&kubeconfig).unwrap();
            let usual = Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap();
            let shown = |config: &Config| {
                let mut config = config.clone();
                config.proxy_url = None;
                (config.root_cert.clone(), format!("{config:?}"))
            };
            assert_eq!(shown(&read), shown(&usual));
            assert_eq!(read.root_cert.is_some(), !data.is_empty() && more.contains("data"));
        }
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
