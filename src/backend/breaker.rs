//! A circuit breaker: does not call who has not answered for a while, and tries again now and then.
//!
//! Pure: the time goes in, and what becomes of each call.
//!
//! **Invariant:** while it is open nobody is called, and of those who come afterwards one alone tries.

use std::time::Duration;

use crate::stats::BreakerPhase;

/// The breaker of one service.
#[derive(Debug)]
pub struct Breaker {
    settings: Settings,
    state: State,
    /// Number of the period that is under way. What was let through in one says nothing of another.
    period: u64,
}

/// When it opens, and for how long.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Settings {
    /// So many calls in a row that failed open it; 0: none do.
    pub failures_max: u32,
    /// How long nobody is called then.
    pub pause: Duration,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Closed {
        /// Failed calls since the last one that did not.
        failures: u32,
    },
    HalfOpen,
    Open {
        until: Duration,
    },
}

/// A call that was let through. What becomes of it is to be told, once.
#[derive(Debug)]
pub struct Pass {
    period: u64,
}

/// What became of a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Nobody has waited for its end: that tells nothing.
    Abandoned,
    /// The service is not well.
    Failed,
    /// The service is there.
    Well,
}

// === impl Breaker ===

impl Breaker {
    /// One that is closed.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            state: State::Closed { failures: 0 },
            period: 0,
        }
    }

    /// Goes by these settings from now on.
    pub fn set(&mut self, settings: Settings) {
        self.settings = settings;
        if settings.failures_max == 0 {
            self.enter(State::Closed { failures: 0 });
        }
    }

    /// Forgets everything and goes by these settings. What is under way says nothing any more.
    pub fn renew(&mut self, settings: Settings) {
        self.settings = settings;
        self.enter(State::Closed { failures: 0 });
    }

    /// What it does with calls. An open one whose time is over still is until somebody comes.
    pub fn phase(&self) -> BreakerPhase {
        match self.state {
            State::Closed { .. } => BreakerPhase::Closed,
            State::HalfOpen => BreakerPhase::HalfOpen,
            State::Open { .. } => BreakerPhase::Open,
        }
    }

    /// Lets a call through, or refuses it. `now` never goes back.
    pub fn admit(&mut self, now: Duration) -> Option<Pass> {
        match self.state {
            State::Closed { .. } => {}
            State::Open { until } if until <= now => self.enter(State::HalfOpen),
            State::HalfOpen | State::Open { .. } => return None,
        }
        Some(Pass {
            period: self.period,
        })
    }

    /// Takes note of what became of a call.
    pub fn tell(&mut self, pass: Pass, verdict: Verdict, now: Duration) {
        if pass.period != self.period {
            return;
        }
        let open = State::Open {
            until: now.saturating_add(self.settings.pause),
        };
        match (self.state, verdict) {
            (State::Closed { failures }, Verdict::Failed) => {
                let failures = failures.saturating_add(1);
                let max = self.settings.failures_max;
                if max != 0 && max <= failures {
                    self.enter(open);
                } else {
                    self.state = State::Closed { failures };
                }
            }
            (State::Closed { .. }, Verdict::Well) => self.state = State::Closed { failures: 0 },
            (State::HalfOpen, Verdict::Well) => self.enter(State::Closed { failures: 0 }),
            (State::HalfOpen, Verdict::Failed) => self.enter(open),
            // The next one may try at once.
            (State::HalfOpen, Verdict::Abandoned) => self.enter(State::Open { until: now }),
            (State::Closed { .. }, Verdict::Abandoned) | (State::Open { .. }, _) => {}
        }
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.period += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SETTINGS: Settings = Settings {
        failures_max: 3,
        pause: Duration::from_secs(5),
    };

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn opened() -> Breaker {
        let mut breaker = Breaker::new(SETTINGS);
        for _ in 0..3 {
            let pass = breaker.admit(at(0)).unwrap();
            breaker.tell(pass, Verdict::Failed, at(0));
        }
        breaker
    }

    #[test]
    fn failures_in_a_row_open_it_and_others_do_not() {
        let mut breaker = Breaker::new(SETTINGS);
        for verdict in [
            Verdict::Failed,
            Verdict::Failed,
            Verdict::Well,
            Verdict::Failed,
            Verdict::Abandoned,
            Verdict::Failed,
        ] {
            let pass = breaker.admit(at(0)).unwrap();
            breaker.tell(pass, verdict, at(0));
        }
        assert_eq!(breaker.phase(), BreakerPhase::Closed);
        let pass = breaker.admit(at(0)).unwrap();
        breaker.tell(pass, Verdict::Failed, at(0));
        assert_eq!(breaker.phase(), BreakerPhase::Open);
        assert!(breaker.admit(at(4)).is_none());
    }

    #[test]
    fn after_its_time_one_tries_and_decides() {
        for (verdict, phase, next) in [
            (Verdict::Well, BreakerPhase::Closed, true),
            (Verdict::Failed, BreakerPhase::Open, false),
            (Verdict::Abandoned, BreakerPhase::Open, true),
        ] {
            let mut breaker = opened();
            let pass = breaker.admit(at(5)).unwrap();
            assert!(breaker.admit(at(5)).is_none(), "one alone tries");
            assert!(breaker.admit(at(500)).is_none(), "for as long as it takes");
            breaker.tell(pass, verdict, at(500));
            assert_eq!(breaker.phase(), phase, "{verdict:?}");
            assert_eq!(breaker.admit(at(501)).is_some(), next, "{verdict:?}");
        }
    }

    #[test]
    fn what_began_before_it_opened_says_nothing_afterwards() {
        let mut breaker = Breaker::new(SETTINGS);
        let late = [(); 4].map(|()| breaker.admit(at(0)).unwrap());
        for _ in 0..3 {
            let pass = breaker.admit(at(0)).unwrap();
            breaker.tell(pass, Verdict::Failed, at(0));
        }
        let [well, failed, abandoned, other] = late;
        breaker.tell(well, Verdict::Well, at(1));
        assert_eq!(breaker.phase(), BreakerPhase::Open);
        let pass = breaker.admit(at(5)).unwrap();
        breaker.tell(failed, Verdict::Failed, at(5));
        breaker.tell(abandoned, Verdict::Abandoned, at(5));
        assert_eq!(breaker.phase(), BreakerPhase::HalfOpen);
        breaker.tell(pass, Verdict::Well, at(5));
        breaker.tell(other, Verdict::Failed, at(5));
        for _ in 0..2 {
            let pass = breaker.admit(at(5)).unwrap();
            breaker.tell(pass, Verdict::Failed, at(5));
        }
        assert_eq!(
            breaker.phase(),
            BreakerPhase::Closed,
            "it was not the third one"
        );
    }

    #[test]
    fn without_a_limit_it_never_opens_and_one_that_is_open_closes() {
        let never = Settings {
            failures_max: 0,
            ..SETTINGS
        };
        let mut breaker = opened();
        breaker.set(never);
        for _ in 0..1000 {
            let pass = breaker.admit(at(0)).unwrap();
            breaker.tell(pass, Verdict::Failed, at(0));
        }
        assert_eq!(breaker.phase(), BreakerPhase::Closed);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Admit,
        Tell(usize, Verdict),
        Wait(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let verdict = prop_oneof![
            1 => Just(Verdict::Abandoned),
            4 => Just(Verdict::Failed),
            2 => Just(Verdict::Well),
        ];
        prop_oneof![
            4 => Just(Step::Admit),
            4 => (any::<usize>(), verdict).prop_map(|(index, verdict)| Step::Tell(index, verdict)),
            1 => (0..7u64).prop_map(Step::Wait),
        ]
    }

    proptest! {
        /// Against what an onlooker sees: when it opened, who tries, and the calls of its period.
        #[test]
        fn nobody_is_called_while_it_is_open_and_one_at_a_time_while_it_is_tried(
            steps in proptest::collection::vec(step(), 0..200)
        ) {
            let mut breaker = Breaker::new(SETTINGS);
            let (mut now, mut opened, mut row) = (0, None::<u64>, 0);
            let mut under_way: Vec<(Pass, bool)> = Vec::new();
            for step in steps {
                let before = breaker.phase();
                match step {
                    Step::Wait(seconds) => now += seconds,
                    Step::Admit => {
                        let tries = under_way.iter().any(|(_, tries)| *tries);
                        let pass = breaker.admit(at(now));
                        let may = opened.is_none_or(|since| since + 5 <= now && !tries);
                        prop_assert_eq!(pass.is_some(), may);
                        under_way.extend(pass.map(|pass| (pass, opened.is_some())));
                    }
                    Step::Tell(_, _) if under_way.is_empty() => {}
                    Step::Tell(index, verdict) => {
                        let (pass, tries) = under_way.swap_remove(index % under_way.len());
                        let counts = pass.period == breaker.period;
                        breaker.tell(pass, verdict, at(now));
                        match (counts, tries, verdict) {
                            (false, ..) => prop_assert_eq!(breaker.phase(), before),
                            (true, true, Verdict::Well) => (opened, row) = (None, 0),
                            (true, true, Verdict::Failed) => opened = Some(now),
                            // As if its time were over.
                            (true, true, Verdict::Abandoned) => opened = Some(now.saturating_sub(5)),
                            (true, false, Verdict::Well) => row = 0,
                            (true, false, Verdict::Failed) => row += 1,
                            (true, false, Verdict::Abandoned) => {}
                        }
                        if row == 3 {
                            (opened, row) = (Some(now), 0);
                        }
                    }
                }
                prop_assert_eq!(breaker.phase() == BreakerPhase::Closed, opened.is_none());
            }
        }
    }
}
