//! clinch-sandbox: an emulator of the Clinch API for tests, benchmarks and the demo. It checks
//! every signature with code of its own, keeps state for each account, publishes an OpenAPI
//! document that agrees with what it serves, and can be told to misbehave.
//!
//! Only `GET` and `POST /candidates`, the envelope and the signature are documented by the
//! vendor; `docs/SANDBOX.md` marks everything else as assumed, and so does the document served.

mod attached;
mod call;
mod candidates;
mod check;
mod contract;
mod control;
mod counts;
mod elsewhere;
mod faults;
mod jobs;
mod late;
mod limit;
mod openapi;
mod operation;
mod options;
mod paging;
mod people;
mod ranks;
mod respond;
mod serve;
mod server;
mod shared;
mod shift;
mod signature;
mod state;

pub use contract::{Duplicates, SandboxContract};
pub use counts::RequestCounts;
pub use elsewhere::ChangeError;
pub use faults::{Action, Fault};
pub use limit::RateLimit;
pub use options::{Credential, Options, OptionsError, Seed};
pub use server::Sandbox;
pub use signature::{Generation, SignatureCheck, SignedRequest};
pub use state::PersonDump;
