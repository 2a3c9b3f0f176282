//! Why a request got no answer, from the chain of errors of the HTTP client. Pure.

use std::{error::Error, io};

use rustls::{CertificateError, InvalidMessage};
use thiserror::Error;

use super::{AddressRefused, LookUpFailed};

/// Why a request got no answer. The messages complete "the host ...".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NoAnswer {
    /// It resolves to an address that may not be contacted.
    #[error("is at a private address that is not allowed")]
    AddressRefused,
    /// Its name cannot be resolved.
    #[error("cannot be resolved: check its name, and DNS")]
    NoSuchHost,
    /// Nothing listens.
    #[error("refuses the connection: check host and port, and whether the server runs")]
    ConnectionRefused,
    /// There is no route.
    #[error("cannot be reached from here: check routes and egress rules")]
    NoRoute,
    /// No connection, or no answer, in time.
    #[error("does not answer in time: check egress rules, and whether the server runs")]
    TimedOut,
    /// Its certificate is of an authority that is not trusted here.
    #[error(
        "has a certificate of an unknown authority: add the authority to the trusted roots \
         (SSL_CERT_FILE)"
    )]
    UnknownAuthority,
    /// Its certificate is of another host, expired, revoked or malformed.
    #[error("has a certificate that is not valid: check its names and dates")]
    Certificate,
    /// It answers a TLS handshake with something else.
    #[error("does not speak TLS at this port: write http://, or use its TLS port")]
    NotTls,
    /// The handshake failed in another way.
    #[error("does not complete the TLS handshake")]
    Tls,
    /// The proxy wants other credentials.
    #[error("cannot be reached, because the proxy wants a user and password (407): check --proxy")]
    ProxyCredentials,
    /// The proxy itself does not answer.
    #[error("cannot be reached, because the proxy does not answer: check --proxy")]
    ProxyUnreachable,
    /// The proxy does not connect to it.
    #[error("cannot be reached through the proxy: check that the proxy allows it")]
    ProxyRefused,
    /// The connection broke off.
    #[error("closed the connection")]
    Cut,
    /// Something else.
    #[error("cannot be reached")]
    Other,
}

impl NoAnswer {
    /// What an error of the HTTP client shows.
    pub fn of(error: &(dyn Error + 'static)) -> Self {
        if let Some(fault) = tls_error(error) {
            return Self::of_tls(fault);
        }
        for cause in chain(error) {
            if cause.is::<AddressRefused>() {
                return Self::AddressRefused;
            }
            if cause.is::<LookUpFailed>() {
                return Self::NoSuchHost;
            }
            if let Some(fault) = cause.downcast_ref::<io::Error>().and_then(Self::of_io) {
                return fault;
            }
            if let Some(fault) = Self::of_tunnel(cause) {
                return fault;
            }
        }
        let reqwest = chain(error).filter_map(|cause| cause.downcast_ref::<reqwest::Error>());
        if reqwest.clone().any(reqwest::Error::is_timeout) {
            Self::TimedOut
        } else if reqwest.clone().any(reqwest::Error::is_connect) {
            Self::Other
        } else {
            Self::Cut
        }
    }

    const fn of_tls(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
                Self::UnknownAuthority
            }
            rustls::Error::InvalidCertificate(_) => Self::Certificate,
            rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => Self::NotTls,
            _ => Self::Tls,
        }
    }

    fn of_io(error: &io::Error) -> Option<Self> {
        Some(match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::ConnectionRefused,
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Self::NoRoute,
            io::ErrorKind::TimedOut => Self::TimedOut,
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof => Self::Cut,
            _ => return None,
        })
    }

    /// The type of a proxy's refusal is private to the HTTP client: only its text can be compared.
    fn of_tunnel(cause: &(dyn Error + 'static)) -> Option<Self> {
        match cause.to_string().strip_prefix("tunnel error: ")? {
            "proxy authorization required" => Some(Self::ProxyCredentials),
            "failed to create underlying connection" => Some(Self::ProxyUnreachable),
            _ => Some(Self::ProxyRefused),
        }
    }
}

/// An error and its causes, outermost first.
fn chain<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> + Clone {
    std::iter::successors(Some(error), |cause| (*cause).source())
}

/// The TLS error behind an error. `source` of an I/O error skips the error inside it, which may be
/// another I/O error.
pub fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    chain(error).find_map(|cause| {
        let mut inner: Option<&(dyn Error + 'static)> = Some(cause);
        while let Some(error) = inner {
            if let Some(tls) = error.downcast_ref() {
                return Some(tls);
            }
            let io = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            inner = io.map(|error| error as &(dyn Error + 'static));
        }
        None
    })
}
