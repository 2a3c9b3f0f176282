//! Changes of an account while its list is read: people are deleted, updated and created between two
//! pages, so that others move from page to page. For tests. Pure.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{people::Order, state::Account};

/// The source of people created by somebody else.
pub(super) const ELSEWHERE: &str = "elsewhere";

/// Changes made after each page of the list of everybody.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Shift {
    /// Number of people to delete at the start of the list.
    pub(super) delete: usize,
    /// Number of people to create.
    pub(super) insert: usize,
    /// Number of people to update at the end of the list.
    pub(super) touch: usize,
    /// Maximum number of pages followed by changes; absent: all.
    pub(super) times: Option<u64>,
    /// The number of the page that is followed by changes, from 1; absent: each.
    pub(super) after_page: Option<usize>,
}

impl Shift {
    pub(super) fn changes_something(&self) -> bool {
        self.delete + self.insert + self.touch > 0
    }
}

impl Account {
    /// Changes the list after a page was read; created people become visible after `lag`.
    pub(super) fn shift(&mut self, shift: Shift, order: Order, lag: Duration, now: Timestamp) {
        if !shift.changes_something() || shift.times.is_some_and(|times| self.shifts >= times) {
            return;
        }
        self.shifts += 1;
        for person in self.people.page(order, 0..shift.delete) {
            self.people.remove(&person.id);
        }
        let total = self.people.listed();
        for person in self.people.page(order, total.saturating_sub(shift.touch)..total) {
            self.change(&person.id, Map::new(), now);
        }
        for _ in 0..shift.insert {
            let person = Map::from_iter([("email".to_owned(), self.unused_address())]);
            self.add(person, ELSEWHERE, lag, now);
        }
    }

    /// Saved data may contain addresses of an earlier process.
    fn unused_address(&mut self) -> Value {
        loop {
            self.inserted += 1;
            let address = format!("inserted-{}@elsewhere.example", self.inserted);
            if self.people.with_email(&address).next().is_none() {
                return address.into();
            }
        }
    }
}
