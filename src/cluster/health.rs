//! Health: whether the way through the server is open, told by a canary.
//!
//! Every second a number travels from this member into its own inbox and back. When it is late, the
//! last station that it has passed tells which stage has failed.

use std::time::Duration;

use parking_lot::Mutex;

/// How old the newest sign of life of a stage may be.
const STALE: Duration = Duration::from_secs(4);

/// When each stage has last worked.
#[derive(Debug, Default)]
pub(super) struct Health(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The canary under way, and when it was sent.
    canary: Option<(u64, Duration)>,
    /// When the newest one that came back was sent.
    returned: Option<Duration>,
    written: Option<Duration>,
    beaten: Option<Duration>,
    log_read: Option<Duration>,
    /// In the present life of the data, the directory is complete.
    synced: bool,
    fenced: bool,
}

impl Health {
    pub(super) fn send_canary(&self, number: u64, now: Duration) {
        self.0.lock().canary = Some((number, now));
    }

    /// A canary is back; how long it took.
    pub(super) fn canary_is_back(&self, number: u64, now: Duration) -> Option<Duration> {
        let mut state = self.0.lock();
        let (_, sent) = state.canary.filter(|(expected, _)| *expected == number)?;
        state.returned = Some(sent);
        Some(now.saturating_sub(sent))
    }

    /// The uplink has been written.
    pub(super) fn written(&self, now: Duration) {
        self.0.lock().written = Some(now);
    }

    /// The lease was renewed.
    pub(super) fn beaten(&self, now: Duration) {
        self.0.lock().beaten = Some(now);
    }

    /// The log was read, whether or not there was anything in it.
    pub(super) fn log_read(&self, now: Duration) {
        self.0.lock().log_read = Some(now);
    }

    pub(super) fn set_synced(&self, synced: bool) {
        self.0.lock().synced = synced;
    }

    pub(super) fn set_fenced(&self, fenced: bool) {
        self.0.lock().fenced = fenced;
    }

    /// How old the newest canary is that has come back.
    pub(super) fn canary_age(&self, now: Duration) -> Option<Duration> {
        let returned = self.0.lock().returned;
        returned.map(|sent| now.saturating_sub(sent))
    }

    /// Which stage does not work, if one does not.
    pub(super) fn fault(&self, now: Duration) -> Option<&'static str> {
        let state = self.0.lock();
        let is_stale = |at: Option<Duration>| at.is_none_or(|at| at + STALE < now);
        if state.fenced {
            return Some("it was declared dead by the other nodes and begins a new life");
        }
        if is_stale(state.beaten) {
            return Some("Redis does not renew its lease");
        }
        if !state.synced {
            return Some("it does not know yet who is on the other nodes");
        }
        if is_stale(state.log_read) {
            return Some("the presence stream cannot be read");
        }
        if is_stale(state.written) {
            return Some("nothing can be written to inboxes");
        }
        is_stale(state.returned).then_some("its inbox is read too late")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    #[test]
    fn the_stage_that_has_failed_is_named() {
        let health = Health::default();
        let fault = |now| health.fault(second(now)).unwrap_or("none");
        assert!(fault(0).contains("lease"));
        health.beaten(second(0));
        assert!(fault(0).contains("other nodes"));
        health.set_synced(true);
        assert!(fault(0).contains("presence stream"));
        health.log_read(second(0));
        assert!(fault(0).contains("written"));
        health.send_canary(1, second(0));
        health.written(second(0));
        assert!(fault(0).contains("inbox"));
        assert_eq!(health.canary_is_back(1, second(1)), Some(second(1)));
        assert_eq!(fault(4), "none");
        assert!(fault(5).contains("lease"));
    }

    #[test]
    fn only_the_newest_canary_counts() {
        let health = Health::default();
        health.send_canary(1, second(0));
        health.send_canary(2, second(1));
        assert_eq!(health.canary_is_back(1, second(2)), None);
        assert_eq!(health.canary_is_back(2, second(2)), Some(second(1)));
        assert_eq!(health.canary_age(second(5)), Some(second(4)));
    }
}
