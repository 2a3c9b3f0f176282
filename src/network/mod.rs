//! Outbound HTTP: the one guarded client, the addresses it may connect to, and the proxy that it may
//! use. Clinch endpoints, object stores and file servers are all contacted through it.

mod addresses;
mod client;
mod fault;
mod proxy;

pub use addresses::{
    AddressRefused, CheckedResolver, LookUpFailed, Reach, Resolver, SystemResolver, is_public,
};
pub use client::{guarded_client, install_tls_provider};
pub use fault::{NoAnswer, tls_error};
pub use proxy::{AMBIENT as AMBIENT_PROXIES, OutboundProxy, ProxyError};
