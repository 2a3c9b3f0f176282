//! The proxy that the admin chose for outbound requests. Pure.
//!
//! Proxies are opt-in: the variables that other programs read (`HTTPS_PROXY` and the like) are not
//! used, because a proxy learns which hosts are contacted, and resolves their names in our place.

use std::{fmt, sync::Arc};

use thiserror::Error;
use url::Url;

/// The variables by which other programs are given a proxy.
pub const AMBIENT: [&str; 6] =
    ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];

/// Contacted directly, whatever the admin lists: the services that give a machine its identity
/// answer this machine only, and their answers are credentials.
const NEVER: &str = "169.254.0.0/16,fd00:ec2::254,metadata.google.internal";

/// Why a text is not a proxy. Does not carry the text, which may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ProxyError {
    /// Not a URL.
    #[error("not a URL: write http://HOST:PORT or http://USER:PASSWORD@HOST:PORT")]
    NotAUrl,
    /// Another kind of proxy.
    #[error("the scheme must be http or https: SOCKS proxies are not supported")]
    Scheme,
    /// A path, query or fragment.
    #[error("remove path, query and fragment: write http://HOST:PORT")]
    MoreThanOrigin,
    /// Hosts to leave out, of nothing.
    #[error("it has no effect without --proxy")]
    NoProxyAlone,
}

/// How outbound requests leave: directly (the default), or through a proxy. `Debug` and `Display`
/// show no credential.
#[derive(Clone, Default)]
pub struct OutboundProxy(Option<Arc<Chosen>>);

struct Chosen {
    url: Url,
    /// Comma-separated hosts, domains, addresses and networks.
    except: String,
}

impl OutboundProxy {
    /// Parses the URL of a proxy. `except`: what is contacted directly (a host also stands for its
    /// subdomains; addresses and networks as `10.0.0.0/8`; `*` for everything).
    pub fn parse<'a>(
        url: &str,
        except: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, ProxyError> {
        let url = Url::parse(url.trim()).map_err(|_| ProxyError::NotAUrl)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(ProxyError::Scheme);
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(ProxyError::MoreThanOrigin);
        }
        let mut all = NEVER.to_owned();
        for entry in except {
            all.push(',');
            all.push_str(entry);
        }
        Ok(Self(Some(Arc::new(Chosen { url, except: all }))))
    }

    /// Whether there is one.
    pub fn is_set(&self) -> bool {
        self.0.is_some()
    }

    /// The host of the proxy, which may have any address: the admin chose it.
    pub(super) fn host(&self) -> Option<&str> {
        self.0.as_ref()?.url.host_str()
    }

    /// The proxy as the client takes it.
    pub(super) fn of_client(&self) -> Option<reqwest::Result<reqwest::Proxy>> {
        let chosen = self.0.as_ref()?;
        let except = reqwest::NoProxy::from_string(&chosen.except);
        Some(reqwest::Proxy::all(chosen.url.clone()).map(|proxy| proxy.no_proxy(except)))
    }
}

impl fmt::Display for OutboundProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(chosen) => f.write_str(&chosen.url.origin().ascii_serialization()),
            None => f.write_str("none"),
        }
    }
}

impl fmt::Debug for OutboundProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OutboundProxy({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_an_origin_and_its_password_is_not_shown() {
        let proxy = OutboundProxy::parse("http://ann:s3cr3t@proxy.example:3128", []).unwrap();
        assert_eq!(proxy.to_string(), "http://proxy.example:3128");
        assert!(!format!("{proxy:?}").contains("s3cr3t"));
        assert_eq!(proxy.host(), Some("proxy.example"));
        assert!(!OutboundProxy::default().is_set());
        for (text, error) in [
            ("proxy.example:3128", ProxyError::Scheme),
            ("", ProxyError::NotAUrl),
            ("http://", ProxyError::NotAUrl),
            ("http://ann:s3cr3t@", ProxyError::NotAUrl),
            ("socks5://proxy.example:1080", ProxyError::Scheme),
            ("http://proxy.example:3128/path", ProxyError::MoreThanOrigin),
            ("http://proxy.example:3128?x=1", ProxyError::MoreThanOrigin),
        ] {
            let found = OutboundProxy::parse(text, []).unwrap_err();
            assert_eq!(found, error, "{text}");
            assert!(!found.to_string().contains("s3cr3t"));
        }
    }
}
