//! Since when Clinch answers requests with nothing but 429. Reads the tokio clock; no other I/O.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::contract::Effect;

/// How long a 429 without `Retry-After` counts if no other request is sent.
const LASTS: Duration = Duration::from_mins(1);

/// The latest answers to reads and to writes. Clinch may limit one of them only.
#[derive(Debug, Default)]
pub(super) struct Limited {
    reads: Mutex<Option<Spell>>,
    writes: Mutex<Option<Spell>>,
}

/// A time of 429s without another answer.
#[derive(Debug, Clone, Copy)]
struct Spell {
    since: Instant,
    until: Instant,
}

impl Limited {
    fn of(&self, effect: Effect) -> MutexGuard<'_, Option<Spell>> {
        let spell = if effect == Effect::Read { &self.reads } else { &self.writes };
        spell.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request was answered with 429.
    pub(super) fn refused(&self, effect: Effect, retry_after: Option<Duration>) {
        let now = Instant::now();
        let mut spell = self.of(effect);
        let since = spell.filter(|spell| spell.until >= now).map_or(now, |spell| spell.since);
        *spell = Some(Spell { since, until: now + retry_after.unwrap_or_default() + LASTS });
    }

    /// A request was carried out or refused for itself.
    pub(super) fn answered(&self, effect: Effect) {
        *self.of(effect) = None;
    }

    /// How long reads, or writes, have been answered with nothing but 429.
    pub(super) fn lasted(&self) -> Option<Duration> {
        let now = Instant::now();
        let lasted = |effect| {
            let spell = self.of(effect).filter(|spell| spell.until >= now)?;
            Some(now.saturating_duration_since(spell.since))
        };
        lasted(Effect::Read).max(lasted(Effect::Idempotent))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_spell_lasts_from_its_first_429_until_another_answer_of_its_kind() {
        let limited = Limited::default();
        assert_eq!(limited.lasted(), None);
        limited.refused(Effect::Create, None);
        advance(Duration::from_secs(4)).await;
        limited.refused(Effect::Create, None);
        limited.answered(Effect::Read);
        assert_eq!(limited.lasted(), Some(Duration::from_secs(4)));
        limited.answered(Effect::Create);
        assert_eq!(limited.lasted(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_429_of_long_ago_does_not_count() {
        let limited = Limited::default();
        limited.refused(Effect::Read, Some(Duration::from_secs(100)));
        advance(Duration::from_secs(100)).await;
        assert!(limited.lasted().is_some(), "Clinch asked to wait");
        advance(LASTS + Duration::from_secs(1)).await;
        assert_eq!(limited.lasted(), None);
        limited.refused(Effect::Read, None);
        assert_eq!(limited.lasted(), Some(Duration::ZERO));
    }
}
