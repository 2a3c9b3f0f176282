//! Free loopback ports. Binds and releases them; another program can still take one before it is
//! used, so the launcher retries with new ports when a component reports a conflict.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;

/// Below the ephemeral ranges: an outgoing connection cannot take the port of an API server that is
/// being restarted.
const RANGE: Range<u16> = 20_000..30_000;
const TRIES: usize = 200;

/// The ports of one control plane.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ports {
    pub(super) etcd_client: u16,
    pub(super) etcd_peer: u16,
    pub(super) apiserver: u16,
}

impl Ports {
    pub(super) fn pick() -> io::Result<Self> {
        // Held together, so that the three differ.
        let held = [free()?, free()?, free()?];
        let [etcd_client, etcd_peer, apiserver] = held.each_ref().map(|(port, _)| *port);
        Ok(Self { etcd_client, etcd_peer, apiserver })
    }
}

fn free() -> io::Result<(u16, TcpListener)> {
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..TRIES {
        let port = fastrand::u16(RANGE);
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(listener) => return Ok((port, listener)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_ports_differ() {
        let ports = Ports::pick().expect("free ports");
        assert_ne!(ports.etcd_client, ports.etcd_peer);
        assert_ne!(ports.etcd_client, ports.apiserver);
        assert_ne!(ports.etcd_peer, ports.apiserver);
    }
}
