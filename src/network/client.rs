//! Builds the HTTP client with the rules that hold for every outbound request. No I/O here: clients
//! do network I/O when used.

use std::{sync::Arc, time::Duration};

use super::{CheckedResolver, OutboundProxy, Reach, Resolver};

const USER_AGENT: &str = concat!("clinch-operator/", env!("CARGO_PKG_VERSION"));

/// A client that connects only to addresses within `reach`, follows no redirect and uses no proxy but
/// the one that the admin chose: nobody else learns of a request or receives its credentials. A host
/// that is contacted through the proxy is resolved by the proxy, which then decides about addresses.
/// Callers add their own timeouts and build it.
pub fn guarded_client(
    resolver: Arc<dyn Resolver>,
    reach: Reach,
    connect_timeout: Duration,
    proxy: &OutboundProxy,
) -> reqwest::Result<reqwest::ClientBuilder> {
    install_tls_provider();
    let resolver = CheckedResolver::new(resolver, reach).exempt(proxy.host());
    #[expect(clippy::disallowed_methods, reason = "this is the guarded client")]
    let client = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .redirect(reqwest::redirect::Policy::none())
        // Also keeps the client from reading the proxy variables of the environment.
        .no_proxy()
        .referer(false)
        .connect_timeout(connect_timeout)
        .dns_resolver(Arc::new(resolver));
    Ok(match proxy.of_client() {
        Some(proxy) => client.proxy(proxy?),
        None => client,
    })
}

/// Makes ring the process's TLS provider. Safe to call more than once.
pub fn install_tls_provider() {
    // An error means that one is installed already: nothing in this program installs another.
    let _installed = rustls::crypto::ring::default_provider().install_default().is_ok();
}
