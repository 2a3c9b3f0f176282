//! Values by key hash, packed: a record takes its own bytes of memory and little more. Pure.
//! Keys are uniformly distributed (they are HMACs), so their first bits select one of a fixed number
//! of shards of equal size. A shard is a chain of pages, searched from the latest; each page holds
//! length-prefixed records. Pages never move: growing needs no more memory than it fills, and leaves
//! no holes.

use std::ops::Range;

use super::KeyHash;

/// How many bits of a key select its shard.
const SHARD_BITS: u32 = 13;
/// Shards of a table: a million records make some 122 in each.
pub(super) const SHARDS: usize = 1 << SHARD_BITS;
const KEY_BYTES: usize = 16;
/// Bytes of records in a page.
const PAGE_BYTES: usize = 1018;
/// Pages that are allocated together: 64 KiB.
const BLOCK: usize = 64;
const NO_PAGE: u32 = u32::MAX;

/// Values by key hash.
#[derive(Debug, Default, Clone)]
pub struct Table {
    /// The latest page of each shard; empty while the table is.
    latest: Vec<u32>,
    blocks: Vec<Box<[Page]>>,
    /// Pages in use.
    pages: u32,
    len: usize,
    /// What another table has left: used before anything is allocated.
    spare: Vec<Box<[Page]>>,
}

/// A number for each key of a table that does not change, from 0 on without gaps.
#[derive(Debug)]
pub struct Numbered<'a> {
    table: &'a Table,
    /// For each page, how many records the pages before it have.
    before: Vec<usize>,
}

impl Numbered<'_> {
    /// How many numbers there are.
    pub fn len(&self) -> usize {
        self.table.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// The number of a key.
    pub fn of(&self, key: &KeyHash) -> Option<usize> {
        let (page, record) = self.table.find(key)?;
        let in_page = records(&self.table.page(page).bytes[..record.start]).count();
        Some(self.before[page as usize] + in_page)
    }
}

#[derive(Debug, Clone, Copy)]
struct Page {
    /// The page before it in its shard.
    before: u32,
    used: u16,
    bytes: [u8; PAGE_BYTES],
}

const BLANK: Page = Page { before: NO_PAGE, used: 0, bytes: [0; PAGE_BYTES] };

impl Page {
    fn filled(&self) -> &[u8] {
        &self.bytes[..usize::from(self.used)]
    }

    fn room(&self) -> usize {
        PAGE_BYTES - usize::from(self.used)
    }

    fn push(&mut self, key: &KeyHash, value: &[u8]) {
        let length = KEY_BYTES + value.len();
        let used = usize::from(self.used);
        self.bytes[used] = u8::try_from(length).expect("values have at most 239 bytes");
        self.bytes[used + 1..=used + KEY_BYTES].copy_from_slice(&key.0);
        self.bytes[used + 1 + KEY_BYTES..=used + length].copy_from_slice(value);
        self.used += u16::try_from(1 + length).expect("a record fits into a page");
    }

    fn remove(&mut self, record: Range<usize>) {
        let used = usize::from(self.used);
        self.bytes.copy_within(record.end..used, record.start);
        self.used -= u16::try_from(record.len()).expect("a record fits into a page");
    }
}

fn shard_of(key: &KeyHash) -> usize {
    usize::from(u16::from_be_bytes([key.0[0], key.0[1]]) >> (16 - SHARD_BITS))
}

impl Table {
    /// Keys in it.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no key is in it.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn page(&self, number: u32) -> &Page {
        let number = number as usize;
        &self.blocks[number / BLOCK][number % BLOCK]
    }

    fn page_mut(&mut self, number: u32) -> &mut Page {
        let number = number as usize;
        &mut self.blocks[number / BLOCK][number % BLOCK]
    }

    /// The numbers of a shard's pages, latest first.
    fn chain(&self, shard: usize) -> impl Iterator<Item = u32> {
        let mut next = self.latest.get(shard).copied().unwrap_or(NO_PAGE);
        std::iter::from_fn(move || {
            let number = next;
            (number != NO_PAGE).then(|| {
                next = self.page(number).before;
                number
            })
        })
    }

    /// The page that holds the record of a key, and where: from its length byte to its end.
    fn find(&self, key: &KeyHash) -> Option<(u32, Range<usize>)> {
        for number in self.chain(shard_of(key)) {
            let filled = self.page(number).filled();
            let mut at = 0;
            while at < filled.len() {
                let end = at + 1 + usize::from(filled[at]);
                if filled[at + 1..=at + KEY_BYTES] == key.0 {
                    return Some((number, at..end));
                }
                at = end;
            }
        }
        None
    }

    /// The value of a key.
    pub fn get(&self, key: &KeyHash) -> Option<&[u8]> {
        let (page, record) = self.find(key)?;
        Some(&self.page(page).bytes[record.start + 1 + KEY_BYTES..record.end])
    }

    /// Sets the value of a key: at most 239 bytes.
    pub fn insert(&mut self, key: &KeyHash, value: &[u8]) {
        let needed = 1 + KEY_BYTES + value.len();
        if let Some((number, record)) = self.find(key) {
            let page = self.page_mut(number);
            if record.len() == needed {
                page.bytes[record.start + 1 + KEY_BYTES..record.end].copy_from_slice(value);
                return;
            }
            page.remove(record);
            if page.room() >= needed {
                page.push(key, value);
                return;
            }
        } else {
            self.len += 1;
        }
        let number = self.with_room(shard_of(key), needed);
        self.page_mut(number).push(key, value);
    }

    /// Removes a key; returns whether it was there.
    pub fn remove(&mut self, key: &KeyHash) -> bool {
        let Some((number, record)) = self.find(key) else { return false };
        self.page_mut(number).remove(record);
        self.len -= 1;
        true
    }

    /// The latest page of a shard, or a new one if that is full.
    fn with_room(&mut self, shard: usize, needed: usize) -> u32 {
        if self.latest.is_empty() {
            self.latest = vec![NO_PAGE; SHARDS];
        }
        let latest = self.latest[shard];
        if latest != NO_PAGE && self.page(latest).room() >= needed {
            return latest;
        }
        let number = self.pages;
        self.pages += 1;
        if (number as usize).is_multiple_of(BLOCK) {
            let block = self.spare.pop().map(|mut used| {
                used.fill(BLANK);
                used
            });
            self.blocks.push(block.unwrap_or_else(|| vec![BLANK; BLOCK].into()));
        }
        self.page_mut(number).before = latest;
        self.latest[shard] = number;
        number
    }

    /// The records of a shard, in pieces: each record is its length byte, key and value, as in a
    /// segment.
    pub(super) fn shard(&self, shard: usize) -> impl Iterator<Item = &[u8]> {
        self.chain(shard).map(|number| self.page(number).filled())
    }

    /// Every key and value, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (KeyHash, &[u8])> {
        (0..self.latest.len()).flat_map(|shard| self.shard(shard)).flat_map(records)
    }

    /// Replaces every value for which `edit` returns another one.
    pub(super) fn for_each_mut(
        &mut self,
        mut edit: impl FnMut(&KeyHash, &[u8]) -> Option<Vec<u8>>,
    ) {
        for shard in 0..self.latest.len() {
            let changes: Vec<_> = self
                .shard(shard)
                .flat_map(records)
                .filter_map(|(key, value)| Some((key, edit(&key, value)?)))
                .collect();
            for (key, value) in changes {
                self.insert(&key, &value);
            }
        }
    }

    /// Numbers the keys.
    pub fn numbered(&self) -> Numbered<'_> {
        let mut before = Vec::with_capacity(self.pages as usize);
        let mut count = 0;
        for page in 0..self.pages {
            before.push(count);
            count += records(self.page(page).filled()).count();
        }
        Numbered { table: self, before }
    }

    /// Uses the memory of another table for what is added from now on. Freed, it might be of no use: an
    /// allocator may keep it for the thread that it was allocated by.
    pub fn reuse(&mut self, other: Self) {
        self.spare.extend(other.blocks);
        self.spare.extend(other.spare);
    }

    /// Bytes allocated, whether filled or not.
    pub fn memory(&self) -> usize {
        (self.blocks.len() + self.spare.len()) * BLOCK * size_of::<Page>()
            + self.latest.len() * size_of::<u32>()
    }
}

/// The records of some bytes of a shard.
pub(super) fn records(bytes: &[u8]) -> impl Iterator<Item = (KeyHash, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (length, after) = rest.split_first()?;
        let (record, next) = after.split_at(usize::from(*length));
        rest = next;
        let (key, value) =
            record.split_first_chunk::<KEY_BYTES>().expect("a record starts with its key");
        Some((KeyHash(*key), value))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn key(n: u32) -> KeyHash {
        // Spread like an HMAC, but over few shards, so that keys share shards.
        let mut key = [7; 16];
        key[..4].copy_from_slice(&(n % 5).wrapping_mul(0x3000_0000).to_be_bytes());
        key[4..8].copy_from_slice(&n.to_be_bytes());
        KeyHash(key)
    }

    proptest! {
        #[test]
        fn it_behaves_like_a_hash_map(
            writes in proptest::collection::vec((0_u32..60, proptest::collection::vec(any::<u8>(), 0..40)), 0..200)
        ) {
            let (mut table, mut model) = (Table::default(), HashMap::new());
            for (n, value) in writes {
                table.insert(&key(n), &value);
                model.insert(key(n), value);
            }
            table.remove(&key(3));
            model.remove(&key(3));
            prop_assert_eq!(table.len(), model.len());
            for n in 0..60 {
                prop_assert_eq!(table.get(&key(n)), model.get(&key(n)).map(Vec::as_slice));
            }
            let all: HashMap<_, _> = table.iter().map(|(k, v)| (k, v.to_vec())).collect();
            let numbered = table.numbered();
            let mut numbers: Vec<_> = all.keys().map(|key| numbered.of(key).unwrap()).collect();
            numbers.sort_unstable();
            prop_assert_eq!(numbers, (0..all.len()).collect::<Vec<_>>());
            prop_assert_eq!(numbered.of(&key(3)), None);
            prop_assert_eq!(all, model);
        }
    }

    #[test]
    fn what_another_table_had_is_used_before_anything_is_allocated() {
        let filled = |from: u32| {
            let mut table = Table::default();
            (from..from + 2_000).for_each(|n| table.insert(&key(n), &n.to_be_bytes()));
            table
        };
        let (other, mut table) = (filled(0), filled(10_000));
        let before = table.memory();
        table.reuse(other);
        let with_other = table.memory();
        assert!(with_other > before);
        (20_000..22_000).for_each(|n| table.insert(&key(n), &n.to_be_bytes()));
        assert_eq!(table.memory(), with_other);
        assert_eq!((table.len(), table.iter().count()), (4_000, 4_000), "nothing of the other one");
        assert_eq!(table.get(&key(21_000)), Some(&21_000_u32.to_be_bytes()[..]));
        assert_eq!(table.get(&key(1_000)), None);
    }
}
