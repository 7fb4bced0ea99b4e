//! What empties the uplink: one call to the server at a time, with whatever waits by then. Under load it
//! paces itself, so that more does.

use std::sync::Arc;

use tokio::time;

use super::{
    Cluster,
    life::{DOUBT, Ended, pauses},
    pace::Pace,
    streams::{Sent, Streams, StreamsError},
    uplink::Parcel,
};
use crate::{envelope::Body, stats::LostReason};

impl Cluster {
    /// Writes into inboxes what waits for them.
    pub(super) async fn write_inboxes<S: Streams>(this: Arc<Self>, streams: Arc<S>) -> Ended {
        let mut pauses = pauses();
        let mut pace = Pace::default();
        loop {
            this.uplink.work().await;
            // Woken up from a freeze, this member may have been declared dead: the next beat tells.
            while !this.leases.lock().holds(this.now()) {
                time::sleep(DOUBT).await;
            }
            let parcels = this.uplink.take(&this.me());
            let entries = parcels.iter();
            let entries = entries.map(|parcel| (parcel.to.clone(), parcel.entry.clone()));
            match streams.send(entries.collect()).await {
                Ok(sent) => {
                    pauses.reset();
                    this.uplink.done();
                    this.sent(&parcels, &sent);
                    let pause = pace.sent(parcels.len(), this.now());
                    // With a full entry's worth waiting there is nothing to pause for.
                    if !pause.is_zero() && !parcels.iter().any(|parcel| parcel.is_full) {
                        time::sleep(pause).await;
                    }
                }
                Err(StreamsError::Lost) => return Ended::Lost,
                Err(error) => this.failed("send", &error, &mut pauses).await,
            }
        }
    }

    fn sent(&self, parcels: &[Parcel], sent: &[Sent]) {
        let me = self.me();
        for (parcel, sent) in parcels.iter().zip(sent) {
            self.stats.entries_out.add(1);
            self.stats.envelopes_out.add(parcel.count);
            match sent {
                Sent::Stored { waiting } => {
                    self.uplink.note_inbox(&parcel.to, *waiting);
                    if parcel.to == me {
                        self.health.written(self.now());
                    }
                }
                Sent::Gone => {
                    tracing::warn!(to = %parcel.to, "the inbox of a member is gone");
                    let envelopes = Body::split(parcel.entry.body.clone());
                    self.lose(LostReason::Gone, &envelopes.unwrap_or_default());
                }
            }
        }
    }
}
