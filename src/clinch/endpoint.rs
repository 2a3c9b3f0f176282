//! Which hosts may be contacted. Pure.
//!
//! An [`Endpoint`] is an origin and nothing else; [`AllowedEndpoints`] is the operator's list of
//! origins. Both are checked before the first byte is sent; data never selects a host.

use std::{collections::BTreeSet, fmt};

use thiserror::Error;
use url::{Host, Url};

use crate::api::{ApiVersion, Environment, Region};

/// Why a text is not an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum EndpointError {
    /// Not a URL with a host.
    #[error("the endpoint is not a URL with a host; use an origin such as https://api.example.com")]
    NotAnOrigin,
    /// A path, query, fragment or user info.
    #[error("the endpoint is more than an origin; remove path, query and user info")]
    MoreThanOrigin,
    /// A scheme other than https, or http outside Sandbox.
    #[error("the endpoint must be https; http is accepted only if the environment is Sandbox")]
    Scheme,
    /// A spelling that differs from the origin that would be contacted.
    #[error(
        "the endpoint is not in its canonical form; use scheme://host or scheme://host:port, \
         punycode (xn--) for international names, and addresses without leading zeros or \
         hexadecimal notation"
    )]
    NotCanonical,
}

/// An origin: scheme, host and port.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint(Url);

impl Endpoint {
    /// Parses an origin. `http` is accepted in Sandbox only.
    pub fn parse(origin: &str, environment: Environment) -> Result<Self, EndpointError> {
        let url = parse_origin(origin)?;
        match (url.scheme(), environment) {
            ("https", _) | ("http", Environment::Sandbox) => Ok(Self(url)),
            _ => Err(EndpointError::Scheme),
        }
    }

    /// The documented host of a region.
    pub fn of_region(region: Region) -> Self {
        let host = match region {
            Region::Us => "https://api.clinchtalent.com",
            Region::Eu => "https://api.rec-marketing.dc3.pageuppeople.com",
            Region::Au => "https://api.rec-marketing.dc2.pageuppeople.com",
        };
        Self(Url::parse(host).expect("the documented hosts are URLs"))
    }

    /// The base URL of a version, without a trailing slash: `https://host/v2`.
    pub fn base(&self, version: ApiVersion) -> Url {
        let mut url = self.0.clone();
        url.set_path(version.prefix());
        url
    }

    /// Whether a URL has this origin.
    pub fn is_origin_of(&self, url: &Url) -> bool {
        url.origin() == self.0.origin() && url.username().is_empty() && url.password().is_none()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.origin().ascii_serialization())
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

fn parse_origin(origin: &str) -> Result<Url, EndpointError> {
    let url = Url::parse(origin).map_err(|_| EndpointError::NotAnOrigin)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(EndpointError::Scheme);
    }
    match url.host() {
        Some(Host::Domain(name)) if !name.is_empty() => {}
        Some(Host::Ipv4(_) | Host::Ipv6(_)) => {}
        _ => return Err(EndpointError::NotAnOrigin),
    }
    let bare = url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    if !bare {
        return Err(EndpointError::MoreThanOrigin);
    }
    if is_canonical(origin, &url) { Ok(url) } else { Err(EndpointError::NotCanonical) }
}

/// Whether the text is, apart from letter case, the origin that is contacted. A URL parser also
/// accepts `https:\\host`, percent-encoded names and hexadecimal addresses, which admission policies
/// and people read differently.
fn is_canonical(written: &str, url: &Url) -> bool {
    let written = written.to_ascii_lowercase();
    let written = written.strip_suffix('/').unwrap_or(&written);
    let canonical = url.origin().ascii_serialization();
    let with_port = url.port_or_known_default().map(|port| format!("{canonical}:{port}"));
    written == canonical || Some(written) == with_port.as_deref()
}

/// How an endpoint is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowed {
    /// One of the documented hosts: public addresses only.
    Documented,
    /// Listed by the operator's administrator: any address, including loopback.
    Listed,
}

/// The origins that may be used.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AllowedEndpoints {
    /// `None`: the documented hosts.
    listed: Option<BTreeSet<Url>>,
}

impl AllowedEndpoints {
    /// The three documented hosts.
    pub fn documented() -> Self {
        Self::default()
    }

    /// Exactly these origins, each exempt from the refusal of private addresses.
    pub fn listed<'a>(origins: impl IntoIterator<Item = &'a str>) -> Result<Self, EndpointError> {
        let listed = origins.into_iter().map(parse_origin).collect::<Result<_, _>>()?;
        Ok(Self { listed: Some(listed) })
    }

    /// Whether and how an endpoint may be used.
    pub fn check(&self, endpoint: &Endpoint) -> Option<Allowed> {
        match &self.listed {
            Some(listed) => listed.contains(&endpoint.0).then_some(Allowed::Listed),
            None => [Region::Us, Region::Eu, Region::Au]
                .into_iter()
                .any(|region| Endpoint::of_region(region) == *endpoint)
                .then_some(Allowed::Documented),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_an_origin_and_nothing_more() {
        let sandbox = |text| Endpoint::parse(text, Environment::Sandbox);
        for (text, error) in [
            ("https://api.example.com/v2", EndpointError::MoreThanOrigin),
            ("https://user@api.example.com", EndpointError::MoreThanOrigin),
            ("https://api.example.com?x", EndpointError::MoreThanOrigin),
            ("https://api.example.com#x", EndpointError::MoreThanOrigin),
            ("api.example.com", EndpointError::NotAnOrigin),
            ("https://", EndpointError::NotAnOrigin),
            ("ftp://api.example.com", EndpointError::Scheme),
            (" https://api.example.com", EndpointError::NotCanonical),
            ("https:api.example.com", EndpointError::NotCanonical),
            ("https:\\\\api.example.com", EndpointError::NotCanonical),
            ("https://api%2eexample.com", EndpointError::NotCanonical),
            ("https://api.exa\tmple.com", EndpointError::NotCanonical),
            ("https://b\u{fc}cher.example", EndpointError::NotCanonical),
            ("https://api.example.com:0443", EndpointError::NotCanonical),
            ("https://api.example.com:", EndpointError::NotCanonical),
            ("https://@api.example.com", EndpointError::NotCanonical),
            ("http://127.1", EndpointError::NotCanonical),
            ("http://0x7f000001", EndpointError::NotCanonical),
            ("http://[0:0:0:0:0:0:0:1]", EndpointError::NotCanonical),
            ("http://127.0.0.1:80:80", EndpointError::NotAnOrigin),
        ] {
            assert_eq!(sandbox(text).unwrap_err(), error, "{text}");
        }
        let http = Endpoint::parse("http://api.example.com", Environment::Production);
        assert_eq!(http.unwrap_err(), EndpointError::Scheme);
        for canonical in
            ["https://api.example.com:443", "http://localhost:80/", "http://[::1]:8099"]
        {
            assert!(sandbox(canonical).is_ok(), "{canonical}");
        }
        let endpoint = sandbox("HTTP://LocalHost:8099/").unwrap();
        assert_eq!(endpoint.to_string(), "http://localhost:8099");
        assert_eq!(endpoint.base(ApiVersion::V2).as_str(), "http://localhost:8099/v2");
    }

    #[test]
    fn only_documented_or_listed_origins_are_allowed() {
        let us = Endpoint::of_region(Region::Us);
        let local = Endpoint::parse("http://127.0.0.1:8099", Environment::Sandbox).unwrap();
        let documented = AllowedEndpoints::documented();
        assert_eq!(documented.check(&us), Some(Allowed::Documented));
        assert_eq!(documented.check(&local), None);
        let listed = AllowedEndpoints::listed(["http://127.0.0.1:8099"]).unwrap();
        assert_eq!(listed.check(&local), Some(Allowed::Listed));
        assert_eq!(listed.check(&us), None, "a list replaces the documented hosts");
        let other_port = Endpoint::parse("http://127.0.0.1:8100", Environment::Sandbox).unwrap();
        assert_eq!(listed.check(&other_port), None);
    }
}
