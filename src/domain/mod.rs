//! Words shared by every tier: profiles, identifiers, credentials, reasons, dispositions.
//! Pure; imports nothing of this crate.

mod address;
mod backoff;
mod cause;
mod clock;
mod credentials;
mod disposition;
mod fence;
mod fingerprint;
mod flag;
mod grant;
mod host;
mod ids;
mod invisible;
mod match_key;
mod placeholder;
mod position;
mod profile;
mod profile_address;
mod reason;
mod shard;
mod spans;
mod suggest;
mod width;

pub use address::{AddressFault, EmailAddress};
pub use backoff::{REPROBE_EVERY, backoff};
pub use cause::Cause;
pub use clock::Clock;
pub use credentials::{CredentialError, Credentials};
pub use disposition::Disposition;
pub use fence::Fence;
pub use fingerprint::{Digest, digest_json, digest_parts};
pub use flag::flag;
pub use grant::{Grant, GrantState};
pub use ids::{ClinchId, ClinchIdError, RecordId};
pub use invisible::is_invisible;
pub use match_key::MatchKey;
pub use placeholder::is_placeholder;
pub use position::SourcePosition;
pub use profile::Profile;
pub use profile_address::{ProfilesShown, profile_address};
pub use reason::Reason;
pub use shard::{Shard, ShardError};
pub use spans::SPANS;
pub use suggest::did_you_mean;
pub use width::narrow;
