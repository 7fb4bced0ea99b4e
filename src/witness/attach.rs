//! Attaching: what applications want done at the end of a session.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use tokio::time::{self, Instant};

use super::{Witness, book::of_applications};
use crate::{
    dues::{DuesError, Unfit},
    duty::{Change, Changed, Deed, Duty, Record},
    id::{Serial, SessionId},
};

/// Longest wait until a change is kept. Shorter than what another member waits for the answer.
const KEEP_TIMEOUT: Duration = Duration::from_millis(1500);

impl Witness {
    /// Whether a deed can be carried out, as things stand.
    ///
    /// # Errors
    ///
    /// That Redis cannot be asked.
    pub async fn check(&self, deed: &Deed) -> Result<Result<(), Unfit>, DuesError> {
        self.parts.deeds.check(deed).await
    }

    /// What applications want done at the end of a session of this member; nothing if there is no such session.
    pub fn owed(&self, session: &SessionId) -> Changed {
        let book = self.book.lock();
        match book.look(session.serial) {
            _ if self.find(session).is_none() => Changed::Gone,
            Some((record, _)) => Changed::Kept(of_applications(&record.duties).cloned().collect()),
            None => Changed::Kept(Vec::new()),
        }
    }

    /// Changes what a session of this member owes, and gives what applications want of that. What is
    /// answered with [`Changed::Kept`] is done at its
    /// end, also if the node dies before.
    ///
    /// Not cancel safe: it may be changed or not.
    pub async fn change(&self, session: &SessionId, change: Change) -> Changed {
        let until = Instant::now() + KEEP_TIMEOUT;
        let (version, duties) = match self.note_change(session, change) {
            Ok(Some(noted)) => noted,
            Ok(None) => return Changed::Kept(Vec::new()),
            Err(refused) => return refused,
        };
        self.work.notify_one();
        loop {
            let kept = self.kept.notified();
            tokio::pin!(kept);
            kept.as_mut().enable();
            // If it has ended meanwhile, it is kept when what it owed is done.
            let at = self.book.lock().look(session.serial).map(|(_, at)| at);
            if at.is_none_or(|at| version <= at) {
                let duties = of_applications(&duties);
                return Changed::Kept(duties.cloned().collect());
            }
            if time::timeout_at(until, kept).await.is_err() {
                return Changed::Unknown;
            }
        }
    }

    /// The id that begins like this of something that a session of this member owes the gateway itself, and
    /// whether something was said that it puts an end to.
    pub fn owes(&self, session: &SessionId, begin: &str) -> Option<(Box<str>, bool)> {
        self.find(session)?;
        let book = self.book.lock();
        let (record, _) = book.look(session.serial)?;
        let mut ids = record.duties.iter().map(|duty| &duty.id);
        let id = ids.find(|id| id.starts_with(begin)).cloned()?;
        let is_told = !book.is_untold(session.serial, &id);
        Some((id, is_told))
    }

    /// Whether something is to be said at the end of a session of this node; with none, whether something is still
    /// to be said at the end of any, be it over.
    pub fn has_words(&self, of: Option<Serial>) -> bool {
        0 < self.owing() && self.book.lock().has_words(of)
    }

    /// Says something, unless a session of this member has ended, to which what it owes under this id puts an
    /// end: that is said behind it, and not at all if this was not said. `say` must not wait, and not come back
    /// here.
    pub fn while_there<T, E>(
        &self,
        session: &SessionId,
        id: &str,
        say: impl FnOnce() -> Result<T, E>,
    ) -> Option<Result<T, E>> {
        let mut book = self.book.lock();
        let is_there = self.find(session).is_some() && !book.has_ended(session.serial);
        let said = is_there.then(say)?;
        if said.is_ok() {
            book.tell(session.serial, id);
        }
        Some(said)
    }

    /// Does at once what a session of this member owes under this id, which it does not owe any more then. It
    /// is done once, also if the session ends meanwhile, or the node dies.
    ///
    /// # Errors
    ///
    /// It is not known to be done, and owed still.
    ///
    /// Not cancel safe: it may be done or not.
    pub async fn fulfil(&self, session: &SessionId, id: &str) -> Result<(), DuesError> {
        let duty = self
            .book
            .lock()
            .look(session.serial)
            .and_then(|(record, _)| {
                let mut duties = record.duties.iter();
                duties.find(|duty| &*duty.id == id).cloned()
            });
        if let Some(duty) = duty {
            self.do_deed(session, &duty, None).await?;
            // If it is not kept yet that it is done, it may be said again, under the same name.
            self.change(session, Change::Remove(Some(duty.id))).await;
        }
        Ok(())
    }

    /// Gives the version that has to be kept, if anything has to be, and what is owed by it.
    fn note_change(
        &self,
        session: &SessionId,
        change: Change,
    ) -> Result<Option<(u64, Vec<Duty>)>, Changed> {
        // Counted before the look: whoever ends after it finds the count.
        self.owing.fetch_add(1, Relaxed);
        let mut book = self.book.lock();
        let is_new = book.look(session.serial).is_none();
        let noted = match (self.find(session), change) {
            (None, _) => Err(Changed::Gone),
            (Some(_), Change::Remove(None)) if is_new => Ok(None),
            (Some(_), Change::Remove(Some(_))) if is_new => Err(Changed::Missing),
            (Some(new), change) => book.owe(new, change).map(Some),
        };
        let has_entered = is_new && book.look(session.serial).is_some();
        drop(book);
        if !has_entered {
            self.forget_owing(1);
        }
        noted
    }

    pub(super) fn forget_owing(&self, sessions: usize) {
        self.owing.fetch_sub(sessions, Relaxed);
    }

    /// A session that the router has and that is not ending.
    fn find(&self, session: &SessionId) -> Option<Record> {
        let router = &self.parts.router;
        if router.member() != session.member {
            return None;
        }
        let subscriber = router.find(session.serial)?;
        subscriber
            .closed()
            .is_none()
            .then(|| self.record(&subscriber))
    }
}
