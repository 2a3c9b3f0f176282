//! Builds the HTTP client with the rules that hold for every outbound request, and inspects why a
//! request failed. No I/O here: clients do network I/O when used.

use std::{error::Error, sync::Arc, time::Duration};

use super::{AddressRefused, CheckedResolver, Reach, Resolver};

const USER_AGENT: &str = concat!("clinch-operator/", env!("CARGO_PKG_VERSION"));

/// A client that connects only to addresses within `reach`, follows no redirect and uses no proxy:
/// nobody but the named host learns of a request or receives its credentials. Callers add their
/// own timeouts and build it.
pub fn guarded_client(
    resolver: Arc<dyn Resolver>,
    reach: Reach,
    connect_timeout: Duration,
) -> reqwest::ClientBuilder {
    install_tls_provider();
    #[expect(clippy::disallowed_methods, reason = "this is the guarded client")]
    reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .connect_timeout(connect_timeout)
        .dns_resolver(Arc::new(CheckedResolver::new(resolver, reach)))
}

/// Makes ring the process's TLS provider. Safe to call more than once.
pub fn install_tls_provider() {
    // An error means that one is installed already: nothing in this program installs another.
    let _installed = rustls::crypto::ring::default_provider().install_default().is_ok();
}

/// The causes of an error, outermost first, without the error itself.
pub fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(error.source(), |cause| (*cause).source())
}

/// Whether a request failed because its host resolves to an address out of reach.
pub fn is_address_refused(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(<dyn Error>::is::<AddressRefused>)
}
