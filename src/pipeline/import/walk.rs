//! Reads the list until it is certain that everybody on it was seen, however it shifts meanwhile. Makes
//! requests.

use std::time::Duration;

use futures::future::join;
use jiff::Timestamp;

use super::{
    feed::{Feed, FeedPage},
    halt::Halt,
    report::ImportFailure,
    sink::Sink,
    work::Work,
};
use crate::{
    domain::{Cause, Disposition, Reason},
    ledger::SegmentStore,
};

/// How often a list is read before the run gives up on it.
pub(super) const MAX_PASSES: u32 = 5;
/// How often in a row a list shows the same people, and the same wrong total, before it is not read again.
const SAME_PASSES: u32 = 2;
/// How many pages a list may have beyond twice those that its total allows.
const SPARE_PAGES: u64 = 10;
/// How many people may be too large to be read. Each costs several requests, which end at that size.
const MOST_TOO_LARGE: usize = 100;
/// How far the clock of a server may be behind that of this machine, where it states none: a signature
/// is not accepted beyond that.
const SIGNATURE_WINDOW: Duration = Duration::from_mins(15);

/// What came of reading the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Walked {
    /// When the first page was answered, by Clinch's clock, and never in the future.
    pub(super) began: Timestamp,
    /// Whether everybody was seen.
    pub(super) complete: bool,
    /// How many more people the list says it has than it shows, if it was the same several times.
    pub(super) unlisted: Option<u64>,
    pub(super) passes: u32,
    /// Pages read, over all passes.
    pub(super) pages: u64,
}

/// One reading of the list.
#[derive(Debug, Default)]
struct Pass {
    answered_at: Option<Timestamp>,
    /// The total on the first page.
    first_total: Option<u64>,
    /// The total on the last page.
    total: Option<u64>,
    /// The number of people on the first page.
    page_len: u64,
    pages: u64,
    /// How many people were requested, over all pages.
    asked: u64,
    /// Different people seen, and those who are too large to be read.
    people: u64,
    /// People who are too large to be read.
    too_large: u64,
    /// People whom no pass had seen before.
    new: u64,
    /// The page before this one was not full.
    was_short: bool,
    /// Somebody was listed twice, or a page other than the last was not full.
    shifted: bool,
    /// The list has many more pages than it should.
    endless: bool,
}

impl Pass {
    fn note<C>(&mut self, page: &FeedPage<C>) {
        let people = page.people.len() as u64 + u64::from(page.too_large.is_some());
        let is_first = self.pages == self.too_large;
        self.pages += 1;
        self.endless |= page.cut_off;
        self.people += people;
        self.shifted |= page.listed > people;
        self.shifted |= self.was_short && page.listed > 0;
        if page.too_large.is_some() {
            // The answer was not read, and says nothing else.
            self.too_large += 1;
            self.asked += 1;
            self.was_short = false;
            return;
        }
        if is_first {
            self.answered_at = page.answered_at;
            self.first_total = page.total;
            self.page_len = page.listed;
        }
        // A part of a page has fewer people.
        let page_len = self.page_len.min(page.asked);
        self.asked += page_len;
        self.was_short = page.listed < page_len;
        self.total = page.total;
        self.endless |= self.total.is_some_and(|total| self.is_endless(total));
    }

    /// Whether it has many more pages than its total allows. Pages that shift hold people seen before, and
    /// so make a list longer; it may have twice the pages.
    fn is_endless(&self, total: u64) -> bool {
        let page_len = self.page_len.max(1);
        let pages = total.div_ceil(page_len);
        self.asked.div_ceil(page_len) > pages.saturating_mul(2).saturating_add(SPARE_PAGES)
    }

    /// Whether nothing suggests that the list changed while it was read.
    fn is_settled(&self) -> bool {
        self.is_steady() && self.total.is_none_or(|total| total == self.people)
    }

    /// The same, whatever its total says.
    fn is_steady(&self) -> bool {
        !self.shifted && !self.endless && self.first_total == self.total
    }

    /// How many more people the total states than were seen, if the list did not change.
    fn unlisted(&self) -> Option<u64> {
        let more = self.total.and_then(|total| total.checked_sub(self.people));
        more.filter(|more| *more > 0 && self.new == 0 && self.is_steady())
    }
}

impl<F: Feed, K: Sink, S: SegmentStore> Work<'_, F, K, S> {
    /// Reads everybody, or those changed since a time, and decides on each. `confirm`: reads the list again
    /// even if nothing suggests that it changed.
    pub(super) async fn walk(
        &mut self,
        since: Option<Timestamp>,
        confirm: bool,
    ) -> Result<Walked, Halt> {
        let now = self.clock.now();
        let mut walked =
            Walked { began: now, complete: false, unlisted: None, passes: 0, pages: 0 };
        let mut same = 0;
        while !walked.complete && same < SAME_PASSES && walked.passes < MAX_PASSES {
            walked.passes += 1;
            self.progress.pass = walked.passes;
            let pass = self.pass(since).await?;
            walked.pages += pass.pages;
            if walked.passes == 1 {
                let unknown = now.saturating_sub(SIGNATURE_WINDOW).unwrap_or(now);
                walked.began = pass.answered_at.unwrap_or(unknown).min(now);
            }
            if pass.endless {
                break;
            }
            let unlisted = pass.unlisted();
            same = match unlisted {
                Some(_) if same == 0 || unlisted == walked.unlisted => same + 1,
                Some(_) => 1,
                None => 0,
            };
            walked.unlisted = unlisted;
            let seen = self.seen.len() + pass.too_large;
            let all_seen = pass.total.is_none_or(|total| seen >= total);
            let nobody_new = pass.new == 0 && all_seen;
            walked.complete = nobody_new || (pass.is_settled() && pass.total.is_some() && !confirm);
        }
        walked.unlisted = walked.unlisted.filter(|_| same == SAME_PASSES);
        Ok(walked)
    }

    /// Reads the list once. A page is requested while the one before it is being worked on, and no other.
    async fn pass(&mut self, since: Option<Timestamp>) -> Result<Pass, Halt> {
        let (mut pass, cancel, feed) = (Pass::default(), self.cancel, self.feed);
        let read = |cursor| cancel.run_until_cancelled(feed.page(cursor, since));
        let mut page = read(None).await.ok_or(Halt::Stopped)??;
        loop {
            self.check()?;
            pass.note(&page);
            if since.is_none() && self.knows_everybody() {
                // Before anybody is written.
                self.capacity.check(page.total.unwrap_or_default())?;
            }
            if let Some(place) = page.too_large {
                self.leave_out(place)?;
            }
            self.progress.page = pass.pages;
            let next = page.next.take().filter(|_| !pass.endless);
            let following = async {
                match next {
                    Some(cursor) => read(Some(cursor)).await.ok_or(Halt::Stopped)?.map(Some),
                    None => Ok(None),
                }
                .map_err(Halt::from)
            };
            let (taken, following) = join(self.take(page, &mut pass.new), following).await;
            taken?;
            match following? {
                Some(following) => page = following,
                None => return Ok(pass),
            }
        }
    }

    /// Whether everybody on the list becomes known.
    fn knows_everybody(&self) -> bool {
        self.spec.select.is_none() && self.spec.updated_after.is_none()
    }

    /// Counts a person who is too large to be read as a failure. Nobody knows who it is.
    fn leave_out(&mut self, place: u64) -> Result<(), Halt> {
        let limit = self.feed.largest_answer() >> 20;
        if !self.too_large.insert(place) {
            return Ok(());
        }
        if self.too_large.len() > MOST_TOO_LARGE {
            let message = format!(
                "more than {MOST_TOO_LARGE} people on the list of Clinch have more than {limit} MiB each; \
                 what was read is delivered, and nobody counts as deleted"
            );
            let disposition = Disposition::Stalled { reason: Reason::TooLarge };
            return Err(Halt::Unread { disposition, message });
        }
        let message = format!(
            "person {place} on the list of Clinch has more than {limit} MiB, and is not read"
        );
        let cause = Cause::new(Reason::TooLarge, message);
        self.fail(ImportFailure { record: None, place: None, cause });
        Ok(())
    }

    /// Decides on the people of a page.
    async fn take(&mut self, page: FeedPage<F::Cursor>, new: &mut u64) -> Result<(), Halt> {
        for person in page.people {
            let is_new = self.seen.insert(&person.id);
            *new += u64::from(is_new);
            let counts = is_new && !self.resent.contains(&person.id);
            self.progress.counts.scanned += u64::from(counts);
            self.decide(person, counts).await?;
            self.capacity.check(self.people.len() as u64)?;
            self.commit_full().await?;
        }
        self.show();
        Ok(())
    }
}
