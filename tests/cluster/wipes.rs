//! A server that loses its data.

use std::time::Duration;

use tidegate::cluster::streams::{Sent, Streams, StreamsError};
use tokio::time;

use crate::place::{
    Place, Rig, entries, error_of, has_nothing, member, read, sequences, stored, to,
};

pub(crate) async fn readers_that_come_back_have_lost_everything<R: Rig>(place: Place<R>) {
    let streams = place.streams();
    let me = member("a.1");
    let mut log = streams.open_log(&me).await.unwrap();
    let mut inbox = streams.open_inbox(&me).await.unwrap();
    streams.append(entries("a.1", 0..1)).await.unwrap();
    streams.send(to(&me, "b.1", 0..2)).await.unwrap();
    assert_eq!(sequences(&read(&mut log, 1).await), [0]);
    assert_eq!(sequences(&read(&mut inbox, 2).await), [0, 1]);
    streams.enroll(&me).await.unwrap();
    let before = streams.beat(&me, "a".into()).await.unwrap();

    place.rig.wipe();
    assert_eq!(error_of(&mut log).await, StreamsError::Lost);
    assert_eq!(error_of(&mut inbox).await, StreamsError::Lost);
    let sent = streams.send(to(&me, "b.1", 2..3)).await.unwrap();
    assert_eq!(sent, [Sent::Gone]);
    let after = streams.beat(&me, "a".into()).await.unwrap();
    assert!(before.generation != after.generation);
    assert!(before.lists(&me) && !after.lists(&me));
    assert_eq!(after.inbox_entries, 0);
    // An entry that somebody writes makes a log, and no cursor in it.
    streams.append(entries("b.1", 0..1)).await.unwrap();
    assert_eq!(error_of(&mut log).await, StreamsError::Lost);
    begins_anew(&streams).await;
}

pub(crate) async fn readers_that_wait_have_lost_everything<R: Rig>(place: Place<R>) {
    let streams = place.streams();
    let me = member("a.1");
    let mut log = streams.open_log(&me).await.unwrap();
    let mut inbox = streams.open_inbox(&me).await.unwrap();
    let wiping = async {
        time::sleep(Duration::from_millis(300)).await;
        place.rig.wipe();
    };
    let (log, inbox, ()) = tokio::join!(error_of(&mut log), error_of(&mut inbox), wiping);
    assert_eq!((log, inbox), (StreamsError::Lost, StreamsError::Lost));
    begins_anew(&streams).await;
}

async fn begins_anew(streams: &impl Streams) {
    let me = member("a.1");
    let mut log = streams.open_log(&me).await.unwrap();
    let mut inbox = streams.open_inbox(&me).await.unwrap();
    streams.append(entries("b.1", 9..10)).await.unwrap();
    let sent = streams.send(to(&me, "b.1", 9..10)).await.unwrap();
    assert_eq!(sent, [stored(1)]);
    assert_eq!(sequences(&read(&mut log, 1).await), [9]);
    assert_eq!(sequences(&read(&mut inbox, 1).await), [9]);
    has_nothing(&mut log).await;
}
