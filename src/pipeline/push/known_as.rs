//! The hash under which a ledger knows the person of a record: versions before may have used another
//! spelling of the address, or earlier keys. Pure.

use crate::{
    ledger::{KeyHash, Keys, Ledger},
    pipeline::work::Work,
};

/// The other hash under which the ledger knows the person, if it does.
pub(super) fn another_hash(work: &Work, keys: &Keys, ledger: &Ledger) -> Option<KeyHash> {
    let mut others = keys.other_hashes(&work.key);
    if let Some(earlier) = keys.earlier().filter(|_| ledger.has_earlier()) {
        others.push(earlier.key_hash(&work.key));
        others.extend(earlier.other_hashes(&work.key));
    }
    others.into_iter().find(|other| ledger.knows(other))
}

/// Compares a record with what the ledger knows of the person under another hash.
pub(super) fn compare_as(work: &mut Work, hash: KeyHash, ledger: &Ledger) {
    let now = std::mem::replace(&mut work.key_hash, hash);
    work.compare(ledger);
    work.key_hash = now;
}
