use std::collections::{HashMap, HashSet};

use proptest::{collection::vec, prelude::*};

use crate::cluster::directory::{
    holding::{Holding, Slot},
    shard::Shard,
};

type Model = HashMap<u64, HashMap<Slot, u32>>;

#[derive(Clone, Debug)]
enum Step {
    Add(u64, Slot, u32),
    Take(u64, Slot),
    Sweep(Slot),
    Fit,
}

/// Hashes that agree in their lower or upper bits, wrap round the end of the array, or are spread.
fn hash() -> impl Strategy<Value = u64> {
    prop_oneof![
        (0..40u64).prop_map(|low| low),
        (0..40u64).prop_map(|high| high << 32),
        (0..40u64).prop_map(|low| u64::MAX - low),
        (0..40u64).prop_map(|high| u64::MAX - (high << 50)),
        (0..300u64).prop_map(|number| number.wrapping_mul(0x9E37_79B9_7F4A_7C15)),
    ]
}

fn slot() -> impl Strategy<Value = Slot> {
    prop_oneof![0..3u16, 0..40u16, Just(Slot::MAX)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        60 => (hash(), slot(), 1..3u32).prop_map(|(hash, slot, count)| Step::Add(hash, slot, count)),
        40 => (hash(), slot()).prop_map(|(hash, slot)| Step::Take(hash, slot)),
        1 => slot().prop_map(Step::Sweep),
        1 => Just(Step::Fit),
    ]
}

fn run(shard: &mut Shard, model: &mut Model, step: &Step) {
    match *step {
        Step::Add(hash, slot, count) => {
            shard.add(hash, slot, count);
            *model.entry(hash).or_default().entry(slot).or_default() += count;
        }
        Step::Take(hash, slot) => {
            let held = model.get_mut(&hash);
            let was = held.is_some_and(|held| match held.get_mut(&slot) {
                Some(1) => held.remove(&slot).is_some(),
                Some(count) => {
                    *count -= 1;
                    true
                }
                None => false,
            });
            assert_eq!(shard.take(hash, slot), was);
        }
        Step::Sweep(slot) => {
            shard.sweep(slot);
            for held in model.values_mut() {
                held.remove(&slot);
            }
        }
        Step::Fit => shard.fit(),
    }
    model.retain(|_, held| !held.is_empty());
}

fn check(shard: &Shard, model: &Model) {
    assert_eq!(shard.len(), model.len());
    for (hash, held) in model {
        let found = shard
            .cells(*hash)
            .iter()
            .filter_map(|cell| Holding::of_bits(*cell))
            .map(|holding| (holding.slot(), holding.count()));
        let found: Vec<_> = found.collect();
        assert_eq!(found.len(), held.len(), "{hash:x}");
        assert_eq!(&HashMap::from_iter(found), held, "{hash:x}");
    }
    let all: usize = model.values().map(HashMap::len).sum();
    let listed: Vec<_> = shard.holdings().collect();
    assert_eq!(listed.len(), all);
    let hashes: HashSet<u64> = listed.iter().map(|(hash, _)| *hash).collect();
    assert!(hashes.iter().all(|hash| model.contains_key(hash)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_shard_does_what_a_map_of_maps_does(steps in vec(step(), 0..800)) {
        let (mut shard, mut model) = (Shard::default(), Model::new());
        for (number, step) in steps.iter().enumerate() {
            run(&mut shard, &mut model, step);
            if number % 16 == 0 {
                check(&shard, &model);
            }
        }
        check(&shard, &model);
        let slots: HashSet<Slot> = model.values().flat_map(|held| held.keys().copied()).collect();
        for slot in slots {
            run(&mut shard, &mut model, &Step::Sweep(slot));
            check(&shard, &model);
        }
        run(&mut shard, &mut model, &Step::Fit);
        prop_assert_eq!(shard.bytes(), 0);
    }
}

#[test]
fn what_shrinks_gives_its_memory_back() {
    let mut shard = Shard::default();
    let hash = |number: u64| number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let members = |number: u64| 1 + (number % 7) as Slot;
    for number in 0..10_000 {
        for slot in 0..members(number) {
            shard.add(hash(number), slot, 1);
        }
    }
    let full = shard.bytes();
    for number in 100..10_000 {
        for slot in 0..members(number) {
            assert!(shard.take(hash(number), slot));
        }
    }
    assert_eq!(shard.len(), 100);
    assert!(shard.bytes() < full / 25, "{} of {full}", shard.bytes());
}

#[test]
fn a_topic_of_many_members_takes_little() {
    let mut shard = Shard::default();
    for slot in 0..4000 {
        shard.add(7, Slot::MAX - slot, 1);
    }
    let count = |shard: &Shard| shard.cells(7).iter().filter(|cell| **cell != 0).count();
    assert_eq!(count(&shard), 4000);
    shard.sweep(Slot::MAX);
    assert_eq!(count(&shard), 3999);
    shard.fit();
    assert!(shard.bytes() < 2 * 4000 * 4, "{}", shard.bytes());
}
