//! Places outside the cluster: buckets, folders of this machine and HTTP servers. Does I/O.
//!
//! What a spec names is opened with [`Place::open`]: only under the admin's allow-list, with the
//! credentials of one Secret, and without following anything to another host or folder. The folder
//! of the ledgers, which the admin names, is opened with [`open_folder`]. Both use `bucket.rs`, which
//! makes every request to an object store, reads and writes alike.

mod allowed;
mod blocks;
mod bucket;
mod connect;
mod credentials;
mod fault;
mod files;
mod folder;
mod listing;
mod location;
mod page;
mod place;
mod server;
mod store;
mod web;

use bucket::Bucket;

pub use allowed::{AllowedPlaceError, AllowedPlaces};
pub use credentials::CredentialError;
pub use fault::{FolderError, ObjectFault, ReadFault};
pub use folder::{AdminFolder, ObjectFolder, open_folder};
pub use listing::{Listing, Opening, Reader, Skipped};
pub use location::{Location, LocationError, PathPattern, StoreKind};
pub use place::{Place, PlaceError, StoragePolicy};
pub use server::ServerFault;
