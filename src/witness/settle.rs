//! Settling: doing what sessions that have ended owe.

use futures_util::{StreamExt as _, stream::FuturesUnordered};

use super::Witness;
use crate::{
    dues::{DEADLINE, Done, DuesError, Pending},
    duty::{Deed, Duty, Record},
    farewell::Farewells,
    happening::What,
    id::{Member, SessionId},
    witness::DutyOutcome,
};

/// Sessions for which keys of applications are changed at the same time.
const TOGETHER: usize = 64;

impl Witness {
    /// Settles sessions of this node, whose ends have been kept.
    pub(super) async fn settle_own(&self, ended: Vec<(Record, bool)>) -> Option<()> {
        let mut lives: Vec<Member> = Vec::new();
        for (record, _) in &ended {
            if !lives.contains(&record.session.member) {
                lives.push(record.session.member.clone());
            }
        }
        for member in lives {
            let of_life = ended
                .iter()
                .filter(|(record, _)| record.session.member == member);
            let (records, kept): (Vec<_>, Vec<_>) = of_life.cloned().unzip();
            let settling = || self.settle_life(&member, &records, &kept);
            // What is lost, somebody else has settled, or does.
            let _ = self.until_done(settling).await?;
        }
        let mut book = self.book.lock();
        let ended = ended.iter().map(|(record, _)| record.session.serial);
        let settled = ended.filter(|serial| book.settle(*serial)).count();
        drop(book);
        self.forget_owing(settled);
        Some(())
    }

    async fn settle_life(
        &self,
        member: &Member,
        records: &[Record],
        kept: &[bool],
    ) -> Result<(), DuesError> {
        let mut duties = records.iter().flat_map(|record| &record.duties);
        let time_ms = match duties.any(|duty| duty.deed.key().is_some()) {
            true => self.parts.deeds.time(member).await?,
            false => None,
        };
        self.do_deeds(records, time_ms).await?;
        let kept = records.iter().zip(kept).filter(|(_, is_kept)| **is_kept);
        let kept: Vec<Record> = kept.map(|(record, _)| record.clone()).collect();
        if kept.is_empty() {
            return Ok(());
        }
        self.parts.dues.remove(kept).await
    }

    /// Carries out what is no call: what changes keys only if there is a time, on which its deadline is.
    /// With an error, some of it may not be done yet.
    pub(super) async fn do_deeds(
        &self,
        records: &[Record],
        time_ms: Option<u64>,
    ) -> Result<(), DuesError> {
        let deadline_ms = time_ms.map(|time_ms| time_ms + DEADLINE.as_millis() as u64);
        let mut waiting = records
            .iter()
            .filter(|record| deeds(record).next().is_some());
        let mut doing = FuturesUnordered::new();
        let mut failed = None;
        loop {
            while doing.len() < TOGETHER
                && let Some(record) = waiting.next()
            {
                doing.push(self.do_deeds_of(record, deadline_ms));
            }
            match doing.next().await {
                Some(done) => failed = done.err().or(failed),
                None => return failed.map_or(Ok(()), Err),
            }
        }
    }

    /// One after the other. Boxed: many of them are under way at a time.
    fn do_deeds_of<'a>(&'a self, record: &'a Record, deadline_ms: Option<u64>) -> Pending<'a, ()> {
        Box::pin(async move {
            let session = &record.session;
            for duty in deeds(record) {
                let Some(done) = self.do_deed(session, duty, deadline_ms).await? else {
                    continue;
                };
                let outcome = match done {
                    Done::Before => DutyOutcome::Repeated,
                    Done::Failed(reason) => {
                        tracing::warn!(%session, %reason, "what a session owed cannot be done");
                        DutyOutcome::Failed
                    }
                    Done::Late => return Err(DuesError::Unavailable("it took too long".into())),
                    Done::Now => DutyOutcome::Done,
                };
                self.stats.duty(&duty.deed, outcome);
            }
            Ok(())
        })
    }

    /// Nothing, if the time for it is over.
    pub(super) async fn do_deed(
        &self,
        session: &SessionId,
        duty: &Duty,
        deadline_ms: Option<u64>,
    ) -> Result<Option<Done>, DuesError> {
        let done = match &duty.deed {
            Deed::Call { .. } => return Ok(None),
            Deed::Publish { to, event, data } => {
                let id = format!("{session}:{}", duty.id);
                self.farewells()?.say(&id, to, event, data).await?
            }
            Deed::Rise => self.farewells()?.rise(session).await?,
            Deed::RedisDel { .. } | Deed::RedisSrem { .. } => {
                let Some(deadline_ms) = deadline_ms else {
                    return Ok(None);
                };
                let deeds = &self.parts.deeds;
                deeds.carry_out(session, duty, deadline_ms).await?
            }
        };
        Ok(Some(done))
    }

    /// Who says and does what is the gateway's own.
    fn farewells(&self) -> Result<&dyn Farewells, DuesError> {
        let early = || DuesError::Unavailable("the node is not up yet".into());
        self.farewells.get().map(|some| &**some).ok_or_else(early)
    }
}

/// The duties that are no calls.
fn deeds(record: &Record) -> impl Iterator<Item = &Duty> {
    let duties = record.duties.iter();
    duties.filter(|duty| !matches!(duty.deed, Deed::Call { .. }))
}

/// What is told where a duty is a call.
pub(super) fn call(record: &Record, duty: &Duty) -> Option<What> {
    let Deed::Call {
        url,
        method,
        params,
    } = &duty.deed
    else {
        return None;
    };
    Some(What::CallDue {
        who: super::party(record),
        url: url.clone(),
        method: method.clone(),
        params: params.clone(),
    })
}
