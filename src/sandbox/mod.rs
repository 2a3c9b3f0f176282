//! clinch-sandbox: an emulator of the Clinch API for tests, benchmarks and the demo. It checks
//! every signature with its own code, keeps state for each account, publishes an OpenAPI document
//! that matches what it serves, and misbehaves on request.
//!
//! The vendor documents only `GET` and `POST /candidates`, the envelope and the signature;
//! `docs/SANDBOX.md` and the published document mark everything else as assumed.

mod attached;
mod call;
mod candidates;
mod check;
mod constraints;
mod contract;
mod control;
mod counts;
mod elsewhere;
mod faults;
mod jobs;
mod late;
mod limit;
mod merge;
mod openapi;
mod operation;
mod options;
mod paging;
mod people;
mod person;
mod postponed;
mod ranks;
mod received;
mod respond;
mod seed;
mod serve;
mod server;
mod shared;
mod shift;
mod signature;
mod sink;
mod state;
mod stored_form;
mod updated_since;

pub use contract::{Duplicates, SandboxContract};
pub use counts::RequestCounts;
pub use elsewhere::ChangeError;
pub use faults::{Action, Fault};
pub use limit::RateLimit;
pub use merge::OldId;
pub use options::{Credential, Options, OptionsError};
pub use person::PersonDump;
pub use seed::Seed;
pub use server::Sandbox;
pub use signature::{Generation, SignatureCheck, SignedRequest};
pub use sink::{
    SinkAnswer, SinkCut, SinkDelivery, SinkOptions, SinkReceived, SinkRecord, TestSink,
};
