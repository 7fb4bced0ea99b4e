//! Dues and occupancy: what members keep of their sessions and rooms; and, in Redis, what is done once.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_util::future::join_all;
use tidegate::{
    cluster::redis::Redis,
    dialect::DialectId,
    dues::{Cursor, Deeds, Done, Dues, DuesError, Page},
    duty::{Deed, Duty, Record},
    id::{Member, SessionId},
    occupancy::Left,
    topic::Topic,
};

use crate::{
    place::{Place, Rig, member},
    redis::Redis as Server,
    rigs::{Alone, Cluster, PASSWORD, redis},
};

/// More than one page of each kind.
const MANY: u64 = 1000;

fn record(of: &Member, number: u64, duties: Vec<Duty>) -> Record {
    Record {
        session: format!("{of}.{number:x}").parse().unwrap(),
        user: Some("zoë".parse().unwrap()),
        dialect: DialectId::Ride,
        remote: "203.0.113.7".parse().unwrap(),
        since_ms: number,
        rooms: rooms(&["{a}", "b"]),
        is_told: true,
        duties,
    }
}

fn rooms(names: &[&str]) -> Vec<Topic> {
    names
        .iter()
        .map(|name| Topic::room(name).unwrap())
        .collect()
}

fn srem(id: &str, key: &str, member: &str) -> Duty {
    let deed = Deed::RedisSrem {
        key: key.into(),
        member: member.into(),
    };
    Duty {
        id: id.into(),
        deed,
    }
}

fn del(id: &str, key: &str) -> Duty {
    Duty {
        id: id.into(),
        deed: Deed::RedisDel { key: key.into() },
    }
}

/// Everything of a member.
async fn all(dues: &dyn Dues, of: &Member) -> Page {
    let mut all = Page::default();
    let mut from = Some(Cursor::default());
    while let Some(cursor) = from {
        let page = dues.read(of, cursor).await.unwrap();
        all.records.extend(page.records);
        all.rooms.extend(page.rooms);
        from = page.next;
    }
    all.records.sort_by_key(|record| record.since_ms);
    all.records.dedup();
    all
}

pub(crate) async fn records_are_there_until_they_are_removed<R: Rig>(place: Place<R>) {
    let (dues, _) = place.dues();
    let (other, _) = place.dues();
    let (me, you) = (member("a.1"), member("b.1"));
    let one = record(&me, 1, vec![srem("s", "k", "\u{1}")]);
    assert_eq!(dues.write(vec![one.clone()]).await, Err(DuesError::Lost));
    assert_eq!(other.is_open(&me).await, Ok(false));
    for who in [&me, &you, &me] {
        dues.open(who).await.unwrap();
    }
    dues.write(vec![one.clone(), record(&me, 2, vec![])])
        .await
        .unwrap();
    dues.write(vec![]).await.unwrap();
    other.write(vec![record(&you, 1, vec![])]).await.unwrap();
    // Instead of what stood there.
    let two = record(&me, 2, vec![del("d", "k")]);
    dues.write(vec![two.clone()]).await.unwrap();
    assert_eq!(all(&*other, &me).await.records, [one.clone(), two.clone()]);
    assert_eq!(other.close(&me).await, Ok(false));
    assert_eq!(other.is_open(&me).await, Ok(true));
    dues.remove(vec![one.clone()]).await.unwrap();
    assert_eq!(other.close(&me).await, Ok(false));
    dues.remove(vec![one.clone(), two]).await.unwrap();
    dues.remove(vec![]).await.unwrap();
    assert_eq!(all(&*other, &me).await, Page::default());
    for _ in 0..2 {
        assert_eq!(other.close(&me).await, Ok(true));
        assert_eq!(dues.is_open(&me).await, Ok(false));
    }
    // Nothing comes behind whoever has settled it.
    assert_eq!(dues.write(vec![one]).await, Err(DuesError::Lost));
    assert_eq!(all(&*other, &you).await.records.len(), 1);
}

pub(crate) async fn many_records_are_read_page_by_page<R: Rig>(place: Place<R>) {
    let (dues, _) = place.dues();
    let me = member("a.1");
    dues.open(&me).await.unwrap();
    let records: Vec<_> = (1..=MANY)
        .map(|number| record(&me, number, vec![]))
        .collect();
    for chunk in records.chunks(100) {
        dues.write(chunk.to_vec()).await.unwrap();
    }
    let first = dues.read(&me, Cursor::default()).await.unwrap();
    assert!(first.records.len() < MANY as usize && first.next.is_some());
    assert_eq!(all(&*dues, &me).await.records, records);
}

pub(crate) async fn a_room_is_occupied_by_one_and_vacated_by_one<R: Rig>(place: Place<R>) {
    let nodes = ["a.1", "b.1", "c.1"].map(|name| (member(name), place.dues()));
    let names = ["x", "{y}", "}z{"];
    for (me, (dues, _)) in &nodes {
        dues.open(me).await.unwrap();
    }
    let mut before = [0; 3];
    for _ in 0..10 {
        let entering = nodes.iter().map(|(me, (_, occupancy))| {
            let entering = occupancy.enter(me, rooms(&names), false);
            async { entering.await.unwrap() }
        });
        let entered = join_all(entering).await;
        // Again, as if the answer had been lost.
        let (me, (_, occupancy)) = &nodes[0];
        let again = occupancy.enter(me, rooms(&names), false).await.unwrap();
        assert_eq!(again, entered[0]);
        for (me, (_, occupancy)) in &nodes {
            occupancy.told(me, rooms(&names)).await.unwrap();
        }
        let leaving = nodes.iter().map(|(me, (_, occupancy))| {
            let leaving = occupancy.leave(me, rooms(&names));
            async { leaving.await.unwrap() }
        });
        let left = join_all(leaving).await;
        assert_eq!(occupancy.leave(me, rooms(&names)).await.unwrap(), left[0]);
        for (me, (_, occupancy)) in &nodes {
            occupancy.told(me, rooms(&names)).await.unwrap();
        }
        for (room, before) in before.iter_mut().enumerate() {
            let occupied: Vec<_> = entered.iter().filter_map(|numbers| numbers[room]).collect();
            let vacated: Vec<_> = left
                .iter()
                .filter_map(|lefts| lefts[room].vacated)
                .collect();
            assert!(left.iter().all(|lefts| lefts[room].occupied.is_none()));
            let ([occupied], [vacated]) = (&occupied[..], &vacated[..]) else {
                panic!("{occupied:?} {vacated:?}");
            };
            assert!(*before < *occupied && occupied < vacated, "numbers grow");
            *before = *vacated;
        }
    }
    for (me, (dues, _)) in &nodes {
        assert_eq!(dues.close(me).await, Ok(true));
    }
}

pub(crate) async fn who_dies_in_a_room_is_told_of_by_who_settles_it<R: Rig>(place: Place<R>) {
    let (dues, occupancy) = place.dues();
    let (dead, heir) = (member("a.1"), member("b.1"));
    let entering = occupancy.enter(&dead, rooms(&["x"]), false).await;
    assert_eq!(entering, Err(DuesError::Lost));
    for who in [&dead, &heir] {
        dues.open(who).await.unwrap();
    }
    let entered = occupancy
        .enter(&dead, rooms(&["x", "y"]), false)
        .await
        .unwrap();
    occupancy.told(&dead, rooms(&["y"])).await.unwrap();
    let also = occupancy.enter(&heir, rooms(&["y"]), false).await.unwrap();
    assert_eq!(also, [None]);
    assert_eq!(dues.close(&dead).await, Ok(false));
    let mut left = all(&*dues, &dead).await.rooms;
    left.sort();
    assert_eq!(left, rooms(&["x", "y"]));
    let lefts = occupancy.leave(&dead, left.clone()).await.unwrap();
    assert_eq!((lefts[0].occupied, lefts[1]), (entered[0], Left::default()));
    assert!(lefts[0].occupied < lefts[0].vacated);
    occupancy.told(&dead, left).await.unwrap();
    assert_eq!(dues.close(&dead).await, Ok(true));
    let lefts = occupancy.leave(&heir, rooms(&["y"])).await.unwrap();
    assert!(lefts[0].vacated.is_some());
}

pub(crate) async fn what_was_told_before_is_entered_quietly<R: Rig>(place: Place<R>) {
    let (dues, occupancy) = place.dues();
    let (me, you) = (member("a.1"), member("b.1"));
    for who in [&me, &you] {
        dues.open(who).await.unwrap();
    }
    let entered = occupancy.enter(&me, rooms(&["x"]), true).await.unwrap();
    assert_eq!(entered, [None]);
    let entered = occupancy.enter(&you, rooms(&["x"]), false).await.unwrap();
    assert_eq!(entered, [None]);
    for (who, is_last) in [(&me, false), (&you, true)] {
        let lefts = occupancy.leave(who, rooms(&["x"])).await.unwrap();
        assert_eq!(lefts[0].vacated.is_some(), is_last);
    }
}

/// Far enough, by the clock of the same machine.
fn later() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    (now + Duration::from_secs(60)).as_millis() as u64
}

async fn do_it(deeds: &dyn Deeds, session: &SessionId, duty: &Duty) -> Done {
    deeds.carry_out(session, duty, later()).await.unwrap()
}

/// What is done by several at the same time, and again, is done once.
async fn a_deed_is_done_once(nodes: [Redis; 2], server: impl Fn(&[&str]) -> String) {
    let nodes = nodes.map(|node| node.dues());
    let (me, session) = (member("a.1"), "a.1.7".parse().unwrap());
    assert_eq!(nodes[0].time(&me).await, Ok(None));
    nodes[0].open(&me).await.unwrap();
    let time = nodes[1].time(&me).await.unwrap().unwrap();
    assert!(later().abs_diff(time) < 70_000);
    for (number, duty) in [
        srem("1", "seats:{7}", "a"),
        del("2", "list"),
        srem("3", "plain", "é\" x"),
    ]
    .iter()
    .enumerate()
    {
        let (key, name) = match &duty.deed {
            Deed::RedisSrem { key, member } => (&**key, &**member),
            Deed::RedisDel { key } => (&**key, "y"),
            _ => unreachable!("there is none"),
        };
        assert_eq!(nodes[0].check(&duty.deed).await, Ok(Ok(())));
        server(&["SADD", key, name, "other"]);
        let many = (0..20).map(|turn| do_it(&nodes[turn % 2], &session, duty));
        let done = join_all(many).await;
        let now = done.iter().filter(|done| **done == Done::Now).count();
        assert_eq!(now, 1, "{number}: {done:?}");
        assert!(
            done.iter()
                .all(|done| matches!(done, Done::Now | Done::Before))
        );
        assert_eq!(server(&["SISMEMBER", key, name]), "0");
        // Whoever has filled it again keeps it.
        server(&["SADD", key, name]);
        assert_eq!(do_it(&nodes[1], &session, duty).await, Done::Before);
        let settled = Record {
            duties: vec![duty.clone()],
            ..record(&me, 7, vec![])
        };
        nodes[0].write(vec![settled.clone()]).await.unwrap();
        nodes[0].remove(vec![settled]).await.unwrap();
        assert_eq!(do_it(&nodes[1], &session, duty).await, Done::Before);
        assert_eq!(server(&["SISMEMBER", key, name]), "1");
        // That of another session is another one.
        let other = format!("a.1.{}8", number + 1).parse().unwrap();
        assert_eq!(nodes[1].carry_out(&other, duty, 1).await, Ok(Done::Late));
        assert_eq!(server(&["SISMEMBER", key, name]), "1");
        assert_eq!(do_it(&nodes[1], &other, duty).await, Done::Now);
        assert_eq!(server(&["SISMEMBER", key, name]), "0");
    }
    server(&["SET", "text", "1"]);
    let failed = do_it(&nodes[0], &session, &srem("4", "text", "a")).await;
    assert_eq!(failed, Done::Failed("the key is no set".into()));
    for (deed, part) in [
        (srem("", "text", "a").deed, "no set"),
        (del("", "tg:members").deed, "own"),
        (del("", "a}b").deed, "braces"),
        (del("", "a{}").deed, "braces"),
    ] {
        let unfit = nodes[0].check(&deed).await.unwrap().unwrap_err();
        assert!(unfit.to_string().contains(part), "{unfit}");
    }
}

/// The servers as one: each is asked, and one answers.
fn ask<'a>(servers: &'a [Server]) -> impl Fn(&[&str]) -> String + 'a {
    move |command| {
        let answers: BTreeSet<String> = servers.iter().map(|server| server.ask(command)).collect();
        let mut answers = answers
            .into_iter()
            .filter(|answer| !answer.starts_with("MOVED"));
        answers.next().unwrap()
    }
}

#[tokio::test]
async fn a_deed_is_done_once_by_redis_alone() {
    let rig = Alone::start();
    let nodes = [(); 2].map(|()| redis(&rig.url(), "tg:"));
    a_deed_is_done_once(nodes, |command| rig.0.ask(command)).await;
    // What was settled is forgotten within hours, the rest within days.
    for key in rig.0.ask(&["KEYS", "tg:done:*"]).lines() {
        let seconds: u64 = rig.0.ask(&["TTL", key]).parse().unwrap();
        assert!((1..=7 * 24 * 3600).contains(&seconds), "{key} {seconds}");
    }
}

#[tokio::test]
async fn a_deed_is_done_once_by_redis_as_a_cluster() {
    let rig = Cluster::start();
    for node in &rig.0 {
        node.tell(&[
            "ACL", "SETUSER", "tidegate", "~seats:*", "~list", "~plain", "~text",
        ]);
    }
    let nodes = [(); 2].map(|()| rig.streams("tg:"));
    a_deed_is_done_once(nodes, ask(&rig.0)).await;
}

#[tokio::test]
async fn a_key_that_is_not_allowed_is_refused_in_advance() {
    let rig = Alone::start();
    rig.0.allow_documented(PASSWORD, "~shop:*");
    let url = format!("redis://tidegate:{PASSWORD}@{}", rig.0.host());
    let dues = redis(&url, "tg:").dues();
    assert_eq!(dues.check(&srem("", "shop:1", "a").deed).await, Ok(Ok(())));
    assert_eq!(dues.check(&del("", "shop:1").deed).await, Ok(Ok(())));
    for deed in [srem("", "other", "a").deed, del("", "other").deed] {
        let unfit = dues.check(&deed).await.unwrap().unwrap_err();
        assert!(unfit.to_string().contains("may not"), "{unfit}");
    }
    let session = "a.1.7".parse().unwrap();
    let done = do_it(&dues, &session, &del("1", "other")).await;
    assert!(matches!(done, Done::Failed(_)), "{done:?}");
}
