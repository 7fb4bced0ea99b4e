use super::*;

/// Milliseconds since the start.
fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// A ledger in which client 1 has sent to client 2 at these times.
fn sent(times: &[u64]) -> Ledger {
    let mut ledger = Ledger::new(Tolerance {
        before: ms(100),
        deadline: ms(10_000),
        after: ms(500),
        announced: ms(2_000),
        overdue: ms(5_000),
    });
    for at in times {
        ledger.note(Event::Sent {
            sender: 1,
            receiver: 2,
            at: ms(*at),
        });
    }
    ledger
}

fn received(ledger: &mut Ledger, number: usize, at: u64) {
    ledger.note(Event::Received {
        sender: 1,
        receiver: 2,
        number,
        at: ms(at),
    });
}

fn ended(ledger: &mut Ledger, client: Client, at: u64) {
    ledger.note(Event::Ended { client, at: ms(at) });
}

fn announced(ledger: &mut Ledger, count: u64, at: u64) {
    ledger.note(Event::Announced { count, at: ms(at) });
}

/// Sent, delivered, excused, announced, silent.
fn counts(ledger: &Ledger) -> [u64; 5] {
    let counts = ledger.verdict().counts;
    [
        counts.sent,
        counts.delivered,
        counts.excused,
        counts.announced,
        counts.silent,
    ]
}

#[test]
fn once_and_in_order_is_good() {
    let mut ledger = sent(&[0, 10, 20]);
    for number in 0..3 {
        received(&mut ledger, number, 30);
    }
    assert_eq!(counts(&ledger), [3, 3, 0, 0, 0]);
    assert!(ledger.verdict().is_good());
    assert_eq!(ledger.next_number(1, 2), 3);
    assert_eq!(ledger.next_number(2, 1), 0);
}

#[test]
fn what_nobody_explains_is_lost_in_silence() {
    let mut ledger = sent(&[0, 10, 20]);
    received(&mut ledger, 0, 5);
    received(&mut ledger, 2, 25);
    assert_eq!(counts(&ledger), [3, 2, 0, 0, 1]);
    let verdict = ledger.verdict();
    assert!(!verdict.is_good());
    let offence = &verdict.offences[0];
    assert_eq!((offence.fault, offence.number), (Fault::Silent, 1));
    assert_eq!((offence.sender, offence.receiver), (1, 2));
    assert_eq!((offence.sent, offence.until), (Some(0.010), Some(0.025)));
}

#[test]
fn the_end_of_either_connection_excuses() {
    for client in [1, 2] {
        let mut ledger = sent(&[1_000]);
        ended(&mut ledger, client, 2_000);
        assert_eq!(counts(&ledger), [1, 0, 1, 0, 0]);
        assert!(ledger.verdict().is_good());
    }
    let mut ledger = sent(&[1_000]);
    ended(&mut ledger, 3, 2_000);
    assert_eq!(counts(&ledger), [1, 0, 0, 0, 1]);
}

#[test]
fn an_end_excuses_within_its_time_only() {
    for (end, excused) in [(899, false), (900, true), (11_500, true), (11_501, false)] {
        let mut ledger = sent(&[1_000]);
        ended(&mut ledger, 2, 10);
        ended(&mut ledger, 2, end);
        assert_eq!(counts(&ledger)[2], u64::from(excused), "end at {end}");
    }
}

#[test]
fn an_end_after_a_later_message_has_come_does_not_excuse() {
    let mut ledger = sent(&[0, 10, 20]);
    received(&mut ledger, 2, 1_000);
    ended(&mut ledger, 2, 1_600);
    assert_eq!(counts(&ledger), [3, 1, 0, 0, 2]);
    let mut ledger = sent(&[0, 10, 20]);
    received(&mut ledger, 2, 1_000);
    ended(&mut ledger, 2, 1_400);
    assert_eq!(counts(&ledger), [3, 1, 2, 0, 0]);
}

#[test]
fn announcements_account_for_as_many_as_they_count() {
    let mut ledger = sent(&[0, 10, 20]);
    announced(&mut ledger, 2, 3_000);
    assert_eq!(counts(&ledger), [3, 0, 0, 2, 1]);
    announced(&mut ledger, 5, 4_000);
    assert_eq!(counts(&ledger), [3, 0, 0, 3, 0]);
    assert_eq!(ledger.verdict().counts.announced_by_nodes, 7);
    assert!(ledger.verdict().is_good());
}

#[test]
fn an_announcement_is_about_what_was_sent_before() {
    let mut ledger = sent(&[1_000, 2_000, 3_000]);
    announced(&mut ledger, 9, 999);
    announced(&mut ledger, 1, 2_500);
    assert_eq!(counts(&ledger), [3, 0, 0, 1, 2]);
    let offences = ledger.verdict().offences;
    let numbers: Vec<_> = offences.iter().map(|offence| offence.number).collect();
    assert_eq!(numbers, [1, 2]);
}

#[test]
fn an_announcement_is_not_about_what_is_long_gone() {
    for (at, accounted) in [(2_030, 1), (2_031, 0)] {
        let mut ledger = sent(&[10, 20]);
        received(&mut ledger, 1, 30);
        announced(&mut ledger, 9, at);
        assert_eq!(counts(&ledger), [2, 1, 0, accounted, 1 - accounted]);
    }
}

#[test]
fn an_announcement_is_given_to_the_message_that_cannot_wait() {
    // The second one is gone for certain as soon as the third has come, the fourth only at its deadline.
    let mut ledger = sent(&[0, 10, 20, 25]);
    received(&mut ledger, 0, 30);
    received(&mut ledger, 2, 30);
    announced(&mut ledger, 1, 1_000);
    announced(&mut ledger, 1, 9_000);
    assert_eq!(counts(&ledger), [4, 2, 0, 2, 0]);
    announced(&mut ledger, 1, 8_000);
    assert_eq!(counts(&ledger), [4, 2, 0, 2, 0]);
}

#[test]
fn what_comes_twice_is_bad_even_if_excused() {
    let mut ledger = sent(&[0]);
    received(&mut ledger, 0, 5);
    ended(&mut ledger, 1, 6);
    received(&mut ledger, 0, 7);
    let verdict = ledger.verdict();
    assert_eq!((verdict.counts.doubled, verdict.counts.delivered), (1, 0));
    assert!(!verdict.is_good());
    assert_eq!(verdict.offences[0].fault, Fault::Doubled);
    assert_eq!(verdict.offences[0].received, Some(0.007));
}

#[test]
fn order_counts_within_a_pair() {
    let mut ledger = sent(&[0, 10]);
    ledger.note(Event::Sent {
        sender: 3,
        receiver: 2,
        at: ms(0),
    });
    received(&mut ledger, 1, 15);
    ledger.note(Event::Received {
        sender: 3,
        receiver: 2,
        number: 0,
        at: ms(16),
    });
    assert_eq!(ledger.verdict().counts.out_of_order, 0);
    received(&mut ledger, 0, 17);
    let verdict = ledger.verdict();
    assert_eq!(
        (verdict.counts.out_of_order, verdict.counts.delivered),
        (1, 3)
    );
    assert_eq!(verdict.offences[0].fault, Fault::OutOfOrder);
    assert!(!verdict.is_good());
}

#[test]
fn what_was_never_sent_is_bad() {
    let mut ledger = sent(&[0]);
    received(&mut ledger, 0, 5);
    received(&mut ledger, 1, 6);
    assert_eq!(ledger.verdict().counts.unknown, 1);
    assert!(!ledger.verdict().is_good());
}

#[test]
fn late_is_delivered() {
    let mut ledger = sent(&[0]);
    received(&mut ledger, 0, 10_001);
    let counts = ledger.verdict().counts;
    assert_eq!((counts.delivered, counts.late, counts.silent), (1, 1, 0));
}

#[test]
fn a_message_is_undecided_until_its_deadline_or_a_later_one() {
    let mut ledger = sent(&[0, 100]);
    assert_eq!(ledger.undecided(ms(9_999)), 2);
    assert_eq!(ledger.undecided(ms(10_050)), 1);
    assert_eq!(ledger.undecided(ms(10_100)), 0);
    received(&mut ledger, 1, 110);
    assert_eq!(ledger.undecided(ms(120)), 0);
    let mut ledger = sent(&[0]);
    ended(&mut ledger, 1, 50);
    assert_eq!(ledger.undecided(ms(60)), 0);
}

#[test]
fn not_all_offences_are_told() {
    let mut ledger = sent(&[0; 100]);
    assert_eq!(ledger.verdict().counts.silent, 100);
    assert_eq!(ledger.verdict().offences.len(), OFFENCES_MAX);
    received(&mut ledger, 99, 1);
    assert_eq!(ledger.verdict().counts.silent, 99);
}
