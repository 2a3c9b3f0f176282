//! The Clinch API: one contract, one typed client per account, one registry of clients.
//!
//! Everything that is known about the remote API is in [`contract`]; everything that can go wrong
//! with it is a [`ClinchError`]. The layers under the client retry, limit, sign and observe; see
//! [`layers`]. Knows neither Kubernetes nor mappings.

mod account;
mod bucket;
mod classify;
mod client;
pub mod contract;
mod endpoint;
mod error;
mod gate;
pub mod layers;
mod person;
mod registry;
mod wire;

pub use bucket::{Limits, RateBucket};
pub use client::{
    Client, ClientConfig, ConnectError, Created, Creation, Cursor, MAX_PAGES_OF_WALK, Page,
    Surroundings, Verified,
};
pub use contract::{Contract, Op, Overrides};
pub use endpoint::{Allowed, AllowedEndpoints, Endpoint, EndpointError};
pub use error::{ClinchError, Doubt, NotClinchSign};
pub use layers::{
    Jitter, Timeouts,
    observe::{Attempt, Ended, Observer, Unobserved},
    transport::SetUpTransport,
};
pub use person::{Activity, Application, Attachment, File, Job, Person, Stage};
pub use registry::Registry;
