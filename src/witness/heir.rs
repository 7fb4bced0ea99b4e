//! The heir: settles what a member has owed that did not live to do it.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use super::{Witness, teller::pauses};
use crate::{
    close::NODE_DIED,
    dues::{Cursor, DuesError, Page},
    estate::{Estate, EstateError, Pending},
    id::Member,
};

/// Rounds over what a member has left before it is left to a later call: the second finds nothing,
/// unless somebody writes meanwhile.
const ROUNDS_MAX: usize = 4;

impl Witness {
    /// Settles what lives of this node before have left, where no other member does: of a node without
    /// others. Waits with rooms for `linger`, in which clients come back. Cancel safe.
    pub async fn settle_lives_before(&self, linger: Duration) {
        let mut pauses = pauses();
        let me = self.parts.router.member();
        loop {
            let settled = async {
                self.parts.dues.open(&me).await?;
                let members = self.parts.dues.members().await?;
                let mut before = members
                    .into_iter()
                    .filter(|member| *member != me)
                    .peekable();
                if before.peek().is_some() {
                    tokio::time::sleep(linger).await;
                }
                for dead in before {
                    self.settle_estate(&dead).await?;
                    tracing::info!(%dead, "settled what a life before has left");
                }
                Ok::<_, DuesError>(())
            };
            match settled.await {
                Ok(()) => return,
                Err(error) => self.failed(&error, &mut pauses).await,
            }
        }
    }

    async fn settle_estate(&self, dead: &Member) -> Result<(), DuesError> {
        for _ in 0..ROUNDS_MAX {
            let mut from = Some(Cursor::default());
            while let Some(cursor) = from {
                let time_ms = self.parts.deeds.time(dead).await?;
                let page = self.parts.dues.read(dead, cursor).await?;
                from = page.next.clone();
                self.settle_page(dead, page, time_ms).await?;
            }
            if self.parts.dues.close(dead).await? {
                return Ok(());
            }
        }
        Err(DuesError::Unavailable("something is still written".into()))
    }

    async fn settle_page(
        &self,
        dead: &Member,
        page: Page,
        time_ms: Option<u64>,
    ) -> Result<(), DuesError> {
        let Page { records, rooms, .. } = page;
        let now_ms = self.parts.clock.now().unix_ms;
        let words = records.iter();
        let mut news: Vec<_> = words
            .flat_map(|record| self.last_words(record, NODE_DIED, now_ms, None))
            .collect();
        let occupancy = &self.parts.occupancy;
        if !rooms.is_empty() {
            let lefts = occupancy.leave(dead, rooms.clone()).await?;
            let lefts = rooms.iter().zip(lefts);
            news.extend(lefts.flat_map(|(room, left)| self.room_news(dead, room, left)));
        }
        if !news.is_empty() {
            let kinds: Vec<_> = news.iter().map(|happening| happening.what.kind()).collect();
            let kept = self.parts.herald.keep(news).await?;
            self.stats.count(kinds, kept);
        }
        self.do_deeds(&records, time_ms).await?;
        if !rooms.is_empty() {
            occupancy.told(dead, rooms).await?;
        }
        if !records.is_empty() {
            self.parts.dues.remove(records).await?;
        }
        Ok(())
    }

    /// Everything of this node has to be kept anew.
    fn doubt(&self, me: &Member) {
        self.book.lock().doubt(me);
        self.rooms.lock().doubt(me);
        self.doubts.fetch_add(1, Relaxed);
        self.work.notify_one();
    }
}

impl Estate for Witness {
    fn open(&self, me: &Member) -> Pending<'_, ()> {
        let me = me.clone();
        Box::pin(async move {
            self.parts.dues.open(&me).await.map_err(estate_error)?;
            self.doubt(&me);
            Ok(())
        })
    }

    fn inherit(&self, dead: &Member) -> Pending<'_, ()> {
        let dead = dead.clone();
        Box::pin(async move { self.settle_estate(&dead).await.map_err(estate_error) })
    }

    fn is_settled(&self, me: &Member) -> Pending<'_, bool> {
        let me = me.clone();
        Box::pin(async move { self.parts.dues.close(&me).await.map_err(estate_error) })
    }
}

fn estate_error(error: DuesError) -> EstateError {
    EstateError(error.to_string().into())
}
