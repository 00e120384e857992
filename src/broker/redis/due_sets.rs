//! The aggregation sets of a list whose time is over. They are settled one after the other.

use std::vec;

use super::Broker;
use super::script::{number, word};
use crate::connection::Command;
use crate::error::Result;
use crate::wire::QueueKeys;

/// How many sets of a queue one call lists.
const SETS_AT_ONCE: usize = 100;
/// A pass over the sets of a queue ends after this many calls, so that it does not delay other queues for long. The next
/// pass goes on with the same set.
pub(super) const MOST_STEPS: u32 = 500;

/// One pass over a list. If Redis refuses something, the other sets come all the same.
pub(super) struct DueSets<'q> {
    queue: &'q QueueKeys,
    /// The key of the list.
    list: &'q str,
    /// What is left of the last page.
    page: vec::IntoIter<String>,
    is_last_page: bool,
    /// How many sets stay in the list.
    kept: usize,
    /// How many calls may still be made for the sets.
    pub(super) steps: u32,
    /// The first error.
    pub(super) result: Result<()>,
}

impl<'q> DueSets<'q> {
    pub(super) fn new(queue: &'q QueueKeys, list: &'q str) -> Self {
        Self {
            queue,
            list,
            page: Vec::new().into_iter(),
            is_last_page: false,
            kept: 0,
            steps: MOST_STEPS,
            result: Ok(()),
        }
    }

    /// The key of the next set.
    pub(super) async fn next(&mut self, broker: &Broker) -> Result<Option<String>> {
        let set = self.page.next();
        if set.is_some() || self.is_last_page || self.steps == 0 {
            return Ok(set);
        }
        let args = [
            self.list.into(),
            word("-inf"),
            number(broker.clock().now().timestamp()),
            word("LIMIT"),
            number(self.kept as u64),
            number(SETS_AT_ONCE as u64),
        ];
        let what = format!("list aggregation sets of queue {:?}", self.queue.queue());
        let page: Vec<String> = broker
            .send(Command::on_key("ZRANGEBYSCORE", args), &what)
            .await?;
        self.is_last_page = page.len() < SETS_AT_ONCE;
        self.page = page.into_iter();
        Ok(self.page.next())
    }

    /// Whether the last set stays in the list. Fails if Redis gives no answer: then the pass ends.
    pub(super) fn settled(&mut self, is_kept: Result<bool>) -> Result<()> {
        match is_kept {
            Ok(is_kept) => self.kept += usize::from(is_kept),
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => {
                self.kept += 1;
                if self.result.is_ok() {
                    self.result = Err(error);
                }
            }
        }
        Ok(())
    }
}
