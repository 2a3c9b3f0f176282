//! Ledgers that are kept in memory, where no state folder is. No I/O.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use crate::ledger::MemoryStore;

/// Ledgers kept in memory, by export UID, and by `suppression-` and the name of an account.
pub(super) type MemoryLedgers = Arc<Mutex<HashMap<String, MemoryStore>>>;
