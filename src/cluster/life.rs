//! One life of a member, and the next one should the others have declared it dead.

use std::{sync::Arc, time::Duration};

use tokio::{task::JoinSet, time};
use tokio_util::sync::CancellationToken;

use super::{
    Cluster,
    accord::{Apart, Disagreement, others},
    directory::TopicHasher,
    sequences::Sequences,
    spoken::Spoken,
    streams::{Entry, Position, Pulse, Reader, Streams, StreamsError},
};
use crate::{
    close::CloseReason,
    envelope::{Encoded, Envelope},
    estate::EstateError,
    id::Member,
    pauses::Pauses,
    stats::LostReason,
    topic::Topic,
};

/// First pause after a call that has failed.
const PAUSE_MIN: Duration = Duration::from_millis(50);
/// Longest pause between calls that fail.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// Time for the sessions of a member that was declared dead to end.
const LEAVING: Duration = Duration::from_secs(5);
/// Pause while the own lease is in doubt.
pub(super) const DOUBT: Duration = Duration::from_millis(20);
/// Longest time that a member waits for the snapshots of others before it takes clients.
const SYNC_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a part of a life has ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ended {
    /// The others have declared this member dead.
    Fenced,
    /// The server has lost its data: everything has to be opened anew.
    Lost,
}

/// Pauses between calls to Redis.
pub(super) const fn pauses() -> Pauses {
    Pauses::new(PAUSE_MIN, PAUSE_MAX)
}

impl Cluster {
    /// Is a member until `stop` fires. The caller has no sessions any more by then, or does not care
    /// for them; [`Self::leave`] tells the others.
    ///
    /// # Errors
    ///
    /// [`Disagreement`] if it can be no member, since others do not know what it writes.
    pub async fn run<S: Streams>(
        self: Arc<Self>,
        streams: Arc<S>,
        stop: CancellationToken,
    ) -> Result<(), Disagreement> {
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                lived = Self::live(&self, &streams) => lived?,
            }
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = self.begin_anew(&*streams) => {}
            }
        }
    }

    /// Tells the others that this member is gone, and removes what it has on the server, unless that is
    /// for others to take over. Gives up after `limit`; then the others find out by themselves.
    pub async fn leave<S: Streams>(&self, streams: &S, limit: Duration) {
        let me = self.me();
        let leaving = async {
            let entry = self.parting_entry(&me);
            streams.append(vec![entry]).await?;
            if self.is_settled(&me).await? {
                return self.empty_inbox(streams, &me).await;
            }
            tracing::info!(%me, "leaves something for other nodes, or its next life, to take over");
            streams.resign(&me).await
        };
        match time::timeout(limit, leaving).await {
            Ok(Ok(())) => tracing::info!(%me, "left the cluster"),
            Ok(Err(error)) => tracing::warn!(%error, "could not take leave of the cluster"),
            Err(_) => tracing::warn!("there was no time to take leave of the cluster"),
        }
    }

    /// Lives until the member is declared dead.
    async fn live<S: Streams>(this: &Arc<Self>, streams: &Arc<S>) -> Result<(), Disagreement> {
        let mut known: Option<Box<str>> = None;
        loop {
            let pulse = this.first_beat(&**streams).await;
            let me = this.me();
            let is_same = known.as_ref() == Some(&pulse.generation);
            if is_same && !pulse.lists(&me) {
                return Ok(());
            }
            Disagreement::look(&others(&pulse, &me))?;
            if !is_same {
                this.enter_generation(&pulse);
            }
            let (inbox, log) = match this.open(&**streams, &me, &pulse, is_same).await {
                Ok(Some(opened)) => opened,
                Ok(None) => continue,
                Err(disagreement) => {
                    // What it leaves to others they find all the same.
                    if let Err(error) = streams.remove(&me).await {
                        tracing::debug!(%error, "it stays in the list until it is reaped");
                    }
                    return Err(disagreement);
                }
            };
            // Enrolled by now: from here on, not to be in the list is to have been removed.
            known = Some(pulse.generation);
            if !is_same {
                // Until now there was no inbox here to tell this member of letters.
                this.parts.router.ring_everywhere();
            }
            this.owed.lock().introduce();
            this.news.notify_one();
            tracing::info!(%me, "joined the cluster");
            let mut tasks = JoinSet::new();
            tasks.spawn(Self::beat_on(Arc::clone(this), Arc::clone(streams)));
            tasks.spawn(Self::read_log(Arc::clone(this), log));
            tasks.spawn(Self::write_log(Arc::clone(this), Arc::clone(streams)));
            tasks.spawn(Self::read_inbox(Arc::clone(this), inbox));
            tasks.spawn(Self::write_inboxes(Arc::clone(this), Arc::clone(streams)));
            tasks.spawn(Self::hand_over(Arc::clone(this)));
            let this = Arc::clone(this);
            tasks.spawn(async move { this.watch_sync().await });
            let ended = tasks.join_next().await;
            tasks.shutdown().await;
            match ended {
                Some(Ok(Ended::Fenced)) => return Ok(()),
                Some(Ok(Ended::Lost)) | None => {}
                Some(Err(error)) => tracing::error!(%error, "a part of the cluster has failed"),
            }
        }
    }

    async fn first_beat<S: Streams>(&self, streams: &S) -> Pulse {
        let mut pauses = pauses();
        loop {
            match self.beat(streams).await {
                Ok((pulse, _)) => return pulse,
                Err(error) => self.failed("beat", &error, &mut pauses).await,
            }
        }
    }

    /// Enrolls if need be, opens the inbox, comes to an accord with those who live, and opens the log; gives up when
    /// the server says that its data is another one.
    async fn open<S: Streams>(
        &self,
        streams: &S,
        me: &Member,
        pulse: &Pulse,
        is_enrolled: bool,
    ) -> Result<Option<(S::Inbox, S::Log)>, Disagreement> {
        let mut pauses = pauses();
        loop {
            let opened = async {
                // The first of all: others clear up behind whoever is in the list.
                if !is_enrolled {
                    streams.enroll(me).await?;
                }
                for estate in &self.parts.estates {
                    estate.open(me).await.map_err(estate_error)?;
                }
                // Before the log: whoever reads of this member, or finds it in the list, may write to it.
                let inbox = streams.open_inbox(me).await?;
                // Everybody sees it who looks from here on, and it has read nothing yet.
                self.agree(streams, &pulse.generation).await?;
                Ok::<_, Apart>((inbox, streams.open_log(me).await?))
            };
            match opened.await {
                Ok(opened) => return Ok(Some(opened)),
                Err(Apart::Disagreement(disagreement)) => return Err(disagreement),
                Err(Apart::Streams(StreamsError::Lost)) => return Ok(None),
                Err(Apart::Streams(error)) => self.failed("open", &error, &mut pauses).await,
            }
        }
    }

    /// Nothing that was known of others holds in a new life of the server's data.
    fn enter_generation(&self, pulse: &Pulse) {
        self.stats.reopened.add(1);
        self.health.set_synced(false);
        self.peers.doubt_all();
        self.directory.clear();
        let hasher = TopicHasher::of_generation(&pulse.generation);
        self.hasher.store(Some(Arc::new(hasher)));
        self.claims.lock().restart();
    }

    /// Ready once every other member's topics are known, or it takes too long.
    async fn watch_sync(&self) -> Ended {
        let until = time::Instant::now() + SYNC_TIMEOUT;
        while !self.is_synced() && time::Instant::now() < until {
            time::sleep(Duration::from_millis(20)).await;
        }
        self.health.set_synced(true);
        std::future::pending().await
    }

    fn is_synced(&self) -> bool {
        self.peers.unsynced().is_empty()
    }

    /// Ends every session and begins a new life under a new epoch.
    async fn begin_anew<S: Streams>(&self, streams: &S) {
        let dead = self.me();
        self.stats.fenced.add(1);
        self.health.set_fenced(true);
        tracing::warn!(%dead, "the other nodes have declared this one dead: it begins a new life");
        let router = &self.parts.router;
        router.end_all(CloseReason::Fenced, LEAVING).await;
        let unsent = self.uplink.reset();
        self.stats.lose(LostReason::Reaped, unsent.len() as u64);
        *self.sequences.lock() = Sequences::default();
        *self.spoken.lock() = Spoken::default();
        self.owed.lock().forget();
        // Should the others be gone by now, nobody else would do it.
        if let Err(error) = self.clear_up_behind(streams, &dead).await {
            tracing::debug!(%error, "the dead member's inbox is left to the others");
        }
        router.begin_new_epoch(self.parts.clock.now().unix_ms);
        self.health.set_fenced(false);
        self.ring_for(&unsent);
    }

    /// Removes what this node had as a member that is dead; if others have not taken over all of it, sees
    /// to it that somebody does.
    async fn clear_up_behind<S: Streams>(
        &self,
        streams: &S,
        dead: &Member,
    ) -> Result<(), StreamsError> {
        if self.is_settled(dead).await? {
            return self.empty_inbox(streams, dead).await;
        }
        streams.enroll(dead).await
    }

    /// Whether a member has nothing that others would have to take over.
    async fn is_settled(&self, member: &Member) -> Result<bool, StreamsError> {
        for estate in &self.parts.estates {
            let asking = estate.is_settled(member);
            if !asking.await.map_err(estate_error)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Has the others told of the letters among envelopes that were not sent.
    fn ring_for(&self, unsent: &[Encoded]) {
        for user in who_has_letters(unsent) {
            // Nothing else waits yet, and rings are far smaller than what there was room for.
            if self.parts.router.ring(&user).is_err() {
                tracing::warn!("there is no room to tell of a letter: it comes at the next login");
            }
        }
    }

    /// Takes note of a call that has failed, and waits before the next one.
    pub(super) async fn failed(&self, call: &str, error: &StreamsError, pauses: &mut Pauses) {
        self.stats.errors.add(1);
        match error {
            StreamsError::Refused(_) => tracing::error!(call, %error, "Redis refuses"),
            StreamsError::Lost | StreamsError::Unavailable(_) => {
                tracing::debug!(call, %error, "Redis has failed");
            }
        }
        pauses.wait().await;
    }
}

/// What a part of a member that it leaves to others says of itself, as what it is to the whole.
pub(super) fn estate_error(error: EstateError) -> StreamsError {
    StreamsError::Unavailable(error.to_string().into())
}

/// The users whom these envelopes tell of letters.
pub(super) fn who_has_letters(envelopes: &[Encoded]) -> impl Iterator<Item = Topic> {
    let envelopes = envelopes.iter();
    envelopes.filter_map(|envelope| match envelope.decode() {
        Ok(Envelope::Message(message)) if message.letter.is_some() => Some(message.topic),
        Ok(Envelope::Ring(user)) => Some(user),
        Ok(_) | Err(_) => None,
    })
}

/// Reads until something comes; none of the errors that pass ends it.
pub(super) async fn read_on<R: Reader>(
    cluster: &Cluster,
    reader: &mut R,
    pauses: &mut Pauses,
) -> Result<Vec<(Position, Entry)>, Ended> {
    loop {
        match reader.next().await {
            Ok(entries) => {
                pauses.reset();
                return Ok(entries);
            }
            Err(StreamsError::Lost) => return Err(Ended::Lost),
            Err(error) => cluster.failed("read", &error, pauses).await,
        }
    }
}
