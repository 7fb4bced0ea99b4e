//! How the webhooks of a node are doing.

use std::sync::Arc;

use super::{
    Hooks,
    lanes::{State, Trouble},
};
use crate::{config::EventHook, happening::Kind};

/// An endpoint, and how it is doing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HookState {
    /// Its address.
    pub url: Arc<str>,
    /// The events it is told of; none if it answers methods, or if the configuration does not have it.
    pub events: Vec<Kind>,
    /// Whether the configuration has it.
    pub is_configured: bool,
    /// How much waits for it, what is under way included.
    pub pending: usize,
    /// Requests that are under way.
    pub in_flight: usize,
    /// Failures since the last success.
    pub failures: u32,
    /// Since when it fails, in milliseconds since the Unix epoch.
    pub failing_since_ms: Option<u64>,
    /// What the last failure was.
    pub last_error: Option<Box<str>>,
}

impl Hooks {
    /// The hooks in the order of the configuration, then every other endpoint that something waits for.
    pub fn states(&self) -> Vec<HookState> {
        let endpoints = self.0.endpoints.load();
        let states: Vec<State> = self.0.lanes.lock().states().collect();
        let of = |url: &str| states.iter().find(|state| *state.url == *url);
        let hooks = endpoints.hooks().iter();
        let mut all: Vec<HookState> = hooks
            .filter_map(|(url, EventHook { events, .. })| Some(of(url)?.with(events.clone())))
            .collect();
        let others = states.iter().filter(|state| {
            let is_hook = all.iter().any(|hook| hook.url == state.url);
            !is_hook && 0 < state.pending
        });
        let others: Vec<HookState> = others.map(|state| state.with(Vec::new())).collect();
        all.extend(others);
        all
    }
}

impl State {
    fn with(&self, events: Vec<Kind>) -> HookState {
        let Self {
            url,
            is_configured,
            pending,
            in_flight,
            trouble,
        } = self.clone();
        let Trouble {
            failures,
            since_ms: failing_since_ms,
            last_error,
        } = trouble;
        HookState {
            url,
            events,
            is_configured,
            pending,
            in_flight,
            failures,
            failing_since_ms,
            last_error,
        }
    }
}
