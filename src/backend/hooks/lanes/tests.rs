use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const HOUR: Duration = Duration::from_secs(60 * 60);

fn terms(concurrency_max: usize) -> Terms {
    Terms {
        concurrency_max,
        retry_for: 24 * HOUR,
    }
}

fn lanes(endpoints: &[(&str, usize)]) -> Lanes {
    let mut lanes = Lanes::new();
    configure(&mut lanes, endpoints);
    lanes
}

fn configure(lanes: &mut Lanes, endpoints: &[(&str, usize)]) {
    let endpoints = endpoints.iter();
    let endpoints = endpoints.map(|(url, most)| (Arc::from(*url), terms(*most)));
    lanes.configure(&endpoints.collect());
}

fn dispatch(url: &str, lane: &str, bytes: usize) -> Dispatch {
    Dispatch {
        url: url.into(),
        lane: lane.into(),
        event: "e".into(),
        id: "h".into(),
        since_ms: 0,
        body: vec![b' '; bytes].into(),
    }
}

fn id(number: u64) -> DispatchId {
    DispatchId(number, 0)
}

fn at(time: Duration) -> Now {
    Now {
        uptime: time,
        unix_ms: time.as_millis() as u64,
    }
}

const START: Duration = Duration::from_secs(1);

fn failure(retry_after: Option<Duration>) -> Failure {
    Failure {
        error: "no".into(),
        retry_after,
        chance: 1.0,
    }
}

/// Everything that may be begun now.
fn all(lanes: &mut Lanes, time: Duration) -> Vec<Step> {
    std::iter::from_fn(|| lanes.next(at(time))).collect()
}

fn ids(steps: &[Step]) -> Vec<u64> {
    steps.iter().map(|step| step.place.id.0).collect()
}

#[test]
fn one_of_a_lane_is_under_way_and_lanes_go_side_by_side() {
    let mut lanes = lanes(&[("u", 2)]);
    for (number, lane) in [(1, "a"), (2, "a"), (3, "b"), (4, "c")] {
        lanes.add(id(number), dispatch("u", lane, 1));
    }
    let steps = all(&mut lanes, START);
    assert_eq!(ids(&steps), [1, 3]);
    lanes.told(&steps[0].place);
    // The lane that has had its turn is behind those that have not.
    let more = all(&mut lanes, START);
    assert_eq!(ids(&more), [4]);
    lanes.told(&more[0].place);
    assert_eq!(ids(&all(&mut lanes, START)), [2]);
}

#[test]
fn an_endpoint_that_takes_its_time_delays_no_other() {
    let mut lanes = lanes(&[("slow", 1), ("quick", 1)]);
    for number in 1..10 {
        lanes.add(id(number), dispatch("slow", "a", 1));
    }
    lanes.add(id(10), dispatch("quick", "a", 1));
    let steps = all(&mut lanes, START);
    assert_eq!(ids(&steps), [10, 1]);
}

#[test]
fn what_was_not_taken_is_tried_again_before_what_stands_behind_it() {
    let mut lanes = lanes(&[("u", 8)]);
    lanes.add(id(1), dispatch("u", "a", 1));
    lanes.add(id(2), dispatch("u", "a", 1));
    let step = lanes.next(at(START)).unwrap();
    assert!(!lanes.failed(&step.place, failure(None), at(START)));
    assert!(lanes.next(at(START)).is_none());
    let again = lanes.next_at().unwrap();
    assert_eq!(again, START + Duration::from_secs(1));
    let step = lanes.next(at(again)).unwrap();
    assert_eq!((step.place.id, step.attempt), (id(1), 2));
    lanes.told(&step.place);
    let step = lanes.next(at(again)).unwrap();
    assert_eq!((step.place.id, step.attempt), (id(2), 1));
}

#[test]
fn an_endpoint_that_fails_is_tried_by_one_and_all_come_when_it_is_back() {
    let mut lanes = lanes(&[("u", 5)]);
    for number in 1..=20 {
        lanes.add(id(number), dispatch("u", &number.to_string(), 1));
    }
    let steps = all(&mut lanes, START);
    assert_eq!(steps.len(), 5);
    let begins = steps
        .iter()
        .filter(|step| lanes.failed(&step.place, failure(None), at(START)))
        .count();
    assert_eq!(begins, 1);
    assert_eq!(all(&mut lanes, START).len(), 0);
    let state = lanes.states().next().unwrap();
    assert_eq!((state.pending, state.trouble.failures), (20, 5));
    assert_eq!(state.trouble.since_ms, Some(1000));
    let probe = lanes.next_at().unwrap();
    let steps = all(&mut lanes, probe);
    assert_eq!(steps.len(), 1);
    assert!(lanes.told(&steps[0].place));
    assert_eq!(all(&mut lanes, probe).len(), 5);
    assert_eq!(lanes.states().next().unwrap().trouble, Trouble::default());
}

#[test]
fn an_endpoint_that_says_when_to_come_again_is_left_alone_until_then() {
    let mut lanes = lanes(&[("u", 5)]);
    for number in 1..=2 {
        lanes.add(id(number), dispatch("u", &number.to_string(), 1));
    }
    let step = lanes.next(at(START)).unwrap();
    lanes.failed(&step.place, failure(Some(30 * START)), at(START));
    assert!(lanes.next(at(30 * START)).is_none());
    assert_eq!(lanes.next_at(), Some(31 * START));
    let steps = all(&mut lanes, 31 * START);
    assert_eq!(steps.len(), 2);
    // Not for ever.
    lanes.failed(&steps[0].place, failure(Some(1000 * HOUR)), at(31 * START));
    assert!(all(&mut lanes, 32 * START + HOUR).len() == 1);
}

#[test]
fn a_lane_that_is_asked_to_come_sooner_than_it_would_comes_then() {
    let mut lanes = lanes(&[("u", 5)]);
    lanes.add(id(1), dispatch("u", "a", 1));
    let mut now = START;
    // Its own pauses would be 1, 2, 4 and 8 s.
    for wanted in [1, 1, 2, 0] {
        let step = lanes.next(at(now)).unwrap();
        lanes.failed(&step.place, failure(Some(wanted * START)), at(now));
        // Not at once, whatever it says.
        now += wanted.max(1) * START;
        assert!(lanes.next(at(now - Duration::from_millis(1))).is_none());
        assert_eq!(lanes.next_at(), Some(now));
    }
    // One that fails altogether has said it, too.
    for _ in 0..10 {
        let step = lanes.next(at(now)).unwrap();
        lanes.failed(&step.place, failure(Some(3 * START)), at(now));
        now += 3 * START;
        assert_eq!(lanes.next_at(), Some(now));
    }
}

#[test]
fn a_reload_tries_at_once_what_rests() {
    let mut lanes = lanes(&[("u", 5)]);
    lanes.add(id(1), dispatch("u", "a", 1));
    let step = lanes.next(at(START)).unwrap();
    lanes.failed(&step.place, failure(None), at(START));
    assert!(lanes.next(at(START)).is_none());
    configure(&mut lanes, &[("u", 5)]);
    assert!(lanes.next(at(START)).is_some_and(|step| step.attempt == 2));
}

#[test]
fn what_has_waited_for_too_long_at_an_endpoint_that_fails_is_not_tried_any_more() {
    let mut lanes = lanes(&[("u", 5)]);
    for number in 1..=10 {
        lanes.add(id(number), dispatch("u", &number.to_string(), 1));
    }
    for step in all(&mut lanes, START) {
        lanes.failed(&step.place, failure(None), at(START));
    }
    let late = 25 * HOUR;
    let mut given_up = 0;
    while let Some(step) = lanes.next(at(late)) {
        assert_eq!((step.attempt, step.last_error), (0, Some("no".into())));
        lanes.given_up(&step.place);
        lanes.removed(&[step.place.id]);
        given_up += 1;
    }
    assert_eq!((given_up, lanes.held()), (10, 0));
}

#[test]
fn what_waits_for_an_endpoint_that_is_gone_waits_for_it_to_come_back() {
    let mut lanes = lanes(&[("u", 5)]);
    lanes.add(id(1), dispatch("u", "a", 1));
    configure(&mut lanes, &[]);
    lanes.add(id(2), dispatch("other", "a", 1));
    assert!(lanes.next(at(START)).is_none());
    assert!(lanes.next_at().is_some_and(|at| START < at));
    assert!(lanes.states().all(|state| !state.is_configured));
    configure(&mut lanes, &[("u", 1)]);
    let step = lanes.next(at(START)).unwrap();
    assert_eq!((step.place.id, step.attempt), (id(1), 1));
    let step = lanes.next(at(25 * HOUR)).unwrap();
    assert_eq!((step.place.id, step.attempt), (id(2), 0));
    lanes.given_up(&step.place);
    // Nobody misses it.
    assert_eq!(lanes.states().count(), 1);
}

#[test]
fn bodies_have_a_bound_and_ids_are_kept_once() {
    let mut lanes = lanes(&[("u", 100)]);
    lanes.bodies_bytes_max = 10;
    for number in [1, 2, 3, 3] {
        lanes.add(id(number), dispatch("u", &number.to_string(), 4));
    }
    assert_eq!((lanes.held(), lanes.bodies_bytes), (3, 8));
    let steps = all(&mut lanes, START);
    let has_body = |step: &Step| step.dispatch.is_some();
    let with_body: Vec<bool> = steps.iter().map(has_body).collect();
    assert_eq!(with_body, [true, true, false]);
    for step in &steps {
        lanes.told(&step.place);
    }
    assert_eq!((lanes.held(), lanes.bodies_bytes), (3, 0));
    // Until it is gone from where it is kept, it is known.
    lanes.add(id(1), dispatch("u", "1", 4));
    assert!(lanes.next(at(START)).is_none());
    lanes.removed(&[id(1), id(2), id(3)]);
    assert!(lanes.rest_until(HOUR));
}

#[test]
fn another_life_begins_with_nothing() {
    let mut lanes = lanes(&[("u", 1)]);
    for number in 1..=3 {
        lanes.add(id(number), dispatch("u", "a", 1));
    }
    assert!(lanes.next(at(START)).is_some());
    lanes.clear();
    assert_eq!((lanes.held(), lanes.bodies_bytes), (0, 0));
    assert!(lanes.next(at(START)).is_none());
    lanes.add(id(1), dispatch("u", "a", 1));
    assert!(lanes.next(at(START)).is_some());
}

/// What somebody does with the lanes.
#[derive(Clone, Debug)]
enum Act {
    Add {
        url: usize,
        lane: usize,
    },
    Begin,
    /// Ends what is under way, this one of it.
    End {
        which: usize,
        how: How,
    },
    Wait {
        seconds: u64,
    },
    Configure {
        urls: usize,
    },
}

#[derive(Clone, Copy, Debug)]
enum How {
    Dead,
    Fail,
    PutOff,
    Tell,
}

const URLS: [(&str, usize); 3] = [("a", 1), ("b", 2), ("c", 3)];

fn act() -> impl Strategy<Value = Act> {
    let how = prop_oneof![
        Just(How::Dead),
        Just(How::Fail),
        Just(How::Fail),
        Just(How::PutOff),
        Just(How::Tell),
        Just(How::Tell),
    ];
    prop_oneof![
        4 => (0..3_usize, 0..3_usize).prop_map(|(url, lane)| Act::Add { url, lane }),
        3 => Just(Act::Begin),
        5 => (any::<usize>(), how).prop_map(|(which, how)| Act::End { which, how }),
        1 => (0..200_u64).prop_map(|seconds| Act::Wait { seconds }),
        1 => (0..4_usize).prop_map(|urls| Act::Configure { urls }),
    ]
}

/// What must hold of all that is done.
#[derive(Default)]
struct Model {
    /// What waits in each lane, in order.
    waiting: BTreeMap<(String, u64), Vec<DispatchId>>,
    under_way: Vec<Step>,
    added: u64,
    bodies: BTreeMap<DispatchId, usize>,
}

impl Model {
    fn begin(&mut self, lanes: &mut Lanes, now: Duration) {
        for step in all(lanes, now) {
            let Place { url, lane, id, .. } = &step.place;
            let key = (url.to_string(), *lane);
            assert_eq!(self.waiting[&key].first(), Some(id), "out of order");
            let is_alone = self
                .under_way
                .iter()
                .all(|other| (&other.place.url, other.place.lane) != (url, *lane));
            assert!(is_alone, "two of one lane");
            assert!(0 < step.attempt, "nothing has waited that long");
            self.under_way.push(step);
        }
        for (url, most) in URLS {
            let count = self.under_way.iter().filter(|step| *step.place.url == *url);
            assert!(count.count() <= most);
        }
    }

    fn end(&mut self, lanes: &mut Lanes, which: usize, how: How, now: Duration) {
        if self.under_way.is_empty() {
            return;
        }
        let step = self.under_way.swap_remove(which % self.under_way.len());
        let place = &step.place;
        match how {
            How::Fail => drop(lanes.failed(place, failure(None), at(now))),
            How::PutOff => lanes.put_off(place, now + START),
            How::Dead | How::Tell => {
                match how {
                    How::Dead => lanes.given_up(place),
                    _ => drop(lanes.told(place)),
                }
                lanes.removed(&[place.id]);
                let key = (place.url.to_string(), place.lane);
                self.waiting.get_mut(&key).unwrap().remove(0);
                self.bodies.remove(&place.id);
            }
        }
    }

    fn check(&self, lanes: &Lanes) {
        let waiting: usize = self.waiting.values().map(Vec::len).sum();
        assert_eq!(lanes.held(), waiting);
        let pending: usize = lanes.states().map(|state| state.pending).sum();
        assert_eq!(pending, waiting);
        let in_flight: usize = lanes.states().map(|state| state.in_flight).sum();
        assert_eq!(in_flight, self.under_way.len());
        assert!(lanes.bodies_bytes <= lanes.bodies_bytes_max);
        assert!(lanes.bodies_bytes <= self.bodies.values().sum());
    }
}

proptest! {
    #[test]
    fn order_bounds_and_progress_hold_whatever_happens(acts in prop::collection::vec(act(), 1..300)) {
        let mut lanes = lanes(&URLS);
        lanes.bodies_bytes_max = 50;
        let mut model = Model::default();
        let mut now = START;
        for act in acts {
            match act {
                Act::Add { url, lane } => {
                    model.added += 1;
                    let (url, lane) = (URLS[url].0, ["x", "y", "z"][lane]);
                    let bytes = (model.added % 20) as usize;
                    lanes.add(id(model.added), dispatch(url, lane, bytes));
                    let key = (url.to_owned(), hash(lane));
                    model.waiting.entry(key).or_default().push(id(model.added));
                    model.bodies.insert(id(model.added), bytes);
                }
                Act::Begin => model.begin(&mut lanes, now),
                Act::End { which, how } => model.end(&mut lanes, which, how, now),
                Act::Wait { seconds } => now += Duration::from_secs(seconds),
                Act::Configure { urls } => configure(&mut lanes, &URLS[..urls]),
            }
            model.check(&lanes);
        }
        // Endpoints that take everything are told all that is left, without further ado.
        configure(&mut lanes, &URLS);
        let mut told = BTreeSet::new();
        while 0 < lanes.held() {
            model.begin(&mut lanes, now);
            while let Some(step) = model.under_way.first() {
                told.insert(step.place.id);
                model.end(&mut lanes, 0, How::Tell, now);
            }
            if let Some(at) = lanes.next_at() {
                now = now.max(at);
            }
        }
        model.check(&lanes);
        prop_assert!(lanes.rest_until(now + HOUR));
    }
}
