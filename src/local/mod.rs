//! The cluster port on a folder of manifests: reads and checks them as the API server would,
//! keeps status, generations and the ledger key in a state folder, and prints objects as
//! `kubectl get` does. `demo` and `apply` run on it.

mod admission;
mod assemble;
mod bundles;
mod check;
mod cluster;
mod copied;
mod duration;
mod flow;
mod kinds;
mod ledger;
mod lines;
mod load;
mod manifests;
mod memory;
mod metadata;
mod node;
mod object;
mod problem;
mod scalar;
mod schema;
mod settle;
mod state;
mod stored;
mod table;
mod yaml;

pub use assemble::uid;
pub use cluster::{Change, LocalCluster, LocalEvent};
pub use copied::StateCopy;
pub use flow::{FlowField, flow_field};
pub use ledger::LocalLedger;
pub use load::{LoadOptions, Loaded, Loader, load};
pub use manifests::Manifests;
pub use problem::{Problem, Rule, Severity};
pub use settle::{ReconcileRequests, Settled, reconcile_queue, run_until_settled};
pub use state::{OpenError, is_in_use};
pub use stored::{Stored, stored, stored_root_key};
pub use table::{TableOptions, age, cells, table};
