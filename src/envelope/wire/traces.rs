//! The form of what members tell one another of what happened to messages and sessions.

use serde::{Deserialize, Serialize};

use crate::{
    envelope::{DecodeError, topic},
    trace::{Event, Explained, Step, Tailed, TraceId, WatchQuery},
};

#[derive(Deserialize, Serialize)]
pub(super) struct WireWatch {
    watch: u64,
    topic: String,
    with_data: bool,
}

#[derive(Deserialize, Serialize)]
pub(super) struct WireExplained {
    steps: Vec<WireStep>,
    left_out: u64,
    since_ms: u64,
    sample: u32,
}

#[derive(Deserialize, Serialize)]
pub(super) struct WireTailed {
    events: Vec<(u64, u64, WireStep)>,
    sessions: u32,
    is_refused: bool,
}

/// Names are texts, so that a member shows what it does not know.
#[derive(Deserialize, Serialize)]
struct WireStep {
    time_ms: u64,
    name: Box<str>,
    facts: Vec<(Box<str>, Box<str>)>,
}

impl WireWatch {
    pub(super) fn of(query: &WatchQuery) -> Self {
        Self {
            watch: query.watch,
            topic: query.topic.as_str().to_owned(),
            with_data: query.with_data,
        }
    }

    pub(super) fn read(self) -> Result<WatchQuery, DecodeError> {
        Ok(WatchQuery {
            watch: self.watch,
            topic: topic(&self.topic)?,
            with_data: self.with_data,
        })
    }
}

impl WireExplained {
    pub(super) fn of(explained: &Explained) -> Self {
        Self {
            steps: explained.steps.iter().map(WireStep::of).collect(),
            left_out: explained.left_out,
            since_ms: explained.since_ms,
            sample: explained.sample,
        }
    }

    pub(super) fn read(self) -> Explained {
        Explained {
            steps: self.steps.into_iter().map(WireStep::read).collect(),
            left_out: self.left_out,
            since_ms: self.since_ms,
            sample: self.sample,
        }
    }
}

impl WireTailed {
    pub(super) fn of(tailed: &Tailed) -> Self {
        let event = |event: &Event| {
            (
                event.number,
                event.trace.number(),
                WireStep::of(&event.step),
            )
        };
        Self {
            events: tailed.events.iter().map(event).collect(),
            sessions: tailed.sessions,
            is_refused: tailed.is_refused,
        }
    }

    pub(super) fn read(self) -> Tailed {
        let event = |(number, trace, step): (u64, u64, WireStep)| Event {
            number,
            trace: TraceId::from_number(trace),
            step: step.read(),
        };
        Tailed {
            events: self.events.into_iter().map(event).collect(),
            sessions: self.sessions,
            is_refused: self.is_refused,
        }
    }
}

impl WireStep {
    fn of(step: &Step) -> Self {
        Self {
            time_ms: step.time_ms,
            name: step.name.clone(),
            facts: step.facts.clone(),
        }
    }

    fn read(self) -> Step {
        Step {
            time_ms: self.time_ms,
            name: self.name,
            facts: self.facts,
        }
    }
}
