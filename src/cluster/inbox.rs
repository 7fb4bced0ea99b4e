//! The inbox: what other members send to this one's sessions, or ask it.

use std::{sync::Arc, time::Duration};

use super::{
    Cluster,
    life::{Ended, pauses, who_has_letters},
    streams::{Entry, Inbox, Reader as _, Streams, StreamsError},
};
use crate::{
    envelope::{Body, DecodeError, Encoded, Envelope, Version},
    id::Member,
    message::Message,
    peer::Answer,
    presence::Answering,
    recorder::What,
    stats::LostReason,
};

/// Most questions that are being answered. Each is so for two seconds at the most.
const ANSWERS_MAX: usize = 1024;

impl Cluster {
    /// Delivers what arrives, and acknowledges it afterwards, together with the next read. What could
    /// not be acknowledged is read again, and known by its numbers.
    pub(super) async fn read_inbox<I: Inbox>(this: Arc<Self>, mut inbox: I) -> Ended {
        let mut pauses = pauses();
        let mut done = Vec::new();
        loop {
            let entries = match inbox.acknowledge_and_next(std::mem::take(&mut done)).await {
                Ok(entries) => entries,
                Err(StreamsError::Lost) => return Ended::Lost,
                Err(error) => {
                    this.failed("read", &error, &mut pauses).await;
                    continue;
                }
            };
            pauses.reset();
            for (position, entry) in entries {
                this.receive(entry).await;
                done.push(position);
            }
        }
    }

    async fn receive(self: &Arc<Self>, entry: Entry) {
        let Entry {
            from,
            lane,
            sequence,
            body,
        } = entry;
        self.stats.entries_in.add(1);
        let envelopes = match Body::split(body) {
            Ok(envelopes) => envelopes,
            Err(error) => {
                self.stats.lose(LostReason::Form, 1);
                tracing::warn!(%from, %error, "an entry of the inbox cannot be read");
                return;
            }
        };
        let count = envelopes.len() as u64;
        if self.directory.is_removed(&from) {
            self.stats.lose(LostReason::Reaped, count);
            tracing::warn!(%from, count, "a member that was declared dead still sends");
            self.announce_death(from);
            // Letters among them are kept all the same.
            for user in who_has_letters(&envelopes) {
                self.parts.router.ring_here(&user);
            }
            return;
        }
        let arrival = self.sequences.lock().arrive(&from, lane, sequence, count);
        if !arrival.lost.is_empty() {
            let lost = arrival.lost.end - arrival.lost.start;
            self.stats.lose(LostReason::Gap, lost);
            tracing::warn!(%from, range = ?arrival.lost, "envelopes of a member were lost");
            // Some of them may have rung.
            self.parts.router.ring_everywhere();
        }
        self.stats.repeated.add(arrival.repeated);
        self.stats.envelopes_in.add(count - arrival.repeated);
        let numbered = (sequence..).zip(envelopes);
        for (number, envelope) in numbered.skip(arrival.repeated as usize) {
            match envelope.decode() {
                Ok(opened) => {
                    let version = Version::of_number(envelope.version).unwrap_or(Version::MIN);
                    self.open_envelope(&from, version, opened).await;
                }
                Err(error) => {
                    self.stats.lose(lost_as(&error), 1);
                    tracing::warn!(%from, %error, "an envelope cannot be read");
                }
            }
            // Not before: whoever stops this in the middle has the rest come again, or counted.
            self.sequences.lock().settle(&from, number);
        }
    }

    /// `version` is one that its writer knows.
    async fn open_envelope(self: &Arc<Self>, from: &Member, version: Version, envelope: Envelope) {
        match envelope {
            Envelope::Message(message) => {
                let recorder = self.parts.router.recorder();
                recorder.note(&message, || What::Arrived { from: from.clone() });
                self.deliver(message).await;
            }
            Envelope::Retained(message) => {
                let now = self.parts.clock.now();
                self.parts.router.retain(message, now);
            }
            Envelope::Ring(user) => self.parts.router.ring_here(&user),
            Envelope::Canary(number) => {
                let back = self.health.canary_is_back(number, self.now());
                if let Some(time) = back {
                    self.stats.round_trip.record(time);
                }
            }
            Envelope::Ask { id, question } => {
                match self.parts.answerer.answer(question) {
                    Answering::Now(answer) => self.give_answer(from, version, id, answer),
                    Answering::Later(answer) if self.answering.len() < ANSWERS_MAX => {
                        let (this, from) = (Arc::clone(self), from.clone());
                        self.answering.spawn(async move {
                            let answer = answer.await;
                            this.give_answer(&from, version, id, answer);
                        });
                    }
                    // The asking member does without.
                    Answering::Later(_) => {}
                }
            }
            Envelope::Answer { id, answer } => self.asks.answer(id, answer),
        }
    }

    /// Without room the asking member does without.
    fn give_answer(&self, to: &Member, version: Version, id: u64, answer: Answer) {
        let envelope = Envelope::Answer { id, answer };
        self.uplink.send_control(to, &envelope.encode(version));
    }

    /// Hands a message to the local sessions; waits for room, and never for the uplink.
    async fn deliver(&self, mut message: Message) {
        loop {
            let now = self.parts.clock.now();
            let age = now.unix_ms.saturating_sub(message.time_ms);
            match self.parts.router.deliver_remote(message, now) {
                Ok(_) => {
                    self.stats.delivery.record(Duration::from_millis(age));
                    return;
                }
                Err(busy) => {
                    busy.room.wait().await;
                    message = *busy.message;
                }
            }
        }
    }

    /// Takes note of what will not arrive: the messages among these envelopes are lost, and what cannot
    /// be read may be one. Letters among them are kept: whoever serves their users next finds them.
    pub(super) fn lose(&self, reason: LostReason, envelopes: &[Encoded]) {
        let recorder = self.parts.router.recorder();
        let mut messages = 0;
        for envelope in envelopes {
            match envelope.decode() {
                Ok(Envelope::Message(message)) => {
                    recorder.note(&message, || What::Lost { reason });
                    messages += 1;
                }
                Err(_) => messages += 1,
                Ok(_) => {}
            }
        }
        self.stats.lose(reason, messages);
    }

    /// Takes an inbox over and removes its owner. Ends when there is nothing left of it.
    pub(super) async fn empty_inbox<S: Streams>(
        &self,
        streams: &S,
        owner: &Member,
    ) -> Result<(), StreamsError> {
        loop {
            if streams.remove(owner).await? {
                return Ok(());
            }
            let mut inbox = streams.open_inbox(owner).await?;
            let entries = inbox.next().await?;
            let mut positions = Vec::with_capacity(entries.len());
            for (position, entry) in entries {
                let envelopes = Body::split(entry.body).unwrap_or_default();
                self.lose(LostReason::DeadMember, &envelopes);
                positions.push(position);
            }
            inbox.acknowledge(positions).await?;
        }
    }
}

/// Why an envelope is lost that cannot be read.
fn lost_as(error: &DecodeError) -> LostReason {
    match error {
        DecodeError::Version(_) => LostReason::Version,
        _ => LostReason::Form,
    }
}
