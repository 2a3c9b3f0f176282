//! Outbound HTTP: the one guarded client, and the addresses it may connect to. Clinch endpoints,
//! object stores and file servers are all contacted through it.

mod addresses;
mod client;

pub use addresses::{AddressRefused, CheckedResolver, Reach, Resolver, SystemResolver, is_public};
pub use client::{causes, guarded_client, install_tls_provider, is_address_refused};
