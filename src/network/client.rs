//! Builds the HTTP client with the rules that hold for every outbound request. No I/O here: clients
//! do network I/O when used.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

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
    // Without trusted roots the client could not be built at all. So it trusts nobody: plain http works, and
    // https fails with the reason that names the roots.
    let client = if has_roots() { client } else { client.tls_certs_only([]) };
    Ok(match proxy.of_client() {
        Some(proxy) => client.proxy(proxy?),
        None => client,
    })
}

/// Whether this machine has trusted roots. Read once, as the client reads them.
fn has_roots() -> bool {
    static HAS_ROOTS: OnceLock<bool> = OnceLock::new();
    *HAS_ROOTS.get_or_init(|| !rustls_native_certs::load_native_certs().certs.is_empty())
}

/// Makes ring the process's TLS provider. Safe to call more than once.
pub fn install_tls_provider() {
    // An error means that one is installed already: nothing in this program installs another.
    let _installed = rustls::crypto::ring::default_provider().install_default().is_ok();
}
