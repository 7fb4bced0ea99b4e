use super::*;

const PATIENCE: Duration = Duration::from_secs(20);
const TOLERANCE: Tolerance = Tolerance {
    before: Duration::ZERO,
    deadline: PATIENCE,
    after: Duration::ZERO,
    announced: Duration::ZERO,
    overdue: PATIENCE,
};

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A letter of node 0 to client 1.
fn letter(number: usize) -> Letter {
    Letter {
        pusher: 0,
        receiver: 1,
        number,
    }
}

/// Client 1 has connected at 0, and these letters were pushed and promised at these seconds.
fn promised(times: &[u64]) -> Kept {
    let mut kept = Kept::default();
    kept.open(1, s(0));
    for (number, at) in times.iter().enumerate() {
        kept.push(letter(number), s(*at));
        kept.promise(letter(number), s(*at));
    }
    kept
}

fn counts(kept: &Kept) -> KeptCounts {
    kept.verdict(PATIENCE).0
}

#[test]
fn what_came_on_any_connection_is_delivered() {
    let mut kept = promised(&[1, 2, 3]);
    kept.come(letter(0), s(4));
    kept.end(1, s(5));
    kept.open(1, s(500));
    // The first one came, but the node did not hear of it.
    for number in 0..3 {
        kept.come(letter(number), s(501));
    }
    let expected = KeptCounts {
        kept: 3,
        delivered: 3,
        ..KeptCounts::default()
    };
    assert_eq!(kept.verdict(PATIENCE), (expected, Vec::new()));
}

#[test]
fn the_end_of_a_connection_excuses_nothing() {
    let mut kept = promised(&[1, 2]);
    kept.come(letter(1), s(3));
    kept.end(1, s(3));
    kept.open(1, s(4));
    let (counts, offences) = kept.verdict(PATIENCE);
    assert_eq!((counts.delivered, counts.silent, counts.excused), (1, 1, 0));
    assert_eq!(counts.faults(), 1);
    let told = offence(Fault::KeptSilent, letter(0)).sent(s(1));
    assert_eq!(offences, [told]);
}

#[test]
fn what_no_node_has_answered_for_may_come_or_not() {
    let mut kept = promised(&[]);
    kept.push(letter(0), s(1));
    kept.push(letter(1), s(2));
    kept.come(letter(1), s(3));
    let counts = counts(&kept);
    assert_eq!((counts.kept, counts.unpromised), (0, 2));
    assert_eq!(counts.faults(), 0);
    assert_eq!(kept.undecided(s(3), &TOLERANCE), 0);
}

#[test]
fn redis_with_an_empty_memory_excuses_what_was_pushed_before_it_was_back() {
    let mut kept = promised(&[95, 103, 104]);
    kept.wipe(s(100), s(103));
    let counts = counts(&kept);
    assert_eq!((counts.excused, counts.silent), (2, 1));
}

#[test]
fn redis_with_an_empty_memory_does_not_excuse_what_was_lost_before() {
    for (ended, opened, excused) in [
        (79, 80, 0),
        (79, 81, 1),
        (80, 81, 0),
        (10, 80, 0),
        (10, 81, 1),
    ] {
        let mut kept = promised(&[60]);
        kept.end(1, s(ended));
        kept.open(1, s(opened));
        kept.wipe(s(100), s(103));
        let expected = (excused, 1 - excused);
        let counts = counts(&kept);
        assert_eq!(
            (counts.excused, counts.silent),
            expected,
            "{ended} {opened}"
        );
    }
}

#[test]
fn what_comes_twice_on_one_connection_is_bad() {
    let mut kept = promised(&[1]);
    kept.come(letter(0), s(2));
    kept.come(letter(0), s(3));
    let (counts, offences) = kept.verdict(PATIENCE);
    assert_eq!((counts.delivered, counts.doubled), (1, 1));
    assert_eq!(counts.faults(), 1);
    let told = offence(Fault::KeptDoubled, letter(0));
    assert_eq!(offences, [told.sent(s(1)).received(s(3))]);
}

#[test]
fn order_counts_within_a_connection_and_a_node() {
    let mut kept = promised(&[1, 2]);
    let other = Letter {
        pusher: 9,
        ..letter(0)
    };
    kept.push(other, s(0));
    kept.promise(other, s(0));
    kept.come(letter(1), s(3));
    kept.come(other, s(3));
    kept.end(1, s(4));
    kept.open(1, s(5));
    kept.come(letter(0), s(6));
    assert_eq!(counts(&kept).out_of_order, 0);
    kept.come(letter(1), s(7));
    kept.end(1, s(8));
    kept.open(1, s(9));
    kept.come(letter(1), s(10));
    kept.come(letter(0), s(11));
    let (counts, offences) = kept.verdict(PATIENCE);
    assert_eq!((counts.out_of_order, counts.faults()), (1, 1));
    assert_eq!(offences[0].fault, Fault::KeptOutOfOrder);
}

#[test]
fn what_a_node_was_still_at_work_on_is_outside_of_the_order() {
    let mut kept = promised(&[]);
    kept.push(letter(0), s(1));
    kept.push(letter(1), s(2));
    kept.promise(letter(1), s(2));
    kept.come(letter(1), s(3));
    kept.come(letter(0), s(4));
    assert_eq!(counts(&kept).faults(), 0);
}

#[test]
fn the_order_does_not_hold_across_a_fault_of_the_node_or_an_empty_redis() {
    let swapped = || {
        let mut kept = promised(&[10, 11]);
        kept.come(letter(1), s(12));
        kept.come(letter(0), s(13));
        kept
    };
    let spans = [((1, 7), 1), ((1, 8), 0), ((11, 12), 0), ((12, 13), 1)];
    for ((from, until), expected) in spans {
        let mut kept = swapped();
        kept.interrupt(0, s(from), s(until));
        assert_eq!(counts(&kept).out_of_order, expected, "{from} {until}");
        let mut kept = swapped();
        kept.wipe(s(from), s(until));
        assert_eq!(counts(&kept).out_of_order, expected, "{from} {until}");
    }
    let mut kept = swapped();
    kept.interrupt(9, s(10), s(11));
    assert_eq!(counts(&kept).out_of_order, 1, "it was another node");
}

#[test]
fn what_was_never_pushed_is_bad() {
    let mut kept = promised(&[]);
    kept.come(letter(0), s(3));
    assert_eq!(counts(&kept).unknown, 1);
    assert_eq!(counts(&kept).faults(), 1);
}

#[test]
fn a_letter_is_undecided_until_its_receiver_was_there_for_long_enough() {
    let mut kept = promised(&[1, 30]);
    kept.come(letter(1), s(31));
    assert_eq!(kept.undecided(s(20), &TOLERANCE), 1);
    assert_eq!(kept.undecided(s(21), &TOLERANCE), 0);
    kept.end(1, s(40));
    kept.open(1, s(50));
    assert_eq!(kept.undecided(s(69), &TOLERANCE), 1);
    assert_eq!(kept.undecided(s(70), &TOLERANCE), 0);
    kept.open(1, s(90));
    kept.wipe(s(0), s(2));
    assert_eq!(kept.undecided(s(91), &TOLERANCE), 0, "it is excused");
}

#[test]
fn losses_are_told_first_and_not_all() {
    let mut kept = promised(&[1; 100]);
    kept.come(letter(99), s(2));
    kept.come(letter(99), s(3));
    let (counts, offences) = kept.verdict(PATIENCE);
    assert_eq!((counts.silent, counts.doubled), (99, 1));
    assert_eq!(offences.len(), OFFENCES_MAX);
    assert!(offences.iter().all(|one| one.fault == Fault::KeptSilent));
}
