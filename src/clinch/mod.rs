//! The Clinch API: one contract, one typed client per account, one registry of clients.
//!
//! Everything known about the remote API is in [`contract`]; everything that can go wrong with it is
//! a [`ClinchError`]. The layers below the client retry, limit, sign and observe (`layers`). Knows
//! neither Kubernetes nor mappings.

mod account;
mod bucket;
mod circuit_breaker;
mod classify;
mod client;
pub mod contract;
mod endpoint;
mod error;
mod footing;
mod inspect;
mod layers;
mod limited;
mod outage_breaker;
mod registry;
mod resources;
mod social;
mod wire;

pub use bucket::{Limits, RateBucket};
pub use client::{
    Client, ClientConfig, ClientDeps, ConnectError, Created, Creation, Cursor, MAX_LIST_BYTES,
    MAX_PAGES_OF_WALK, Page, Successor, Verified,
};
pub use contract::{Contract, Op, Overrides};
pub use endpoint::{Allowed, AllowedEndpoints, Endpoint, EndpointError};
pub use error::{ClinchError, Doubt, NotClinchSign};
pub use footing::{Footing, Spent};
pub use inspect::{Finding, Inspection, MOST_READS, Verdict, inspect};
pub use layers::{
    Jitter, Timeouts,
    observe::{Attempt, Ended, Observer, Unobserved},
    transport::{Transport, TransportSetupError},
};
pub use registry::{Rates, Registry};
pub use resources::{Activity, Application, AttachmentInfo, Candidate, File, Job, Stage};
pub use social::SOCIAL_PROFILE;
pub use wire::{CallError, Request, Response, SignedRequest};
