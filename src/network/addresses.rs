//! Which addresses may be connected to. Resolves names through an injected resolver (I/O), checks
//! every address, and passes exactly the checked ones to the connector: DNS rebinding between
//! check and connect has no effect.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use thiserror::Error;

/// Resolves host names.
pub trait Resolver: Send + Sync {
    /// The addresses of `host`.
    fn resolve(&self, host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The resolver of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolver for SystemResolver {
    fn resolve(&self, host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// The host resolves to an address that is not public.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the host resolves to a private address and is not in the allow-list")]
pub struct AddressRefused;

/// The host name cannot be resolved.
#[derive(Debug, Error)]
#[error("the host name cannot be resolved")]
pub struct LookUpFailed(#[source] io::Error);

/// Which addresses a host may resolve to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Public Internet addresses only.
    Public,
    /// Any address: the admin listed the host.
    Any,
}

/// Checks resolved addresses before anything connects to them.
pub struct CheckedResolver {
    inner: Arc<dyn Resolver>,
    reach: Reach,
    exempt: Option<String>,
}

impl CheckedResolver {
    /// Passes on addresses within `reach` only.
    pub fn new(inner: Arc<dyn Resolver>, reach: Reach) -> Self {
        Self { inner, reach, exempt: None }
    }

    /// Lets one host have any address: that of the proxy, which the admin chose.
    #[must_use]
    pub fn exempt(mut self, host: Option<&str>) -> Self {
        self.exempt = host.map(str::to_owned);
        self
    }
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let lookup = self.inner.resolve(name.as_str().to_owned());
        let reach = match &self.exempt {
            Some(host) if host == name.as_str() => Reach::Any,
            _ => self.reach,
        };
        Box::pin(async move {
            let found = lookup.await.map_err(LookUpFailed)?;
            // One private address among public ones is an attack, not an accident.
            if reach == Reach::Public && !found.iter().all(|address| is_public(*address)) {
                return Err(AddressRefused.into());
            }
            let addresses: Addrs =
                Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

/// Whether an address belongs to the public Internet.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && b & 0b1100_0000 == 64)
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && b & 0b1111_1110 == 18))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    if let Some(v4) = address.to_ipv4_mapped() {
        return is_public_v4(v4);
    }
    match segments {
        // NAT64 and 6to4 embed the IPv4 address that is actually reached.
        [0x64, 0xff9b, .., high, low] | [0x2002, high, low, ..] => embedded(high, low),
        [0x2001, 0xdb8, ..] => false,
        // Global unicast is 2000::/3; loopback, ULA, link-local and multicast are all outside it.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_recognised_in_every_disguise() {
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "224.0.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "198.18.0.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:a00:1::",
            "2001:db8::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        for public in ["1.1.1.1", "100.128.0.1", "2606:4700::1", "::ffff:1.1.1.1"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }

    struct Fixed(Vec<IpAddr>);

    impl Resolver for Fixed {
        fn resolve(&self, _: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
            let addresses = self.0.clone();
            Box::pin(async move { Ok(addresses) })
        }
    }

    #[tokio::test]
    async fn one_private_address_refuses_the_host_unless_its_origin_is_listed() {
        let mixed: Vec<IpAddr> = vec!["1.1.1.1".parse().unwrap(), "10.0.0.1".parse().unwrap()];
        let with = |reach| CheckedResolver::new(Arc::new(Fixed(mixed.clone())), reach);
        let name = || "api.example.com".parse::<Name>().unwrap();
        let refused = with(Reach::Public).resolve(name()).await.err().unwrap();
        assert!(refused.downcast_ref::<AddressRefused>().is_some());
        assert_eq!(with(Reach::Any).resolve(name()).await.unwrap().count(), 2);
        let proxy = with(Reach::Public).exempt(Some("api.example.com"));
        assert_eq!(proxy.resolve(name()).await.unwrap().count(), 2, "the admin chose it");
        let other = with(Reach::Public).exempt(Some("proxy.example.com"));
        assert!(other.resolve(name()).await.is_err());
    }
}
