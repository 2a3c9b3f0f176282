//! Reads the segments of a store one at a time. Does I/O through the store only. Caches at most a few
//! megabytes: small ledgers are fetched once, large ones partly twice.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{Base, Keys, Segment, SegmentError, SegmentStore, StoreError};

/// How many bytes are cached between finding the base and reading from it.
const KEPT_BYTES: usize = 4 << 20;

pub(super) struct Reader<'a, S> {
    store: &'a S,
    keys: &'a Keys,
    kept: BTreeMap<u64, Bytes>,
    room: usize,
    /// A segment was written with the earlier keys.
    met_earlier: bool,
}

impl<'a, S: SegmentStore> Reader<'a, S> {
    pub(super) fn new(store: &'a S, keys: &'a Keys) -> Self {
        Self { store, keys, kept: BTreeMap::new(), room: KEPT_BYTES, met_earlier: false }
    }

    /// One segment. An unusable segment is data; only a store that fails is an error.
    pub(super) async fn read(
        &mut self,
        seq: u64,
    ) -> Result<Result<Segment, SegmentError>, StoreError> {
        let bytes = match self.kept.remove(&seq) {
            Some(bytes) => {
                self.room += bytes.len();
                bytes
            }
            None => self.fetch(seq).await?,
        };
        Ok(self.decode(seq, &bytes))
    }

    /// Whether any segment read so far was written with the earlier keys.
    pub(super) fn met_earlier(&self) -> bool {
        self.met_earlier
    }

    async fn fetch(&self, seq: u64) -> Result<Bytes, StoreError> {
        // A segment deleted since it was listed counts as unusable.
        Ok(self.store.read(seq).await?.unwrap_or_default())
    }

    fn decode(&mut self, seq: u64, bytes: &[u8]) -> Result<Segment, SegmentError> {
        let segment = match (Segment::decode(self.keys, bytes), self.keys.earlier()) {
            (Err(SegmentError::ForeignKey), Some(earlier)) => {
                let segment = Segment::decode(earlier, bytes)?;
                self.met_earlier = true;
                segment
            }
            (decoded, _) => decoded?,
        };
        if segment.seq == seq { Ok(segment) } else { Err(SegmentError::Misplaced) }
    }

    /// First position and length of the latest complete base, searched from the end.
    pub(super) async fn latest_base(
        &mut self,
        present: &[u64],
    ) -> Result<Option<(u64, u16)>, StoreError> {
        let mut bases: BTreeMap<u64, Base> = BTreeMap::new();
        for &first in present.iter().rev() {
            let bytes = self.fetch(first).await?;
            let found = self.decode(first, &bytes).ok().and_then(|segment| segment.base);
            if bytes.len() <= self.room {
                self.room -= bytes.len();
                self.kept.insert(first, bytes);
            }
            let Some(base) = found else { continue };
            bases.insert(first, base);
            let Base { part: 0, parts } = base else { continue };
            let complete = (0..parts).all(|part| {
                bases.get(&first.saturating_add(part.into())) == Some(&Base { part, parts })
            });
            if complete {
                return Ok(Some((first, parts)));
            }
        }
        Ok(None)
    }
}
