//! The people of one account, in the orders of its lists. Nothing scans everybody: people are
//! indexed by id and by e-mail address, and pages by rank. A deleted person leaves an empty slot, so
//! that nobody else moves.

use std::{collections::HashMap, ops::Range, sync::Arc};

use serde::Deserialize;
use serde_json::Value;

use super::{
    person::{Person, folded},
    ranks::Ranks,
};

/// The order of a list of people.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Order {
    /// Oldest first.
    #[default]
    Created,
    /// Most recently updated first.
    Updated,
    /// By id, which says nothing about time: new people appear anywhere.
    Random,
}

/// The people of one account.
#[derive(Debug, Default)]
pub(super) struct People {
    /// In the order of creation.
    slots: Vec<Option<Arc<Person>>>,
    /// The part of `slots` that is visible in lists; marked: people who were not deleted.
    shown: Ranks,
    by_id: HashMap<String, usize>,
    by_email: HashMap<String, Vec<usize>>,
    /// Maintained only if lists use this order.
    updates: Option<Updates>,
    /// The visible slots in the order of ids; maintained only if lists use this order.
    by_chance: Option<Vec<usize>>,
}

/// The order of the last updates, oldest first.
#[derive(Debug, Default)]
struct Updates {
    /// The slot of each update; marked in `last` if it is the slot's last update and is visible.
    slots: Vec<usize>,
    last: Ranks,
    /// Where in `slots` the last update of each slot is.
    of_slot: Vec<usize>,
}

impl Updates {
    /// Records an update. First updates must arrive in the order of slots.
    fn record(&mut self, slot: usize, shown: bool) {
        let at = self.slots.len();
        match self.of_slot.get_mut(slot) {
            Some(before) => {
                if shown {
                    self.last.unmark(*before);
                }
                *before = at;
            }
            None => self.of_slot.push(at),
        }
        self.slots.push(slot);
        self.last.push(shown);
    }
}

impl People {
    /// Maintains the order of updates from now on, starting from `updated_at`.
    pub(super) fn keep_updates(&mut self) {
        let time = |slot: &usize| {
            let person = self.slots[*slot].as_ref();
            person.and_then(|person| person.attributes.get("updated_at")?.as_str())
        };
        let mut slots: Vec<usize> = (0..self.slots.len()).collect();
        // Stable: with equal times, the person created later counts as updated later.
        slots.sort_by(|left, right| time(left).cmp(&time(right)));
        let mut updates = Updates { of_slot: vec![0; slots.len()], ..Updates::default() };
        for (at, slot) in slots.iter().enumerate() {
            updates.of_slot[*slot] = at;
            updates.last.push(self.is_shown(*slot));
        }
        updates.slots = slots;
        self.updates = Some(updates);
    }

    /// Maintains the order of ids from now on.
    pub(super) fn keep_chance(&mut self) {
        let mut slots: Vec<usize> = (0..self.shown.len()).filter(|at| self.is_shown(*at)).collect();
        self.sort_by_id(&mut slots);
        self.by_chance = Some(slots);
    }

    fn sort_by_id(&self, slots: &mut [usize]) {
        let id = |slot: &usize| self.slots[*slot].as_ref().map(|person| person.id.as_str());
        slots.sort_by(|left, right| id(left).cmp(&id(right)));
    }

    pub(super) fn push(&mut self, person: Arc<Person>) {
        let slot = self.slots.len();
        self.by_id.insert(person.id.clone(), slot);
        if let Some(email) = email_of(&person) {
            self.by_email.entry(email).or_default().push(slot);
        }
        self.slots.push(Some(person));
        if let Some(updates) = &mut self.updates {
            updates.record(slot, false);
        }
    }

    /// A snapshot of a person, which can be rendered without a lock.
    pub(super) fn get(&self, id: &str) -> Option<&Arc<Person>> {
        self.slots[*self.by_id.get(id)?].as_ref()
    }

    /// For changes that do not affect attributes and do not count as updates.
    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut Person> {
        self.slots[*self.by_id.get(id)?].as_mut().map(Arc::make_mut)
    }

    /// Changes a person and updates the indexes.
    pub(super) fn update(&mut self, id: &str, change: impl FnOnce(&mut Person)) {
        let Some(&slot) = self.by_id.get(id) else { return };
        let shown = self.is_shown(slot);
        let Some(person) = self.slots[slot].as_mut() else { return };
        let before = email_of(person);
        change(Arc::make_mut(person));
        let after = email_of(person);
        if before != after {
            self.forget_email(before, slot);
            if let Some(email) = after {
                self.by_email.entry(email).or_default().push(slot);
            }
        }
        if let Some(updates) = &mut self.updates {
            updates.record(slot, shown);
        }
    }

    pub(super) fn remove(&mut self, id: &str) {
        let Some(slot) = self.by_id.remove(id) else { return };
        if self.is_shown(slot) {
            self.shown.unmark(slot);
            if let Some(slots) = &mut self.by_chance {
                slots.retain(|found| *found != slot);
            }
            if let Some(updates) = &mut self.updates {
                updates.last.unmark(updates.of_slot[slot]);
            }
        }
        if let Some(person) = self.slots[slot].take() {
            self.forget_email(email_of(&person), slot);
        }
    }

    fn forget_email(&mut self, email: Option<String>, slot: usize) {
        let Some(email) = email else { return };
        if let Some(slots) = self.by_email.get_mut(&email) {
            slots.retain(|found| *found != slot);
            if slots.is_empty() {
                self.by_email.remove(&email);
            }
        }
    }

    fn is_shown(&self, slot: usize) -> bool {
        slot < self.shown.len() && self.slots[slot].is_some()
    }

    pub(super) fn with_email(&self, email: &str) -> impl Iterator<Item = &Arc<Person>> {
        let slots = self.by_email.get(&folded(email)).map(Vec::as_slice).unwrap_or_default();
        slots.iter().filter_map(|slot| self.slots[*slot].as_ref())
    }

    /// Number of e-mail addresses that more than one person has.
    pub(super) fn doubled(&self) -> usize {
        self.by_email.values().filter(|slots| slots.len() > 1).count()
    }

    /// Everybody, in the order of creation.
    pub(super) fn all(&self) -> Vec<Arc<Person>> {
        self.slots.iter().flatten().cloned().collect()
    }

    /// Number of people visible in lists. Everybody becomes visible after the same delay, so in order.
    pub(super) fn listed(&mut self) -> usize {
        let before = self.shown.len();
        while let Some(person) = self.slots.get(self.shown.len()) {
            if person.as_ref().is_some_and(|person| !person.is_found()) {
                break;
            }
            if let Some(updates) = self.updates.as_mut().filter(|_| person.is_some()) {
                updates.last.mark(updates.of_slot[self.shown.len()]);
            }
            self.shown.push(person.is_some());
        }
        if let Some(mut slots) = self.by_chance.take() {
            if self.shown.len() > before {
                slots.extend((before..self.shown.len()).filter(|slot| self.is_shown(*slot)));
                self.sort_by_id(&mut slots);
            }
            self.by_chance = Some(slots);
        }
        self.shown.count()
    }

    /// People by position in a list, as of the last `listed`.
    pub(super) fn page(&self, order: Order, places: Range<usize>) -> Vec<Arc<Person>> {
        let slot = |place: usize| match (order, &self.updates, &self.by_chance) {
            (Order::Updated, Some(updates), _) => {
                let from_the_oldest = updates.last.count().checked_sub(place + 1)?;
                Some(updates.slots[updates.last.nth(from_the_oldest)?])
            }
            (Order::Random, _, Some(slots)) => slots.get(place).copied(),
            _ => self.shown.nth(place),
        };
        places.map_while(|place| self.slots[slot(place)?].clone()).collect()
    }
}

/// The folded e-mail address of a person.
fn email_of(person: &Person) -> Option<String> {
    person.attributes.get("email").and_then(Value::as_str).map(folded)
}
