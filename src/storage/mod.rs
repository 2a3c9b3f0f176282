//! Places outside the cluster: buckets, folders of this machine and HTTP servers. Does I/O.
//!
//! What a spec names is opened with [`Place::open`]: only under the admin's allow-list, with the
//! credentials of one Secret, and without following anything to another host or folder; a file to write
//! is opened with [`Destination::open`], several whose names differ in one part with [`FileSet::open`], a
//! folder for any number with [`WrittenFolder::open`], and a URL to send to with [`Endpoint::open`], under the
//! same rules and a list of its own. The folder of the ledgers, which the admin names, is opened with
//! [`open_folder`]. All use `bucket.rs`
//! and, for files in parts, `upload.rs`: nothing else makes a request to an object store.

mod allowed;
mod blocks;
mod bucket;
mod connect;
mod credentials;
mod destination;
mod endpoint;
mod fault;
mod file_set;
mod files;
mod folder;
mod listing;
mod local_file;
mod local_reads;
mod location;
mod named;
mod page;
mod place;
mod revalidated;
mod server;
mod store;
mod upload;
mod web;
mod write_fault;
mod writer;
mod written_folder;

use bucket::Bucket;

pub use allowed::{AllowedPlaceError, AllowedPlaces, PlaceList};
pub use credentials::CredentialError;
pub use destination::{Destination, SeenFile};
pub use endpoint::{Endpoint, Posted};
pub use fault::{FolderError, ObjectFault, ReadFault};
pub use file_set::{ConnectedSet, FileSet};
pub use folder::{AdminFolder, ObjectFolder, open_folder};
pub use listing::{Listing, Opening, Reader, Skipped};
pub use location::{Location, LocationError, PathPattern, StoreKind};
pub use named::{NameError, NamedFault, NamedFile, NamedFiles, SecretFields};
pub use place::{Place, PlaceError, StoragePolicy};
pub use revalidated::{FileRead, FileVersion};
pub use server::ServerFault;
pub use write_fault::WriteFault;
pub use writer::{FileWriter, Written};
pub use written_folder::WrittenFolder;
