//! The log: what is appended, and who reads it.

use std::time::Duration;

use tidegate::cluster::streams::{READ_WAIT, Reader as _, Streams as _};
use tokio::time::{self, Instant};

use crate::place::{Place, Rig, entries, entry, has_nothing, member, positions, read, sequences};

pub(crate) async fn every_reader_reads_all_that_was_appended_in_one_order<R: Rig>(place: Place<R>) {
    let (one, other) = (place.streams(), place.streams());
    let mut first = one.open_log(&member("a.1")).await.unwrap();
    let mut second = other.open_log(&member("b.1")).await.unwrap();
    // More than a reader reads at once.
    let mut written = one.append(entries("a.1", 0..300)).await.unwrap();
    written.extend(other.append(entries("b.1", 7..9)).await.unwrap());
    written.extend(one.append(entries("a.1", 300..301)).await.unwrap());
    for reader in [&mut first, &mut second] {
        let all = read(reader, 303).await;
        assert_eq!(positions(&all), written);
        let expected: Vec<u64> = (0..300).chain([7, 8, 300]).collect();
        assert_eq!(sequences(&all), expected);
        assert_eq!(all[299].1, entry("a.1", 299));
        assert_eq!(all[301].1, entry("b.1", 8));
    }
    has_nothing(&mut first).await;
}

pub(crate) async fn what_was_appended_before_is_not_read<R: Rig>(place: Place<R>) {
    let streams = place.streams();
    streams.append(entries("a.1", 0..3)).await.unwrap();
    let mut reader = streams.open_log(&member("a.1")).await.unwrap();
    streams.append(entries("a.1", 3..4)).await.unwrap();
    assert_eq!(sequences(&read(&mut reader, 1).await), [3]);
}

pub(crate) async fn a_log_that_is_opened_again_begins_at_its_end<R: Rig>(place: Place<R>) {
    let streams = place.streams();
    let _unread = streams.open_log(&member("a.1")).await.unwrap();
    streams.append(entries("a.1", 0..3)).await.unwrap();
    let mut reader = place.streams().open_log(&member("a.1")).await.unwrap();
    streams.append(entries("a.1", 3..4)).await.unwrap();
    assert_eq!(sequences(&read(&mut reader, 1).await), [3]);
}

pub(crate) async fn repeats_show_in_their_sequence<R: Rig>(place: Place<R>) {
    let streams = place.streams();
    let mut reader = streams.open_log(&member("b.1")).await.unwrap();
    let first = streams.append(entries("a.1", 4..6)).await.unwrap();
    let again = streams.append(entries("a.1", 4..6)).await.unwrap();
    let all = read(&mut reader, 4).await;
    assert_eq!(sequences(&all), [4, 5, 4, 5]);
    assert_eq!(positions(&all), [first, again].concat());
}

pub(crate) async fn a_reader_that_waits_delays_no_command<R: Rig>(place: Place<R>) {
    let streams = place.streams();
    let me = member("a.1");
    let mut log = streams.open_log(&me).await.unwrap();
    let mut inbox = streams.open_inbox(&me).await.unwrap();
    streams.beat(&me, "a".into()).await.unwrap();
    let begin = Instant::now();
    let reading = async {
        let (log, inbox) = tokio::join!(log.next(), inbox.next());
        assert!(log.unwrap().is_empty() && inbox.unwrap().is_empty());
        begin.elapsed()
    };
    let beating = async {
        time::sleep(Duration::from_millis(200)).await;
        let begin = Instant::now();
        streams.beat(&me, "a".into()).await.unwrap();
        begin.elapsed()
    };
    let (waited, beat) = tokio::join!(reading, beating);
    assert!(beat < Duration::from_millis(500), "a beat took {beat:?}");
    let (least, most) = (READ_WAIT / 2, READ_WAIT * 2);
    assert!(least < waited && waited < most, "they waited {waited:?}");

    // What comes while they wait is read without delay.
    let appending = async {
        time::sleep(Duration::from_millis(100)).await;
        streams.append(entries("b.1", 0..1)).await.unwrap();
        Instant::now()
    };
    let reading = async { (log.next().await.unwrap(), Instant::now()) };
    let (appended, (read, at)) = tokio::join!(appending, reading);
    assert_eq!(sequences(&read), [0]);
    let delay = at.saturating_duration_since(appended);
    assert!(
        delay < Duration::from_millis(500),
        "it came {delay:?} later"
    );
}
