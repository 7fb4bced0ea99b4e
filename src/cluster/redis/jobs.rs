//! Jobs in Redis: a hash for each, and for each kind a sorted set of the times from which on its jobs may
//! be taken. To take a job is to put that time off.

mod scripts;

use std::time::Duration;

use bytes::Bytes;
use redis::{FromRedisValue, Value, cmd};

use super::{
    errors::{from_value, unexpected},
    keys::{JobKeys, Keys},
    script::{Call, Script},
    servers::Servers,
};
use crate::{
    cluster::streams::StreamsError,
    jobs::{
        Added, DEAD_MAX, Figures, Job, Jobs, JobsError, LEASE, NewJob, OPEN_MAX, Origin, PAGE_MAX,
        Pending, PutOff, State, Taken, Turn, Which,
    },
};

/// The jobs of a cluster.
#[derive(Clone, Debug)]
pub struct RedisJobs {
    servers: Servers,
    keys: JobKeys,
    keep: Duration,
}

/// What [`scripts::TAKE`] gives of a job.
type TakenRow = (String, u64, Vec<u8>, Vec<u8>, u64, u64);
/// Id, kind, body, state, whether it is taken, turn, reason, when it was added, when it may be taken, answer.
type Row = (
    String,
    String,
    Vec<u8>,
    String,
    String,
    u64,
    String,
    u64,
    f64,
    Vec<u8>,
);

// === impl RedisJobs ===

impl RedisJobs {
    pub(super) fn new(servers: Servers, keys: &Keys, keep: Duration) -> Self {
        Self {
            servers,
            keys: keys.jobs(),
            keep,
        }
    }

    /// The first entries of a list of older programs.
    ///
    /// # Errors
    ///
    /// The server cannot be used.
    pub async fn entries(&self, list: &str, max: usize) -> Result<Vec<Bytes>, StreamsError> {
        let range = cmd("LRANGE").arg(list).arg(0).arg(max - 1).take();
        let entries: Vec<Vec<u8>> = from_value(self.servers.call_one(list, range).await?)?;
        Ok(entries.into_iter().map(Bytes::from).collect())
    }

    /// Whether such a list has an entry.
    ///
    /// # Errors
    ///
    /// The server cannot be used.
    pub async fn has_entry(&self, origin: &Origin) -> Result<bool, StreamsError> {
        let Origin { list, entry } = origin;
        let look = cmd("LPOS").arg(&**list).arg(&entry[..]).take();
        let place: Option<u64> = from_value(self.servers.call_one(list, look).await?)?;
        Ok(place.is_some())
    }

    /// Removes an entry from such a list, wherever it stands there.
    ///
    /// # Errors
    ///
    /// The server cannot be used.
    pub async fn remove_entry(&self, origin: &Origin) -> Result<(), StreamsError> {
        let Origin { list, entry } = origin;
        let remove = cmd("LREM").arg(&**list).arg(0).arg(&entry[..]).take();
        self.servers.call_one(list, remove).await.map(drop)
    }

    async fn run<T: FromRedisValue>(
        &self,
        script: &Script,
        arguments: Vec<Bytes>,
    ) -> Result<T, StreamsError> {
        let mut call = Call::default();
        let keys = &self.keys;
        for key in [&keys.open, &keys.buried, &keys.job, &keys.due] {
            call.key(key.clone());
        }
        call.arguments = arguments;
        let (answer, _) = script.run(&self.servers, call).await?;
        from_value(answer)
    }

    async fn run_turn(
        &self,
        script: &Script,
        turn: &Turn,
        more: Vec<Bytes>,
    ) -> Result<bool, StreamsError> {
        let mut arguments = of_turn(turn);
        arguments.extend(more);
        let is_good: u64 = self.run(script, arguments).await?;
        Ok(is_good == 1)
    }

    async fn add_one(&self, job: NewJob) -> Result<Added, StreamsError> {
        let (list, entry) = match job.origin {
            Some(Origin { list, entry }) => (text(&list), entry),
            None => (Bytes::new(), Bytes::new()),
        };
        let max = text(&OPEN_MAX.to_string());
        let arguments = vec![text(&job.id), text(&job.kind), job.body, max, list, entry];
        let added: String = self.run(&scripts::ADD, arguments).await?;
        match &*added {
            "new" => Ok(Added::New),
            "known" => Ok(Added::Known),
            "conflict" => Ok(Added::Conflict),
            "full" => Ok(Added::Full),
            _ => Err(unexpected()),
        }
    }

    async fn take_some(&self, kind: &str, max: usize) -> Result<Vec<Taken>, StreamsError> {
        let arguments = vec![text(kind), text(&max.to_string()), lease()];
        let rows: Vec<TakenRow> = self.run(&scripts::TAKE, arguments).await?;
        let taken = rows.into_iter().map(|row| {
            let (id, number, body, answer, failures, created_ms) = row;
            Taken {
                turn: Turn {
                    id: id.into(),
                    kind: kind.into(),
                    number,
                },
                body: body.into(),
                answer: (!answer.is_empty()).then(|| answer.into()),
                failures,
                created_ms,
            }
        });
        Ok(taken.collect())
    }

    async fn hold_all(&self, turns: Vec<Turn>) -> Result<Vec<Turn>, StreamsError> {
        let mut arguments = vec![lease()];
        arguments.extend(turns.iter().flat_map(of_turn));
        let lost: Vec<usize> = self.run(&scripts::HOLD, arguments).await?;
        let lost = lost.into_iter().map(|place| turns.get(place).cloned());
        lost.collect::<Option<_>>().ok_or_else(unexpected)
    }

    /// The entry of a list goes first: while the job is open it is known who has it go.
    async fn end_origin(&self, turn: &Turn) -> Result<(), StreamsError> {
        match self.origin(&turn.id).await? {
            Some(origin) => self.remove_entry(&origin).await,
            None => Ok(()),
        }
    }

    async fn origin(&self, id: &str) -> Result<Option<Origin>, StreamsError> {
        let key = format!("{}{id}", self.keys.job);
        let get = cmd("HMGET").arg(&key).arg(&["list", "entry"]).take();
        let (list, entry): (Option<String>, Option<Vec<u8>>) =
            from_value(self.servers.call_one(&key, get).await?)?;
        Ok(list.zip(entry).map(|(list, entry)| Origin {
            list: list.into(),
            entry: entry.into(),
        }))
    }

    async fn finish(&self, turn: &Turn) -> Result<bool, StreamsError> {
        self.end_origin(turn).await?;
        let keep = text(&self.keep.as_millis().max(1).to_string());
        self.run_turn(&scripts::DONE, turn, vec![keep]).await
    }

    async fn bury_one(&self, turn: &Turn, reason: &str) -> Result<bool, StreamsError> {
        self.end_origin(turn).await?;
        let key = format!("{}{}", self.keys.job, turn.id);
        let get = cmd("HGET").arg(&key).arg("body").take();
        let body: Option<Vec<u8>> = from_value(self.servers.call_one(&key, get).await?)?;
        let letter = self.write(turn, reason, &body.unwrap_or_default()).await?;
        let more = vec![text(reason), text(&letter), text(&DEAD_MAX.to_string())];
        let is_good = self.run_turn(&scripts::BURY, turn, more).await?;
        if !is_good {
            self.remove_letter(&letter).await?;
        }
        Ok(is_good)
    }

    async fn bury_new(&self, job: NewJob, reason: &str) -> Result<(), StreamsError> {
        let turn = Turn {
            id: job.id,
            kind: job.kind,
            number: 0,
        };
        let letter = self.write(&turn, reason, &job.body).await?;
        let more = [reason, &letter, &DEAD_MAX.to_string()].map(text);
        let more = more.into_iter().chain([job.body]).collect();
        if !self.run_turn(&scripts::BURY, &turn, more).await? {
            self.remove_letter(&letter).await?;
        }
        match &job.origin {
            Some(origin) => self.remove_entry(origin).await,
            None => Ok(()),
        }
    }

    /// Writes a dead letter, before the job is dead: twice is better than nowhere. Gives its name.
    async fn write(&self, turn: &Turn, reason: &str, body: &[u8]) -> Result<String, StreamsError> {
        let dead = &self.keys.dead;
        let mut add = cmd("XADD");
        add.arg(dead).arg(&["MAXLEN", "~"]).arg(DEAD_MAX).arg("*");
        add.arg("message").arg(body).arg("reason").arg(reason);
        add.arg("id").arg(&*turn.id).arg("kind").arg(&*turn.kind);
        from_value(self.servers.call_one(dead, add).await?)
    }

    async fn remove_letter(&self, letter: &str) -> Result<(), StreamsError> {
        let dead = &self.keys.dead;
        let delete = cmd("XDEL").arg(dead).arg(letter).take();
        self.servers.call_one(dead, delete).await.map(drop)
    }

    async fn find_one(&self, id: &str) -> Result<Option<Job>, StreamsError> {
        let rows = self.run(&scripts::FIND, vec![text(id)]).await?;
        Ok(jobs(rows)?.pop())
    }

    async fn list_some(&self, which: Which, offset: usize) -> Result<Vec<Job>, StreamsError> {
        let place = match which {
            Which::Open => 1,
            Which::Dead => 2,
        };
        let bounds = [place, offset, offset.saturating_add(PAGE_MAX - 1)];
        let arguments = bounds.map(|bound| text(&bound.to_string()));
        jobs(self.run(&scripts::LIST, arguments.into()).await?)
    }

    async fn retry_one(&self, id: &str) -> Result<bool, StreamsError> {
        let letter: String = self.run(&scripts::RETRY, vec![text(id)]).await?;
        self.forget_letter(&letter).await
    }

    async fn drop_one(&self, id: &str) -> Result<bool, StreamsError> {
        if let Some(origin) = self.origin(id).await? {
            self.remove_entry(&origin).await?;
        }
        let letter: String = self.run(&scripts::DROP, vec![text(id)]).await?;
        self.forget_letter(&letter).await
    }

    /// Removes the letter that a script has named. False if there was no job.
    async fn forget_letter(&self, letter: &str) -> Result<bool, StreamsError> {
        match letter {
            "" => Ok(false),
            "-" => Ok(true),
            letter => self.remove_letter(letter).await.map(|()| true),
        }
    }

    async fn count(&self) -> Result<Figures, StreamsError> {
        let (open, dead, oldest_ms) = self.run(&scripts::FIGURES, Vec::new()).await?;
        Ok(Figures {
            open,
            dead,
            oldest: Duration::from_millis(oldest_ms),
        })
    }
}

impl Jobs for RedisJobs {
    fn add(&self, job: NewJob) -> Pending<'_, Added> {
        Box::pin(async move { self.add_one(job).await.map_err(jobs_error) })
    }

    fn add_dead(&self, job: NewJob, reason: String) -> Pending<'_, ()> {
        Box::pin(async move { self.bury_new(job, &reason).await.map_err(jobs_error) })
    }

    fn take<'a>(&'a self, kind: &'a str, max: usize) -> Pending<'a, Vec<Taken>> {
        Box::pin(async move { self.take_some(kind, max).await.map_err(jobs_error) })
    }

    fn hold(&self, turns: Vec<Turn>) -> Pending<'_, Vec<Turn>> {
        Box::pin(async move { self.hold_all(turns).await.map_err(jobs_error) })
    }

    fn answer<'a>(&'a self, turn: &'a Turn, answer: Bytes) -> Pending<'a, bool> {
        Box::pin(async move {
            let kept = self.run_turn(&scripts::ANSWER, turn, vec![lease(), answer]);
            kept.await.map_err(jobs_error)
        })
    }

    fn put_off<'a>(&'a self, turn: &'a Turn, why: PutOff) -> Pending<'a, bool> {
        Box::pin(async move {
            let delay = text(&why.delay.as_millis().to_string());
            let failure = text(&why.failure.unwrap_or_default());
            let put = self.run_turn(&scripts::PUT_OFF, turn, vec![delay, failure]);
            put.await.map_err(jobs_error)
        })
    }

    fn done<'a>(&'a self, turn: &'a Turn) -> Pending<'a, bool> {
        Box::pin(async move { self.finish(turn).await.map_err(jobs_error) })
    }

    fn bury<'a>(&'a self, turn: &'a Turn, reason: String) -> Pending<'a, bool> {
        Box::pin(async move { self.bury_one(turn, &reason).await.map_err(jobs_error) })
    }

    fn find<'a>(&'a self, id: &'a str) -> Pending<'a, Option<Job>> {
        Box::pin(async move { self.find_one(id).await.map_err(jobs_error) })
    }

    fn list(&self, which: Which, offset: usize) -> Pending<'_, Vec<Job>> {
        Box::pin(async move { self.list_some(which, offset).await.map_err(jobs_error) })
    }

    fn retry<'a>(&'a self, id: &'a str) -> Pending<'a, bool> {
        Box::pin(async move { self.retry_one(id).await.map_err(jobs_error) })
    }

    fn forget<'a>(&'a self, id: &'a str) -> Pending<'a, bool> {
        Box::pin(async move { self.drop_one(id).await.map_err(jobs_error) })
    }

    fn figures(&self) -> Pending<'_, Figures> {
        Box::pin(async move { self.count().await.map_err(jobs_error) })
    }
}

/// What a script tells of jobs, behind the time.
fn jobs(rows: Vec<Value>) -> Result<Vec<Job>, StreamsError> {
    let mut rows = rows.into_iter();
    let now_ms: u64 = from_value(rows.next().ok_or_else(unexpected)?)?;
    let job = |row: Value| {
        let (id, kind, body, state, run, attempts, reason, created_ms, due_ms, answer): Row =
            from_value(row)?;
        Ok(Job {
            id: id.into(),
            kind: kind.into(),
            body: body.into(),
            state: match &*state {
                "done" => State::Done,
                "dead" => State::Dead,
                _ => State::of_open(!run.is_empty(), attempts, due_ms as u64, now_ms),
            },
            attempts,
            reason: (!reason.is_empty()).then(|| reason.into()),
            answer: (!answer.is_empty()).then(|| answer.into()),
            created_ms,
        })
    };
    rows.map(job).collect()
}

fn of_turn(turn: &Turn) -> Vec<Bytes> {
    vec![
        text(&turn.id),
        text(&turn.kind),
        text(&turn.number.to_string()),
    ]
}

fn lease() -> Bytes {
    text(&LEASE.as_millis().to_string())
}

fn text(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn jobs_error(error: StreamsError) -> JobsError {
    JobsError(error.to_string().into())
}
