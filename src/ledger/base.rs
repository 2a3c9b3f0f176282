//! A whole ledger as a sequence of segments, one in memory at a time. Pure.

use super::{
    Base, Effect, Encoded, KeyHash, Keys, Ledger, RunFacts,
    record::Value,
    segment::{Body, MAX_WINDOW, ROOM},
    table::{SHARDS, records},
};

/// How a ledger is divided into the parts of a base: between shards, by size.
#[derive(Debug)]
pub(super) struct BasePlan {
    first_seq: u64,
    /// For each part, the shard after its last one.
    ends: Vec<usize>,
    next: u16,
    /// Declared in the last part, so that only a complete base declares it.
    window: Vec<KeyHash>,
    /// In the last part, too.
    facts: Option<RunFacts>,
}

impl BasePlan {
    /// Divides a ledger as it is now.
    pub(super) fn of(ledger: &Ledger, first_seq: u64) -> Self {
        let mut window: Vec<KeyHash> = ledger.undecided().iter().copied().collect();
        window.truncate(MAX_WINDOW);
        let (mut ends, mut filled) = (Vec::new(), 0);
        for shard in 0..SHARDS {
            let size: usize = ledger.table().shard(shard).map(<[u8]>::len).sum();
            if filled > 0 && filled + size > ROOM {
                ends.push(shard);
                filled = 0;
            }
            filled += size;
        }
        if filled + window.len() * size_of::<KeyHash>() > ROOM {
            ends.push(SHARDS);
        }
        ends.push(SHARDS);
        let facts = Some(ledger.facts()).filter(|facts| *facts != RunFacts::default());
        Self { first_seq, ends, next: 0, window, facts }
    }

    /// How many parts there are.
    pub(super) fn parts(&self) -> u16 {
        // There are 8192 shards; one that fills a segment would take 4 GiB of ledger.
        u16::try_from(self.ends.len()).expect("a part holds at least one shard")
    }

    /// Whether the current part is the last one.
    pub(super) fn at_last(&self) -> bool {
        self.next + 1 == self.parts()
    }

    /// Moves to the next part.
    pub(super) fn advance(&mut self) {
        self.next += 1;
    }

    /// Encodes the current part.
    pub(super) fn part(&self, ledger: &Ledger, keys: &Keys) -> Encoded {
        let part = usize::from(self.next);
        let start = part.checked_sub(1).map_or(0, |before| self.ends[before]);
        let pieces: Vec<&[u8]> =
            (start..self.ends[part]).flat_map(|shard| ledger.table().shard(shard)).collect();
        let (mut count, mut has_effects) = (0, false);
        for (_, value) in pieces.iter().flat_map(|piece| records(piece)) {
            count += 1;
            has_effects |= Value::checked(value).effect() != Effect::Unknown;
        }
        let mut body = Body::of(count, pieces.concat(), has_effects);
        if self.at_last() {
            body.declare(&self.window);
            body.facts = self.facts;
        }
        let base = Base { part: self.next, parts: self.parts() };
        body.seal(keys, self.first_seq + u64::from(self.next), Some(base))
    }
}
