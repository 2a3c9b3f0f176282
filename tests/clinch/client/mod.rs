//! The typed client over real sockets, against a server that misbehaves on demand.

mod answers;
mod bench;
mod candidates;
mod contract;
mod doubt;
mod endpoints;
