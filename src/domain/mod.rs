//! Words shared by every tier: profiles, identifiers, credentials, reasons, dispositions.
//! Pure; imports nothing of this crate.

mod clock;
mod credentials;
mod disposition;
mod fence;
mod fingerprint;
mod ids;
mod leave;
mod near;
mod position;
mod profile;
mod reason;

pub use clock::Clock;
pub use credentials::{CredentialError, Credentials};
pub use disposition::Disposition;
pub use fence::Fence;
pub use fingerprint::{Digest, digest_json, digest_parts};
pub use ids::{ClinchId, ClinchIdError, MatchKey, RecordId};
pub use leave::Leave;
pub use near::nearest;
pub use position::SourcePosition;
pub use profile::Profile;
pub use reason::Reason;
